#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/columns.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/catalog/table_shape.hpp"
#include "tslive/pg/quote.hpp"

/// What DDL on the source did to a table since its rows were copied, and what has to be done on the target before more of
/// its rows can go there.
///
///   seen    the source's table when its rows were copied
///   sent    the columns of the changes that arrive, as a Relation message tells them: names and types, no numbers
///   now     the source's table at this moment, which may be later than the change
///   there   the target's columns
namespace tslive::catalog {

struct Drift {
    std::vector<std::string> differences;  ///< for people
    std::vector<std::string> statements;   ///< for the target; empty: it has the definition already
    /// The definitions alone do not say what the rows hold: they were rewritten on the source, or a column was dropped
    /// and made again, or the source is past this definition already.
    bool copy_again = false;

    /// Rows can go on to the target.
    [[nodiscard]] bool none() const noexcept { return statements.empty() && !copy_again; }
    /// What the operator has to do.
    [[nodiscard]] std::string remedy() const {
        const auto again = copy_again
                               ? "; the rows of the table are then copied again, under a snapshot of their own, for "
                                 "the change may have rewritten them"
                               : "";
        if (statements.empty()) return fmt::format("Go on with --resume{}", again);
        return fmt::format("Run on the target: {}   then go on with --resume{}", fmt::join(statements, " "), again);
    }
};

/// The columns that changes carry.
template <typename Columns>
[[nodiscard]] auto carried(const Columns& columns) {
    auto result = columns;
    std::erase_if(result, [](const auto& column) { return column.generated; });
    return result;
}

template <typename A, typename B>
[[nodiscard]] bool same_columns(const A& a, const B& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const ShapeColumn& x, const ShapeColumn& y) {
        return x.name == y.name && x.type == y.type && x.type_modifier == y.type_modifier;
    });
}

namespace detail {

template <typename Columns>
[[nodiscard]] auto by_number(const Columns& columns, std::int16_t number) {
    return std::ranges::find_if(columns, [&](const ShapeColumn& column) { return column.number == number; });
}
template <typename Columns>
[[nodiscard]] auto by_name(const Columns& columns, std::string_view name) {
    return std::ranges::find_if(columns, [&](const auto& column) { return column.name == name; });
}

/// Writes the difference between two definitions, and the statements for it.
class DriftWriter {
public:
    DriftWriter(const QualifiedName& target, std::span<const Column> there)
        : alter_(fmt::format("ALTER TABLE {} ", target.quoted())), there_(there) {}

    void compare(const TableShape& seen, const std::vector<ColumnDefinition>& wanted) {
        for (const auto& column : carried(seen.columns)) {
            const auto now = by_number(wanted, column.number);
            if (now == wanted.end()) dropped(column, wanted);
            else changed(column, *now, wanted);
        }
        for (const auto& column : wanted) {
            const auto before = by_number(seen.columns, column.number);
            if (before == seen.columns.end()) added(column);
            else if (before->generated) no_longer_generated(column);
        }
    }

    Drift drift;

private:
    [[nodiscard]] const Column* find(std::string_view name) const {
        const auto found = by_name(there_, name);
        return found == there_.end() ? nullptr : &*found;
    }
    void say(std::string difference) { drift.differences.push_back(std::move(difference)); }
    void run(std::string action) { drift.statements.push_back(alter_ + action + ';'); }
    [[nodiscard]] static std::string quoted(std::string_view name) { return pg::quote_identifier(name); }

    void dropped(const ShapeColumn& column, const std::vector<ColumnDefinition>& wanted) {
        say(fmt::format("column {} was dropped", quoted(column.name)));
        if (by_name(wanted, column.name) != wanted.end()) drift.copy_again = true;  // another column has its name now
        else if (find(column.name) != nullptr) run("DROP COLUMN " + quoted(column.name));
    }

    void changed(const ShapeColumn& column, const ColumnDefinition& now, const std::vector<ColumnDefinition>& wanted) {
        if (now.name != column.name) renamed(column, now, wanted);
        if (now.type == column.type && now.type_modifier == column.type_modifier) return;
        say(fmt::format("column {} has the type {}", quoted(now.name), now.type_text));
        fit_type(now, find(now.name));
    }

    void renamed(const ShapeColumn& column, const ColumnDefinition& now, const std::vector<ColumnDefinition>& wanted) {
        say(fmt::format("column {} was renamed to {}", quoted(column.name), quoted(now.name)));
        const bool name_lives_on = by_name(wanted, column.name) != wanted.end();
        if (name_lives_on) drift.copy_again = true;  // nothing tells whether the target has it behind it
        if (name_lives_on || find(column.name) == nullptr) {
            if (find(now.name) == nullptr) add(now);
            return;
        }
        if (find(now.name) != nullptr) run("DROP COLUMN " + quoted(now.name));
        run(fmt::format("RENAME COLUMN {} TO {}", quoted(column.name), quoted(now.name)));
    }

