#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tslive::schema {

/// What `pg_restore --file=-` writes, made fit for a session of ours.
struct Script {
    std::string settings;            ///< the SET statements of its head that shape what follows, one a line
    std::string body;                ///< the objects' statements; empty when there are none
    bool backslash_escapes = false;  ///< standard_conforming_strings is off: '\' escapes in plain strings too
};

namespace detail {

/// The settings of a script's head that we take. The others are timeouts, search_path and row_security, which our
/// sessions have set already, or belong to a newer server than the target (transaction_timeout).
[[nodiscard]] inline bool shapes_what_follows(std::string_view line) {
    static constexpr auto names =
        std::to_array<std::string_view>({"client_encoding ", "standard_conforming_strings ", "escape_string_warning ",
                                         "check_function_bodies ", "xmloption ", "client_min_messages ",
                                         "default_tablespace ", "default_table_access_method ", "default_with_oids "});
    if (!line.starts_with("SET ")) return false;
    return std::ranges::any_of(names, [&](std::string_view name) { return line.substr(4).starts_with(name); });
}

}  // namespace detail

/// Takes the frame off: psql's \restrict and \unrestrict (written since August 2025), and the head's other settings.
///
/// Sound whatever the objects' own texts hold: the head ends at the first entry's comment, which pg_restore writes
/// itself, and the frame's end is found by the random key that its beginning names.
[[nodiscard]] inline Script read_script(std::string text) {
    constexpr std::string_view entry = "\n-- Name: ", restrict = "\\restrict ";
    const auto first_entry = std::min(text.find(entry), text.size());
    Script script;
    std::string key;
    for (std::size_t begin = 0; begin < first_entry;) {
        const auto end = std::min(text.find('\n', begin), first_entry);
        const auto line = std::string_view{text}.substr(begin, end - begin);
        if (line.starts_with(restrict)) key = line.substr(restrict.size());
        if (detail::shapes_what_follows(line)) (script.settings += line) += '\n';
        begin = end + 1;
    }
    script.backslash_escapes = script.settings.find("SET standard_conforming_strings = off;") != std::string::npos;
    if (first_entry == text.size()) return script;
    if (!key.empty())
        if (const auto at = text.rfind("\n\\unrestrict " + key); at != std::string::npos) text.erase(at);
    text.erase(0, first_entry);
    script.body = std::move(text);
    return script;
}

/// Splits statements at their semicolons. For GRANT, COMMENT, SECURITY LABEL and the like: it knows comments, names and
/// strings, but neither dollar quotes nor function bodies.
[[nodiscard]] inline std::vector<std::string> split_statements(std::string_view text, bool backslash_escapes = false) {
    std::vector<std::string> statements;
    std::string current;
    char quote = '\0';
    bool escapes = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote == '\0' && c == '-' && text.substr(i, 2) == "--") {
            i = std::min(text.find('\n', i), text.size());
            if (!current.empty()) current += '\n';
            continue;
        }
        if (quote == '\0' && c == ';') {
            statements.push_back(std::exchange(current, {}));
            continue;
        }
        if (current.empty() && (c == ' ' || c == '\n')) continue;
        const char before = current.empty() ? ' ' : current.back();
        current += c;
        if (quote != '\0') {
            if (escapes && c == '\\' && i + 1 < text.size()) current += text[++i];
            else if (c == quote)
                quote = '\0';  // a doubled quote ends it here and begins it again with the next character
        } else if (c == '\'' || c == '"') {
            quote = c;
            escapes = c == '\'' && (backslash_escapes || before == 'E' || (before == '\'' && escapes));
        }
    }
    if (!current.empty()) statements.push_back(std::move(current));
    std::erase_if(statements, [](const std::string& statement) { return statement.empty(); });
    return statements;
}

}  // namespace tslive::schema
