#pragma once

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
    friend bool operator==(const Range&, const Range&) = default;
};

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
    std::vector<Range> ranges;  ///< one a dimension; fewer, or none, once the chunk was dropped
};

/// A chunk of the target.
struct TargetChunk {
    catalog::QualifiedName name;
    /// Some of its rows are compressed: its own table shows only the others.
    bool compressed = false;
};

/// How the ranges of two chunks are compared.
enum class Ranges { equal, overlapping };

/// `FROM … WHERE …` that finds the chunks `c` of the hypertable with such ranges.
///
/// By the slices, which have an index, not by the chunks, of which there may be a hundred thousand.
[[nodiscard]] inline std::string chunks_with(Ranges how, Release release, const catalog::QualifiedName& hypertable,
                                             const std::vector<Range>& ranges) {
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
        sql += how == Ranges::equal
                   ? fmt::format(" AND s{}.range_start = {} AND s{}.range_end = {}", i, range.start, i, range.end)
                   : fmt::format(" AND s{}.range_start < {} AND s{}.range_end > {}", i, range.end, i, range.start);
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
                                                           const std::vector<Range>& ranges) {
    if (ranges.empty()) return std::nullopt;
    constexpr int compressed = 1;
    const auto found = target.exec(fmt::format("SELECT c.schema_name, c.table_name, c.status {}",
                                               chunks_with(Ranges::equal, release, hypertable, ranges)));
    if (found.empty()) return std::nullopt;
    return TargetChunk{{found.text(0, 0), found.text(0, 1)}, (found.number<int>(0, 2) & compressed) != 0};
}

/// Drops the chunk with these ranges, if there is one, with what is compressed of it.
[[nodiscard]] inline std::string drop_chunk_sql(Release release, const catalog::QualifiedName& hypertable,
                                                const std::vector<Range>& ranges) {
    return fmt::format(
        "WITH chunk AS MATERIALIZED (SELECT pg_catalog.format('%I.%I', c.schema_name, c.table_name) AS name {}) "
        "SELECT {}.drop_chunk(name::pg_catalog.regclass) FROM chunk",
        chunks_with(Ranges::equal, release, hypertable, ranges), release.functions());
}

}  // namespace tslive::timescale
