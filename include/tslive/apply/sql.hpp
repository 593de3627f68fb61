#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/apply/target_table.hpp"
#include "tslive/pg/quote.hpp"

/// The statements that carry changes. Values travel as parameters only (law 8).
///
/// A set-based statement takes one `text[]` a column, in binary form, so that no value is ever escaped; each element is
/// cast to the
/// column's type by the type's input function. `columns` are indexes into TargetTable::columns and name the parameters
/// in their order.
namespace tslive::apply::sql {

using Columns = std::vector<std::size_t>;

/// How the values of a statement travel.
enum class Form {
    text,    ///< one `text[]` a column
    binary,  ///< one array of the table's row type, for all of them
};

[[nodiscard]] inline std::string relation(const TargetTable& table) {
    return (table.only ? "ONLY " : "") + table.name.quoted();
}

[[nodiscard]] inline std::string column_list(const TargetTable& table, std::string_view prefix = {}) {
    std::string out;
    for (const auto& column : table.columns)
        out += fmt::format("{}{}{}", out.empty() ? "" : ", ", prefix, pg::quote_identifier(column.name));
    return out;
}

namespace detail {

/// An element of a `text[]` as the column's type, by the type's input function. Where a cast from text of its own stands in the way, a
/// detour over another string type leads there.
[[nodiscard]] inline std::string from_text(std::size_t parameter, const TargetColumn& column) {
    const auto detour = column.read_from == "text" ? "" : "::" + column.read_from;
    return fmt::format("v.a{}{}::{}", parameter, detour, column.type_name);
}

/// `unnest($1::text[], $2::text[]) AS v(a1, a2)`
[[nodiscard]] inline std::string rows_of_parameters(std::size_t count) {
    std::string arrays, names;
    for (std::size_t i = 1; i <= count; ++i) {
        const auto comma = i == 1 ? "" : ", ";
        arrays += fmt::format("{}${}::text[]", comma, i);
        names += fmt::format("{}a{}", comma, i);
    }
    return fmt::format("unnest({}) AS v({})", arrays, names);
}

/// Where the values of a set-based statement come from.
[[nodiscard]] inline std::string rows_of(const TargetTable& table, Form form, std::size_t parameters) {
    return form == Form::text ? rows_of_parameters(parameters)
                              : fmt::format("unnest($1::{}[]) AS v", table.rows_into().quoted());
}

/// A value in them. @param parameter  the number of its array, in text form
[[nodiscard]] inline std::string value_of(const TargetColumn& column, Form form, std::size_t parameter) {
    return form == Form::text ? from_text(parameter, column) : "v." + pg::quote_identifier(column.name);
}

/// `t."id" OPERATOR("pg_catalog".=) v.a1::integer AND …`, with the key's values from parameter column `first` on. A domain
/// is compared as what it is over, because the operators of enums do not take domains.
[[nodiscard]] inline std::string key_matches(const TargetTable& table, std::size_t first, bool scalar,
                                             Form form = Form::text) {
    std::string out;
    for (std::size_t i = 0; i < table.key.size(); ++i) {
        const auto& column = table.columns[table.key[i].column];
        const auto& collation = table.key[i].collation;
        const auto as_base = column.base_type.empty() ? "" : "::" + column.base_type;
        const auto value =
            scalar ? fmt::format("${}::{}", first + i, column.type_name) : value_of(column, form, first + i);
        out += fmt::format("{}t.{}{}{}{} {} {}{}", i == 0 ? "" : " AND ", pg::quote_identifier(column.name), as_base,
                           collation.empty() ? "" : " COLLATE ", collation, table.key[i].equality, value, as_base);
    }
    return out;
}

/// Types whose values are equal when their texts are, so that an index on one of them may narrow the search.
[[nodiscard]] inline bool equal_as_text(TypeId type) {
    constexpr std::uint32_t types[] = {20,   21,   23,   25,
                                       1082, 1114, 1184, 2950};  // integers, text, date, timestamps, uuid
    return std::ranges::find(types, type.value) != std::end(types);
}

/// Rows whose identity is in the parameters from `first` on: compared by what the types' output functions say, because
/// equality is not defined for all types (json), and is more than identity for others (-0, padding, collations). What it
/// implies for simple types is said besides, for an index to be found by.
/// @param filled  by column: its value is not NULL
[[nodiscard]] inline std::string content_matches(const TargetTable& table, std::size_t first, Form form,
                                                 std::string_view alias, const std::vector<bool>& filled) {
    std::string out;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        const auto& column = table.columns[i];
        if (!column.identity) continue;
        if (i < filled.size() && filled[i] && equal_as_text(column.type))
            out += fmt::format("{}{}.{} OPERATOR(pg_catalog.=) ${}{}::{}", out.empty() ? "" : " AND ", alias,
                               pg::quote_identifier(column.name), first, form == Form::text ? "::text" : "",
                               column.type_name);
        const auto name = fmt::format("{}.{}", alias, pg::quote_identifier(column.name));
        const auto given = form == Form::text ? fmt::format("${}::text", first)
                                              : fmt::format("format('%s', ${}::{})", first, column.type_name);
        out += fmt::format(
            "{0}CASE WHEN ${1}::{4} IS NULL THEN {2} IS NOT DISTINCT FROM NULL "
            "ELSE {2} IS DISTINCT FROM NULL AND format('%s', {2}) = {3} COLLATE \"C\" END",
            out.empty() ? "" : " AND ", first++, name, given, form == Form::text ? "text" : column.type_name);
    }
    return out.empty() ? "true" : out;
}

/// Which row a single statement works on. Among rows that are the same it is one, whichever; but what is a key on the
/// source has to name one here too, so that a second row shows in the count.
[[nodiscard]] inline std::string single_row(const TargetTable& table, std::size_t first, Form form,
                                            const std::vector<bool>& filled) {
    if (table.match == Match::by_key) return key_matches(table, first, true);
    if (!table.whole_rows) return content_matches(table, first, form, "t", filled);
    if (table.only)
        return fmt::format("t.ctid = (SELECT s.ctid FROM {} AS s WHERE {} LIMIT 1)", relation(table),
                           content_matches(table, first, form, "s", filled));
    return fmt::format("(t.tableoid, t.ctid) = (SELECT s.tableoid, s.ctid FROM {} AS s WHERE {} LIMIT 1)",
                       relation(table), content_matches(table, first, form, "s", filled));
}

}  // namespace detail

