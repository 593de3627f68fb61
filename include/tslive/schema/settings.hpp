#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/pg/quote.hpp"

namespace tslive::schema {

/// One element of pg_db_role_setting.setconfig: `search_path="$user", public`.
struct Setting {
    std::string name, value;
    friend bool operator==(const Setting&, const Setting&) = default;
};

[[nodiscard]] inline Setting parse_setting(std::string_view text) {
    const auto equals = std::min(text.find('='), text.size());
    return {std::string{text.substr(0, equals)}, std::string{text.substr(std::min(equals + 1, text.size()))}};
}

/// The elements of a list setting's value, quotes taken off: `"$user", public` gives `$user` and `public`.
[[nodiscard]] inline std::vector<std::string> split_list(std::string_view value) {
    std::vector<std::string> elements;
    std::string element;
    bool quoted = false, any = false;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        if (c == '"') {
            if (quoted && value.substr(i + 1).starts_with('"')) element += value[++i];
            else quoted = !quoted;
            any = true;
        } else if (c == ',' && !quoted) {
            elements.push_back(std::exchange(element, {}));
            any = true;
        } else if (quoted || (c != ' ' && c != '\t' && c != '\n')) {
            element += c;
            any = true;
        }
    }
    if (any) elements.push_back(std::move(element));
    return elements;
}

/// `SET name TO value`, for ALTER ROLE and ALTER DATABASE.
///
/// A list setting's value is quoted element by element: as one string, `"$user", public` would become the name of one
/// schema. Source: PostgreSQL's variable_is_guc_list_quote() in src/bin/pg_dump/dumputils.c.
[[nodiscard]] inline std::string set_clause(const Setting& setting) {
    static constexpr auto lists =
        std::to_array<std::string_view>({"local_preload_libraries", "search_path", "session_preload_libraries",
                                         "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"});
    const bool list = std::ranges::find(lists, setting.name) != lists.end();
    auto elements = list ? split_list(setting.value) : std::vector{setting.value};
    if (elements.empty()) elements.emplace_back();
    for (auto& element : elements) element = pg::quote_literal(element);

    // An extension's setting has a dot, and each part is a name of its own.
    std::string name = pg::quote_identifier(setting.name);
    if (const auto dot = setting.name.find('.'); dot != std::string::npos)
        name = pg::qualified(setting.name.substr(0, dot), setting.name.substr(dot + 1));
    return fmt::format("SET {} TO {}", name, fmt::join(elements, ", "));
}

}  // namespace tslive::schema
