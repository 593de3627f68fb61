#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/catalog/databases.hpp"
#include "tslive/checks/detail/end.hpp"
#include "tslive/checks/finding.hpp"
#include "tslive/checks/sessions.hpp"
#include "tslive/core/size.hpp"

/// Checks of the source's server: may we decode its WAL, and will slot and snapshot live as long as we need them.
namespace tslive::checks {

[[nodiscard]] inline Verdict judge_wal_level(std::string_view level) {
    if (level == "logical") return passed("wal_level is logical");
    return fatal(
        fmt::format("wal_level is {}, and changes can be read with logical only", level),
        "ALTER SYSTEM SET wal_level = 'logical', then restart the source (managed servers have a parameter of "
        "their own: rds.logical_replication = 1, cloudsql.logical_decoding = on, azure.replication_support = logical)");
}

/// @param setting  the setting that limits `what`; changing it takes a restart
[[nodiscard]] inline Verdict judge_free(std::string_view what, std::string_view setting, std::int64_t limit,
                                        std::int64_t used, std::int64_t needed) {
    const auto free = limit - used;
    if (free >= needed) return passed(fmt::format("{} of {} {} are free, {} needed", free, limit, what, needed));
    return fatal(fmt::format("{} of {} {} are in use, and {} more needed", used, limit, what, needed),
                 fmt::format("Remove those that nobody uses, or raise {} to at least {} and restart the source",
                             setting, used + needed));
}

/// A transaction with changes, which a new slot waits for: in any database, since transaction ids are the cluster's.
struct OpenTransaction {
    int pid = 0;           ///< 0: a prepared one
    std::string prepared;  ///< the prepared transaction's name
    std::string user;
    std::string database;
    std::chrono::seconds age{0};
    std::string query;  ///< its last statement's beginning
};

[[nodiscard]] inline Verdict judge_transactions(const std::vector<OpenTransaction>& open,
                                                std::chrono::seconds longer_than) {
    if (open.empty())
        return passed(fmt::format("no transaction has been open for more than {}", format_duration(longer_than)));
    std::vector<std::string> lines;
    for (const auto& one : open) {
        if (one.pid == 0)
            lines.push_back(fmt::format("prepared transaction '{}' of {} in {}, {} old", one.prepared, one.user,
                                        one.database, format_duration(one.age)));
        else
            lines.push_back(fmt::format("process {} of {} in {}, {} old: {}", one.pid, one.user, one.database,
                                        format_duration(one.age), one.query));
    }
    return warning(fmt::format("making the slot will wait for {} open transactions: {}", open.size(), listed(lines)),
                   "Let them end, or end them: pg_terminate_backend(process); COMMIT PREPARED or ROLLBACK PREPARED in "
                   "their database");
}

[[nodiscard]] inline Verdict judge_old_snapshot_threshold(std::string_view value) {
    if (value == "-1") return passed("snapshots do not expire");
    return warning(
        fmt::format("old_snapshot_threshold is {}: reading a table may fail with 'snapshot too old' after that time",
                    value),
        "ALTER SYSTEM SET old_snapshot_threshold = -1, and restart the source");
}

/// @param wal_limit     max_slot_wal_keep_size as SHOW prints it
/// @param idle_timeout  idle_replication_slot_timeout, likewise
[[nodiscard]] inline Verdict judge_slot_limits(std::string_view wal_limit, std::string_view idle_timeout) {
    std::vector<std::string> limits;
    if (wal_limit != "-1")
        limits.push_back(
            fmt::format("max_slot_wal_keep_size is {}: the slot is lost when we fall behind by more", wal_limit));
    if (idle_timeout != "0")
        limits.push_back(fmt::format(
            "idle_replication_slot_timeout is {}: the slot is lost when nobody reads it for longer", idle_timeout));
    if (limits.empty()) return passed("the source keeps a slot as long as it is needed");
    return warning(fmt::format("{}", fmt::join(limits, "; ")),
                   "Raise the limits for the time of the migration (a reload is enough), and do not leave a slot "
                   "without a reader");
}

namespace detail {

inline Verdict check_standby(End& end) {
    if (!end.standby) return passed(fmt::format("the {} is a primary", end.label));
    if (end.label == "target")
        return fatal("the target is a standby, and takes no changes", "Use the address of a primary");
    return fatal(
        "the source is a standby: publications cannot be made there, and this release reads changes from primaries",
        "Use the address of the primary");
}

inline Verdict check_wal_level(End& end) { return judge_wal_level(setting(end.connection, "wal_level")); }

inline Verdict check_slots(End& end) {
    const auto used =
        end.connection.exec("SELECT count(*) FROM pg_catalog.pg_replication_slots").number<std::int64_t>(0, 0);
    const auto limit = std::stoll(setting(end.connection, "max_replication_slots"));
    // One for the changes, one for a new snapshot should the first be lost.
    return judge_free("replication slots", "max_replication_slots", limit, used, 2);
}

inline Verdict check_wal_senders(End& end) {
    const auto senders = end.connection.exec(
        "SELECT count(*) FROM pg_catalog.pg_stat_replication WHERE application_name IS DISTINCT FROM 'ts-live check'");
    const auto limit = std::stoll(setting(end.connection, "max_wal_senders"));
    // One holds the snapshot, one sends changes.
    return judge_free("WAL senders", "max_wal_senders", limit, senders.number<std::int64_t>(0, 0), 2);
}

/// Opens a replication connection, as it will be used; the settings of that session and the server behind it are
/// checked with it.
inline Verdict check_replication(End& end) {
    const auto remedy = fmt::format(
        "ALTER ROLE {} REPLICATION (on managed servers: GRANT rds_replication, or what their manual names), and let "
        "pg_hba.conf admit it",
        pg::quote_identifier(end.role));
    try {
        auto walsender = end.another(pg::ConnectionKind::replication);
        const auto identifier = walsender.exec("IDENTIFY_SYSTEM").text(0, 0);
        const auto expected = catalog::system_identifier(end.connection);
        if (identifier != expected)
            return fatal(
                fmt::format(
                    "a replication connection leads to another server (system identifier {}) than an ordinary one ({})",
                    identifier, expected),
                "Use the address of one server, not of a load balancer");
        std::map<std::string, std::string> values;
        for (const char* name :
             {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "wal_sender_timeout"})
            values[name] = walsender.exec(fmt::format("SHOW {}", name)).text(0, 0);
        if (auto verdict = judge_timeouts(values); verdict.weight != Weight::passed) return verdict;
    } catch (const Error& error) {
        return fatal(fmt::format("role {} cannot open a replication connection: {}", end.role, error.what()), remedy);
    }
    return passed(fmt::format("role {} may replicate", end.role));
}

inline Verdict check_old_snapshot_threshold(End& end) {
    return judge_old_snapshot_threshold(
        end.can.old_snapshot_threshold() ? setting(end.connection, "old_snapshot_threshold", "-1") : std::string{"-1"});
}

inline Verdict check_slot_limits(End& end) {
    return judge_slot_limits(setting(end.connection, "max_slot_wal_keep_size", "-1"),
                             setting(end.connection, "idle_replication_slot_timeout", "0"));
}

/// A session without changes (no backend_xid) holds the vacuum horizon, but no slot waits for it.
inline Verdict check_transactions(End& end, std::chrono::seconds longer_than) {
    const auto result = end.connection.exec(
        "SELECT pid, '', coalesce(usename, '?'), coalesce(datname, '?'), "
        "  extract(epoch FROM pg_catalog.clock_timestamp() - xact_start)::pg_catalog.int8 AS age, "
        "  pg_catalog.regexp_replace(left(query, 80), '\\s+', ' ', 'g') "
        "FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid() "
        "  AND xact_start <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1::pg_catalog.float8) "
        "UNION ALL "
        "SELECT 0, gid, owner, database, "
        "  extract(epoch FROM pg_catalog.clock_timestamp() - prepared)::pg_catalog.int8, '' "
        "FROM pg_catalog.pg_prepared_xacts "
        "WHERE prepared <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1::pg_catalog.float8) "
        "ORDER BY age DESC",
        pg::Params{}.number(longer_than.count()));
    std::vector<OpenTransaction> open;
    for (int row = 0; row < result.rows(); ++row)
        open.push_back({.pid = result.number<int>(row, 0),
                        .prepared = result.text(row, 1),
                        .user = result.text(row, 2),
                        .database = result.text(row, 3),
                        .age = std::chrono::seconds{result.number<std::int64_t>(row, 4)},
                        .query = result.text(row, 5)});
    auto verdict = judge_transactions(open, longer_than);
    const auto hidden = end.connection.exec(
        "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL AND xact_start IS NULL");
    if (verdict.weight == Weight::passed && hidden.number<std::int64_t>(0, 0) > 0)
        return note(fmt::format("{} transactions of other roles are open, and role {} may not see for how long",
                                hidden.at(0, 0), end.role),
                    fmt::format("GRANT pg_read_all_stats TO {}", pg::quote_identifier(end.role)));
    return verdict;
}

}  // namespace detail
}  // namespace tslive::checks
