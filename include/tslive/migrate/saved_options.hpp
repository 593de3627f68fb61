#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/migrate/options.hpp"

namespace tslive::migrate {

/// What decides about content and must stay the same from start to end, as text: one `key length:value` after the other, so that names
/// may hold anything. The number of jobs may change at a resume.
[[nodiscard]] inline std::string save_options(const MigrateOptions& options) {
    std::string out;
    const auto add = [&](std::string_view key, std::string_view value) {
        out += fmt::format("{} {}:{}\n", key, value.size(), value);
    };
    const auto flag = [&](std::string_view key, bool value) { add(key, value ? "yes" : "no"); };
    flag("skip-roles", options.skip_roles);
    flag("skip-all-extensions", options.skip_all_extensions);
    for (const auto& name : options.skip_extensions) add("skip-extension", name);
    for (const auto& name : options.skip_table_data) add("skip-table-data", name);
    for (const auto& path : options.search_path_for) add("search-path-for", path);
    flag("no-owner", options.no_owner);
    flag("no-acl", options.no_acl);
    flag("across-timescaledb-versions", options.timescale == TimescaleWay::across_releases);
    return out;
}

/// Puts saved values in place of those in `options`.
/// @throws Error  (operator_action) when the text is not what save_options() writes
inline void restore_options(std::string_view saved, MigrateOptions& options) {
    options.skip_extensions.clear();
    options.skip_table_data.clear();
    options.search_path_for.clear();
    const auto broken = [] {
        return Error(Recovery::operator_action, "the options recorded in state.db cannot be read");
    };
    while (!saved.empty()) {
        const auto space = saved.find(' ');
        const auto colon = saved.find(':', space);
        if (space == std::string_view::npos || colon == std::string_view::npos) throw broken();
        std::size_t length = 0;
        const auto digits = saved.substr(space + 1, colon - space - 1);
        const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
        if (code != std::errc{} || end != digits.data() + digits.size() || colon + 1 + length >= saved.size())
            throw broken();
        const auto key = saved.substr(0, space);
        const std::string value{saved.substr(colon + 1, length)};
        saved.remove_prefix(colon + 1 + length + 1);
        if (key == "skip-roles") options.skip_roles = value == "yes";
        else if (key == "skip-all-extensions") options.skip_all_extensions = value == "yes";
        else if (key == "skip-extension") options.skip_extensions.push_back(value);
        else if (key == "skip-table-data") options.skip_table_data.push_back(value);
        else if (key == "search-path-for") options.search_path_for.push_back(value);
        else if (key == "no-owner") options.no_owner = value == "yes";
        else if (key == "no-acl") options.no_acl = value == "yes";
        else if (key == "across-timescaledb-versions")
            options.timescale = value == "yes" ? TimescaleWay::across_releases : TimescaleWay::same_release;
        else throw broken();
    }
}

}  // namespace tslive::migrate
