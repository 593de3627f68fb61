#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/name.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/detail/transfer.hpp"
#include "tslive/timescale/installation.hpp"

/// What of the source is what on a target of another release, where names and numbers differ: tables in our helper schema there,
/// written as the migration's snapshot shows the source.
///
///     source_object           what TimescaleDB made on the source, by OID, for the restore of the schema to leave out
///     source_materialization  tables of continuous aggregates' rows, with the target's
///     source_chunk_twin       chunks, with those of the target that have the same ranges
namespace tslive::timescale {

using ObjectIds = std::set<std::pair<std::uint32_t, std::uint32_t>>;  ///< the catalog's OID and the object's

struct SourceObjects {
    ObjectIds internal;    ///< chunks, tables and views that nobody but TimescaleDB names, its triggers
    ObjectIds aggregates;  ///< the views by which users know continuous aggregates
};

namespace detail {

inline constexpr std::string_view source_objects_query =
    "SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, c.oid, o.kind = 'aggregate' FROM ("
    "SELECT schema_name, table_name, 'internal' FROM _timescaledb_catalog.hypertable h WHERE h.compression_state = 2 "
    "  OR EXISTS (SELECT FROM _timescaledb_catalog.continuous_agg a WHERE a.mat_hypertable_id = h.id) "
    "UNION ALL SELECT schema_name, table_name, 'internal' FROM _timescaledb_catalog.chunk "
    "UNION ALL SELECT user_view_schema, user_view_name, 'aggregate' FROM _timescaledb_catalog.continuous_agg "
    "UNION ALL SELECT partial_view_schema, partial_view_name, 'internal' FROM _timescaledb_catalog.continuous_agg "
    "UNION ALL SELECT direct_view_schema, direct_view_name, 'internal' FROM _timescaledb_catalog.continuous_agg) "
    "o(schema, name, kind) JOIN pg_catalog.pg_namespace n ON n.nspname = o.schema "
    "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = o.name "
    "UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid, t.oid, false "
    "FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid "
    "JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace "
    "WHERE n.nspname IN ('_timescaledb_internal', '_timescaledb_functions') AND NOT t.tgisinternal";

}  // namespace detail

/// @pre the source's transaction sees the migration's snapshot; the target's is open
inline void remember_objects(pg::Connection& source, pg::Connection& target, std::string_view helper_schema) {
    const auto table = pg::qualified(helper_schema, "source_object");
    target.exec(
        fmt::format("DROP TABLE IF EXISTS {0}; CREATE TABLE {0} (catalog pg_catalog.oid NOT NULL, object "
                    "pg_catalog.oid NOT NULL, aggregate boolean NOT NULL)",
                    table));
    detail::transfer(source, std::string{detail::source_objects_query}, target, table);
}

[[nodiscard]] inline SourceObjects read_objects(pg::Connection& target, std::string_view helper_schema) {
    const auto found = target.exec(
        fmt::format("SELECT catalog, object, aggregate FROM {}", pg::qualified(helper_schema, "source_object")));
    SourceObjects objects;
    for (int row = 0; row < found.rows(); ++row)
        (found.boolean(row, 2) ? objects.aggregates : objects.internal)
            .emplace(found.number<std::uint32_t>(row, 0), found.number<std::uint32_t>(row, 1));
    return objects;
}

/// The tables of continuous aggregates' rows: names on the source to names on the target.
using Materializations = std::map<catalog::QualifiedName, catalog::QualifiedName>;

/// @pre the continuous aggregates are there; the target's transaction is open
inline void remember_materializations(pg::Connection& target, std::string_view helper_schema,
                                      const Materializations& materializations) {
    const auto table = pg::qualified(helper_schema, "source_materialization");
    target.exec(
        fmt::format("CREATE TABLE {} (schema_name text, table_name text, target_schema text NOT NULL, "
                    "target_table text NOT NULL, PRIMARY KEY (schema_name, table_name))",
                    table));
    for (const auto& [there, here] : materializations)
        target.exec(fmt::format("INSERT INTO {} VALUES ($1, $2, $3, $4)", table),
                    pg::Params{}.text(there.schema).text(there.name).text(here.schema).text(here.name));
}

[[nodiscard]] inline bool remembers(pg::Connection& target, std::string_view helper_schema, std::string_view table) {
    return !target.exec("SELECT pg_catalog.to_regclass($1)", pg::Params{}.text(pg::qualified(helper_schema, table)))
                .is_null(0, 0);
}

/// Nothing where names are the same on both sides.
[[nodiscard]] inline std::optional<Materializations> read_materializations(pg::Connection& target,
                                                                           std::string_view helper_schema) {
    if (!remembers(target, helper_schema, "source_materialization")) return std::nullopt;
    Materializations materializations;
    const auto found = target.exec(fmt::format("SELECT schema_name, table_name, target_schema, target_table FROM {}",
                                               pg::qualified(helper_schema, "source_materialization")));
    for (int row = 0; row < found.rows(); ++row)
        materializations.emplace(catalog::QualifiedName{found.text(row, 0), found.text(row, 1)},
                                 catalog::QualifiedName{found.text(row, 2), found.text(row, 3)});
    return materializations;
}

/// A chunk of the source, and the target's with the same ranges.
struct ChunkTwin {
    catalog::QualifiedName name, there;
    catalog::QualifiedName whole;  ///< its hypertable on the source
    bool compressed = false;       ///< on the source, when the snapshot was made
};

/// Makes chunks on the target with the ranges of the source's, some more with each call, in the caller's transaction.
/// @returns how many; none: all are made
/// @throws Error  (operator_action) when the target makes one with other ranges
/// @pre the mirror of the source's catalog is as the snapshot, and materializations are remembered
[[nodiscard]] inline int make_chunk_twins(pg::Connection& target, std::string_view helper_schema, Release source,
                                          const Installation& there) {
    constexpr int at_once = 200;  // each takes some locks
    const auto helper = pg::quote_identifier(helper_schema);
    target.exec(fmt::format(
        "CREATE TABLE IF NOT EXISTS {}.source_chunk_twin (id int PRIMARY KEY, schema_name text, table_name text, "
        "whole_schema text, whole_name text, target_schema text, target_name text, compressed boolean)",
        helper));
    const auto slices = source.chunk_constraints()
                            ? fmt::format(
                                  "{0}.source_chunk_constraint k JOIN {0}.source_dimension_slice s "
                                  "ON k.chunk_id = c.id AND s.id = k.dimension_slice_id",
                                  helper)
                            : fmt::format("(SELECT) k JOIN {}.source_dimension_slice s ON s.chunk_id = c.id", helper);
    const auto made = target.exec(fmt::format(
        "WITH wanted AS MATERIALIZED ("
        "  SELECT c.id, c.schema_name, c.table_name, h.schema_name AS whole_schema, h.table_name AS whole_name, "
        "    coalesce(m.target_schema, h.schema_name) AS schema_there, "
        "    coalesce(m.target_table, h.table_name) AS table_there, c.compressed_chunk_id IS NOT NULL AS compressed, "
        "    (SELECT pg_catalog.jsonb_object_agg(d.column_name, pg_catalog.jsonb_build_array(s.range_start, "
        "     s.range_end)) FROM {1} JOIN {0}.source_dimension d ON d.id = s.dimension_id) AS slices "
        "  FROM {0}.source_chunk c JOIN {0}.source_hypertable h ON h.id = c.hypertable_id "
        "  LEFT JOIN {0}.source_materialization m ON m.schema_name = h.schema_name AND m.table_name = h.table_name "
        "  WHERE h.compression_state <> 2 AND NOT EXISTS (SELECT FROM {0}.source_chunk_twin t WHERE t.id = c.id) "
        "  AND NOT coalesce((pg_catalog.to_jsonb(c) ->> 'dropped')::pg_catalog.bool, false) ORDER BY c.id LIMIT {2}), "
        "made AS MATERIALIZED (SELECT w.*, n.schema_name AS chunk_schema, n.table_name AS chunk_name, "
        "  n.slices AS slices_there FROM wanted w CROSS JOIN LATERAL {3}.create_chunk("
        "  pg_catalog.format('%I.%I', w.schema_there, w.table_there)::pg_catalog.regclass, w.slices) n), "
        "noted AS (INSERT INTO {0}.source_chunk_twin SELECT id, schema_name, table_name, whole_schema, whole_name, "
        "  chunk_schema, chunk_name, compressed FROM made) "
        "SELECT table_there, slices, slices_there, slices = slices_there FROM made",
        helper, slices, at_once, there.release.functions()));
    for (int row = 0; row < made.rows(); ++row)
        if (!made.boolean(row, 3))
            throw Error(Recovery::operator_action,
                        fmt::format("a chunk of {} for {} came out for {} on the target", made.at(row, 0),
                                    made.at(row, 1), made.at(row, 2)),
                        "Something else writes to the target. Begin anew with an empty one");
    return made.rows();
}

[[nodiscard]] inline std::vector<ChunkTwin> read_chunk_twins(pg::Connection& target, std::string_view helper_schema) {
    std::vector<ChunkTwin> twins;
    if (!remembers(target, helper_schema, "source_chunk_twin")) return twins;
    const auto found = target.exec(fmt::format(
        "SELECT schema_name, table_name, target_schema, target_name, whole_schema, whole_name, compressed FROM {} "
        "ORDER BY id",
        pg::qualified(helper_schema, "source_chunk_twin")));
    for (int row = 0; row < found.rows(); ++row)
        twins.push_back({.name = {found.text(row, 0), found.text(row, 1)},
                         .there = {found.text(row, 2), found.text(row, 3)},
                         .whole = {found.text(row, 4), found.text(row, 5)},
                         .compressed = found.boolean(row, 6)});
    return twins;
}

/// Chunks of the source of whose rows some are in another relation, compressed.
[[nodiscard]] inline std::set<RelationId> compressed_chunks(pg::Connection& source) {
    const auto found = source.exec(
        "SELECT r.oid FROM _timescaledb_catalog.chunk c JOIN pg_catalog.pg_namespace n ON n.nspname = c.schema_name "
        "JOIN pg_catalog.pg_class r ON r.relnamespace = n.oid AND r.relname = c.table_name "
        "WHERE c.compressed_chunk_id IS NOT NULL");
    std::set<RelationId> chunks;
    for (int row = 0; row < found.rows(); ++row) chunks.insert({found.number<std::uint32_t>(row, 0)});
    return chunks;
}

}  // namespace tslive::timescale
