#pragma once

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <system_error>

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/core/log.hpp"
#include "tslive/schema/child.hpp"

namespace tslive::schema {
namespace detail {

[[nodiscard]] inline bool executable(const std::filesystem::path& file) {
    std::error_code failed;
    return std::filesystem::is_regular_file(file, failed) && ::access(file.c_str(), X_OK) == 0;
}

/// Debian's /usr/bin/pg_dump is a script that picks a version by the connection when it is run, and not the one it
/// names when asked.
[[nodiscard]] inline bool chooses_by_itself(const std::filesystem::path& file) {
    std::error_code failed;
    return std::filesystem::canonical(file, failed).filename() == "pg_wrapper";
}

/// PATH's folders in their order, then /usr/lib/postgresql/<major>/bin (Debian) and /usr/pgsql-<major>/bin (Red Hat).
[[nodiscard]] inline std::vector<std::filesystem::path> tool_folders() {
    std::vector<std::filesystem::path> folders;
    const char* path = std::getenv("PATH");
    for (std::string_view rest = path == nullptr ? "" : path; !rest.empty();) {
        const auto end = std::min(rest.find(':'), rest.size());
        if (end > 0 && rest.front() == '/')
            folders.emplace_back(rest.substr(0, end));  // a relative one is somebody else's file tomorrow
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", failed))
        folders.push_back(entry.path() / "bin");
    for (const auto& entry : std::filesystem::directory_iterator("/usr", failed))
        if (entry.path().filename().string().starts_with("pgsql-")) folders.push_back(entry.path() / "bin");
    return folders;
}

[[nodiscard]] inline std::optional<int> major_of(const std::filesystem::path& program) {
    const Command command{
        .program = program, .arguments = {"--version"}, .environment = {{"LC_ALL", "C"}}, .without = {}};
    try {
        return parse_major(run_child(command, {}, 4096).text);
    } catch (const Error& error) {
        log::debug("{} --version: {}", program.string(), error.what());
        return std::nullopt;
    }
}

/// The pairs in these folders. `seen` gets a line for each folder that has a part of one.
[[nodiscard]] inline std::vector<Tools> tools_in(const std::vector<std::filesystem::path>& folders,
                                                 std::vector<std::string>& seen) {
    std::vector<Tools> found;
    for (const auto& folder : folders) {
        const auto pg_dump = folder / "pg_dump", pg_restore = folder / "pg_restore";
        if (!executable(pg_dump) || chooses_by_itself(pg_dump)) continue;
        const auto dump_major = major_of(pg_dump);
        const auto restore_major = executable(pg_restore) ? major_of(pg_restore) : std::nullopt;
        if (!dump_major) seen.push_back(fmt::format("{} (does not tell its version)", pg_dump.string()));
        else if (dump_major != restore_major)
            seen.push_back(fmt::format("{} {} without a pg_restore of that version", pg_dump.string(), *dump_major));
        else {
            seen.push_back(fmt::format("{} {}", pg_dump.string(), *dump_major));
            found.push_back({pg_dump, pg_restore, *dump_major});
        }
    }
    return found;
}

}  // namespace detail

inline std::optional<int> parse_major(std::string_view version_line) {
    constexpr std::string_view product = "(PostgreSQL) ";
    const auto at = version_line.find(product);
    if (at == std::string_view::npos) return std::nullopt;
    const auto digits = version_line.substr(at + product.size());
    int major = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), major).ec != std::errc{}) return std::nullopt;
    return major;
}

inline std::optional<Tools> choose_tools(const std::vector<Tools>& candidates, int source_major, int target_major) {
    std::optional<Tools> best;
    const auto better = [target_major](const Tools& a, const Tools& b) {
        const bool a_fits = a.major <= target_major, b_fits = b.major <= target_major;
        if (a_fits != b_fits) return a_fits;
        return a_fits ? a.major > b.major : a.major < b.major;
    };
    for (const auto& candidate : candidates)
        if (candidate.major >= source_major && (!best || better(candidate, *best))) best = candidate;
    return best;
}

inline Tools find_tools(const std::optional<std::filesystem::path>& bin_dir, int source_server_version,
                        int target_server_version) {
    const int source_major = source_server_version / 10000;
    const int target_major = target_server_version == 0 ? source_major : target_server_version / 10000;
    std::vector<std::string> seen;
    const auto folders = bin_dir ? std::vector{std::filesystem::absolute(*bin_dir)} : detail::tool_folders();
    const auto candidates = detail::tools_in(folders, seen);
    if (const auto best = choose_tools(candidates, source_major, target_major)) {
        log::debug("schema: using {} (version {})", best->pg_dump.string(), best->major);
        return *best;
    }
    const auto where =
        bin_dir ? folders.front().string() : std::string{"PATH and the folders of the installed PostgreSQL versions"};
    throw Error(
        Recovery::operator_action,
        fmt::format("no usable pg_dump and pg_restore for a source of version {} in {}; found: {}", source_major, where,
                    seen.empty() ? "none" : fmt::format("{}", fmt::join(seen, ", "))),
        fmt::format(
            "Install the PostgreSQL client programs of version {} or later (pg_dump cannot read a server newer than "
            "itself), or name their folder with --pg-bin-dir",
            std::max(source_major, target_major)));
}

}  // namespace tslive::schema