/// Parameters: the rows. A table without columns takes the number of rows.
[[nodiscard]] inline std::string insert(const TargetTable& table, Form form = Form::text) {
    if (table.columns.empty())
        return fmt::format("INSERT INTO {} SELECT FROM generate_series(1, $1::bigint)", table.rows_into().quoted());
    std::string values;
    for (std::size_t i = 0; i < table.columns.size(); ++i)
        values += (i == 0 ? "" : ", ") + detail::value_of(table.columns[i], form, i + 1);
    return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}", table.rows_into().quoted(),
                       column_list(table), values, detail::rows_of(table, form, table.columns.size()));
}

[[nodiscard]] inline std::string copy(const TargetTable& table, Form form = Form::text) {
    return fmt::format("COPY {} ({}) FROM STDIN{}", table.rows_into().quoted(), column_list(table),
                       form == Form::text ? "" : " (FORMAT binary)");
}

/// Parameters: the rows; in text form the columns of `set`, then those of the key. An identity column that only DEFAULT may change is
/// compared
/// instead, so that a change of it shows as a missing row.
[[nodiscard]] inline std::string update(const TargetTable& table, const Columns& set, Form form = Form::text) {
    std::string assignments, unchanged;
    for (std::size_t i = 0; i < set.size(); ++i) {
        const auto& column = table.columns[set[i]];
        const auto name = pg::quote_identifier(column.name);
        const auto value = detail::value_of(column, form, i + 1);
        if (column.always_generated) unchanged += fmt::format(" AND t.{} OPERATOR(pg_catalog.=) {}", name, value);
        else assignments += fmt::format("{}{} = {}", assignments.empty() ? "" : ", ", name, value);
    }
    if (assignments.empty()) {  // nothing but the key: still has to hit its row
        const auto name = pg::quote_identifier(table.columns[table.key[0].column].name);
        if (table.columns[table.key[0].column].always_generated)
            return fmt::format("SELECT FROM {} AS t, {} WHERE {}{} FOR UPDATE OF t", relation(table),
                               detail::rows_of(table, form, set.size() + table.key.size()),
                               detail::key_matches(table, set.size() + 1, false, form), unchanged);
        assignments = fmt::format("{0} = t.{0}", name);
    }
    return fmt::format("UPDATE {} AS t SET {} FROM {} WHERE {}{}", relation(table), assignments,
                       detail::rows_of(table, form, set.size() + table.key.size()),
                       detail::key_matches(table, set.size() + 1, false, form), unchanged);
}

