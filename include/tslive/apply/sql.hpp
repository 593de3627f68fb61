#pragma once

#include <cstddef>
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

/// An element of a `text[]` as the column's type, by the type's input function. Where a cast from text of its own
/// stands in the way (that
/// of regclass knows no numbers), a detour over a type that has none leads there.
[[nodiscard]] inline std::string from_text(std::size_t parameter, std::string_view type_name) {
    return fmt::format("v.a{}::{}{}", parameter, type_name == "regclass" ? "bpchar::" : "", type_name);
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

/// `t."id" OPERATOR("pg_catalog".=) v.a1::integer AND …`, with the key's values from parameter column `first` on.
[[nodiscard]] inline std::string key_matches(const TargetTable& table, std::size_t first, bool scalar) {
    std::string out;
    for (std::size_t i = 0; i < table.key.size(); ++i) {
        const auto& column = table.columns[table.key[i].column];
        out += fmt::format(
            "{}t.{} {} {}", i == 0 ? "" : " AND ", pg::quote_identifier(column.name), table.key[i].equality,
            scalar ? fmt::format("${}::{}", first + i, column.type_name) : from_text(first + i, column.type_name));
    }
    return out;
}

/// One row whose content is in the parameters from `first` on: compared by what the types' output functions say,
/// because equality is
/// not defined for all types (json), and is more than identity for others (-0, padding, collations).
[[nodiscard]] inline std::string content_matches(const TargetTable& table, std::size_t first) {
    std::string out;
    for (const auto& column : table.columns) {
        if (!column.identity) continue;
        const auto name = "s." + pg::quote_identifier(column.name);
        out += fmt::format(
            "{0}CASE WHEN ${1}::text IS NULL THEN {2} IS NOT DISTINCT FROM NULL "
            "ELSE {2} IS DISTINCT FROM NULL AND format('%s', {2}) = ${1}::text COLLATE \"C\" END",
            out.empty() ? "" : " AND ", first++, name);
    }
    return out.empty() ? "true" : out;
}

/// Which row a single statement works on.
[[nodiscard]] inline std::string single_row(const TargetTable& table, std::size_t first) {
    if (table.match == Match::by_key) return key_matches(table, first, true);
    if (table.only)
        return fmt::format("t.ctid = (SELECT s.ctid FROM {} AS s WHERE {} LIMIT 1)", relation(table),
                           content_matches(table, first));
    return fmt::format("(t.tableoid, t.ctid) = (SELECT s.tableoid, s.ctid FROM {} AS s WHERE {} LIMIT 1)",
                       relation(table), content_matches(table, first));
}

}  // namespace detail

/// Parameters: one array a column. A table without columns takes the number of rows.
[[nodiscard]] inline std::string insert(const TargetTable& table) {
    if (table.columns.empty())
        return fmt::format("INSERT INTO {} SELECT FROM generate_series(1, $1::bigint)", table.name.quoted());
    std::string values;
    for (std::size_t i = 0; i < table.columns.size(); ++i)
        values += (i == 0 ? "" : ", ") + detail::from_text(i + 1, table.columns[i].type_name);
    return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}", table.name.quoted(),
                       column_list(table), values, detail::rows_of_parameters(table.columns.size()));
}

[[nodiscard]] inline std::string copy(const TargetTable& table) {
    return fmt::format("COPY {} ({}) FROM STDIN", table.name.quoted(), column_list(table));
}

/// Parameters: one array a column of `set`, then one a key column. An identity column that only DEFAULT may change is
/// compared
/// instead, so that a change of it shows as a missing row.
[[nodiscard]] inline std::string update(const TargetTable& table, const Columns& set) {
    std::string assignments, unchanged;
    for (std::size_t i = 0; i < set.size(); ++i) {
        const auto& column = table.columns[set[i]];
        const auto name = pg::quote_identifier(column.name);
        const auto value = detail::from_text(i + 1, column.type_name);
        if (column.always_generated) unchanged += fmt::format(" AND t.{} OPERATOR(pg_catalog.=) {}", name, value);
        else assignments += fmt::format("{}{} = {}", assignments.empty() ? "" : ", ", name, value);
    }
    if (assignments.empty()) {  // nothing but the key: still has to hit its row
        const auto name = pg::quote_identifier(table.columns[table.key[0].column].name);
        if (table.columns[table.key[0].column].always_generated)
            return fmt::format("SELECT FROM {} AS t, {} WHERE {}{} FOR UPDATE OF t", relation(table),
                               detail::rows_of_parameters(set.size() + table.key.size()),
                               detail::key_matches(table, set.size() + 1, false), unchanged);
        assignments = fmt::format("{0} = t.{0}", name);
    }
    return fmt::format("UPDATE {} AS t SET {} FROM {} WHERE {}{}", relation(table), assignments,
                       detail::rows_of_parameters(set.size() + table.key.size()),
                       detail::key_matches(table, set.size() + 1, false), unchanged);
}

/// Parameters: one array a key column.
[[nodiscard]] inline std::string remove(const TargetTable& table) {
    return fmt::format("DELETE FROM {} AS t USING {} WHERE {}", relation(table),
                       detail::rows_of_parameters(table.key.size()), detail::key_matches(table, 1, false));
}

/// Parameters: one value a column of `set`, then the identity (key columns, or all columns of the replica identity).
[[nodiscard]] inline std::string update_single(const TargetTable& table, const Columns& set) {
    if (set.empty())  // all of it is TOAST that did not change: still has to hit its row
        return fmt::format("SELECT FROM {} AS t WHERE {} FOR UPDATE", relation(table), detail::single_row(table, 1));
    std::string assignments;
    for (std::size_t i = 0; i < set.size(); ++i) {
        const auto& column = table.columns[set[i]];
        assignments += fmt::format("{}{} = ${}::{}", i == 0 ? "" : ", ", pg::quote_identifier(column.name), i + 1,
                                   column.type_name);
    }
    return fmt::format("UPDATE {} AS t SET {} WHERE {}", relation(table), assignments,
                       detail::single_row(table, set.size() + 1));
}

/// The same for a table with GENERATED ALWAYS identity columns, which UPDATE cannot set: the row is removed and
/// inserted again, with
/// what did not arrive taken from the row itself.
[[nodiscard]] inline std::string replace_single(const TargetTable& table, const Columns& set) {
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
        relation(table), detail::single_row(table, set.size() + 1), table.name.quoted(), names, values);
}

/// Parameters: the identity.
[[nodiscard]] inline std::string remove_single(const TargetTable& table) {
    return fmt::format("DELETE FROM {} AS t WHERE {}", relation(table), detail::single_row(table, 1));
}

}  // namespace tslive::apply::sql
