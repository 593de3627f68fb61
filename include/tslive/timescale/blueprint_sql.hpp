#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/pg/quote.hpp"
#include "tslive/timescale/blueprint.hpp"
#include "tslive/timescale/installation.hpp"

/// Statements that make on the target, through the public interface of its release, what the source has.
namespace tslive::timescale {
namespace detail {

/// `'"public"."t"'::pg_catalog.regclass`
[[nodiscard]] inline std::string relation_literal(const catalog::QualifiedName& name) {
    return pg::quote_literal(name.quoted()) + "::pg_catalog.regclass";
}
[[nodiscard]] inline std::string function_literal(const catalog::QualifiedName& name) {
    return pg::quote_literal(name.quoted()) + "::pg_catalog.regproc";
}
[[nodiscard]] inline bool is_internal_schema(std::string_view schema) {
    return schema == "_timescaledb_internal" || schema == "_timescaledb_functions";
}
/// A function of TimescaleDB's own is in the schema that the target's release has for them.
[[nodiscard]] inline catalog::QualifiedName function_there(const catalog::QualifiedName& name,
                                                           const Installation& target) {
    return is_internal_schema(name.schema) ? catalog::QualifiedName{std::string{target.release.functions()}, name.name}
                                           : name;
}

/// `, partitioning_func => …`, unless it is what everybody has.
[[nodiscard]] inline std::string partitioning_function(std::string_view parameter, const Dimension& dimension,
                                                       const Installation& target) {
    if (!dimension.function) return {};
    if (is_internal_schema(dimension.function->schema) && dimension.function->name == "get_partition_hash") return {};
    return fmt::format(", {} => {}", parameter, function_literal(function_there(*dimension.function, target)));
}

/// `"a","b"`: a list in an option's text.
[[nodiscard]] inline std::string segment_list(const std::vector<std::string>& columns) {
    std::string list;
    for (const auto& column : columns) list += (list.empty() ? "" : ",") + pg::quote_identifier(column);
    return list;
}
[[nodiscard]] inline std::string order_list(const std::vector<CompressionOrder>& columns) {
    std::string list;
    for (const auto& one : columns)
        list += fmt::format("{}{} {} NULLS {}", list.empty() ? "" : ",", pg::quote_identifier(one.column),
                            one.descending ? "DESC" : "ASC", one.nulls_first ? "FIRST" : "LAST");
    return list;
}

/// An interval in the catalog's units as one for people: of times microseconds, else a number.
[[nodiscard]] inline std::string interval_text(std::int64_t units) { return fmt::format("{} microseconds", units); }

}  // namespace detail

/// @pre the table is there, empty, without indexes
[[nodiscard]] inline std::vector<std::string> hypertable_sql(const Hypertable& hypertable, const Installation& target) {
    const auto relation = detail::relation_literal(hypertable.name);
    const auto& primary = hypertable.dimensions.front();
    auto create = fmt::format("SELECT {}({}, {}, chunk_time_interval => {}::bigint, create_default_indexes => false",
                              target.function("create_hypertable"), relation, pg::quote_literal(primary.column),
                              primary.interval.value_or(0));
    if (hypertable.chunk_schema) create += ", associated_schema_name => " + pg::quote_literal(*hypertable.chunk_schema);
    if (hypertable.chunk_prefix)
        create += ", associated_table_prefix => " + pg::quote_literal(*hypertable.chunk_prefix);
    std::vector<std::string> statements{create +
                                        detail::partitioning_function("time_partitioning_func", primary, target) + ")"};
    for (std::size_t i = 1; i < hypertable.dimensions.size(); ++i) {
        const auto& dimension = hypertable.dimensions[i];
        auto add = fmt::format("SELECT {}({}, {}", target.function("add_dimension"), relation,
                               pg::quote_literal(dimension.column));
        add += dimension.interval ? fmt::format(", chunk_time_interval => {}::bigint", *dimension.interval)
                                  : fmt::format(", number_partitions => {}", dimension.partitions.value_or(1));
        statements.push_back(add + detail::partitioning_function("partitioning_func", dimension, target) + ")");
    }
    if (primary.integer_now)
        statements.push_back(fmt::format("SELECT {}({}, {})", target.function("set_integer_now_func"), relation,
                                         detail::function_literal(*primary.integer_now)));
    return statements;
}

/// Settings of compression, for a hypertable or a continuous aggregate. Before 2.19 no unique constraint can be added after them.
///
/// @param object  `ALTER TABLE "public"."t"`
[[nodiscard]] inline std::vector<std::string> compression_sql(std::string_view object, const Hypertable& hypertable,
                                                              const Installation& target) {
    if (!hypertable.compression) return {};
    const auto& settings = *hypertable.compression;
    auto set = fmt::format("{} SET (timescaledb.compress = true", object);
    if (settings.segment_by)
        set += ", timescaledb.compress_segmentby = " + pg::quote_literal(detail::segment_list(*settings.segment_by));
    if (settings.order_by && !settings.order_by->empty())
        set += ", timescaledb.compress_orderby = " + pg::quote_literal(detail::order_list(*settings.order_by));
    if (!settings.sparse_indexes.empty() && target.release.sparse_indexes())
        set += ", timescaledb.compress_index = " + pg::quote_literal(settings.sparse_indexes);
    std::vector<std::string> statements{set + ")"};
    const auto& primary = hypertable.dimensions.front();
    if (primary.compressed_interval)
        statements.push_back(fmt::format("{} SET (timescaledb.compress_chunk_time_interval = {})", object,
                                         pg::quote_literal(detail::interval_text(*primary.compressed_interval))));
    return statements;
}
[[nodiscard]] inline std::vector<std::string> compression_sql(const Hypertable& hypertable,
                                                              const Installation& target) {
    auto statements = compression_sql("ALTER TABLE " + hypertable.name.quoted(), hypertable, target);
    if (!hypertable.skipping.empty()) statements.push_back("SET LOCAL timescaledb.enable_chunk_skipping = on");
    for (const auto& column : hypertable.skipping)
        statements.push_back(fmt::format("SELECT {}({}, {})", target.function("enable_chunk_skipping"),
                                         detail::relation_literal(hypertable.name), pg::quote_literal(column)));
    return statements;
}
[[nodiscard]] inline std::vector<std::string> compression_sql(const ContinuousAggregate& aggregate,
                                                              const Installation& target) {
    return compression_sql("ALTER MATERIALIZED VIEW " + aggregate.view.quoted(), aggregate.materialization, target);
}

/// The table of a continuous aggregate's rows on the target, as a query for its one row (schema, name).
[[nodiscard]] inline std::string materialization_query(const catalog::QualifiedName& view) {
    return fmt::format(
        "SELECT h.schema_name, h.table_name, h.id FROM _timescaledb_catalog.continuous_agg a "
        "JOIN _timescaledb_catalog.hypertable h ON h.id = a.mat_hypertable_id "
        "WHERE a.user_view_schema = {} AND a.user_view_name = {}",
        pg::quote_literal(view.schema), pg::quote_literal(view.name));
}

/// Without rows; those of the source come as they are. Their indexes come later.
[[nodiscard]] inline std::vector<std::string> aggregate_sql(const ContinuousAggregate& aggregate,
                                                            const Installation& target) {
    const auto view = aggregate.view.quoted();
    return {fmt::format("CREATE MATERIALIZED VIEW {} WITH (timescaledb.continuous, timescaledb.create_group_indexes = "
                        "false, timescaledb.materialized_only = {}) AS {} WITH NO DATA",
                        view, aggregate.materialized_only, aggregate.query),
            fmt::format("ALTER MATERIALIZED VIEW {} OWNER TO {}", view, pg::quote_identifier(aggregate.owner)),
            fmt::format("SELECT {}(pg_catalog.format('%I.%I', m.schema_name, m.table_name)::pg_catalog.regclass, "
                        "{}::bigint) FROM ({}) m",
                        target.function("set_chunk_time_interval"),
                        aggregate.materialization.dimensions.front().interval.value_or(0),
                        materialization_query(aggregate.view))};
}

}  // namespace tslive::timescale
