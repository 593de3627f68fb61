#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/pg/replication.hpp"

namespace tslive::snapshot {

/// Says what `waiting` waits for: transactions of the whole cluster that have written something and are still open (CASES A7).
inline void log_what_delays(pg::Connection& source, int ours, std::string_view waiting) {
    const auto open = source.exec(
        "SELECT pid, coalesce(usename, '?'), coalesce(datname, '?'), coalesce(extract(epoch FROM clock_timestamp() - "
        "xact_start)::bigint, 0), "
        "coalesce(left(regexp_replace(query, '\\s+', ' ', 'g'), 60), '') "
        "FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> $1 ORDER BY xact_start LIMIT 5",
        pg::Params{}.number(ours));
    for (int row = 0; row < open.rows(); ++row)
        log::warning("{} waits for a transaction to end: process {} of user {} in database {}, open for {} s: {}",
                     waiting, open.at(row, 0), open.at(row, 1), open.at(row, 2), open.at(row, 3), open.at(row, 4));
    const auto prepared =
        source.exec("SELECT gid, owner, database FROM pg_catalog.pg_prepared_xacts ORDER BY prepared LIMIT 5");
    for (int row = 0; row < prepared.rows(); ++row)
        log::warning(
            "{} waits for the prepared transaction '{}' of {} in database {}: COMMIT PREPARED or ROLLBACK "
            "PREPARED it",
            waiting, prepared.at(row, 0), prepared.at(row, 1), prepared.at(row, 2));
}

/// Creates the slot, however long the cluster's open transactions make it wait, and says what it waits for.
///
/// @param replication   keeps the exported snapshot importable until its next command
/// @param watcher       an ordinary session
/// @param lock_timeout  after which the server gives up waiting for one transaction, and we begin again. Should we be killed, its session
///                      does not notice before that: it would make a slot that nobody reads (CASES A7)
/// @throws Stopped      the half-made slot goes with the session
[[nodiscard]] inline pg::CreatedSlot create_slot(pg::Connection& replication, pg::Connection& watcher,
                                                 std::string_view name,
                                                 std::chrono::milliseconds lock_timeout = std::chrono::minutes{10}) {
    constexpr std::chrono::seconds say_first{1}, say_every{5};
    const auto command = pg::create_slot_command(name, pg::SlotLife::permanent);
    replication.exec(fmt::format("SET lock_timeout = {}", lock_timeout.count()));
    replication.start(command);
    try {
        for (auto patience = say_first;; patience = say_every) {
            try {
                if (const auto result = replication.poll_result(patience)) return pg::read_created_slot(*result);
            } catch (const pg::ServerError& error) {
                if (error.state() != pg::sqlstate::lock_not_available) throw;
                log::debug("the slot has waited long enough for one transaction; beginning again");
                replication.start(command);
            }
            log_what_delays(watcher, replication.backend_pid(), "The slot");
        }
    } catch (...) {
        replication.cancel();  // the watcher may have been the one that was stopped
        throw;
    }
}

struct SlotState {
    bool active = false;
    int active_pid = 0;
    Lsn confirmed_flush;
    Lsn restart;
    std::string wal_status;  ///< `reserved`, `extended`, `unreserved`, `lost`; empty before version 13
    std::string plugin, database;
};
/// @returns nothing when there is no slot of that name
[[nodiscard]] inline std::optional<SlotState> slot_state(pg::Connection& source, std::string_view name) {
    const bool has_status = catalog::Capabilities{source.server_version()}.slot_wal_limit();
    const auto row =
        source.exec(fmt::format("SELECT active, coalesce(active_pid, 0), coalesce(confirmed_flush_lsn, '0/0'), "
                                "coalesce(restart_lsn, '0/0'), {}, coalesce(plugin, ''), coalesce(database, '') "
                                "FROM pg_catalog.pg_replication_slots WHERE slot_name = $1",
                                has_status ? "coalesce(wal_status, '')" : "''"),
                    pg::Params{}.text(name));
    if (row.empty()) return std::nullopt;
    return SlotState{.active = row.boolean(0, 0),
                     .active_pid = row.number<int>(0, 1),
                     .confirmed_flush = row.lsn(0, 2),
                     .restart = row.lsn(0, 3),
                     .wal_status = row.text(0, 4),
                     .plugin = row.text(0, 5),
                     .database = row.text(0, 6)};
}

/// Harmless when there is none. A slot that is in use refuses.
[[nodiscard]] inline std::string drop_slot_sql(std::string_view name) {
    return fmt::format(
        "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE slot_name = "
        "{}",
        pg::quote_literal(name));
}

}  // namespace tslive::snapshot
