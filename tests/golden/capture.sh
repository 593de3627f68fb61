#!/usr/bin/env bash
# Captures the golden streams from a temporary PostgreSQL server: cases/*.sql -> pg<major>/*.stream
#
#   capture.sh [BINDIR [CASE...]]
#
# BINDIR is the folder of initdb and postgres (default: pg_config --bindir), CASE a name such as `changes` (default:
# all that the version has options for). psql is the one beside them, or that of PATH.
#
# The server lives in a temporary directory, on a Unix socket there; when we are root it runs as `postgres` or `nobody`.
# README.md beside this file describes the two formats and how to renew the *.expected files.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$(cd "${1:-$(pg_config --bindir)}" && pwd)
shift $(($# > 0 ? 1 : 0))
major=$("$bin/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
out=$here/pg$major
mkdir -p "$out"

work=$(mktemp -d)
as_server=()
if [ "$(id -u)" = 0 ]; then
    user=$(id -un postgres 2>/dev/null || id -un nobody)
    chown "$user" "$work"
    as_server=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups env HOME="$work")
fi
run() { (cd "$work" && "${as_server[@]}" "$@"); }
stop_server() {
    run "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap stop_server EXIT

run "$bin/initdb" -D "$work/data" -U postgres --encoding=UTF8 --locale=C --auth=trust --no-sync >/dev/null
settings=(listen_addresses= fsync=off autovacuum=off wal_level=logical max_prepared_transactions=2)
[ "$major" -lt 13 ] || settings+=(logical_decoding_work_mem=64kB)
run "$bin/pg_ctl" -D "$work/data" -w -l "$work/log" -o "-k $work ${settings[*]/#/-c }" start >/dev/null
psql=$bin/psql
[ -x "$psql" ] || psql=$(command -v psql)
psql() { run "$psql" -X -q -v ON_ERROR_STOP=1 -h "$work" -U postgres "$@"; }

capture() {
    local name=$1 sql=$here/cases/$1.sql options from
    from=$(sed -n 's/^-- from: //p' "$sql")
    [ "$major" -ge "${from:-0}" ] || return 0
    options=$(sed -n 's/^-- options: //p' "$sql")
    [ "$major" -ge 14 ] || options=${options/, \'messages\', \'true\'/}
    psql -d postgres -c "CREATE DATABASE \"$name\""
    sed '/^-- changes$/,$d' "$sql" | psql -d "$name" -f - >/dev/null
    psql -d "$name" -c "SELECT pg_create_logical_replication_slot('$name', 'pgoutput')" >/dev/null
    sed '1,/^-- changes$/d' "$sql" | psql -d "$name" -f - >/dev/null
    {
        printf '# PostgreSQL %s, options %s\n' "$(psql -d "$name" -Atc 'SHOW server_version')" "$options"
        sed 's/^/# | /; s/ *$//' "$sql"
        psql -d "$name" -At -F ' ' -c "SELECT lsn, xid, encode(data, 'hex')
            FROM pg_logical_slot_peek_binary_changes('$name', NULL, NULL, $options, 'publication_names', 'golden')"
    } >"$out/$name.stream"
    psql -d "$name" -c "SELECT pg_drop_replication_slot('$name')" >/dev/null
    printf '%s: %s messages\n' "$name" "$(grep -vc '^#' "$out/$name.stream")"
}

if [ $# = 0 ]; then
    set -- "$here"/cases/*.sql
fi
for name in "$@"; do
    capture "$(basename "$name" .sql)"
done
