#pragma once

#include <algorithm>
#include <future>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "integration/harness/catalog_contents.hpp"
#include "integration/harness/child.hpp"
#include "integration/harness/database.hpp"
#include "integration/harness/server.hpp"

namespace tslive::harness {

struct CompareOptions {
    bool schema = true;                      ///< pg_dump -s, object by object
    bool schema_by_catalog = false;          ///< what the catalogs say, instead: between versions
    bool sequences = true;                   ///< last_value and is_called; false while the switch-over has not been
    bool large_objects = true;               ///< their contents
    bool privileges = true;                  ///< owners and grants, within the schema
    std::set<std::string> skip_tables = {};  ///< as reported: `"public"."t"`
};

/// What differs between two databases; empty when nothing does.
struct Diff {
    std::vector<std::string> lines;
    [[nodiscard]] bool empty() const noexcept { return lines.empty(); }
    /// For people; cut after 60 lines.
    [[nodiscard]] std::string report() const {
        const auto shown = std::min<std::size_t>(lines.size(), 60);
        auto text =
            fmt::format("{}", fmt::join(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(shown), "\n"));
        if (shown < lines.size()) text += fmt::format("\n… and {} more", lines.size() - shown);
        return text;
    }
};

namespace detail {

/// Object -> its content in a comparable form.
using Contents = std::map<std::string, std::string>;

inline constexpr std::string_view of_users = "n.nspname !~ '^(pg_|tslive_)' AND n.nspname <> 'information_schema'";

/// Row count and two sums of 64-bit hashes: they do not depend on the order, and no row cancels another out as XOR
/// would let it.
/// The alias is a name no column has: the name of a column would win over the row.
inline Contents table_contents(pg::Connection& connection, const std::set<std::string>& skipped) {
    const auto tables = connection.exec(fmt::format(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
        "c.relnamespace "
        "WHERE c.relkind IN ('r', 'm') AND c.relispopulated AND c.relpersistence <> 't' AND {} ORDER BY 1, 2",
        of_users));
    Contents contents;
    for (int row = 0; row < tables.rows(); ++row) {
        const auto name = pg::qualified(tables.at(row, 0), tables.at(row, 1));
        if (skipped.contains(name)) continue;
        const auto sums = connection.exec(
            fmt::format("SELECT count(*), coalesce(sum(hashtextextended(\"ts-live: the row\"::text, 1)::numeric), 0), "
                        "coalesce(sum(hashtextextended(\"ts-live: the row\"::text, 2)::numeric), 0) FROM ONLY {} AS "
                        "\"ts-live: the row\"",
                        name));
        contents["table " + name] = fmt::format("{} rows, checksum {}/{}", sums.at(0, 0), sums.at(0, 1), sums.at(0, 2));
    }
    return contents;
}

inline Contents sequence_contents(pg::Connection& connection) {
    const auto sequences =
        connection.exec(fmt::format("SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN "
                                    "pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                                    "WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND {}",
                                    of_users));
    Contents contents;
    for (int row = 0; row < sequences.rows(); ++row) {
        const auto name = pg::qualified(sequences.at(row, 0), sequences.at(row, 1));
        const auto state = connection.exec(fmt::format("SELECT last_value, is_called FROM {}", name));
        contents["sequence " + name] = fmt::format("last_value {}, is_called {}", state.at(0, 0), state.at(0, 1));
    }
    return contents;
}

inline Contents large_object_contents(pg::Connection& connection) {
    const auto objects = connection.exec("SELECT oid, md5(lo_get(oid)) FROM pg_catalog.pg_largeobject_metadata");
    Contents contents;
    for (int row = 0; row < objects.rows(); ++row)
        contents[fmt::format("large object {}", objects.at(row, 0))] = objects.text(row, 1);
    return contents;
}

/// Object (the comment pg_dump puts above it) -> its statements. An object that has several gets them all.
[[nodiscard]] inline Contents statements_by_object(const std::string& text) {
    Contents contents;
    std::string object = "schema of the database";
    for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
        end = std::min(text.find('\n', begin), text.size());
        const auto line = text.substr(begin, end - begin);
        if (line.starts_with("-- Name: ") || line.starts_with("-- Dependencies: ")) object = line.substr(3);
        if (line.empty() || line.starts_with("--") || line.starts_with("\\restrict") ||
            line.starts_with("\\unrestrict"))
            continue;
        contents[object] += line + '\n';
    }
    return contents;
}

inline Contents schema_contents(const Database& database, const std::filesystem::path& bin_dir, bool privileges) {
    std::vector<std::string> arguments = {(bin_dir / "pg_dump").string(), "--schema-only", "--no-publications",
                                          "--no-subscriptions", "--exclude-schema=tslive_*"};
    if (!privileges) arguments.insert(arguments.end(), {"--no-owner", "--no-privileges"});
    const auto info = database.conninfo();
    arguments.push_back("--encoding=" + pg::Connection::open(info, "compare").parameter("client_encoding"));
    arguments.push_back("--dbname=" + info.without_secrets().to_string());
    return statements_by_object(run_tool_or_fail(
        {.arguments = arguments, .environment = {{"PGPASSWORD", info.value("password").value_or("")}}}));
}

inline Contents catalog_contents(pg::Connection& connection) {
    // Each version has keywords of its own, and quotes them.
    constexpr auto without_keyword_quotes =
        R"sql(SELECT regexp_replace(object, '"([a-z_][a-z0-9_]*)"', '\1', 'g'), regexp_replace(description, '"([a-z_][a-z0-9_]*)"', '\1', 'g')
            FROM ({}) AS found (object, description))sql";
    connection.exec("SET search_path = pg_catalog");
    Contents contents;
    for (const auto* query : catalog_queries) {
        std::string text{query};
        constexpr std::string_view placeholder = "{of_users}";
        if (const auto at = text.find(placeholder); at != std::string::npos)
            text.replace(at, placeholder.size(), of_users);
        const auto objects = connection.exec(fmt::format(without_keyword_quotes, text));
        for (int row = 0; row < objects.rows(); ++row) contents[objects.text(row, 0)] = objects.text(row, 1);
    }
    return contents;
}

