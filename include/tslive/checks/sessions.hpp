#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/catalog/databases.hpp"
#include "tslive/checks/detail/end.hpp"
#include "tslive/checks/finding.hpp"

/// Checks that both ends are put to: is there one server behind the address, does a session keep what it is told, is
/// there room.
namespace tslive::checks {

/// Room for our connections. A limit below zero means: none.
struct ConnectionRoom {
    std::int64_t limit = 0, used = 0;             ///< of the server, less what it keeps for superusers
    std::int64_t role_limit = -1, role_used = 0;  ///< CONNECTION LIMIT of the role
    std::int64_t database_limit = -1, database_used = 0;
};

[[nodiscard]] inline Verdict judge_connections(const ConnectionRoom& room, std::int64_t needed) {
    const auto left = [](std::int64_t limit, std::int64_t used) { return std::max<std::int64_t>(0, limit - used); };
    std::int64_t least = left(room.limit, room.used);
    std::string_view why = "max_connections less the reserved ones";
    if (room.role_limit >= 0 && left(room.role_limit, room.role_used) < least) {
        least = left(room.role_limit, room.role_used);
        why = "the role's CONNECTION LIMIT";
    }
    if (room.database_limit >= 0 && left(room.database_limit, room.database_used) < least) {
        least = left(room.database_limit, room.database_used);
        why = "the database's CONNECTION LIMIT";
    }
    if (least >= needed) return passed(fmt::format("{} connections are free, {} are needed", least, needed));
    return fatal(fmt::format("{} connections are needed, and {} are free ({})", needed, least, why),
                 "Lower --table-jobs and --index-jobs, or raise the limit, or end sessions that nobody needs");
}

/// Settings that end a session or a statement of ours, with the values they have in it.
[[nodiscard]] inline Verdict judge_timeouts(const std::map<std::string, std::string>& values) {
    std::vector<std::string> wrong;
    for (const auto& [name, value] : values)
        if (value != "0") wrong.push_back(fmt::format("{} = {}", name, value));
    if (wrong.empty()) return passed("no timeout ends our sessions");
    return fatal(fmt::format("a session set its timeouts to 0, but they are: {}", listed(wrong)),
                 "Connect to the server itself, not through a pooler or proxy that forgets or refuses SET");
}

/// What two sessions say about the processes that serve them.
struct BackendPids {
    int announced = 0;  ///< what the server told the client library of the first session when it connected
    int first = 0;      ///< pg_backend_pid() of the first session
    int second = 0;     ///< of the second session, inside a transaction
    int again = 0;      ///< of the first one, while that transaction is open
};

[[nodiscard]] inline Verdict judge_pooler(const BackendPids& pids) {
    const std::string remedy = "Use the address of the server itself, or a pool in session mode (pool_mode = session)";
    if (pids.first != pids.again || pids.first == pids.second)
        return fatal(
            fmt::format(
                "one session was served by two server processes ({} and {}): there is a pooler in transaction mode in "
                "between, which loses settings, snapshots and prepared statements",
                pids.first, pids.first != pids.again ? pids.again : pids.second),
            remedy);
    if (pids.announced != pids.first)
        return warning(
            fmt::format("the server process is {}, but {} was announced: there is a pooler or proxy in between",
                        pids.first, pids.announced),
            "Use the address of the server itself where there is one");
    return passed("a session keeps its server process");
}

[[nodiscard]] inline Verdict judge_same_server(const std::vector<catalog::ServerIdentity>& seen) {
    for (const auto& server : seen) {
        if (server == seen.front()) continue;
        const auto describe = [](const catalog::ServerIdentity& one) {
            return fmt::format("system identifier {}, address {}, started {}, {}", one.system_identifier,
                               one.address.empty() ? "a socket" : one.address, one.started_at,
                               one.in_recovery ? "standby" : "primary");
        };
        return fatal(
            fmt::format("two connections led to two servers: {}; and {}", describe(seen.front()), describe(server)),
            "Use the address of one server, not of a load balancer, a reader endpoint or several hosts");
    }
    return passed("every connection leads to the same server");
}

namespace detail {

inline Verdict check_connections(End& end, std::int64_t needed) {
    const auto result = end.connection.exec(
        "WITH a AS (SELECT datid, usesysid FROM pg_catalog.pg_stat_activity WHERE datid IS NOT NULL "
        "    AND backend_type IS DISTINCT FROM 'walsender' AND application_name <> 'ts-live check') "
        // What is reserved stays free for the people who may have to look after us, whoever we are.
        "SELECT pg_catalog.current_setting('max_connections')::pg_catalog.int8 "
        "    - pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int8 "
        "    - coalesce(pg_catalog.current_setting('reserved_connections', true)::pg_catalog.int8, 0), "
        "  (SELECT count(*) FROM a), CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END, "
        "  (SELECT count(*) FROM a WHERE a.usesysid = r.oid), CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END, "
        "  (SELECT count(*) FROM a WHERE a.datid = d.oid) "
        "FROM pg_catalog.pg_roles r CROSS JOIN pg_catalog.pg_database d "
        "WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()");
    const auto at = [&](int column) { return result.number<std::int64_t>(0, column); };
    return judge_connections({.limit = at(0),
                              .used = at(1),
                              .role_limit = at(2),
                              .role_used = at(3),
                              .database_limit = at(4),
                              .database_used = at(5)},
                             needed);
}

[[nodiscard]] inline std::map<std::string, std::string> timeouts(pg::Connection& connection) {
    std::map<std::string, std::string> values;
    for (const char* name : {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
                             "idle_session_timeout", "transaction_timeout"})
        values[name] = setting(connection, name, "0");
    return values;
}

inline Verdict check_timeouts(End& end) { return judge_timeouts(timeouts(end.connection)); }

inline Verdict check_pooler(End& end) {
    const auto ask = [](pg::Connection& connection) {
        return connection.exec("SELECT pg_catalog.pg_backend_pid()").number<int>(0, 0);
    };
    BackendPids pids{.announced = end.connection.backend_pid(), .first = ask(end.connection)};
    // A pooler in transaction mode gives the second session the idle server connection of the first, and must find
    // another one for the first while the second has a transaction open.
    auto second = end.another();
    pg::Transaction open(second);
    pids.second = ask(second);
    pids.again = ask(end.connection);
    open.rollback();
    return judge_pooler(pids);
}

inline Verdict check_same_server(End& end) {
    std::vector<catalog::ServerIdentity> seen{catalog::server_identity(end.connection)};
    for (int i = 0; i < 3; ++i) {
        auto other = end.another();
        seen.push_back(catalog::server_identity(other));
    }
    return judge_same_server(seen);
}

}  // namespace detail
}  // namespace tslive::checks
