#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <iterator>
#include <optional>

#include <fmt/format.h>

namespace tslive::schema {
namespace detail {

/// The kinds that pg_dump 12 to 18 writes. A kind that begins another one's name needs the rule of kind_of().
/// Source: the `.description` of each ArchiveEntry in PostgreSQL's src/bin/pg_dump/pg_dump.c.
// clang-format off
inline constexpr std::array toc_kinds = std::to_array<std::string_view>({
    "ACCESS METHOD", "ACL", "ACL LANGUAGE", "AGGREGATE", "BLOB", "BLOB COMMENTS", "BLOB METADATA", "BLOBS", "CAST",
    "CHECK CONSTRAINT", "COLLATION", "COMMENT", "CONSTRAINT", "CONVERSION", "DATABASE", "DATABASE PROPERTIES",
    "DEFAULT", "DEFAULT ACL", "DOMAIN", "ENCODING", "EVENT TRIGGER", "EXTENSION", "FK CONSTRAINT",
    "FOREIGN DATA WRAPPER", "FOREIGN TABLE", "FUNCTION", "INDEX", "INDEX ATTACH", "MATERIALIZED VIEW",
    "MATERIALIZED VIEW DATA", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "POLICY", "PROCEDURAL LANGUAGE",
    "PROCEDURE", "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "ROW SECURITY", "RULE", "SCHEMA",
    "SEARCHPATH", "SECURITY LABEL", "SEQUENCE", "SEQUENCE OWNED BY", "SEQUENCE SET", "SERVER", "SHELL TYPE",
    "STATISTICS", "STATISTICS DATA", "STDSTRINGS", "SUBSCRIPTION", "SUBSCRIPTION TABLE", "TABLE", "TABLE ATTACH",
    "TABLE DATA", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE",
    "TRANSFORM", "TRIGGER", "TYPE", "USER MAPPING", "VIEW"});
// clang-format on

/// Splits `TABLE public t owner` behind the kind: the longest that fits. A schema may be named like a kind's second
/// word, so what belongs to another object and has no oid of its own (SEQUENCE SET, TABLE DATA) needs the catalog 0,
/// and DEFAULT ACL needs pg_default_acl.
[[nodiscard]] inline std::string_view kind_of(std::string_view text, std::uint32_t catalog_oid) {
    constexpr std::uint32_t pg_default_acl = 826;
    std::string_view best;
    const auto consider = [&](std::string_view kind) {
        if (!text.starts_with(kind) || text.size() <= kind.size() || text[kind.size()] != ' ' ||
            kind.size() <= best.size())
            return;
        const bool part_of_another = kind == "SEQUENCE SET" || kind == "SEQUENCE OWNED BY" || kind.ends_with(" DATA");
        if (part_of_another && catalog_oid != 0) return;
        if (kind == "DEFAULT ACL" && catalog_oid != pg_default_acl) return;
        best = kind;
    };
    for (const auto kind : toc_kinds) consider(kind);
    return best;
}

/// Takes a number off the front of `text`.
template <std::integral T>
[[nodiscard]] std::optional<T> take_number(std::string_view& text) {
    T value{};
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

[[nodiscard]] inline bool take(std::string_view& text, std::string_view expected) {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    return true;
}

/// `215; 1259 16512 TABLE public t owner`
[[nodiscard]] inline std::optional<TocEntry> parse_entry(std::string_view line) {
    const auto dump_id = take_number<int>(line);
    if (!dump_id || !take(line, "; ")) return std::nullopt;
    const auto catalog_oid = take_number<std::uint32_t>(line);
    if (!catalog_oid || !take(line, " ")) return std::nullopt;
    const auto object_oid = take_number<std::uint32_t>(line);
    if (!object_oid || !take(line, " ") || line.empty()) return std::nullopt;
    const auto kind = kind_of(line, *catalog_oid);
    return TocEntry{.dump_id = *dump_id,
                    .catalog_oid = *catalog_oid,
                    .object_oid = *object_oid,
                    .kind = std::string{kind},
                    .rest = std::string{kind.empty() ? line : line.substr(kind.size() + 1)},
                    .depends_on = {}};
}

/// ` 12 13` to its end
[[nodiscard]] inline bool parse_dependencies(std::string_view text, std::vector<int>& into) {
    while (!text.empty()) {
        if (!take(text, " ")) return false;
        const auto id = take_number<int>(text);
        if (!id) return false;
        into.push_back(*id);
    }
    return true;
}

}  // namespace detail

inline Toc parse_toc(std::string_view listing) {
    Toc toc;
    for (std::size_t begin = 0; begin < listing.size();) {
        const auto end = std::min(listing.find('\n', begin), listing.size());
        auto line = listing.substr(begin, end - begin);
        const auto refuse = [&](std::string_view what) {
            throw DecodeError(
                fmt::format("pg_restore's list of the archive has {}: '{}'", what, listing.substr(begin, end - begin)),
                begin);
        };
        if (detail::take(line, ";\tdepends on:")) {
            if (toc.entries.empty() || !detail::parse_dependencies(line, toc.entries.back().depends_on))
                refuse("unreadable dependencies");
        } else if (detail::take(line, "; Archive created at ")) {
            toc.created = line;
        } else if (!line.empty() && line.front() != ';') {
            auto entry = detail::parse_entry(line);
            if (!entry) refuse("a line of an unknown form");
            toc.entries.push_back(std::move(*entry));
        }
        begin = end + 1;
    }
    return toc;
}

inline std::vector<int> parse_toc_ids(std::string_view listing) {
    std::vector<int> ids;
    for (const auto& entry : parse_toc(listing).entries) ids.push_back(entry.dump_id);
    return ids;
}

inline std::string use_list(const std::vector<const TocEntry*>& entries) {
    std::string text;
    for (const auto* entry : entries) fmt::format_to(std::back_inserter(text), "{};\n", entry->dump_id);
    return text;
}

}  // namespace tslive::schema
