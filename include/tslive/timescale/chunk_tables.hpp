#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/timescale/source_chunks.hpp"

namespace tslive::timescale {

namespace detail {

/// A common table expression `hyper`: every hypertable that has a table, with `root` (its OID), `id`, `compressed` (it holds another's
/// compressed rows) and `materialization` (of a continuous aggregate).
inline constexpr std::string_view hyper =
    "hyper AS (SELECT c.oid AS root, h.id, h.compression_state = 2 AS compressed, "
    "  EXISTS (SELECT FROM _timescaledb_catalog.continuous_agg a WHERE a.mat_hypertable_id = h.id) AS materialization "
    "  FROM _timescaledb_catalog.hypertable h JOIN pg_catalog.pg_namespace n ON n.nspname = h.schema_name "
    "  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = h.table_name)";

/// Another, `compressed_table`: the OIDs of those and of their chunks, which pg_inherits does not know. After `hyper`.
inline constexpr std::string_view compressed_table =
    "compressed_table AS (SELECT root AS oid FROM hyper WHERE compressed "
    "  UNION ALL SELECT c.oid FROM _timescaledb_catalog.chunk k JOIN hyper x ON x.id = k.hypertable_id "
    "  JOIN pg_catalog.pg_namespace n ON n.nspname = k.schema_name "
    "  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = k.table_name WHERE x.compressed)";

}  // namespace detail

/// Tables of the database that are pieces of hypertables.
struct ChunkTables {
    std::vector<std::string> schemas;  ///< in which chunks are, or new ones will be: always `_timescaledb_internal`
    std::unordered_set<RelationId> hypertables;  ///< of users and of continuous aggregates: no rows of their own
    std::unordered_set<RelationId> chunks;       ///< of these
    std::unordered_set<RelationId> compressed;   ///< where other chunks' compressed rows are, with their hypertables

    [[nodiscard]] bool piece(RelationId id) const { return chunks.contains(id) || compressed.contains(id); }
};

/// @pre the database has TimescaleDB
[[nodiscard]] inline ChunkTables chunk_tables(pg::Connection& connection) {
    ChunkTables found;
    const auto schemas = connection.exec(
        "SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname = '_timescaledb_internal' "
        "OR n.nspname IN (SELECT associated_schema_name FROM _timescaledb_catalog.hypertable) "
        "OR n.nspname IN (SELECT k.schema_name FROM _timescaledb_catalog.chunk k "
        "  JOIN pg_catalog.pg_namespace m ON m.nspname = k.schema_name "
        "  JOIN pg_catalog.pg_class c ON c.relnamespace = m.oid AND c.relname = k.table_name) ORDER BY 1");
    for (int row = 0; row < schemas.rows(); ++row) found.schemas.push_back(schemas.text(row, 0));
    const auto pieces = connection.exec(fmt::format(
        "WITH {}, {} SELECT 'h', root FROM hyper WHERE NOT compressed UNION ALL SELECT 'z', oid FROM compressed_table "
        "UNION ALL SELECT 'c', i.inhrelid FROM pg_catalog.pg_inherits i JOIN hyper x ON x.root = i.inhparent",
        detail::hyper, detail::compressed_table));
    for (int r = 0; r < pieces.rows(); ++r) {
        catalog::detail::Row row(pieces, r);
        const char kind = row.letter();
        (kind == 'h' ? found.hypertables : kind == 'z' ? found.compressed : found.chunks).insert(row.relation());
    }
    return found;
}

/// Takes out what no publication names: chunks, which are published with their schemas, and TimescaleDB's own tables but for those
/// that are mirrored and can be.
inline void keep_published_by_name(std::vector<catalog::Table>& tables, const ChunkTables& pieces) {
    const auto mirrored = [](const catalog::Table& table) {
        return table.name.schema == "_timescaledb_catalog" && table.usable_identity &&
               SourceChunks::mirrored(table.name.name);
    };
    std::erase_if(tables, [&](const catalog::Table& table) {
        return pieces.piece(table.id) || (table.extension == "timescaledb" && !mirrored(table));
    });
}

}  // namespace tslive::timescale
