#pragma once

#include <optional>
#include <string>

#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/release.hpp"

namespace tslive::timescale {

/// TimescaleDB in a database.
struct Installation {
    Release release;
    std::string version;  ///< as CREATE EXTENSION … VERSION takes it
    std::string schema;   ///< of its public functions (CASES H15)

    /// A function of the public interface, quoted: `"public"."drop_chunks"`.
    [[nodiscard]] std::string function(std::string_view name) const { return pg::qualified(schema, name); }
};

/// @returns nothing when the database does not have the extension
/// @throws Error  (operator_action) when its version cannot be read
[[nodiscard]] inline std::optional<Installation> installation(pg::Connection& connection) {
    const auto found = connection.exec(
        "SELECT e.extversion, n.nspname FROM pg_catalog.pg_extension e "
        "JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb'");
    if (found.empty()) return std::nullopt;
    const auto release = Release::parse(found.at(0, 0));
    if (!release)
        throw Error(Recovery::operator_action,
                    fmt::format("the version of TimescaleDB cannot be read: '{}'", found.at(0, 0)));
    return Installation{*release, found.text(0, 0), found.text(0, 1)};
}

/// What a database has, or would have after CREATE EXTENSION in `schema`; nothing where the server has no TimescaleDB.
[[nodiscard]] inline std::optional<Installation> installation_to_be(pg::Connection& connection,
                                                                    std::string_view schema) {
    if (auto found = installation(connection)) return found;
    const auto offered =
        connection.exec("SELECT default_version FROM pg_catalog.pg_available_extensions WHERE name = 'timescaledb'");
    if (offered.empty() || offered.is_null(0, 0)) return std::nullopt;
    const auto release = Release::parse(offered.at(0, 0));
    if (!release) return std::nullopt;
    return Installation{*release, offered.text(0, 0), std::string{schema}};
}

}  // namespace tslive::timescale
