#pragma once

#include <string>
#include <string_view>

namespace tslive::pg {

/// The one way a name gets into SQL text (law 8). Always quoted, so that case, dots and reserved words survive.
/// Source: PostgreSQL documentation, "Identifiers and Key Words".
[[nodiscard]] inline std::string quote_identifier(std::string_view name) {
    std::string out;
    out.reserve(name.size() + 2);
    out += '"';
    for (const char c : name) {
        if (c == '"') out += '"';
        out += c;
    }
    out += '"';
    return out;
}

[[nodiscard]] inline std::string qualified(std::string_view schema, std::string_view name) {
    return quote_identifier(schema) + '.' + quote_identifier(name);
}

/// A string constant, for commands that take no parameters (replication commands, DDL). Values elsewhere travel as parameters.
/// An E'' string when it holds a backslash, so that it reads the same whatever standard_conforming_strings is.
[[nodiscard]] inline std::string quote_literal(std::string_view text) {
    const bool escaped = text.find('\\') != std::string_view::npos;
    std::string out = escaped ? " E'" : "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += c;
        out += c;
    }
    out += '\'';
    return out;
}

}  // namespace tslive::pg
