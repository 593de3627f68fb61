#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/catalog/columns.hpp"
#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/release.hpp"

/// Jobs: policies, and procedures that users have scheduled. They have numbers from 1000 on, the same on both sides.
namespace tslive::timescale {

struct JobsReport {
    int switched_on = 0;
    std::vector<std::string> only_on_source;  ///< made after the snapshot
    std::vector<std::string> only_on_target;  ///< dropped on the source since; off
};

namespace detail {

struct Job {
    std::string what;       ///< `Retention Policy [1000]`
    std::string procedure;  ///< quoted
    std::string row;        ///< as JSON
    bool scheduled = false;
};

[[nodiscard]] inline std::map<int, Job> jobs(pg::Connection& connection, const Release& release) {
    const auto found =
        connection.exec(fmt::format("SELECT id, application_name, pg_catalog.format('%I.%I', proc_schema, proc_name), "
                                    "pg_catalog.to_jsonb(j), scheduled FROM {} j WHERE id >= 1000",
                                    release.jobs()));
    std::map<int, Job> all;
    for (int row = 0; row < found.rows(); ++row)
        all.emplace(found.number<int>(row, 0), Job{.what = found.text(row, 1),
                                                   .procedure = found.text(row, 2),
                                                   .row = found.text(row, 3),
                                                   .scheduled = found.boolean(row, 4)});
    return all;
}

/// `"a", "b"`: all columns of a table but one.
[[nodiscard]] inline std::string columns_but(pg::Connection& connection, std::string_view table, std::string_view but) {
    const auto columns = connection.exec(
        "SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname), ', ') FROM pg_catalog.pg_attribute "
        "WHERE attrelid = pg_catalog.to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attname <> $2",
        pg::Params{}.text(table).text(but));
    return columns.text(0, 0);
}

}  // namespace detail

/// Makes the target's jobs what the source's are at this moment: owner, schedule, configuration, and whether they run; and when they
/// run next, so that none does for want of a past. In one transaction of the target. The scheduler sees it when it is restarted.
///
/// @pre ids of jobs and hypertables are the same on both sides; nobody runs jobs on the target
/// @throws Error  (operator_action) when an owner does not exist on the target
inline JobsReport take_over_jobs(pg::Connection& source, pg::Connection& target, const Release& release) {
    constexpr std::string_view statistics = "_timescaledb_internal.bgw_job_stat";
    JobsReport report;
    const auto wanted = detail::jobs(source, release);
    // One that is running has no time yet, and one that has never been due has no row: the scheduler decides.
    const auto next = source.exec(fmt::format(
        "SELECT job_id, pg_catalog.to_jsonb(s) FROM {} s WHERE job_id >= 1000 AND pg_catalog.isfinite(next_start)",
        statistics));
    pg::Transaction transaction(target);
    const auto here = detail::jobs(target, release);
    const auto columns = detail::columns_but(target, release.jobs(), "id");
    std::vector<int> same;
    for (const auto& [id, job] : wanted) {
        const auto found = here.find(id);
        if (found == here.end() || found->second.procedure != job.procedure) {
            report.only_on_source.push_back(fmt::format("{}, which calls {}", job.what, job.procedure));
            continue;
        }
        try {
            target.exec(
                fmt::format("UPDATE {0} SET ({1}) = (SELECT {1} FROM pg_catalog.jsonb_populate_record(NULL::{0}, "
                            "$1::pg_catalog.jsonb)) WHERE id = $2",
                            release.jobs(), columns),
                pg::Params{}.text(job.row).number(id));
        } catch (const pg::ServerError& error) {
            throw error.with_context(fmt::format("job {}", job.what),
                                     error.state() == pg::sqlstate::undefined_object
                                         ? "Create its owner's role on the target, then go on with --resume"
                                         : "");
        }
        same.push_back(id);
        if (job.scheduled) ++report.switched_on;
    }
    for (const auto& [id, job] : here) {
        if (wanted.contains(id)) continue;
        report.only_on_target.push_back(job.what);
        target.exec(fmt::format("UPDATE {} SET scheduled = false WHERE id = $1", release.jobs()),
                    pg::Params{}.number(id));
    }
    target.exec(fmt::format("DELETE FROM {} WHERE job_id >= 1000", statistics));
    for (int row = 0; row < next.rows(); ++row)
        target.exec(fmt::format("INSERT INTO {0} SELECT r.* FROM pg_catalog.jsonb_populate_record(NULL::{0}, "
                                "$1::pg_catalog.jsonb) r WHERE r.job_id = ANY ($2::pg_catalog.int4[])",
                                statistics),
                    pg::Params{}.text(next.at(row, 1)).text(fmt::format("{{{}}}", fmt::join(same, ","))));
    transaction.commit();
    return report;
}

}  // namespace tslive::timescale
