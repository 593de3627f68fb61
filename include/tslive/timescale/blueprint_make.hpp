#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/timescale/blueprint.hpp"
#include "tslive/timescale/blueprint_jobs.hpp"
#include "tslive/timescale/blueprint_read.hpp"
#include "tslive/timescale/blueprint_sql.hpp"
#include "tslive/timescale/installation.hpp"

/// Makes on the target what the source has, step by step. The order is the caller's:
///
///     tables, without indexes     make_hypertables, make_aggregates, then what is built upon these
///     rows, indexes, constraints  make_materialization_indexes, set_compression
///     the rest of the schema      make_jobs
///
/// Each step runs in the caller's transaction, so that it is done or not done; none is to be repeated.
namespace tslive::timescale {
namespace detail {

/// @param what  the object, for people
inline void make(pg::Connection& target, std::string_view what, const std::vector<std::string>& statements) {
    for (const auto& statement : statements) {
        try {
            target.exec(statement);
        } catch (const pg::ServerError& error) {
            if (error.recovery() != Recovery::operator_action) throw;
            throw Error(Recovery::operator_action,
                        fmt::format("{} cannot be made on the target: {}\n  {}", what, error.what(), statement),
                        "This release of TimescaleDB has no way to make it. Change or drop it on the source, run "
                        "ts-clean, and begin anew");
        }
    }
}

}  // namespace detail

inline void make_hypertables(pg::Connection& target, const Blueprint& print, const Installation& installation) {
    for (const auto& one : print.hypertables)
        detail::make(target, fmt::format("hypertable {}", one.name), hypertable_sql(one, installation));
}

/// The table of a continuous aggregate's rows on the target.
/// @throws Error  (operator_action) when there is no such continuous aggregate
[[nodiscard]] inline catalog::QualifiedName materialization_on(pg::Connection& target,
                                                               const catalog::QualifiedName& view) {
    const auto found = target.exec(materialization_query(view));
    if (found.empty())
        throw Error(Recovery::operator_action, fmt::format("the target has no continuous aggregate {}", view),
                    "It was dropped there. Run ts-clean and begin anew");
    return {found.text(0, 0), found.text(0, 1)};
}

inline void make_aggregates(pg::Connection& target, const Blueprint& print, const Installation& installation) {
    for (const auto& one : print.aggregates) {
        detail::make(target, fmt::format("continuous aggregate {}", one.view), aggregate_sql(one, installation));
        const auto columns = detail::BlueprintReader::table_columns(target, materialization_on(target, one.view));
        if (columns == one.columns) continue;
        throw Error(Recovery::operator_action,
                    fmt::format("continuous aggregate {} has other columns on the target: {} instead of {}", one.view,
                                fmt::join(columns, ", "), fmt::join(one.columns, ", ")),
                    "Make it anew on the source, with the columns that its query has, and begin anew");
    }
}

/// Those of the source and no others: every continuous aggregate is made with one.
inline void make_materialization_indexes(pg::Connection& target, const Blueprint& print) {
    for (const auto& one : print.aggregates) {
        const auto table = materialization_on(target, one.view);
        const auto& numbered = one.materialization.name.name;
        auto wanted = one.indexes;
        for (auto& index : wanted)  // those that were not given a name have that of the table, with its number
            if (index.name.starts_with(numbered + '_')) index.name = table.name + index.name.substr(numbered.size());
        for (const auto& index : detail::BlueprintReader::table_indexes(target, table)) {
            const auto same = std::ranges::find_if(wanted, [&](const auto& other) {
                return other.name == index.name && other.unique == index.unique && other.definition == index.definition;
            });
            if (same != wanted.end()) wanted.erase(same);
            else target.exec("DROP INDEX " + pg::qualified(table.schema, index.name));
        }
        for (const auto& index : wanted)
            detail::make(target, fmt::format("index {} of continuous aggregate {}", index.name, one.view),
                         {fmt::format("CREATE {}INDEX {} ON {} {}", index.unique ? "UNIQUE " : "",
                                      pg::quote_identifier(index.name), table.quoted(), index.definition)});
    }
}

inline void set_compression(pg::Connection& target, const Blueprint& print, const Installation& installation) {
    for (const auto& one : print.hypertables)
        detail::make(target, fmt::format("compression of {}", one.name), compression_sql(one, installation));
    for (const auto& one : print.aggregates)
        detail::make(target, fmt::format("compression of {}", one.view), compression_sql(one, installation));
}

/// Takes out what the target does not have. @returns what
[[nodiscard]] inline std::vector<std::string> keep_known(pg::Connection& target, Blueprint& print) {
    const auto found = target.exec(
        "SELECT h.schema_name, h.table_name, coalesce(a.user_view_schema, ''), coalesce(a.user_view_name, '') "
        "FROM _timescaledb_catalog.hypertable h LEFT JOIN _timescaledb_catalog.continuous_agg a ON a.mat_hypertable_id "
        "= h.id");
    std::set<catalog::QualifiedName> known;
    for (int row = 0; row < found.rows(); ++row)
        known.insert(found.at(row, 3).empty() ? catalog::QualifiedName{found.text(row, 0), found.text(row, 1)}
                                              : catalog::QualifiedName{found.text(row, 2), found.text(row, 3)});
    std::vector<std::string> gone;
    std::set<std::int32_t> ids;
    std::erase_if(print.hypertables, [&](const Hypertable& one) {
        if (known.contains(one.name)) return false;
        gone.push_back(fmt::format("Hypertable {}", one.name));
        return ids.insert(one.id).second;
    });
    std::erase_if(print.aggregates, [&](const ContinuousAggregate& one) {
        if (known.contains(one.view)) return false;
        gone.push_back(fmt::format("Continuous aggregate {}", one.view));
        return ids.insert(one.materialization.id).second;
    });
    std::erase_if(print.jobs, [&](const ScheduledJob& job) { return job.hypertable && ids.contains(*job.hypertable); });
    return gone;
}

/// All switched off, under the numbers that they have on the source. Each is its owner's, by whom it is made.
inline void make_jobs(pg::Connection& target, const Blueprint& print, const Installation& installation) {
    const auto sequence = pg::quote_literal(fmt::format("{}_id_seq", installation.release.jobs()));
    std::int32_t last = 999;
    for (const auto& job : print.jobs) {
        const auto what = fmt::format("job {} ({})", job.id, job.application_name);
        target.exec(fmt::format("SELECT pg_catalog.setval({}, {}, false)", sequence, job.id));
        const detail::JobSql sql(job, print, installation);
        const auto owner = fmt::format("SET LOCAL ROLE {}", pg::quote_identifier(job.owner));
        if (sql.refuses_alter_job()) detail::make(target, what, {owner, sql.add(), "RESET ROLE", sql.alter()});
        else detail::make(target, what, {owner, sql.add(), sql.alter(), "RESET ROLE"});
        last = std::max(last, job.id);
    }
    target.exec(fmt::format("SELECT pg_catalog.setval({}, GREATEST({}, (SELECT last_value FROM {}_id_seq)))", sequence,
                            std::max(last, 1000), installation.release.jobs()));
}

/// Those that are on in the blueprint. They run when they would have run on the source.
inline void switch_on(pg::Connection& target, const Blueprint& print, const Installation& installation) {
    for (const auto& job : print.jobs)
        if (job.scheduled)
            detail::make(target, fmt::format("job {} ({})", job.id, job.application_name),
                         {detail::JobSql(job, print, installation).switch_on()});
}

}  // namespace tslive::timescale
