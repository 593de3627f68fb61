#!/usr/bin/env bash
# Installs the packages of packages.txt that are missing. Quick, and without a change, when none is.
# Exit status: 0 all there, 1 something is missing and could not be installed (it says what).
set -u
list="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/packages.txt"
mapfile -t wanted < <(sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$list")

if ! command -v dpkg-query > /dev/null; then
    echo "Not a Debian system, so nothing was installed. The build needs what these packages hold: ${wanted[*]}" >&2
    exit 0
fi

find_missing() {
    local installed
    installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${wanted[@]}" 2> /dev/null)
    missing=()
    for package in "${wanted[@]}"; do
        grep -qx "$package installed" <<< "$installed" || missing+=("$package")
    done
}
give_up() {
    echo "Missing packages: ${missing[*]}" >&2
    echo "$1 Install them by hand: apt-get install ${missing[*]}" >&2
    exit 1
}

find_missing
[ ${#missing[@]} -gt 0 ] || exit 0
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || give_up "Installing needs root, and there is no sudo."
    as_root=(sudo -n)
fi
echo "Installing: ${missing[*]}"

# Debian's postgresql package makes a cluster and starts it; the tests make their own. Only while we install.
dropin=/etc/postgresql-common/createcluster.d/ts-live-no-cluster.conf
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    "${as_root[@]}" mkdir -p "$(dirname "$dropin")" &&
        echo "create_main_cluster = false" | "${as_root[@]}" tee "$dropin" > /dev/null
    trap '"${as_root[@]}" rm -f "$dropin"' EXIT
fi

apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
"${apt[@]}" update || echo "apt-get update failed; trying with the lists that are there" >&2
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}" < /dev/null || { find_missing; give_up "apt-get could not install them."; }
find_missing
[ ${#missing[@]} -eq 0 ] || give_up "apt-get did not install them."
