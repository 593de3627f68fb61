# shellcheck shell=bash
# Throwaway PostgreSQL servers for scripts. Source it, then:
#
#   servers_begin                        makes $work (temporary); `servers_end` belongs into an EXIT trap
#   server_start source wal_level=logical …   initdb and start; listens on a Unix socket only
#   server_uri source app                prints the connection string of database app on it
#
# As root, the servers run as the user postgres, else nobody: PostgreSQL refuses root.

servers_find_pg() {
    pg_bin=${TSLIVE_PG_BIN:-}
    if [ -z "$pg_bin" ]; then
        local candidate
        for candidate in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V); do
            [ -x "$candidate/postgres" ] && pg_bin=$candidate
        done
    fi
    [ -x "$pg_bin/postgres" ] || { echo "No PostgreSQL server found; name its bin directory by TSLIVE_PG_BIN" >&2; return 1; }
    PATH="$pg_bin:$PATH"
    local name
    for name in $(compgen -v PG); do unset "$name"; done  # libpq's own settings would lead elsewhere
}

servers_begin() {
    servers_find_pg
    work=$(mktemp -d "${TMPDIR:-/tmp}/ts-live-XXXXXX")
    chmod 755 "$work"
    server_account=()
    if [ "$(id -u)" -eq 0 ]; then
        local user
        for user in postgres nobody; do
            id "$user" > /dev/null 2>&1 && break
        done
        server_account=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups)
    fi
    servers_started=()
}

server_uri() { echo "postgresql://postgres@/$2?host=$work/$1"; }

# server_start <name> <setting>…
server_start() {
    local home="$work/$1" setting
    servers_started+=("$1")
    mkdir "$home"
    [ ${#server_account[@]} -eq 0 ] || chown "$(id -u "$(server_user)")" "$home"
    (
        cd "$home" || exit
        "${server_account[@]}" initdb -D data -U postgres -A trust --no-sync --locale=C.UTF-8 --encoding=UTF8 > initdb.out 2>&1 ||
            { cat initdb.out >&2; exit 1; }
        {
            echo "unix_socket_directories = '$home'"
            echo "listen_addresses = ''"
            echo "timezone = 'UTC'"
            for setting in "${@:2}"; do echo "$setting"; done
        } >> data/postgresql.conf
        "${server_account[@]}" pg_ctl -D data -l log -w -t 60 start > start.out 2>&1 || { cat start.out log >&2; exit 1; }
    )
}

server_user() {
    case "${server_account[1]}" in --reuid=*) echo "${server_account[1]#--reuid=}" ;; esac
}

server_log_tail() { [ ! -f "$work/$1/log" ] || tail -n "${2:-20}" "$work/$1/log"; }
server_pid() { head -n 1 "$work/$1/data/postmaster.pid"; }

servers_end() {
    local name
    for name in "${servers_started[@]}"; do
        [ ! -f "$work/$name/data/postmaster.pid" ] ||
            "${server_account[@]}" "$pg_bin/pg_ctl" -D "$work/$name/data" -m immediate -w stop > /dev/null 2>&1 || true
    done
    rm -rf "$work"
}
