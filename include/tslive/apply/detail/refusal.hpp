#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tslive/apply/binary_rows.hpp"
#include "tslive/apply/change.hpp"
#include "tslive/apply/target_table.hpp"
#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"

/// What people are told when the target does not take a change.
namespace tslive::apply::detail {

/// What names one row, for a message: `id = 17, region = eu`. Its key; all it has only where nothing less tells it from
/// others.
[[nodiscard]] inline std::string describe_identity(const TargetTable& table, const Change& change) {
    const auto row = change.identity.empty() ? change.row : change.identity;
    const auto names_row = [&](std::size_t at) {
        if (table.match != Match::by_key) return table.columns[at].identity;
        return std::ranges::any_of(table.key, [&](const KeyColumn& part) { return part.column == at; });
    };
    std::string out;
    for (std::size_t at = 0; at < table.columns.size(); ++at) {
        if (!names_row(at)) continue;
        const auto& column = table.columns[at];
        const auto& value = row[column.source_index];
        constexpr std::size_t most = 80;
        const Value cut{value.kind, value.data.first(std::min(most, value.data.size()))};
        auto text = value.kind == ValueKind::null ? std::string{"NULL"} : encode::shown(cut, column.type);
        if (value.data.size() > most) text += "…";
        out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", column.name, text);
        if (out.size() > 400) return out + ", …";
    }
    return out;
}

inline constexpr std::string_view apply_remedy =
    "Nothing of this transaction or a later one was applied. Compare the row on both servers, mend the target (or its "
    "constraint), "
    "then go on with --resume: it applies the transaction again";

[[nodiscard]] inline Error no_binary_form(const TargetTable& table, const TransactionName& transaction) {
    std::string columns;
    for (const auto& column : table.columns)
        columns += fmt::format("{}{} {}", columns.empty() ? "" : ", ", column.name, column.type_name);
    return {
        Recovery::operator_action,
        fmt::format("changes of {} came in binary form, and its columns on the target are not of the source's "
                    "types: {} (transaction {}, commit at {})",
                    table.name, columns, transaction.xid, transaction.commit_lsn),
        "Give the columns of the target's table the source's types until the switch-over, and take columns of domain "
        "types away that only the target has; then go on with --resume"};
}

/// With what the server itself advises, which is the better half where it is short of a resource.
[[nodiscard]] inline std::string remedy_for(const pg::ServerError& error) {
    const auto& hint = error.report().hint;
    return hint.empty() ? std::string{apply_remedy} : fmt::format("{}. The server's hint: {}", apply_remedy, hint);
}

}  // namespace tslive::apply::detail
