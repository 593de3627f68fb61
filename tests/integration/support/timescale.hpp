#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "integration/support/migration.hpp"

namespace tslive::harness {

/// The versions of TimescaleDB that the test servers can create, oldest first; none where it is not installed.
/// $TSLIVE_TIMESCALEDB names one instead.
[[nodiscard]] inline const std::vector<std::string>& timescaledb_versions() {
    static const auto versions = [] {
        const TestServer server;
        return server.database().rows(
            "SELECT version FROM pg_available_extension_versions WHERE name = 'timescaledb' AND version ~ '^[0-9.]+$' "
            "AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') "
            "ORDER BY string_to_array(version, '.')::int[]");
    }();
    return versions;
}

/// With the extension's library, and no telemetry.
[[nodiscard]] inline ServerOptions timescaledb_server(std::vector<std::string> settings = {}) {
    settings.insert(settings.begin(), {"shared_preload_libraries='timescaledb'", "timescaledb.telemetry_level=off",
                                       "timescaledb.max_background_workers=8", "max_worker_processes=32",
                                       "max_locks_per_transaction=512", "wal_level=logical"});
    return {.settings = std::move(settings)};
}
[[nodiscard]] inline PairOptions timescaledb_pair() {
    return {.source = timescaledb_server(), .target = timescaledb_server()};
}

/// @param version  empty: that of $TSLIVE_TIMESCALEDB, or the newest
inline void create_timescaledb(const Database& database, std::string_view version = {}) {
    const char* chosen = std::getenv("TSLIVE_TIMESCALEDB");
    const auto wanted = !version.empty()    ? std::string{version}
                        : chosen != nullptr ? std::string{chosen}
                                            : timescaledb_versions().back();
    database.sql(fmt::format("CREATE EXTENSION timescaledb VERSION '{}'", wanted));
}

}  // namespace tslive::harness

/// Skips the test, by name, where the test servers have no TimescaleDB.
#define TSLIVE_NEEDS_TIMESCALEDB()                       \
    if (tslive::harness::timescaledb_versions().empty()) \
    GTEST_SKIP() << "TimescaleDB is not installed for the test servers: pg_available_extensions does not list it"
