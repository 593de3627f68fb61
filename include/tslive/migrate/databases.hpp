#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tslive/catalog/databases.hpp"
#include "tslive/core/error.hpp"
#include "tslive/migrate/options.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/state/migration.hpp"

namespace tslive::migrate {

/// Both ends of a migration as the user named them.
struct Ends {
    pg::ConnInfo source, target;
};

namespace detail {
[[nodiscard]] inline pg::ConnInfo parse_end(std::string_view side, std::string_view option, std::string_view variable,
                                            const std::string& text) {
    if (text.empty())
        throw Error(Recovery::operator_action, fmt::format("no {} is given", side),
                    fmt::format("Give {} a connection string, or set {}", option, variable));
    try {
        return pg::ConnInfo::parse(text);
    } catch (const Error& error) {
        throw Error(error.recovery(), fmt::format("{}: {}", side, error.what()), error.remedy());
    }
}
}  // namespace detail

/// @throws Error  (operator_action) when one is missing or cannot be read
[[nodiscard]] inline Ends parse_ends(const CommonOptions& options) {
    return {.source = detail::parse_end("source", "--source", "PGCOPYDB_SOURCE_PGURI", options.source),
            .target = detail::parse_end("target", "--target", "PGCOPYDB_TARGET_PGURI", options.target)};
}

/// Opens a session and says which end it is when that fails.
[[nodiscard]] inline pg::Connection open_end(std::string_view side, const pg::ConnInfo& info, std::string_view purpose,
                                             const std::stop_token& stop) {
    try {
        return pg::Connection::open(info, purpose, stop);
    } catch (const Error& error) {
        throw Error(error.recovery(), fmt::format("{}: {}", side, error.what()), error.remedy());
    }
}

[[nodiscard]] inline state::DatabaseIdentity identify(pg::Connection& connection) {
    const auto database = catalog::database(connection);
    return {
        .system_identifier = database.system_identifier, .database_name = database.name, .database_oid = database.oid};
}

}  // namespace tslive::migrate
