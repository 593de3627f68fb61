#pragma once

#include <algorithm>
#include <map>
#include <span>
#include <string>

#include <fmt/format.h>

#include "tslive/catalog/binary_types.hpp"
#include "tslive/catalog/columns.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/core/error.hpp"
#include "tslive/copy/plan.hpp"
#include "tslive/pg/quote.hpp"

namespace tslive::copy {

/// The columns that travel, and how.
struct CopyColumns {
    std::string list;       ///< quoted names with commas; empty for a table without columns that hold data
    bool binary = false;    ///< else text
    std::string read = {};  ///< what the source is asked for, when that is not `list`
};

/// Matches the source's columns with the target's, by name: numbers differ where columns were dropped (CASES D28).
/// Generated columns are computed by the target (CASES D14).
///
/// @param read_as  Options::read_as
/// @throws Error  operator_action when the target lacks a column, or computes one that holds data on the source
[[nodiscard]] inline CopyColumns columns_to_copy(const catalog::QualifiedName& table,
                                                 std::span<const catalog::Column> source,
                                                 std::span<const catalog::Column> target,
                                                 const std::map<std::string, std::string>& read_as = {}) {
    const auto remedy = "Give the target's table the columns of the source's, or start again with an empty target";
    CopyColumns columns{.list = {}, .binary = true};
    bool reads_as_it_is = true;
    for (const auto& column : source) {
        if (column.generated != 0) continue;
        const auto match =
            std::find_if(target.begin(), target.end(), [&](const auto& other) { return other.name == column.name; });
        if (match == target.end())
            throw Error(Recovery::operator_action,
                        fmt::format("table {}: the target has no column {}", table, pg::quote_identifier(column.name)),
                        fmt::format("Run on the target: ALTER TABLE {} ADD COLUMN {} {};   then go on with --resume",
                                    table.quoted(), pg::quote_identifier(column.name), column.full_type));
        if (match->generated != 0)
            throw Error(Recovery::operator_action,
                        fmt::format("table {}: column {} is generated on the target, but holds data on the source",
                                    table, pg::quote_identifier(column.name)),
                        remedy);
        // A length or precision of its own would cut or round some types without a word.
        if (match->type_modifier != -1 && match->full_type != column.full_type)
            throw Error(
                Recovery::operator_action,
                fmt::format("table {}: column {} is {} on the source and {} on the target, which may not hold the "
                            "same values",
                            table, pg::quote_identifier(column.name), column.full_type, match->full_type),
                fmt::format("Run on the target: ALTER TABLE {} ALTER COLUMN {} TYPE {};   then go on with --resume",
                            table.quoted(), pg::quote_identifier(column.name), column.full_type));
        columns.binary = columns.binary && column.type == match->type && catalog::binary_copy_safe(column.type);
        const auto name = pg::quote_identifier(column.name);
        const auto expression = read_as.find(column.type_name);
        reads_as_it_is = reads_as_it_is && expression == read_as.end();
        columns.read +=
            fmt::format("{}{}", columns.list.empty() ? "" : ", ",
                        expression == read_as.end() ? name : fmt::format(fmt::runtime(expression->second), name));
        columns.list += fmt::format("{}{}", columns.list.empty() ? "" : ", ", name);
    }
    if (reads_as_it_is) columns.read.clear();
    if (!columns.list.empty()) return columns;
    // Without a list, COPY means all columns: right when there are none, and wrong when only the target has some.
    if (std::any_of(target.begin(), target.end(), [](const auto& column) { return column.generated == 0; }))
        throw Error(Recovery::operator_action,
                    fmt::format("table {} has no columns on the source, but some on the target", table), remedy);
    columns.binary = false;
    return columns;
}

/// What the source is asked for a part. ONLY, because each child is a table of its own.
[[nodiscard]] inline std::string copy_out_command(const TableToCopy& table, const BlockRange& range,
                                                  const CopyColumns& columns) {
    const auto name = table.table.name.quoted();
    const auto* format = columns.binary ? " (FORMAT binary)" : "";
    if (table.whole) return fmt::format("COPY (SELECT {} FROM {}) TO STDOUT{}", columns.list, name, format);
    if (range.whole() && table.condition.empty() && columns.read.empty())
        return fmt::format("COPY {}{} TO STDOUT{}", name,
                           columns.list.empty() ? "" : fmt::format(" ({})", columns.list), format);
    const auto rows = table.condition.empty() ? range_predicate(range) : ' ' + table.condition;
    return fmt::format("COPY (SELECT {} FROM ONLY {}{}) TO STDOUT{}",
                       columns.read.empty() ? columns.list : columns.read, name, rows, format);
}

enum class Freeze { no, yes };

/// What the target is told to take.
[[nodiscard]] inline std::string copy_in_command(const catalog::QualifiedName& table, const CopyColumns& columns,
                                                 Freeze freeze) {
    std::string options;
    if (columns.binary) options = "FORMAT binary";
    if (freeze == Freeze::yes) options += options.empty() ? "FREEZE" : ", FREEZE";
    return fmt::format("COPY {}{} FROM STDIN{}", table.quoted(),
                       columns.list.empty() ? "" : fmt::format(" ({})", columns.list),
                       options.empty() ? "" : fmt::format(" ({})", options));
}

}  // namespace tslive::copy
