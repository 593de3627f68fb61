#!/usr/bin/env bash
# The whole test run: installs what is missing, builds the dev preset, runs every test.
#
#   bash tests/run.sh [arguments for ctest]      e.g.  bash tests/run.sh -L unit      bash tests/run.sh -R Spool
#   bash tests/run.sh -L matrix                  every pair of PostgreSQL versions, and not two of them only
#
# From any directory, with or without a terminal. Exit status: 0 only if everything was built and every test passed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
preset=dev
build="build/$preset"
started=$SECONDS

fail() {
    echo
    echo "tests/run.sh: FAILED: $1 (after $((SECONDS - started)) s)"
    exit 1
}

if [ -z "${HOME:-}" ] || [ ! -w "$HOME" ]; then
    export CCACHE_DIR="${CCACHE_DIR:-$PWD/build/ccache}"
fi
# What a developer has set must change neither what the tests do nor what ccache finds.
export LC_ALL=C.UTF-8
for name in $(compgen -e PG); do unset "$name"; done
jobs=$(nproc)
tests=$preset
versions=(12 14 16 18) # what the short form of tests/matrix needs
case " $* " in *" -L matrix "*) tests=matrix versions=() ;; esac

bash cmake/install-packages.sh || fail "packages are missing"
bash tests/matrix/fetch-servers.sh "${versions[@]}" || echo "Tests that need that server will be skipped."
cmake --preset "$preset" || fail "cmake could not configure"
# The headers compiled alone are a test, and quicker here than in it.
cmake --build --preset "$preset" --parallel "$jobs" --target all all_verify_interface_header_sets || fail "the build"
built=$SECONDS

log="$build/tests.log"
ctest --preset "$tests" --parallel "$jobs" "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

echo
echo "=== summary: set-up and build $((built - started)) s, tests $((SECONDS - built)) s, log in $log"
grep -E '^[0-9]+% tests passed|^No tests were found|^Total Test time' "$log"
[ "$status" -eq 0 ] || fail "ctest ended with $status; the failed tests are listed above"
echo "tests/run.sh: PASSED"
