#!/usr/bin/env bash
# Moves a live database from one throwaway PostgreSQL server to another while programs keep writing to it, and shows that nothing
# was lost. Installs what is missing (Debian), builds, and leaves nothing behind but build/demo.
#
#   bash apps/demo/run.sh
#   bash apps/demo/run.sh --timescaledb   the same with a hypertable, compression, a continuous aggregate and policies at work all the
#                                         while; needs TimescaleDB in the PostgreSQL that is used
#
# TSLIVE_DEMO_SCALE=1   size of the data, 1 is about 250 MB
# TSLIVE_DEMO_RATE=150  transactions per second of the writers
# TSLIVE_DEMO_FOLLOW=10 seconds of replay before the switch-over
# TSLIVE_DEMO_LARGE=0   millions of rows in one transaction, and as many times 50 MB of rows in another, while it follows: 20 takes
#                       some minutes and 15 GB of disk
# TSLIVE_BIN_DIR=…      take live-migration from there instead of building it
# TSLIVE_PG_BIN=…       the PostgreSQL to use; else the newest that is installed
set -euo pipefail
timescaledb=
case ${1:-} in
    '') ;;
    --timescaledb) timescaledb=yes ;;
    *) echo "usage: run.sh [--timescaledb]" >&2; exit 2 ;;
esac
demo=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$demo/../.." && pwd)
scale=${TSLIVE_DEMO_SCALE:-1}
rate=${TSLIVE_DEMO_RATE:-150}
large=${TSLIVE_DEMO_LARGE:-0}
# shellcheck source-path=SCRIPTDIR source=servers.sh
. "$demo/servers.sh"

now_ms() { date +%s%3N; }
seconds() { awk -v ms="$1" 'BEGIN { printf "%.1f s", ms / 1000 }'; }
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() { echo "demo: $*" >&2; exit 1; }

phases=()
phase() {  # phase <name> <command>…: runs it and notes how long it took
    local begin title=$1
    say "$title"
    begin=$(now_ms)
    "${@:2}"
    phases+=("$title|$(($(now_ms) - begin))")
}

