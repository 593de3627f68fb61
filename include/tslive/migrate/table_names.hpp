#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/indexes.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/core/error.hpp"

namespace tslive::migrate {

/// Reads `schema.table` as SQL would: parts may be quoted, unquoted ones are folded to lower case.
/// @returns nothing when it has not exactly two parts
[[nodiscard]] inline std::optional<catalog::QualifiedName> parse_table_name(std::string_view text) {
    std::vector<std::string> parts(1);
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '.') {
            parts.emplace_back();
        } else if (text[at] == '"') {
            for (++at; at < text.size() && (text[at] != '"' || (at + 1 < text.size() && text[at + 1] == '"')); ++at) {
                if (text[at] == '"') ++at;
                parts.back() += text[at];
            }
            if (at == text.size()) return std::nullopt;
        } else {
            const char c = text[at];
            parts.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        }
    }
    if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) return std::nullopt;
    return catalog::QualifiedName{parts[0], parts[1]};
}

namespace detail {
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        auto diagonal = row[0]++;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const auto above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}
}  // namespace detail

/// @throws Error  (operator_action) naming the first that does not exist, with the nearest names
[[nodiscard]] inline std::vector<catalog::QualifiedName> find_tables(std::string_view option,
                                                                     const std::vector<std::string>& wanted,
                                                                     const std::vector<catalog::Table>& tables) {
    std::vector<catalog::QualifiedName> found;
    for (const auto& text : wanted) {
        const auto name = parse_table_name(text);
        if (!name)
            throw Error(Recovery::operator_action,
                        fmt::format("{}: '{}' is not the name of a table with its schema", option, text),
                        "Write schema.table; a part with upper case or special characters stands in double quotes");
        if (std::ranges::any_of(tables, [&](const catalog::Table& table) { return table.name == *name; })) {
            found.push_back(*name);
            continue;
        }
        const auto folded = fmt::format("{}", *name);
        std::vector<std::pair<std::size_t, std::string>> near;
        for (const auto& table : tables) {
            auto known = fmt::format("{}", table.name);
            near.emplace_back(detail::edit_distance(folded, known), std::move(known));
        }
        constexpr std::size_t most = 3;
        const auto shown = std::min(most, near.size());
        std::ranges::partial_sort(near, near.begin() + static_cast<std::ptrdiff_t>(shown));
        std::string nearest;
        for (std::size_t i = 0; i < shown; ++i) nearest += fmt::format("{}{}", i == 0 ? "" : ", ", near[i].second);
        throw Error(
            Recovery::operator_action, fmt::format("{}: the source has no table {}", option, *name),
            nearest.empty() ? "The source has no tables at all" : fmt::format("The nearest names are: {}", nearest));
    }
    return found;
}

/// @throws Error  (operator_action) when the source has no such index
[[nodiscard]] inline const catalog::Index& find_index(std::string_view text,
                                                      const std::vector<catalog::Index>& indexes) {
    const auto name = parse_table_name(text);
    if (!name)
        throw Error(Recovery::operator_action,
                    fmt::format("--skip-index: '{}' is not the name of an index with its schema", text),
                    "Write schema.index; a part with upper case or special characters stands in double quotes");
    const auto found = std::ranges::find(indexes, *name, &catalog::Index::name);
    if (found == indexes.end())
        throw Error(Recovery::operator_action, fmt::format("--skip-index: the source has no index {}", *name),
                    "Name the index, not its table; that of a constraint has the constraint's name");
    return *found;
}

}  // namespace tslive::migrate
