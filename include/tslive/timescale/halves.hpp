#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/name.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/params.hpp"

/// Chunks and the relations that hold what of them is compressed.
namespace tslive::timescale {

/// Each chunk, with the relation of its compressed rows if it has one.
[[nodiscard]] inline std::map<catalog::QualifiedName, std::optional<catalog::QualifiedName>> compressed_halves(
    pg::Connection& connection) {
    const auto found = connection.exec(
        "SELECT c.schema_name, c.table_name, k.schema_name, k.table_name FROM _timescaledb_catalog.chunk c "
        "JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id AND h.compression_state <> 2 "
        "LEFT JOIN _timescaledb_catalog.chunk k ON k.id = c.compressed_chunk_id");
    std::map<catalog::QualifiedName, std::optional<catalog::QualifiedName>> halves;
    for (int row = 0; row < found.rows(); ++row) {
        auto& half = halves[{found.text(row, 0), found.text(row, 1)}];
        if (!found.is_null(row, 2)) half = {found.text(row, 2), found.text(row, 3)};
    }
    return halves;
}

/// The chunks of some hypertables, and the relations of what of them is compressed. Other tables have none.
[[nodiscard]] inline std::vector<catalog::QualifiedName> chunks_of(
    pg::Connection& connection, const std::vector<catalog::QualifiedName>& hypertables) {
    std::vector<catalog::QualifiedName> chunks;
    for (const auto& hypertable : hypertables) {
        const auto found = connection.exec(
            "SELECT c.schema_name, c.table_name FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.hypertable "
            "h "
            "ON c.hypertable_id IN (h.id, h.compressed_hypertable_id) WHERE h.schema_name = $1 AND h.table_name = $2",
            pg::Params{}.text(hypertable.schema).text(hypertable.name));
        for (int row = 0; row < found.rows(); ++row) chunks.push_back({found.text(row, 0), found.text(row, 1)});
    }
    return chunks;
}

/// The chunk's row of the catalog, as this version of it: it changes when rows are compressed, recompressed or decompressed. Empty:
/// there is no such chunk.
[[nodiscard]] inline std::string storage_of_chunk(pg::Connection& connection, const catalog::QualifiedName& chunk) {
    const auto found = connection.exec_again(
        "SELECT c.xmin::pg_catalog.text || c::pg_catalog.text FROM _timescaledb_catalog.chunk c "
        "WHERE c.schema_name = $1 AND c.table_name = $2",
        pg::Params{}.text(chunk.schema).text(chunk.name));
    return found.empty() ? std::string{} : found.text(0, 0);
}

/// A compressed chunk has rows that are not compressed, all of them even, and what is known about its columns' ranges may be wrong.
/// @pre restoring mode: nobody reads the chunk by its catalog meanwhile
inline void mark_as_partial(pg::Connection& target, const catalog::QualifiedName& chunk) {
    constexpr const char* this_chunk = "schema_name = $1 AND table_name = $2";
    constexpr int compressed = 1, partial = 8;
    pg::Params name;
    name.text(chunk.schema).text(chunk.name);
    target.exec(fmt::format("UPDATE _timescaledb_catalog.chunk SET status = status | {} WHERE {} AND status & {} <> 0",
                            partial, this_chunk, compressed),
                name);
    if (!target.exec("SELECT pg_catalog.to_regclass('_timescaledb_catalog.chunk_column_stats')").is_null(0, 0))
        target.exec(fmt::format("UPDATE _timescaledb_catalog.chunk_column_stats SET valid = false WHERE chunk_id = "
                                "(SELECT id FROM _timescaledb_catalog.chunk WHERE {})",
                                this_chunk),
                    name);
}

}  // namespace tslive::timescale
