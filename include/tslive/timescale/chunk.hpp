#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/name.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/release.hpp"

namespace tslive::timescale {

/// What one dimension of a chunk covers, from `start` up to but without `end`, in the catalog's own units: microseconds since 1970
/// for times, the column's number for integers, the hash for space partitions.
struct Range {
    std::string column;
    std::int64_t start = 0, end = 0;
    std::int32_t dimension = 0;  ///< its number on the source
};
/// One a dimension, in the order of the dimensions.
using Ranges = std::vector<Range>;

/// Whether all of `inner` is in `outer`. Of nothing, nothing is known.
[[nodiscard]] inline bool covers(const Ranges& outer, const Ranges& inner) {
    if (inner.empty() || outer.size() != inner.size()) return false;
    for (std::size_t i = 0; i < inner.size(); ++i)
        if (outer[i].column != inner[i].column || outer[i].start > inner[i].start || outer[i].end < inner[i].end)
            return false;
    return true;
}

/// Whose rows a hypertable has.
enum class Holds {
    rows,        ///< the user's
    compressed,  ///< another hypertable's, in batches
};

/// A chunk of the source.
struct SourceChunk {
    std::int32_t id = 0;
    catalog::QualifiedName name;
    catalog::QualifiedName hypertable;
    Holds holds = Holds::rows;
    bool partly_compressed = false;  ///< it has rows that are compressed, and others
    Ranges ranges;                   ///< fewer, or none, once the chunk was dropped
};

/// A chunk of the target.
struct TargetChunk {
    catalog::QualifiedName name;
    /// Some of its rows are compressed: its own table shows only the others.
    bool compressed = false;
};

/// How the ranges of chunks are compared with given ones.
enum class Extent { equal, within };

/// `FROM … WHERE …` that finds the chunks `c` of the hypertable with such ranges.
///
/// By the slices, which have an index, not by the chunks, of which there may be a hundred thousand.
[[nodiscard]] inline std::string chunks_with(Extent extent, Release release, const catalog::QualifiedName& hypertable,
                                             const Ranges& ranges) {
    std::string sql =
        "FROM _timescaledb_catalog.hypertable h JOIN _timescaledb_catalog.chunk c ON c.hypertable_id = h.id";
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        const auto& range = ranges[i];
        sql += release.chunk_constraints()
                   ? fmt::format(
                         " JOIN _timescaledb_catalog.chunk_constraint k{0} ON k{0}.chunk_id = c.id "
                         "JOIN _timescaledb_catalog.dimension_slice s{0} ON s{0}.id = k{0}.dimension_slice_id",
                         i)
                   : fmt::format(" JOIN _timescaledb_catalog.dimension_slice s{0} ON s{0}.chunk_id = c.id", i);
        const bool equal = extent == Extent::equal;
        sql += fmt::format(" AND s{0}.range_start {1} {2} AND s{0}.range_end {3} {4}", i,
                           equal ? "=" : ">=", range.start, equal ? "=" : "<=", range.end);
        sql += fmt::format(
            " JOIN _timescaledb_catalog.dimension d{0} ON d{0}.id = s{0}.dimension_id AND d{0}.hypertable_id = h.id "
            "AND d{0}.column_name = {1}",
            i, pg::quote_literal(range.column));
    }
    sql += fmt::format(" WHERE h.schema_name = {} AND h.table_name = {}", pg::quote_literal(hypertable.schema),
                       pg::quote_literal(hypertable.name));
    if (release.marks_dropped_chunks()) sql += " AND NOT c.dropped";
    return sql;
}

/// Any session of the target, in its transaction.
[[nodiscard]] inline std::optional<TargetChunk> find_chunk(pg::Connection& target, Release release,
                                                           const catalog::QualifiedName& hypertable,
                                                           const Ranges& ranges) {
    if (ranges.empty()) return std::nullopt;
    constexpr int compressed = 1;
    const auto found = target.exec(fmt::format("SELECT c.schema_name, c.table_name, c.status {}",
                                               chunks_with(Extent::equal, release, hypertable, ranges)));
    if (found.empty()) return std::nullopt;
    return TargetChunk{{found.text(0, 0), found.text(0, 1)}, (found.number<int>(0, 2) & compressed) != 0};
}

/// The chunks of the target that have compressed rows.
[[nodiscard]] inline std::vector<catalog::QualifiedName> chunks_with_compressed_rows(
    pg::Connection& target, Release release, const catalog::QualifiedName& hypertable) {
    const auto found = target.exec(fmt::format("SELECT c.schema_name, c.table_name {} AND (c.status & 1) = 1",
                                               chunks_with(Extent::equal, release, hypertable, {})));
    std::vector<catalog::QualifiedName> names;
    for (int row = 0; row < found.rows(); ++row) names.push_back({found.text(row, 0), found.text(row, 1)});
    return names;
}

/// The chunks of the target that have no rows outside of these ranges.
[[nodiscard]] inline std::vector<catalog::QualifiedName> chunks_within(pg::Connection& target, Release release,
                                                                       const catalog::QualifiedName& hypertable,
                                                                       const Ranges& ranges) {
    std::vector<catalog::QualifiedName> names;
    if (ranges.empty()) return names;
    const auto found = target.exec(
        fmt::format("SELECT c.schema_name, c.table_name {}", chunks_with(Extent::within, release, hypertable, ranges)));
    for (int row = 0; row < found.rows(); ++row) names.push_back({found.text(row, 0), found.text(row, 1)});
    return names;
}

/// Drops the chunks that have no rows outside of these ranges, with what is compressed of them.
[[nodiscard]] inline std::string drop_chunks_sql(Release release, const catalog::QualifiedName& hypertable,
                                                 const Ranges& ranges) {
    return fmt::format(
        "WITH chunk AS MATERIALIZED (SELECT pg_catalog.format('%I.%I', c.schema_name, c.table_name) AS name {}) "
        "SELECT {}.drop_chunk(name::pg_catalog.regclass) FROM chunk",
        chunks_with(Extent::within, release, hypertable, ranges), release.functions());
}

}  // namespace tslive::timescale
