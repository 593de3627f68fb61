#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/state/store.hpp"
#include "tslive/timescale/installation.hpp"
#include "tslive/timescale/source_settings.hpp"

/// Jobs of the source that would change what the snapshot shows while it is copied: compressing, dropping and rewriting chunks is not
/// MVCC. They are switched off before the slot is made, and on again when the rows are read.
namespace tslive::timescale {

struct Job {
    std::int32_t id = 0;
    std::string name;  ///< `Compression Policy [1001]`
};

/// Those that are on, but for the refreshing of continuous aggregates: policies that compress, drop or reorder, and jobs of users.
[[nodiscard]] inline std::vector<Job> disturbing_jobs(pg::Connection& source, const Installation& timescaledb) {
    constexpr int first_of_users = 1000;
    const auto rows = source.exec(fmt::format(
        "SELECT id, application_name FROM {} WHERE scheduled AND id >= {} AND NOT (proc_schema IN "
        "('_timescaledb_functions', '_timescaledb_internal') AND proc_name IN ('policy_refresh_continuous_aggregate', "
        "'policy_process_hypertable_invalidations')) ORDER BY id",
        timescaledb.release.jobs(), first_of_users));
    std::vector<Job> found;
    for (int row = 0; row < rows.rows(); ++row) found.push_back({rows.number<std::int32_t>(row, 0), rows.text(row, 1)});
    return found;
}

/// How their entries in the undo journal begin.
inline constexpr std::string_view job_entry = "job switched off: ";

/// Of the jobs, those that run now: id to process. A worker's type is its job's name.
[[nodiscard]] inline std::map<std::int32_t, std::string> running(pg::Connection& source, const std::vector<Job>& jobs) {
    const auto rows = source.exec(
        "SELECT backend_type, pid FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() "
        "AND backend_type <> 'client backend'");
    std::map<std::int32_t, std::string> found;
    for (int row = 0; row < rows.rows(); ++row)
        for (const auto& job : jobs)
            if (job.name == rows.at(row, 0)) found.emplace(job.id, rows.text(row, 1));
    return found;
}

/// Journalled one by one, each when it does not run: the scheduler would end a job that is switched off under it. Says what it waits
/// for. On return none of them runs.
/// @throws Stopped
inline void switch_off(const std::vector<Job>& jobs, const Installation& timescaledb, state::Store& store,
                       pg::Connection& source, Waiter& waiter) {
    // A worker that was started just before its job was switched off is to be seen a moment later.
    constexpr std::chrono::milliseconds look_every{250};
    constexpr int quiet_looks = 3;
    constexpr std::chrono::seconds say_every{5};
    auto say_at = std::chrono::steady_clock::now();
    auto waiting = jobs;
    for (int quiet = jobs.empty() ? quiet_looks : 0; quiet < quiet_looks;) {
        const auto busy = running(source, jobs);
        for (const auto& job : std::exchange(waiting, {})) {
            if (busy.contains(job.id)) {
                waiting.push_back(job);
                continue;
            }
            store.journal(state::Side::source, fmt::format("{}{}", job_entry, job.name),
                          fmt::format("SELECT FROM {}({}, if_exists => true, scheduled => true)",
                                      timescaledb.function("alter_job"), job.id));
            source.exec(fmt::format("SELECT FROM {}({}, if_exists => true, scheduled => false)",
                                    timescaledb.function("alter_job"), job.id));
            log::info("Job {} is switched off on the source until the rows are read", job.name);
        }
        quiet = busy.empty() ? quiet + 1 : 0;
        if (const auto now = std::chrono::steady_clock::now(); !busy.empty() && now >= say_at) {
            for (const auto& job : jobs)
                if (const auto found = busy.find(job.id); found != busy.end())
                    log::warning(
                        "Waiting for a job of the source that runs to end, before it is switched off: {} (process {})",
                        job.name, found->second);
            say_at = now + say_every;
        }
        if (!waiter.sleep(look_every)) throw Stopped{};
    }
}

namespace detail {

/// What cannot be undone now stays in the journal for the clean command.
/// @returns whether there was something
inline bool undo_entries(std::string_view prefix, std::string_view done, state::Store& store, pg::Connection& source) {
    bool any = false;
    for (const auto& entry : store.pending_undo(state::Side::source)) {
        if (!entry.what.starts_with(prefix)) continue;
        any = true;
        try {
            source.exec(entry.undo_sql);
            store.undone(entry.id);
            log::info("{}: undone on the source, {}", entry.what, done);
        } catch (const pg::ServerError& error) {
            if (error.recovery() == Recovery::reconnect) throw;
            log::warning("{}: could not be undone on the source; the clean command tries once more: {}", entry.what,
                         error.what());
        }
    }
    return any;
}

}  // namespace detail

/// Switches on what switch_off() switched off, and takes back the setting that only the snapshot needs. Harmless to repeat.
///
/// Where TimescaleDB does not mark what compression writes, recompressing a chunk looks like deleting its rows: there the jobs stay off
/// until the clean command.
inline void resume_jobs(state::Store& store, pg::Connection& source) {
    constexpr std::string_view done = "since the rows are read";
    if (detail::undo_entries(fmt::format("{}{}", setting_entry, delete_after_compression), done, store, source)) {
        try {
            source.exec("SELECT pg_catalog.pg_reload_conf()");
        } catch (const pg::ServerError& error) {  // not for us where the setting is the database's
            if (error.state() != pg::sqlstate::insufficient_privilege) throw;
        }
    }
    const auto entries = store.pending_undo(state::Side::source);
    const auto jobs = std::ranges::count_if(entries, [](const auto& e) { return e.what.starts_with(job_entry); });
    if (jobs == 0) return;
    if (const auto timescaledb = installation(source); timescaledb && !timescaledb->release.compression_markers()) {
        log::warning(
            "{} jobs of the source stay switched off until the clean command: TimescaleDB {} does not mark what "
            "compression writes, which would be taken for changes of rows",
            jobs, timescaledb->version);
        return;
    }
    detail::undo_entries(job_entry, done, store, source);
}

}  // namespace tslive::timescale
