#!/usr/bin/env bash
# Measures ts-live from end to end, each time against what PostgreSQL itself offers, in the same run on the same servers:
# the base copy against pg_dump and pg_restore, replay of a backlog against a native subscription. docs/benchmarks.md explains.
#
#   bash benchmarks/e2e/run.sh [--jobs 2] [--mb 300] [--runs 1000] [--singles 100000] [--tpcb 50000] [--only copy|replay] [--bin DIR]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
jobs=2 mb=300 runs=1000 singles=100000 tpcb=50000 only='' bin=''
usage() { sed -n '2,5s/^# \?//p' "${BASH_SOURCE[0]}"; exit "$1"; }
while [ $# -gt 0 ]; do
    case $1 in
        --jobs) jobs=$2 ;; --mb) mb=$2 ;; --runs) runs=$2 ;; --singles) singles=$2 ;; --tpcb) tpcb=$2 ;; --only) only=$2 ;; --bin) bin=$2 ;;
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
per_second() { getconf CLK_TCK; }

work='' client=''
clean_up() {
    local code=$?
    trap - EXIT INT TERM
    for pid in $client ${keeper:-}; do kill -KILL "$pid" 2> /dev/null || true; done
    if [ -n "$work" ]; then
        if [ "$code" -ne 0 ] && [ "$code" -lt 128 ]; then tail -n 15 "$work"/*.log 2> /dev/null || true; fi
        servers_end
    fi
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

build() {
    [ -z "$bin" ] || return 0
    say "Build"
    (cd "$root" && cmake --preset release -B "$root/build/benchmark" -DTSLIVE_BUILD_TESTS=OFF -DTSLIVE_BUILD_BENCHMARKS=OFF -DTSLIVE_BUILD_FUZZERS=OFF > /dev/null)
    cmake --build "$root/build/benchmark" --target live-migration
    bin=$root/build/benchmark/bin
}

start_servers() {
    servers_begin
    local settings=(fsync=off shared_buffers=256MB max_wal_size=8GB checkpoint_timeout=30min maintenance_work_mem=128MB jit=off autovacuum=off
        max_worker_processes=16 log_checkpoints=off max_wal_senders=20 max_replication_slots=20)
    server_start source wal_level=logical "${settings[@]}"
    server_start target "${settings[@]}"
}
in_db() { psql -qXAt -v ON_ERROR_STOP=1 -d "$(server_uri "$1" "$2")" "${@:3}"; }

# --- what a span of time costs: wall time, CPU of the client and of each server ---------------------------------------------------

# cpu_ticks <pid>: its own and that of its children that have ended
cpu_ticks() { sed 's/.*) //' "/proc/$1/stat" 2> /dev/null | awk '{ print $12 + $13 + $14 + $15 }' || true; }
server_ticks() {  # of all processes of a server, also of those that ended
    local pid postmaster total=0
    postmaster=$(server_pid "$1")
    for pid in $postmaster $(cat "/proc/$postmaster/task/$postmaster/children"); do
        total=$((total + $(cpu_ticks "$pid" | grep . || echo 0)))
    done
    echo "$total"
}
begin_span() {
    source_ticks=$(server_ticks source)
    target_ticks=$(server_ticks target)
    span_begin=$(now_ms)
}
# end_span [<CPU ticks of the client>]: sets wall (ms), source_cpu, target_cpu, client_cpu (hundredths of a second)
end_span() {
    wall=$(($(now_ms) - span_begin))
    source_cpu=$((($(server_ticks source) - source_ticks) * 100 / $(per_second)))
    target_cpu=$((($(server_ticks target) - target_ticks) * 100 / $(per_second)))
    client_cpu=$((${1:-0} * 100 / $(per_second)))
}
rows=()
header() { rows=(); printf -v heading '%-42s %9s %8s   %9s %9s %9s %9s' "$1" "wall s" "ratio" "CPU src" "CPU tgt" "CPU tool" "peak MB"; }
# row <name> <wall of what it is compared to> [<peak kB>]: the ratio is over 1 where ours, or this row, is faster than the reference
row() {
    rows+=("$(awk -v name="$1" -v wall="$wall" -v reference="$2" -v s="$source_cpu" -v t="$target_cpu" -v c="$client_cpu" -v peak="${3:-0}" 'BEGIN {
        printf "%-42s %9.2f %8.2f   %9.2f %9.2f %9.2f %9s", name, wall / 1000, reference / wall, s / 100, t / 100, c / 100, peak ? sprintf("%.0f", peak / 1024) : "-" }')")
    echo "${rows[-1]}"
}
summary=()
keep_rows() { summary+=("" "$heading" "${rows[@]}"); }

# --- our programs -------------------------------------------------------------------------------------------------------------------

# ours <command> <argument>…: live-migration in the background, its output in <command>.log; pid in $started
ours() {
    local log=$work/$1.log
    : > "$log"
    "$bin/live-migration" "$1" --dir "$work/state" "${@:2}" > "$log" 2>&1 &
    started=$!
}
wait_until() {  # wait_until <what> <condition> <pid that must live>
    until eval "$2"; do
        kill -0 "$3" 2> /dev/null || eval "$2" || fail "the program ended while we waited for $1"
        sleep 0.02
    done
}
said() { grep -qF "$2" "$work/$1.log"; }
peak_kb() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"; }
take_snapshot() {
    ours snapshot --yes
    keeper=$started
    wait_until "the snapshot" "said snapshot 'Snapshot ID created successfully.'" "$keeper"
}
end_snapshot() {
    kill -TERM "$keeper" 2> /dev/null || true
    wait "$keeper" || true
    keeper=''
}
# start_migrate <argument>…: its pid is in $client
start_migrate() {
    ours migrate --yes --table-jobs "$jobs" --index-jobs "$jobs" "$@"
    client=$started
}
stop_migrate() {
    kill -TERM "$client" 2> /dev/null || true
    wait "$client" || true
    client=''
}
clean() {
    ours clean --yes --prune
    wait "$started" || fail "clean failed: $(cat "$work/clean.log")"
}

# --- base copy ----------------------------------------------------------------------------------------------------------------------

new_target() { in_db target postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS copy WITH (FORCE)" -c "CREATE DATABASE copy" -c "CHECKPOINT"; }
# timed <command>…: client_ticks is the CPU time of the command
timed() {
    local TIMEFORMAT='%U %S'
    { time "$@" > "$work/tool.log" 2>&1; } 2> "$work/time" || fail "$1 failed: $(tail -n 5 "$work/tool.log")"
    client_ticks=$(awk -v hz="$(per_second)" '{ printf "%d", ($1 + $2) * hz }' "$work/time")
}
dump_and_restore() {
    rm -rf "$work/dump"
    pg_dump -Fd -j "$jobs" "$@" -f "$work/dump" -d "$(server_uri source copy)" && pg_restore -j "$jobs" -d "$(server_uri target copy)" "$work/dump"
}
check_copy() {
    local table
    for table in devices narrow mixed large; do
        [ "$(in_db source copy -c "SELECT count(*) FROM $table")" = "$(in_db target copy -c "SELECT count(*) FROM $table")" ] || fail "$table differs"
    done
}
measure_copy() {
    say "Base copy of about $mb MB, $jobs jobs"
    in_db source postgres -c "CREATE DATABASE copy"
    in_db source copy -v mb="$mb" -f "$here/copy_data.sql"
    echo "$(in_db source copy -c "SELECT pg_size_pretty(pg_database_size('copy'))") with indexes"
    header "base copy"
    local reference level options
    for level in '' 0; do
        options=(${level:+-Z "$level"})
        new_target
        begin_span
        timed dump_and_restore "${options[@]}"
        end_span "$client_ticks"
        [ -n "${reference:-}" ] || reference=$wall
        row "pg_dump, pg_restore ${level:+(-Z 0)}" "$reference"
        check_copy
    done
    if command -v pgcopydb > /dev/null; then
        new_target
        begin_span
        timed pgcopydb clone --source "$(server_uri source copy)" --target "$(server_uri target copy)" --dir "$work/pgcopydb" --table-jobs "$jobs" --index-jobs "$jobs"
        end_span "$client_ticks"
        row "pgcopydb $(pgcopydb --version 2>&1 | sed -n 's/^pgcopydb version //p')" "$reference"
    fi
    new_target
    PGCOPYDB_SOURCE_PGURI=$(server_uri source copy)
    PGCOPYDB_TARGET_PGURI=$(server_uri target copy)
    export PGCOPYDB_SOURCE_PGURI PGCOPYDB_TARGET_PGURI
    begin_span
    take_snapshot
    start_migrate
    wait_until "the base copy" "said migrate 'The base copy is complete'" "$client"
    end_span "$(cpu_ticks "$client")"
    row "ts-snapshot, ts-migrate" "$reference" "$(peak_kb "$client")"
    check_copy
    stop_migrate
    end_snapshot
    clean
    in_db source postgres -c "DROP DATABASE copy WITH (FORCE)"
    in_db target postgres -c "DROP DATABASE copy WITH (FORCE)"
    keep_rows
}

# --- replay of a backlog ------------------------------------------------------------------------------------------------------------

prepare_replay() {
    in_db source postgres -c "CREATE DATABASE replay"
    in_db source replay -f "$here/schema.sql"
    pgbench -iq -s 10 -d "$(server_uri source replay)" > /dev/null 2>&1
    in_db target postgres -c "CREATE DATABASE native" -c "CREATE DATABASE live"

    in_db source replay -c "CREATE PUBLICATION native FOR ALL TABLES"
    pg_dump -s --no-publications -d "$(server_uri source replay)" | in_db target native -o /dev/null
    in_db target native -c "CREATE SUBSCRIPTION native CONNECTION '$(server_uri source replay)' PUBLICATION native" 2> /dev/null
    until [ "$(in_db target native -c "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'")" = 0 ]; do sleep 0.1; done
    in_db target native -c "ALTER SUBSCRIPTION native DISABLE"

    PGCOPYDB_SOURCE_PGURI=$(server_uri source replay)
    PGCOPYDB_TARGET_PGURI=$(server_uri target live)
    export PGCOPYDB_SOURCE_PGURI PGCOPYDB_TARGET_PGURI
    take_snapshot
    start_migrate
    wait_until "the base copy" "said migrate 'Target has caught up with source ('" "$client"
    stop_migrate
    end_snapshot
}
backlog() {
    case $1 in
        runs) in_db source replay -c "SET synchronous_commit = off" -c "CALL make_runs($runs)" ;;
        singles) in_db source replay -c "SET synchronous_commit = off" -c "CALL make_singles($singles)" ;;
        tpcb) PGOPTIONS='-c synchronous_commit=off' pgbench -n -c 4 -j 1 -t $((tpcb / 4)) -d "$(server_uri source replay)" > /dev/null 2>&1 ;;
    esac
    in_db source replay -c "CHECKPOINT"
    in_db target postgres -c "CHECKPOINT"
}
marker_arrived() { [ "$(in_db target "$1" -c "SELECT count(*) FROM marker WHERE id = $2")" = 1 ]; }
same_content() {
    local table
    for table in runs singles pgbench_accounts pgbench_branches pgbench_tellers pgbench_history; do
        local query="SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM $table t"
        [ "$(in_db source replay -c "$query")" = "$(in_db target "$1" -c "$query")" ] || fail "$table differs on $1"
    done
}
measure_backlog() {  # measure_backlog <what> <title> <number>
    say "Backlog: $2"
    backlog "$1"
    in_db source replay -c "INSERT INTO marker VALUES ($3)"
    header "replay: $2"

    begin_span
    in_db target native -c "ALTER SUBSCRIPTION native ENABLE"
    until marker_arrived native "$3"; do sleep 0.02; done
    end_span 0
    local reference=$wall
    row "native subscription" "$reference"
    in_db target native -c "ALTER SUBSCRIPTION native DISABLE"
    same_content native
    # The worker says what it applied, then ends; its walsender with it.
    until [ "$(in_db source postgres -c "SELECT count(*) FROM pg_stat_replication")" = 0 ]; do sleep 0.05; done

    begin_span
    start_migrate --resume
    wait_until "the backlog" "marker_arrived live $3" "$client"
    end_span "$(cpu_ticks "$client")"
    row "ts-migrate --resume" "$reference" "$(peak_kb "$client")"
    stop_migrate
    same_content live
    keep_rows
}
measure_replay() {
    say "Preparing replay"
    prepare_replay
    measure_backlog runs "$runs transactions of 1,000 inserts" 1
    measure_backlog singles "$singles transactions of one row" 2
    measure_backlog tpcb "$tpcb transactions of pgbench's TPC-B" 3
    clean
}

build
start_servers
[ "$only" = replay ] || measure_copy
[ "$only" = copy ] || measure_replay
say "Results ($(nproc) CPUs, PostgreSQL $(pg_config --version 2> /dev/null | sed 's/^PostgreSQL //'); CPU in seconds; a ratio over 1 is faster than the first row)"
printf '%s\n' "${summary[@]}"
