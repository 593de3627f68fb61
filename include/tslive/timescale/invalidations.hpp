#pragma once

#include <array>
#include <cstdint>
#include <set>
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
#include "tslive/timescale/detail/transfer.hpp"

namespace tslive::timescale {

namespace detail {

/// Where it stands how far a continuous aggregate is materialized, and what of it is stale; and the column that says whose it is.
/// Not all releases have all of them.
struct InvalidationTable {
    std::string_view name, key;
};
inline constexpr std::array<InvalidationTable, 5> invalidation_tables{
    {{"continuous_aggs_invalidation_threshold", "hypertable_id"},
     {"continuous_aggs_watermark", "mat_hypertable_id"},
     {"continuous_aggs_hypertable_invalidation_log", "hypertable_id"},
     {"continuous_aggs_materialization_invalidation_log", "materialization_id"},
     {"continuous_aggs_materialization_ranges", "materialization_id"}}};

/// What the ids in these tables stand for, one text each.
[[nodiscard]] inline std::set<std::string> continuous_aggregates(pg::Connection& connection) {
    const auto found = connection.exec(
        "SELECT pg_catalog.format('continuous aggregate %I.%I (materialization %s) of hypertable %I.%I (%s)', "
        "a.user_view_schema, a.user_view_name, a.mat_hypertable_id, h.schema_name, h.table_name, h.id) "
        "FROM _timescaledb_catalog.continuous_agg a JOIN _timescaledb_catalog.hypertable h ON h.id = "
        "a.raw_hypertable_id");
    std::set<std::string> all;
    for (int row = 0; row < found.rows(); ++row) all.insert(found.text(row, 0));
    return all;
}

}  // namespace detail

/// Continuous aggregates that the source has and the target has not, or not of the same hypertable and with the same ids.
[[nodiscard]] inline std::vector<std::string> continuous_aggregates_only_on_source(pg::Connection& source,
                                                                                   pg::Connection& target) {
    const auto there = detail::continuous_aggregates(target);
    std::vector<std::string> missing;
    for (const auto& one : detail::continuous_aggregates(source))
        if (!there.contains(one)) missing.push_back(one);
    return missing;
}

/// Replaces what the target knows about stale ranges and watermarks by what the source knows, in one transaction of each: what has
/// been changed and not been refreshed yet on the source is refreshed here.
///
/// @pre           ids are the same on both sides; the source is quiet, its changes are applied, and no job runs on the target
/// @returns       rows
/// @throws Error  (operator_action) naming the continuous aggregates that the target lacks
inline std::int64_t replace_invalidations(pg::Connection& source, pg::Connection& target) {
    if (const auto missing = continuous_aggregates_only_on_source(source, target); !missing.empty())
        throw Error(
            Recovery::operator_action,
            fmt::format("the target lacks what was made on the source after the snapshot: {}",
                        fmt::join(missing, "; ")),
            "Drop it on the source, go on with --resume, and make it on the target when the migration is complete");
    pg::Transaction reading(source, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    pg::Transaction writing(target);
    target.exec("SET LOCAL session_replication_role = replica");  // TimescaleDB writes them without foreign keys, too
    const auto ids = source.exec(
        "SELECT coalesce(pg_catalog.array_agg(id), '{}') FROM (SELECT mat_hypertable_id FROM "
        "_timescaledb_catalog.continuous_agg UNION SELECT raw_hypertable_id FROM _timescaledb_catalog.continuous_agg) "
        "x(id)");
    std::int64_t rows = 0;
    for (const auto& [name, key] : detail::invalidation_tables) {
        const auto table = pg::qualified("_timescaledb_catalog", name);
        const auto known = source.exec("SELECT pg_catalog.to_regclass($1)::pg_catalog.oid", pg::Params{}.text(table));
        if (known.is_null(0, 0)) continue;
        std::vector<std::string> columns;
        for (const auto& column : catalog::columns(source, {known.number<std::uint32_t>(0, 0)}))
            columns.push_back(pg::quote_identifier(column.name));
        target.exec(fmt::format("DELETE FROM {} WHERE {} = ANY ($1::pg_catalog.int4[])", table, key),
                    pg::Params{}.text(ids.at(0, 0)));
        rows += detail::transfer(source,
                                 fmt::format("SELECT {} FROM ONLY {} WHERE {} = ANY ({}::pg_catalog.int4[])",
                                             fmt::join(columns, ", "), table, key, pg::quote_literal(ids.at(0, 0))),
                                 target, fmt::format("{} ({})", table, fmt::join(columns, ", ")));
    }
    writing.commit();
    return rows;
}

}  // namespace tslive::timescale