writer_pid='' snapshot_pid='' migrate_pid='' work=''
clean_up() {
    local code=$? pid name
    trap - EXIT INT TERM
    for pid in $writer_pid $migrate_pid $snapshot_pid; do kill -KILL "$pid" 2> /dev/null || true; done
    if [ -n "$work" ]; then
        if [ "$code" -ne 0 ] && [ "$code" -lt 128 ]; then
            for name in source target; do echo "--- the end of the $name server's log:"; server_log_tail "$name"; done >&2
        fi
        servers_end
    fi
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install_packages() { bash "$root/cmake/install-packages.sh"; }

build() {
    if [ -n "${TSLIVE_BIN_DIR:-}" ]; then
        bin=$TSLIVE_BIN_DIR
        echo "taking live-migration from $bin"
        return
    fi
    cd "$root"
    cmake --preset release -B "$root/build/demo" -DTSLIVE_BUILD_TESTS=OFF -DTSLIVE_BUILD_BENCHMARKS=OFF -DTSLIVE_BUILD_FUZZERS=OFF > /dev/null
    cmake --build "$root/build/demo" --target live-migration
    bin=$root/build/demo/bin
}

start_servers() {
    servers_begin
    local name settings=(fsync=off shared_buffers=128MB max_wal_size=2GB jit=off log_checkpoints=off)
    [ -z "$timescaledb" ] || settings+=("shared_preload_libraries='timescaledb'" timescaledb.telemetry_level=off max_worker_processes=24 max_locks_per_transaction=256)
    server_start source wal_level=logical "${settings[@]}"
    server_start target "${settings[@]}"
    [ -z "$timescaledb" ] || has_timescaledb
    for name in source target; do psql -qX -d "$(server_uri "$name" postgres)" -c 'CREATE DATABASE demo'; done
    source_uri=$(server_uri source demo)
    target_uri=$(server_uri target demo)
}

on_source() { psql -qX -v ON_ERROR_STOP=1 -d "$source_uri" "$@"; }
on_target() { psql -qX -v ON_ERROR_STOP=1 -d "$target_uri" "$@"; }

load_data() {
    on_source -f "$demo/schema.sql"
    [ -z "$timescaledb" ] || on_source -f "$demo/timescaledb/hypertable.sql"
    on_source -v part=readings -v scale="$scale" -f "$demo/data.sql" -o /dev/null &
    local other=$!
    on_source -v part=rest -v scale="$scale" -f "$demo/data.sql" -o /dev/null
    wait "$other"
    on_source -c 'ALTER TABLE plant.readings ADD FOREIGN KEY (sensor) REFERENCES plant.sensors' -c 'VACUUM ANALYZE'
    if [ -n "$timescaledb" ]; then
        on_source -f "$demo/timescaledb/policies.sql"
        on_source -f "$demo/timescaledb/jobs.sql" -o "$work/jobs.before"
    fi
    echo "$(on_source -Atc "SELECT pg_size_pretty(pg_database_size('demo'))") on the source"
}

start_writers() {
    local script scripts=()
    for script in order@4 order_change@2 reading@3 document@2 odd@1; do scripts+=(-f "$demo/writers/${script%@*}.sql@${script#*@}"); done
    [ -z "$timescaledb" ] || scripts+=(-f "$demo/timescaledb/late.sql@1")
    PGAPPNAME=writer pgbench -n -c 3 -j 1 -R "$rate" -T 100000 "${scripts[@]}" -d "$source_uri" > "$work/writers.log" 2>&1 &
    writer_pid=$!
}
stop_writers() {
    # The signal of pgbench's own timer: it ends after the transactions under way, and reports.
    kill -ALRM "$writer_pid" 2> /dev/null || { cat "$work/writers.log" >&2; fail "the writers had ended by themselves"; }
    wait "$writer_pid" || { cat "$work/writers.log" >&2; fail "a writer failed"; }
    writer_pid=
    moved=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$work/writers.log")
}

# live_migration <name of the log> <argument>…: in the background, with its output shown under that name; its pid is in $started
live_migration() {
    local name=$1
    : > "$work/$name.log"
    "$bin/live-migration" "${@:2}" --dir "$work/state" > >(tee -a "$work/$name.log" | sed -u "s/^/[$name] /") 2>&1 &
    started=$!
}
wait_until() {  # wait_until <what> <condition> [<pid that must live>]
    local deadline=$((SECONDS + ${TSLIVE_DEMO_PATIENCE:-600}))
    until eval "$2"; do
        [ -z "${3:-}" ] || kill -0 "$3" 2> /dev/null || eval "$2" || fail "live-migration ended while we waited for $1"
        [ "$SECONDS" -lt "$deadline" ] || fail "gave up waiting for $1"
        sleep 0.05
    done
}
said() { grep -qF "$2" "$work/$1.log"; }

snapshot() {
    live_migration snapshot snapshot --yes
    snapshot_pid=$started
    wait_until "the snapshot" "said snapshot 'Snapshot ID created successfully.'" "$snapshot_pid"
}
copy_and_catch_up() {
    live_migration migrate migrate --yes
    migrate_pid=$started
    wait_until "the target to catch up" "said migrate 'Target has caught up with source ('" "$migrate_pid"
}
follow() { sleep "${TSLIVE_DEMO_FOLLOW:-10}"; }
large_transactions() {
    on_source -c "INSERT INTO plant.readings SELECT timestamptz '2000-01-01' + i * interval '1 second', 1 + i % 100, i FROM generate_series(1, $large * 1000000) i" \
        -c "UPDATE archive.documents SET scan = (SELECT string_agg(sha256((id::text || i)::bytea), '') FROM generate_series(1, 32768) i)
            WHERE id IN (SELECT id FROM archive.documents ORDER BY id LIMIT 50 * $large)" \
        -c "INSERT INTO plant.alarms (text) VALUES ('after the large transactions')"
    echo "sent: $large million rows, and $((50 * large)) MB of rows"
    wait_until "the large transactions on the target" \
        '[ "$(on_target -Atc "SELECT count(*) FROM plant.alarms WHERE text LIKE '"'after the large%'"'")" = 1 ]' "$migrate_pid"
}
switch_over() {
    peak=$(awk '/^VmHWM/ { printf "%.0f MB", $2 / 1024 }' "/proc/$migrate_pid/status")
    stop_writers
    local begin
    begin=$(now_ms)
    kill -USR1 "$migrate_pid"
    wait_until "the end of the migration" "said migrate 'Migration successfully completed'" "$migrate_pid"
    downtime=$(($(now_ms) - begin))
    wait "$migrate_pid" || fail "live-migration migrate ended with $?"
    migrate_pid=
    if kill -TERM "$snapshot_pid" 2> /dev/null; then wait "$snapshot_pid" || true; fi
    snapshot_pid=
}

verify() {
    # A materialized view holds what its last refresh saw, and the target's was refreshed later than the source's.
    on_source -c 'REFRESH MATERIALIZED VIEW shop.sales'
    on_target -c 'REFRESH MATERIALIZED VIEW shop.sales'
    local more=()
    if [ -n "$timescaledb" ]; then
        compare_jobs
        more=(-v now="$(on_source -Atc 'SELECT now()')" -f "$demo/timescaledb/content.sql")
        on_source "${more[@]:0:2}" -f "$demo/timescaledb/settle.sql"
        on_target "${more[@]:0:2}" -f "$demo/timescaledb/settle.sql"
    fi
    on_source -f "$demo/content.sql" "${more[@]}" -o "$work/source.content" &
    local other=$!
    on_target -f "$demo/content.sql" "${more[@]}" -o "$work/target.content"
    wait "$other"
    awk -F '\t' '
        NR == FNR { rows[$1] = $2; content[$1] = $3; next }
        FNR == 1 { printf "%-52s %10s  %-20s %s\n", "table, sequence or large object", "rows", "checksum or value", "equal" }
        {
            same = ($1 in rows) && rows[$1] == $2 && content[$1] == $3
            printf "%-52s %10s  %-20s %s\n", $1, $2, $3, same ? "ok" : "NO: target has " rows[$1] " rows, " content[$1]
            if (!same) wrong = 1
            total += $2; delete rows[$1]
        }
        END {
            for (name in rows) { print name ": only on the target"; wrong = 1 }
            if (total < 1000) { print "nothing was compared"; wrong = 1 }
            exit wrong
        }' "$work/target.content" "$work/source.content" || equal=no
}
compare_jobs() {  # with each other, and with what they were before anything began
    on_source -f "$demo/timescaledb/jobs.sql" -o "$work/source.jobs"
    on_target -f "$demo/timescaledb/jobs.sql" -o "$work/target.jobs"
    if diff "$work/jobs.before" "$work/source.jobs" && diff "$work/source.jobs" "$work/target.jobs"; then echo "$(wc -l < "$work/target.jobs") jobs are as they were, on both"; else equal=no; fi
}
clean() {
    live_migration clean clean --yes --prune
    wait "$started" || fail "live-migration clean ended with $?"
    [ ! -e "$work/state" ] || { echo "the state directory is still there"; equal=no; }
    local left
    left=$(on_source -Atc "SELECT 'slot ' || slot_name FROM pg_replication_slots UNION ALL SELECT 'publication ' || pubname FROM pg_publication")
    left+=$(on_target -Atc "SELECT 'origin ' || roname FROM pg_replication_origin UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE 'tslive\_%'")
    [ -z "$left" ] || { echo "left behind: $left"; equal=no; }
}
compare_schema() {
    local leave_out=()
    [ -z "$timescaledb" ] || leave_out=(--exclude-schema='_timescaledb_*')  # chunks have names of their own on each
    pg_dump -s "${leave_out[@]}" -d "$source_uri" | grep -v '^\\\(un\)\?restrict' > "$work/source.schema"
    pg_dump -s "${leave_out[@]}" -d "$target_uri" | grep -v '^\\\(un\)\?restrict' > "$work/target.schema"
    if diff "$work/source.schema" "$work/target.schema"; then echo "both schemas read the same in pg_dump"; else equal=no; fi
}

has_timescaledb() {
    for name in source target; do
        [ -n "$(psql -AtX -d "$(server_uri "$name" postgres)" -c "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'")" ] ||
            fail "the PostgreSQL in $pg_bin has no TimescaleDB (pg_available_extensions): install it, or run without --timescaledb"
    done
}
equal=yes
total_begin=$(now_ms)
phase "Packages" install_packages
phase "Build" build
phase "Two servers" start_servers
export PGCOPYDB_SOURCE_PGURI=$source_uri PGCOPYDB_TARGET_PGURI=$target_uri
phase "Data on the source" load_data
start_writers
echo "writers started: $rate transactions per second, until the switch-over"
phase "live-migration snapshot" snapshot
phase "live-migration migrate: base copy, then catching up" copy_and_catch_up
phase "Following the writers for a while" follow
if [ "$large" -gt 0 ]; then phase "Large transactions" large_transactions; fi
phase "Switch-over: writers stopped, SIGUSR1" switch_over
phase "Comparing both databases by content" verify
phase "live-migration clean --prune" clean
phase "Comparing schemas" compare_schema

say "Times"
for entry in "${phases[@]}"; do printf '%-55s %10s\n' "${entry%|*}" "$(seconds "${entry#*|}")"; done
printf '%-55s %10s\n' "all of it" "$(seconds $(($(now_ms) - total_begin)))"
printf '\n%s transactions were run by the writers meanwhile.\n' "$moved"
printf 'Downtime (writers stopped to "Migration successfully completed"): %s\n' "$(seconds "$downtime")"
printf 'Peak memory of live-migration migrate: %s\n' "$peak"
[ "$equal" = yes ] || fail "the databases are NOT equal"
echo "The databases are equal."
