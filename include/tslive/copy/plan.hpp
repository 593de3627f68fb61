#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/tables.hpp"
#include "tslive/core/lsn.hpp"

namespace tslive::copy {

/// Heap blocks from `first` up to but without `end`. Without an end it reaches to wherever the heap ends.
/// From 0 without an end it is the whole table, and needs no predicate.
struct BlockRange {
    std::int64_t first = 0;
    std::optional<std::int64_t> end;

    [[nodiscard]] bool whole() const noexcept { return first == 0 && !end; }
    friend bool operator==(const BlockRange&, const BlockRange&) = default;
};

/// A table whose rows are to be copied.
struct TableToCopy {
    catalog::Table table;
    std::string condition;  ///< of an extension's configuration table: `WHERE …`, or empty
    bool configuration =
        false;           ///< an extension's configuration table: CREATE EXTENSION may have put rows there already
    bool whole = false;  ///< read by a query, with what of it is in its other half (Halves)
    bool block_ranges = false;                  ///< rows can be read by block range without scanning the rest
    catalog::QualifiedName there = table.name;  ///< on the target
};

/// One unit of work: a table, or a block range of it, as one snapshot shows it.
struct Part {
    std::size_t table = 0;  ///< index into the round's tables
    BlockRange range;
    std::int64_t bytes = 0;  ///< its share of heap and TOAST
    std::string key;         ///< its row in part_done
};

/// Names a part in part_done. It holds the snapshot's position and the range, so that a marker can never stand for
/// other rows than the ones that were copied, whatever snapshot or settings a later run works with.
[[nodiscard]] inline std::string part_key(const catalog::QualifiedName& table, Lsn consistent_point,
                                          const BlockRange& range) {
    if (range.whole()) return fmt::format("{} @{}", table.quoted(), consistent_point);
    return fmt::format("{} @{} blocks {}-{}", table.quoted(), consistent_point, range.first,
                       range.end ? fmt::format("{}", *range.end) : "");
}

/// `WHERE ctid …` for a range, or nothing for the whole table. Half-open, and open at the end: rows in blocks that were
/// added after planning belong to the last range (CASES F4).
[[nodiscard]] inline std::string range_predicate(const BlockRange& range) {
    if (range.whole()) return {};
    auto sql = fmt::format(" WHERE ctid OPERATOR(pg_catalog.>=) '({},0)'::pg_catalog.tid", range.first);
    if (range.end) sql += fmt::format(" AND ctid OPERATOR(pg_catalog.<) '({},0)'::pg_catalog.tid", *range.end);
    return sql;
}

/// How large parts of large tables should be.
///
/// The limit says how much may be lost when a part has to be repeated; below it, what counts is that all workers end
/// at about the same time, for which each should get at least two parts.
/// @param large_bytes  sum of the tables that are over the limit
[[nodiscard]] inline std::int64_t part_bytes(std::int64_t large_bytes, std::int64_t limit, int table_jobs) {
    const std::int64_t balanced = large_bytes / (2 * std::max(table_jobs, 1));
    return std::max<std::int64_t>(1, std::min(limit, std::max(balanced, limit / 16)));
}

/// Cuts a heap into ranges of about `wanted_bytes` each, TOAST counted in (CASES F5).
[[nodiscard]] inline std::vector<BlockRange> split_blocks(std::int64_t bytes, std::int64_t heap_blocks,
                                                          std::int64_t wanted_bytes) {
    const std::int64_t count =
        std::clamp<std::int64_t>((bytes + wanted_bytes - 1) / wanted_bytes, 1, std::max<std::int64_t>(heap_blocks, 1));
    std::vector<BlockRange> ranges;
    ranges.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t first = heap_blocks * i / count;
        const std::int64_t end = heap_blocks * (i + 1) / count;
        ranges.push_back({first, i + 1 == count ? std::nullopt : std::optional{end}});
    }
    return ranges;
}

/// Ranges of each table, in the tables' order.
[[nodiscard]] inline std::vector<std::vector<BlockRange>> split_tables(std::span<const TableToCopy> tables,
                                                                       std::int64_t limit, int table_jobs) {
    const auto large = [limit](const TableToCopy& t) {
        return t.block_ranges && t.condition.empty() && t.table.bytes > limit;
    };
    std::int64_t large_bytes = 0;
    for (const auto& table : tables)
        if (large(table)) large_bytes += table.table.bytes;
    const auto wanted = part_bytes(large_bytes, limit, table_jobs);

    std::vector<std::vector<BlockRange>> ranges;
    ranges.reserve(tables.size());
    for (const auto& table : tables)
        ranges.push_back(large(table) ? split_blocks(table.table.bytes, table.table.heap_blocks, wanted)
                                      : std::vector<BlockRange>{BlockRange{}});
    return ranges;
}

/// Largest first; equal ones in the order of their keys, so that every run does the same.
inline void sort_largest_first(std::vector<Part>& parts) {
    std::sort(parts.begin(), parts.end(),
              [](const Part& a, const Part& b) { return a.bytes != b.bytes ? a.bytes > b.bytes : a.key < b.key; });
}

}  // namespace tslive::copy