    void added(const ColumnDefinition& column) {
        say(fmt::format("column {} {} was added", quoted(column.name), column.type_text));
        if (const auto* there = find(column.name)) fit_type(column, there);
        else add(column);
    }

    void no_longer_generated(const ColumnDefinition& column) {
        say(fmt::format("column {} is no longer generated", quoted(column.name)));
        if (const auto* there = find(column.name); there != nullptr && there->generated != 0)
            run(fmt::format("ALTER COLUMN {} DROP EXPRESSION", quoted(column.name)));
    }

    void fit_type(const ColumnDefinition& column, const Column* there) {
        if (there != nullptr && there->full_type != column.type_text)
            run(fmt::format("ALTER COLUMN {} TYPE {}{}", quoted(column.name), column.type_text, column.collation));
    }

    /// So that rows which are older than the column hold there what they hold on the source.
    void add(const ColumnDefinition& column) {
        auto action = fmt::format("ADD COLUMN {} {}{}", quoted(column.name), column.type_text, column.collation);
        if (column.identity != 0) {
            run(action +
                (column.identity == 'a' ? " GENERATED ALWAYS AS IDENTITY" : " GENERATED BY DEFAULT AS IDENTITY"));
            return;
        }
        if (column.missing_text) action += " DEFAULT " + pg::quote_literal(*column.missing_text);
        if (column.not_null && column.missing_text) action += " NOT NULL";
        run(std::move(action));
        if (column.default_text)
            run(fmt::format("ALTER COLUMN {} SET DEFAULT {}", quoted(column.name), *column.default_text));
        else if (column.missing_text) run(fmt::format("ALTER COLUMN {} DROP DEFAULT", quoted(column.name)));
        if (column.not_null && !column.missing_text)
            say(fmt::format("it is NOT NULL on the source, which the target can be told after the switch-over"));
    }

    std::string alter_;
    std::span<const Column> there_;
};

/// The source's columns as of the message, with their numbers, where the catalog of this moment tells them for certain:
/// nothing but the message's own changes, and columns added after it, lies between `seen` and now.
[[nodiscard]] inline std::optional<std::vector<ColumnDefinition>> columns_as_sent(
    const TableShape& seen, const TableDefinition& now, const std::vector<ShapeColumn>& sent) {
    const auto added = std::ranges::count_if(
        now.columns, [&](const ColumnDefinition& column) { return column.number > seen.attributes; });
    if (now.attributes != seen.attributes + added) return std::nullopt;
    auto columns = carried(now.columns);
    while (!columns.empty() && columns.back().number > seen.attributes &&
           by_name(sent, columns.back().name) == sent.end())
        columns.pop_back();
    if (!same_columns(sent, columns)) return std::nullopt;
    return columns;
}

}  // namespace detail

/// For a table that was not copied, since the stream has all of its rows: which of the columns sent the target lacks.
[[nodiscard]] inline Drift columns_missing(const std::vector<ShapeColumn>& sent, const TableDefinition& now,
                                           const QualifiedName& target, std::span<const Column> there) {
    auto missing = carried(now.columns);
    std::erase_if(missing, [&](const ColumnDefinition& column) {
        return detail::by_name(sent, column.name) == sent.end() || detail::by_name(there, column.name) != there.end();
    });
    detail::DriftWriter writer(target, there);
    writer.compare({}, missing);
    return std::move(writer.drift);
}

/// @param target  the target's name for the table
[[nodiscard]] inline Drift drift_of(const TableShape& seen, const std::vector<ShapeColumn>& sent,
                                    const TableDefinition& now, const QualifiedName& target,
                                    std::span<const Column> there) {
    detail::DriftWriter writer(target, there);
    const auto before = carried(seen.columns);
    if (same_columns(before, sent)) {
        for (const auto& column : before)
            if (const auto found = detail::by_name(now.columns, column.name);
                found != now.columns.end() && found->number != column.number) {
                writer.drift.copy_again = true;
                writer.drift.differences.push_back(fmt::format(
                    "the name {} belongs to another column of the source now", pg::quote_identifier(column.name)));
            }
        if (writer.drift.copy_again) writer.compare(seen, carried(now.columns));
        return std::move(writer.drift);
    }
    const auto exact = detail::columns_as_sent(seen, now, sent);
    writer.drift.copy_again = !exact || now.file_node != seen.file_node;
    writer.compare(seen, exact ? *exact : carried(now.columns));
    return std::move(writer.drift);
}

}  // namespace tslive::catalog
