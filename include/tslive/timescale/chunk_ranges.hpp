#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/release.hpp"

namespace tslive::timescale {

/// What a chunk holds of one dimension: from `start` up to but without `end`, in TimescaleDB's own counting.
struct Slice {
    std::string column;
    std::string type;          ///< as format_type() has it
    std::string partitioning;  ///< quoted function whose result is sliced; empty: the value itself
    std::int64_t start = 0;
    std::int64_t end = 0;

    /// Unlimited ranges end at the greatest number, and hold it.
    static constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
    static constexpr std::int64_t greatest = std::numeric_limits<std::int64_t>::max();
};

/// A chunk by what it is for: names differ between source and target, ranges do not.
struct ChunkRange {
    catalog::QualifiedName chunk;
    std::vector<Slice> slices;  ///< one a dimension, in the order of the hypertable's

    [[nodiscard]] bool overlaps(const ChunkRange& other) const {
        return each(other, [](const Slice& a, const Slice& b) { return a.start < b.end && b.start < a.end; });
    }
    [[nodiscard]] bool within(const ChunkRange& other) const {
        return slices.size() == other.slices.size() &&
               each(other, [](const Slice& a, const Slice& b) { return b.start <= a.start && a.end <= b.end; });
    }
    /// Equal for chunks of one hypertable that are for the same.
    [[nodiscard]] std::string key() const {
        std::string text;
        for (const auto& slice : slices) text += fmt::format("{} {} {}\n", slice.start, slice.end, slice.column);
        return text;
    }

private:
    /// A dimension that only one of them has divides nothing: the other holds all of it.
    template <typename Holds>
    [[nodiscard]] bool each(const ChunkRange& other, Holds&& holds) const {
        for (std::size_t i = 0; i < std::min(slices.size(), other.slices.size()); ++i)
            if (slices[i].column == other.slices[i].column && !holds(slices[i], other.slices[i])) return false;
        return true;
    }
};

/// The chunks of each hypertable, materializations included; without those that hold compressed rows, and tiered ones.
[[nodiscard]] inline std::map<catalog::QualifiedName, std::vector<ChunkRange>> chunk_ranges(pg::Connection& connection,
                                                                                            const Release& release) {
    const auto found = connection.exec(fmt::format(
        "SELECT h.schema_name, h.table_name, c.schema_name, c.table_name, d.column_name, "
        "pg_catalog.format_type(d.column_type, NULL), CASE WHEN d.partitioning_func IS NULL THEN '' ELSE "
        "pg_catalog.format('%I.%I', d.partitioning_func_schema, d.partitioning_func) END, s.range_start, s.range_end "
        "FROM _timescaledb_catalog.chunk c "
        "JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id {} "
        "JOIN _timescaledb_catalog.dimension d ON d.id = s.dimension_id "
        "WHERE h.compression_state <> 2 AND NOT c.osm_chunk "
        // A column that releases before 2.27 have: what retention has dropped leaves a row behind.
        "AND NOT coalesce((pg_catalog.to_jsonb(c) ->> 'dropped')::pg_catalog.bool, false) ORDER BY c.id, d.id",
        release.chunk_constraints() ? "JOIN _timescaledb_catalog.chunk_constraint cc ON cc.chunk_id = c.id "
                                      "JOIN _timescaledb_catalog.dimension_slice s ON s.id = cc.dimension_slice_id"
                                    : "JOIN _timescaledb_catalog.dimension_slice s ON s.chunk_id = c.id"));
    std::map<catalog::QualifiedName, std::vector<ChunkRange>> all;
    for (int r = 0; r < found.rows(); ++r) {
        catalog::detail::Row row(found, r);
        const catalog::QualifiedName hypertable{row.text(), row.text()};
        catalog::QualifiedName chunk{row.text(), row.text()};
        auto& chunks = all[hypertable];
        if (chunks.empty() || chunks.back().chunk != chunk) chunks.push_back({.chunk = std::move(chunk), .slices = {}});
        chunks.back().slices.push_back({.column = row.text(),
                                        .type = row.text(),
                                        .partitioning = row.text(),
                                        .start = row.number<std::int64_t>(),
                                        .end = row.number<std::int64_t>()});
    }
    return all;
}

/// A condition on rows of the hypertable: within the chunk's range.
/// @returns nothing when a dimension is of a type whose counting we do not know
[[nodiscard]] inline std::optional<std::string> condition_of(const ChunkRange& range, const Release& release) {
    std::string condition = "true";
    for (const auto& slice : range.slices) {
        const auto column = pg::quote_identifier(slice.column);
        const auto value = slice.partitioning.empty() ? column : fmt::format("{}({})", slice.partitioning, column);
        std::string_view from;
        if (!slice.partitioning.empty() || slice.type == "bigint" || slice.type == "integer" ||
            slice.type == "smallint")
            from = "";
        else if (slice.type == "timestamp with time zone") from = "to_timestamp";
        else if (slice.type == "timestamp without time zone") from = "to_timestamp_without_timezone";
        else if (slice.type == "date") from = "to_date";
        else return std::nullopt;
        const auto bound = [&](std::int64_t number) {
            return from.empty() ? fmt::format("'{}'::pg_catalog.int8", number)
                                : fmt::format("{}.{}('{}'::pg_catalog.int8)", release.functions(), from, number);
        };
        if (slice.start != Slice::least) condition += fmt::format(" AND {} >= {}", value, bound(slice.start));
        if (slice.end != Slice::greatest) condition += fmt::format(" AND {} < {}", value, bound(slice.end));
    }
    return condition;
}

}  // namespace tslive::timescale
