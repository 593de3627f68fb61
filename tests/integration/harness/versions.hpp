#pragma once

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "integration/harness/child.hpp"
#include "integration/harness/scratch.hpp"
#include "integration/harness/server.hpp"

namespace tslive::harness {

namespace detail {

/// The servers' account may not be let through to the build folder (below /root, say): then they run from a copy.
[[nodiscard]] inline std::filesystem::path where_servers_may_run(const std::filesystem::path& home) {
    const auto account = Account::for_servers();
    if (run_tool({.arguments = {"test", "-x", (home / "bin" / "postgres").string()}, .account = account}).exit_code ==
        0)
        return home;
    auto copy = Scratch::instance().make_directory("v") / "server";
    run_tool_or_fail({.arguments = {"cp", "-a", home.string(), copy.string()}});
    return copy;
}

}  // namespace detail

/// The programs of a server of that major version: what default_bin_dir() has, or what tests/matrix/fetch-servers.sh has
/// put into the build folder ($TSLIVE_SERVERS). Nothing when it is not there. Any thread may call.
[[nodiscard]] inline std::optional<std::filesystem::path> bin_dir_of(int major) {
    constexpr int of_the_distribution = 15;
    if (major == of_the_distribution) return default_bin_dir();
    static std::mutex mutex;
    static std::map<int, std::optional<std::filesystem::path>> known;
    const std::scoped_lock lock(mutex);
    if (const auto found = known.find(major); found != known.end()) return found->second;
    const char* chosen = std::getenv("TSLIVE_SERVERS");
    const auto home = std::filesystem::path{chosen == nullptr ? TSLIVE_SOURCE_DIR "/build/servers" : chosen} /
                      fmt::format("{}", major);
    auto& bin_dir = known[major];
    if (std::filesystem::exists(home / "bin" / "postgres")) bin_dir = detail::where_servers_may_run(home) / "bin";
    return bin_dir;
}

[[nodiscard]] inline std::string no_server_of(int major) {
    return fmt::format("PostgreSQL {0} is not here: bash tests/matrix/fetch-servers.sh {0}", major);
}

}  // namespace tslive::harness

/// Skips the test, by name, when there is no server of that major version.
#define TSLIVE_NEEDS_SERVER(major) \
    if (!tslive::harness::bin_dir_of(major)) GTEST_SKIP() << tslive::harness::no_server_of(major)