inline Contents contents_of(const Database& database, const CompareOptions& options,
                            const std::filesystem::path& bin_dir) {
    auto connection = pg::Connection::open(database.conninfo(), "compare");
    auto contents = table_contents(connection, options.skip_tables);
    if (options.sequences) contents.merge(sequence_contents(connection));
    if (options.large_objects) contents.merge(large_object_contents(connection));
    if (options.schema_by_catalog) contents.merge(catalog_contents(connection));
    else if (options.schema) contents.merge(schema_contents(database, bin_dir, options.privileges));
    return contents;
}

}  // namespace detail

[[nodiscard]] inline Diff difference(const detail::Contents& on_source, const detail::Contents& on_target) {
    Diff diff;
    for (const auto& [object, content] : on_source) {
        const auto found = on_target.find(object);
        if (found == on_target.end()) diff.lines.push_back(fmt::format("{}: only on the source: {}", object, content));
        else if (found->second != content)
            diff.lines.push_back(fmt::format("{}:\n  source: {}\n  target: {}", object, content, found->second));
    }
    for (const auto& [object, content] : on_target)
        if (!on_source.contains(object))
            diff.lines.push_back(fmt::format("{}: only on the target: {}", object, content));
    return diff;
}

/// Compares what is in two databases: rows of every table, sequences, large objects, schema. Ours (helper schema,
/// publications) is left out. Nothing may write meanwhile, or the answer is one of the past.
///
/// @param bin_dir  whose pg_dump; it must be as new as both servers. Empty: as TestServer chooses
[[nodiscard]] inline Diff compare(const Database& source, const Database& target, const CompareOptions& options = {},
                                  const std::filesystem::path& bin_dir = default_bin_dir()) {
    auto other = std::async(std::launch::async, [&] { return detail::contents_of(target, options, bin_dir); });
    const auto on_source = detail::contents_of(source, options, bin_dir);
    const auto on_target = other.get();
    return difference(on_source, on_target);
}

[[nodiscard]] inline testing::AssertionResult databases_are_equal(const Database& source, const Database& target,
                                                                  const CompareOptions& options = {}) {
    const auto diff = compare(source, target, options);
    if (diff.empty()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "the databases differ:\n" << diff.report();
}

}  // namespace tslive::harness

/// EXPECT_EQUAL_DATABASES(source, target) or EXPECT_EQUAL_DATABASES(source, target, CompareOptions{...})
#define EXPECT_EQUAL_DATABASES(...) EXPECT_TRUE(tslive::harness::databases_are_equal(__VA_ARGS__))
#define ASSERT_EQUAL_DATABASES(...) ASSERT_TRUE(tslive::harness::databases_are_equal(__VA_ARGS__))