/// Parameters: the rows; in text form the columns of the key.
[[nodiscard]] inline std::string remove(const TargetTable& table, Form form = Form::text) {
    return fmt::format("DELETE FROM {} AS t USING {} WHERE {}", relation(table),
                       detail::rows_of(table, form, table.key.size()), detail::key_matches(table, 1, false, form));
}

/// Parameters: one value a column of `set`, then the identity (key columns, or all columns of the replica identity).
[[nodiscard]] inline std::string update_single(const TargetTable& table, const Columns& set, Form form = Form::text,
                                               const std::vector<bool>& filled = {}) {
    if (set.empty())  // all of it is TOAST that did not change: still has to hit its row
        return fmt::format("SELECT FROM {} AS t WHERE {} FOR UPDATE", relation(table),
                           detail::single_row(table, 1, form, filled));
    std::string assignments;
    for (std::size_t i = 0; i < set.size(); ++i) {
        const auto& column = table.columns[set[i]];
        assignments += fmt::format("{}{} = ${}::{}", i == 0 ? "" : ", ", pg::quote_identifier(column.name), i + 1,
                                   column.type_name);
    }
    return fmt::format("UPDATE {} AS t SET {} WHERE {}", relation(table), assignments,
                       detail::single_row(table, set.size() + 1, form, filled));
}

/// The same for a table with GENERATED ALWAYS identity columns, which UPDATE cannot set, and for rows that may move to another
/// chunk: the row is removed and inserted again, with what did not arrive taken from the row itself.
[[nodiscard]] inline std::string replace_single(const TargetTable& table, const Columns& set, Form form = Form::text,
                                                const std::vector<bool>& filled = {}) {
    std::vector<std::string> value(table.columns.size());
    for (std::size_t i = 0; i < set.size(); ++i)
        value[set[i]] = fmt::format("${}::{}", i + 1, table.columns[set[i]].type_name);
    std::string names = column_list(table), values;
    for (std::size_t i = 0; i < table.columns.size(); ++i)
        values += fmt::format("{}{}", i == 0 ? "" : ", ",
                              value[i].empty() ? "gone." + pg::quote_identifier(table.columns[i].name) : value[i]);
    for (const auto& extra : table.target_only) {
        names += ", " + pg::quote_identifier(extra);
        values += ", gone." + pg::quote_identifier(extra);
    }
    return fmt::format(
        "WITH gone AS (DELETE FROM {} AS t WHERE {} RETURNING t.*) INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT "
        "{} FROM gone",
        relation(table), detail::single_row(table, set.size() + 1, form, filled), table.rows_into().quoted(), names,
        values);
}

/// Parameters: the identity.
[[nodiscard]] inline std::string remove_single(const TargetTable& table, Form form = Form::text,
                                               const std::vector<bool>& filled = {}) {
    return fmt::format("DELETE FROM {} AS t WHERE {}", relation(table), detail::single_row(table, 1, form, filled));
}

}  // namespace tslive::apply::sql
