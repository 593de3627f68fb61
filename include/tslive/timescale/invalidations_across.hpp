#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/timescale/detail/transfer.hpp"
#include "tslive/timescale/release.hpp"

namespace tslive::timescale {
namespace detail {

/// `a "public"."hourly"` for a materialization, `h "public"."metrics"` for another hypertable: what a number in the catalog stands for.
inline constexpr std::string_view hypertable_keys =
    "SELECT h.id, CASE WHEN a.user_view_name IS NULL THEN pg_catalog.format('h %I.%I', h.schema_name, h.table_name) "
    "ELSE pg_catalog.format('a %I.%I', a.user_view_schema, a.user_view_name) END AS key "
    "FROM _timescaledb_catalog.hypertable h LEFT JOIN _timescaledb_catalog.continuous_agg a "
    "ON a.mat_hypertable_id = h.id WHERE h.compression_state <> 2";

struct InvalidationState {
    std::string_view kind, table, id, columns, target_columns;
};
inline constexpr std::array<InvalidationState, 5> invalidation_states{
    {{"threshold", "continuous_aggs_invalidation_threshold", "hypertable_id", "x.watermark, NULL::bigint", "watermark"},
     {"watermark", "continuous_aggs_watermark", "mat_hypertable_id", "x.watermark, NULL::bigint", "watermark"},
     {"changes", "continuous_aggs_hypertable_invalidation_log", "hypertable_id",
      "x.lowest_modified_value, x.greatest_modified_value", "lowest_modified_value, greatest_modified_value"},
     {"stale", "continuous_aggs_materialization_invalidation_log", "materialization_id",
      "x.lowest_modified_value, x.greatest_modified_value", "lowest_modified_value, greatest_modified_value"},
     {"pending", "continuous_aggs_materialization_ranges", "materialization_id",
      "x.lowest_modified_value, x.greatest_modified_value", "lowest_modified_value, greatest_modified_value"}}};

[[nodiscard]] inline bool has_state(const InvalidationState& state, const Release& release) {
    if (state.kind == "watermark") return release.stores_watermarks();
    return state.kind != "pending" || release.materialization_ranges();
}

[[nodiscard]] inline std::string states_on_source(const Release& release) {
    std::string sql;
    const auto add = [&](std::string_view kind, std::string_view id, std::string_view columns, std::string_view from) {
        sql += fmt::format("{}SELECT '{}', k.key, {} FROM {} x JOIN ({}) k ON k.id = x.{}",
                           sql.empty() ? "" : " UNION ALL ", kind, columns, from, hypertable_keys, id);
    };
    for (const auto& state : invalidation_states)
        if (has_state(state, release))
            add(state.kind, state.id, state.columns, fmt::format("_timescaledb_catalog.{}", state.table));
    if (!release.stores_watermarks())
        add("watermark", "mat_hypertable_id",
            fmt::format("{}.cagg_watermark(x.mat_hypertable_id), NULL::bigint", release.functions()),
            "_timescaledb_catalog.continuous_agg");
    return sql;
}

}  // namespace detail

/// Replaces what the target knows about stale ranges and watermarks of continuous aggregates by what the source knows, in one transaction of
/// each. They are matched by name: numbers differ. Without this, the target would take all of their past for stale, and a refresh
/// would lose what was made of rows that are gone.
///
/// @pre     the source is quiet, its changes are applied, and no job runs on the target, where we are superuser
/// @returns rows
/// @throws Error  (operator_action) naming one that the target lacks
inline std::int64_t replace_invalidations_across(pg::Connection& source, const Release& there, pg::Connection& target,
                                                 const Release& here) {
    pg::Transaction reading(source, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    pg::Transaction writing(target);
    target.exec("CREATE TEMPORARY TABLE tslive_state (kind text, key text, low bigint, high bigint) ON COMMIT DROP");
    const auto rows = detail::transfer(source, detail::states_on_source(there), target,
                                       "pg_temp.tslive_state (kind, key, low, high)");
    const auto missing = target.exec(fmt::format(
        "SELECT DISTINCT substr(s.key, 3) FROM pg_temp.tslive_state s WHERE NOT EXISTS (SELECT FROM ({}) k WHERE k.key "
        "= s.key) ORDER BY 1",
        detail::hypertable_keys));
    if (!missing.empty())
        throw Error(
            Recovery::operator_action,
            fmt::format("the target lacks {}, which was made on the source after the snapshot", missing.at(0, 0)),
            "Drop it on the source, go on with --resume, and make it on the target when the migration is "
            "complete");
    for (const auto& state : detail::invalidation_states) {
        if (!detail::has_state(state, here)) continue;
        target.exec(fmt::format("DELETE FROM _timescaledb_catalog.{}", state.table));
        target.exec(fmt::format(
            "INSERT INTO _timescaledb_catalog.{} ({}, {}) SELECT k.id, s.low{} FROM pg_temp.tslive_state s JOIN ({}) k "
            "ON k.key = s.key WHERE s.kind = '{}'",
            state.table, state.id, state.target_columns, state.target_columns == "watermark" ? "" : ", s.high",
            detail::hypertable_keys, state.kind));
    }
    writing.commit();
    reading.rollback();
    return rows;
}

}  // namespace tslive::timescale
