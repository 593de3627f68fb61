#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/pg/retry.hpp"
#include "tslive/timescale/hypertable_file.hpp"
#include "tslive/timescale/hypertable_plan.hpp"
#include "tslive/timescale/installation.hpp"

/// The hypertables of a target whose source is plain: what is there, and how they are made.
namespace tslive::timescale {

/// The users' hypertables of a database, each with its partitioning columns, time first.
/// @pre the database has the extension
[[nodiscard]] inline std::map<catalog::QualifiedName, std::vector<std::string>> user_hypertables(
    pg::Connection& connection) {
    const auto found = connection.exec(
        "SELECT h.schema_name, h.table_name, d.column_name FROM _timescaledb_catalog.hypertable h "
        "JOIN _timescaledb_catalog.dimension d ON d.hypertable_id = h.id "
        "WHERE h.compression_state <> 2 AND NOT EXISTS (SELECT FROM _timescaledb_catalog.continuous_agg a "
        "WHERE a.mat_hypertable_id = h.id) ORDER BY h.id, d.id");
    std::map<catalog::QualifiedName, std::vector<std::string>> hypertables;
    for (int r = 0; r < found.rows(); ++r) {
        catalog::detail::Row row(found, r);
        catalog::QualifiedName name{row.text(), row.text()};
        hypertables[std::move(name)].push_back(row.text());
    }
    return hypertables;
}

/// Their names; none where the extension is not.
[[nodiscard]] inline std::set<catalog::QualifiedName> hypertable_names(pg::Connection& connection) {
    std::set<catalog::QualifiedName> names;
    if (!installation(connection)) return names;
    for (const auto& [name, dimensions] : user_hypertables(connection)) names.insert(name);
    return names;
}

/// The chunks of hypertables; none where the extension is not. By what inherits, which holds in all releases.
[[nodiscard]] inline std::set<RelationId> chunks(pg::Connection& connection) {
    std::set<RelationId> found;
    if (!installation(connection)) return found;
    const auto rows = connection.exec(
        "SELECT i.inhrelid FROM _timescaledb_catalog.hypertable h "
        "JOIN pg_catalog.pg_namespace n ON n.nspname = h.schema_name "
        "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = h.table_name "
        "JOIN pg_catalog.pg_inherits i ON i.inhparent = c.oid");
    for (int r = 0; r < rows.rows(); ++r) found.insert(catalog::detail::Row(rows, r).relation());
    return found;
}

[[nodiscard]] inline bool apache_licence(pg::Connection& connection) {
    const auto licence = connection.exec("SELECT pg_catalog.current_setting('timescaledb.license', true)");
    return licence.optional(0, 0) == "apache";
}

namespace detail {

[[nodiscard]] inline std::string cast_span(TimeKind kind) {
    return kind == TimeKind::integer ? "pg_catalog.int8" : "pg_catalog.interval";
}

[[nodiscard]] inline TimeKind time_kind_on(pg::Connection& target, const Installation& timescaledb,
                                           const HypertableSpec& spec) {
    const auto type = target.exec(
        "SELECT pg_catalog.format_type(a.atttypid, -1) FROM pg_catalog.pg_attribute a "
        "WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attname = $2 AND NOT a.attisdropped",
        pg::Params{}.text(spec.table.quoted()).text(spec.time));
    const auto kind = type.empty() ? std::nullopt : time_kind(type.at(0, 0), timescaledb.release);
    if (!kind)
        throw Error(Recovery::operator_action,
                    fmt::format("hypertable {}: the target's table has no column {} that it can be partitioned by",
                                spec.table, catalog::detail::plain_identifier(spec.time)),
                    "Has somebody changed the table on the target? Put it right there, then go on with --resume");
    return *kind;
}

inline void make_hypertable(pg::Connection& target, const Installation& timescaledb, const HypertableSpec& spec) {
    const auto kind = time_kind_on(target, timescaledb, spec);
    pg::Params params;
    params.text(spec.table.quoted()).text(spec.time);
    std::string interval;
    if (!spec.chunk_interval.empty()) {
        params.text(spec.chunk_interval);
        interval = fmt::format("chunk_time_interval => $3::{}, ", cast_span(kind));
    }
    pg::Transaction transaction(target);
    target.exec(fmt::format("SELECT {}(relation => $1::pg_catalog.regclass, time_column_name => $2::pg_catalog.name, "
                            "{}create_default_indexes => false)",
                            timescaledb.function("create_hypertable"), interval),
                params);
    for (const auto& dimension : spec.space)
        target.exec(
            fmt::format(
                "SELECT {}($1::pg_catalog.regclass, $2::pg_catalog.name, number_partitions => $3::pg_catalog.int4)",
                timescaledb.function("add_dimension")),
            pg::Params{}.text(spec.table.quoted()).text(dimension.column).number(dimension.partitions));
    if (spec.integer_now)
        target.exec(fmt::format("SELECT {}($1::pg_catalog.regclass, $2::pg_catalog.regproc)",
                                timescaledb.function("set_integer_now_func")),
                    pg::Params{}.text(spec.table.quoted()).text(spec.integer_now->quoted()));
    transaction.commit();
}

}  // namespace detail

/// Makes the hypertables that are not there yet, each in a transaction of its own. Harmless to repeat.
/// @pre their tables are there, and empty
/// @throws Error  (operator_action) naming the hypertable, also when one is there with other partitioning columns
inline void create_hypertables(pg::Connection& target, const Installation& timescaledb,
                               const std::vector<HypertableSpec>& specs) {
    const auto there = user_hypertables(target);
    for (const auto& spec : specs) {
        if (const auto found = there.find(spec.table); found != there.end()) {
            if (found->second == spec.dimensions()) continue;
            throw Error(Recovery::operator_action,
                        fmt::format("{} is a hypertable on the target already, partitioned by {} and not by {}",
                                    spec.table, fmt::join(found->second, ", "), fmt::join(spec.dimensions(), ", ")),
                        "Let the file say what the target has, or begin anew with an empty target");
        }
        try {
            detail::make_hypertable(target, timescaledb, spec);
        } catch (const pg::ServerError& error) {
            if (pg::transient(error)) throw;
            throw error.with_context(
                fmt::format("making the hypertable {} (line {} of the file)", spec.table, spec.line),
                "Mend it on the target, or correct the file; then go on with --resume "
                "--hypertables FILE");
        }
        log::info("{} is a hypertable on the target, partitioned by {}", spec.table,
                  fmt::join(spec.dimensions(), ", "));
    }
}

/// Statements that make hypertables of the source's largest tables that have a time, for people to begin with.
[[nodiscard]] inline std::vector<std::string> hypertable_examples(pg::Connection& source,
                                                                  const Installation& timescaledb) {
    const auto tables = source.exec(
        "SELECT n.nspname, c.relname, a.attname FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "CROSS JOIN LATERAL (SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 "
        "  AND NOT a.attisdropped AND a.attgenerated = '' AND a.atttypid IN "
        "('pg_catalog.timestamptz'::pg_catalog.regtype, "
        "  'pg_catalog.timestamp'::pg_catalog.regtype, 'pg_catalog.date'::pg_catalog.regtype) "
        "  ORDER BY a.attnotnull DESC, a.attnum LIMIT 1) AS a "
        "WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relispartition AND n.nspname !~ '^pg_' "
        "AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = "
        "c.oid "
        "  AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e') "
        "ORDER BY pg_catalog.pg_relation_size(c.oid) DESC, 1, 2 LIMIT 3");
    std::vector<std::pair<catalog::QualifiedName, std::string>> candidates;
    for (int r = 0; r < tables.rows(); ++r) {
        catalog::detail::Row row(tables, r);
        candidates.push_back({{row.text(), row.text()}, row.text()});
    }
    if (candidates.empty()) candidates.push_back({{"public", "metrics"}, "time"});
    std::vector<std::string> examples;
    for (const auto& [table, column] : candidates) {
        const auto name = pg::quote_literal(fmt::format("{}", table)), time = pg::quote_literal(column);
        const auto function = [&](std::string_view own) {
            return fmt::format("{}", catalog::QualifiedName{timescaledb.schema, std::string{own}});
        };
        const auto dimension = timescaledb.release.dimension_builders()
                                   ? fmt::format("{}({}, INTERVAL '7 days')", function("by_range"), time)
                                   : fmt::format("{}, chunk_time_interval => INTERVAL '7 days'", time);
        examples.push_back(fmt::format("SELECT {}({}, {}, create_default_indexes => false);",
                                       function("create_hypertable"), name, dimension));
    }
    return examples;
}

}  // namespace tslive::timescale
