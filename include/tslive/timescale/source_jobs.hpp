#pragma once

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

/// Of the jobs, those that run now: id to process. A worker holds an advisory lock of its job's id from beginning to end.
[[nodiscard]] inline std::map<std::int32_t, std::string> running(pg::Connection& source, const std::vector<Job>& jobs) {
    constexpr int job_lock = 29749;  // the last field of the lock's tag, in all releases
    std::vector<std::int32_t> ids;
    for (const auto& job : jobs) ids.push_back(job.id);
    const auto rows = source.exec(
        fmt::format("SELECT l.classid, max(l.pid) FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory' "
                    "AND l.objsubid = {} AND l.granted AND l.classid = ANY ($1::pg_catalog.oid[]) AND l.database = "
                    "(SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) GROUP BY 1",
                    job_lock),
        pg::Params{}.text(fmt::format("{{{}}}", fmt::join(ids, ","))));
    std::map<std::int32_t, std::string> found;
    for (int row = 0; row < rows.rows(); ++row) found.emplace(rows.number<std::int32_t>(row, 0), rows.text(row, 1));
    return found;
}

/// Journalled one by one, each when it does not run: the scheduler would end a job that is switched off under it. Says what it waits
/// for. On return none of them runs.
/// @throws Stopped
inline void switch_off(const std::vector<Job>& jobs, const Installation& timescaledb, state::Store& store,
                       pg::Connection& source, Waiter& waiter) {
    // A worker that was started just before its job was switched off takes its lock a moment later.
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

/// Switches on what switch_off() switched off. Harmless to repeat. What cannot be now stays in the journal for the clean command.
///
/// Where TimescaleDB does not mark what compression writes, recompressing a chunk looks like deleting its rows: there the jobs stay off
/// until the clean command.
inline void resume_jobs(state::Store& store, pg::Connection& source) {
    std::vector<state::UndoEntry> jobs;
    for (auto& entry : store.pending_undo(state::Side::source))
        if (entry.what.starts_with(job_entry)) jobs.push_back(std::move(entry));
    if (jobs.empty()) return;
    if (const auto timescaledb = installation(source); timescaledb && !timescaledb->release.compression_markers()) {
        log::warning(
            "{} jobs of the source stay switched off until the clean command: TimescaleDB {} does not mark what "
            "compression writes, which would be taken for changes of rows",
            jobs.size(), timescaledb->version);
        return;
    }
    for (const auto& entry : jobs) {
        try {
            source.exec(entry.undo_sql);
            store.undone(entry.id);
            log::info("Job {} is switched on again on the source", entry.what.substr(job_entry.size()));
        } catch (const pg::ServerError& error) {
            if (error.recovery() == Recovery::reconnect) throw;
            log::warning("Job {} could not be switched on again on the source, the clean command tries once more: {}",
                         entry.what.substr(job_entry.size()), error.what());
        }
    }
}

}  // namespace tslive::timescale
