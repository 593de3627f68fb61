#!/usr/bin/env bash
# Measures ts-live with a hypertable of many chunks: the base copy, chunk by chunk, and the replay of updates and deletes that are
# scattered over all of them. docs/benchmarks.md explains.
#
#   bash benchmarks/e2e/chunks.sh [--chunks 1000] [--rows 50] [--updates 50000] [--jobs 2] [--bin DIR]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
chunks=1000 rows=50 updates=50000 jobs=2 bin=''
usage() { sed -n '2,5s/^# \?//p' "${BASH_SOURCE[0]}"; exit "$1"; }
while [ $# -gt 0 ]; do
    case $1 in
        --chunks) chunks=$2 ;; --rows) rows=$2 ;; --updates) updates=$2 ;; --jobs) jobs=$2 ;; --bin) bin=$2 ;;
        --help) usage 0 ;;
        *) usage 2 >&2 ;;
    esac
    shift 2 || usage 2 >&2
done
# shellcheck source-path=SCRIPTDIR source=../../apps/demo/servers.sh
. "$root/apps/demo/servers.sh"

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() { echo "benchmark: $*" >&2; exit 1; }
now_ms() { date +%s%3N; }

work='' client='' keeper=''
clean_up() {
    local code=$?
    trap - EXIT INT TERM
    for pid in $client $keeper; do kill -KILL "$pid" 2> /dev/null || true; done
    if [ -n "$work" ]; then
        if [ "$code" -ne 0 ] && [ "$code" -lt 128 ]; then tail -n 15 "$work"/*.log 2> /dev/null || true; fi
        servers_end
    fi
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -z "$bin" ]; then
    say "Build"
    (cd "$root" && cmake --preset release -B "$root/build/benchmark" -DTSLIVE_BUILD_TESTS=OFF -DTSLIVE_BUILD_BENCHMARKS=OFF -DTSLIVE_BUILD_FUZZERS=OFF > /dev/null)
    cmake --build "$root/build/benchmark" --target live-migration
    bin=$root/build/benchmark/bin
fi
in_db() { psql -qXAt -v ON_ERROR_STOP=1 -d "$(server_uri "$1" chunks)" "${@:2}"; }
# wait_for <seconds> <file> <text>: until it is said
wait_for() {
    local deadline=$((SECONDS + $1))
    until grep -qF "$3" "$2"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "'$3' is not said in $2"
        sleep 0.02
    done
}

servers_begin
settings=(fsync=off shared_buffers=256MB max_wal_size=8GB jit=off autovacuum=off max_worker_processes=24 max_locks_per_transaction=1024
    "shared_preload_libraries='timescaledb'" timescaledb.telemetry_level=off)
server_start source wal_level=logical "${settings[@]}"
server_start target "${settings[@]}"
[ -n "$(psql -AtX -d "$(server_uri source postgres)" -c "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'")" ] ||
    fail "the PostgreSQL in $pg_bin has no TimescaleDB (pg_available_extensions)"
for name in source target; do psql -qX -d "$(server_uri "$name" postgres)" -c 'CREATE DATABASE chunks'; done
PGCOPYDB_SOURCE_PGURI=$(server_uri source chunks)
PGCOPYDB_TARGET_PGURI=$(server_uri target chunks)
export PGCOPYDB_SOURCE_PGURI PGCOPYDB_TARGET_PGURI

say "$chunks chunks of $rows rows"
in_db source -c "CREATE EXTENSION timescaledb" -c "CREATE TABLE readings (at timestamptz, sensor int, value float8, note text, PRIMARY KEY (at, sensor))" \
    -c "SELECT create_hypertable('readings', 'at', chunk_time_interval => interval '1 hour')" > /dev/null
in_db source -c "INSERT INTO readings SELECT '2026-01-01'::timestamptz + c * interval '1 hour', r, r, 'note ' || c FROM generate_series(0, $chunks - 1) c, generate_series(1, $rows) r" \
    -c "CREATE TABLE marker (n int PRIMARY KEY)"

begin=$(now_ms)
"$bin/live-migration" snapshot --yes --dir "$work/state" > "$work/snapshot.log" 2>&1 &
keeper=$!
wait_for 120 "$work/snapshot.log" 'Snapshot ID created successfully.'
"$bin/live-migration" migrate --yes --dir "$work/state" --table-jobs "$jobs" --index-jobs "$jobs" > "$work/migrate.log" 2>&1 &
client=$!
wait_for 600 "$work/migrate.log" 'The base copy is complete'
printf 'snapshot and base copy of %s chunks: %s ms\n' "$chunks" $(($(now_ms) - begin))
wait_for 120 "$work/migrate.log" 'Target has caught up with source'
kill -TERM "$client"; wait "$client" || true

measure() {  # measure <what> <rows> <SQL>
    local began
    in_db source -c "$3" -c "INSERT INTO marker SELECT count(*) FROM marker" > /dev/null
    began=$(now_ms)
    "$bin/live-migration" migrate --yes --resume --dir "$work/state" >> "$work/migrate.log" 2>&1 &
    client=$!
    until [ "$(in_db target -c 'SELECT count(*) FROM marker')" = "$(in_db source -c 'SELECT count(*) FROM marker')" ]; do
        kill -0 "$client" 2> /dev/null || fail "migrate ended"
        sleep 0.05
    done
    local took=$(($(now_ms) - began))
    printf '%-50s %8s rows %8s ms %8s rows/s\n' "$1" "$2" "$took" $(($2 * 1000 / took))
    kill -TERM "$client"; wait "$client" || true
}
say "Replay, from the start of migrate --resume to the last row"
scattered="DO \$\$ BEGIN FOR i IN 1..$((updates / 100)) LOOP %s; COMMIT; END LOOP; END \$\$"
# shellcheck disable=SC2059
measure "updates by key, 100 a transaction, in random chunks" "$updates" "$(printf "$scattered" "UPDATE readings r SET value = -i FROM (SELECT DISTINCT '2026-01-01'::timestamptz + (random() * ($chunks - 1))::int * interval '1 hour' AS at, 1 + n % $rows AS sensor FROM generate_series(1, 100) n) k WHERE r.at = k.at AND r.sensor = k.sensor")"
measure "one update of all rows" $((chunks * rows)) "UPDATE readings SET value = value + 1"
measure "inserts into all chunks" $((chunks * 10)) "INSERT INTO readings SELECT '2026-01-01'::timestamptz + c * interval '1 hour', 1000 + r, r FROM generate_series(0, $chunks - 1) c, generate_series(1, 10) r"
measure "deletes from all chunks" $((chunks * 10)) "DELETE FROM readings WHERE sensor > 1000"
sums="SELECT count(*), sum(hashtextextended(r::text, 1)::numeric) FROM readings r"
[ "$(in_db source -c "$sums")" = "$(in_db target -c "$sums")" ] || fail "the databases are NOT equal"
echo "The databases are equal."
