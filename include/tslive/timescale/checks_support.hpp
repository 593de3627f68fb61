#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/name.hpp"
#include "tslive/checks/detail/end.hpp"
#include "tslive/pg/connection.hpp"

/// What the checks of TimescaleDB databases share.
namespace tslive::timescale::detail {

[[nodiscard]] inline std::vector<catalog::QualifiedName> names_of(pg::Connection& connection, std::string_view query) {
    const auto rows = connection.exec(query);
    std::vector<catalog::QualifiedName> found;
    for (int row = 0; row < rows.rows(); ++row) found.push_back({rows.text(row, 0), rows.text(row, 1)});
    return found;
}

/// Of a table of _timescaledb_catalog, which differs between releases.
[[nodiscard]] inline bool has_column(pg::Connection& connection, std::string_view table, std::string_view column) {
    return !connection
                .exec(
                    "SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
                    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                    "WHERE n.nspname = '_timescaledb_catalog' AND c.relname = $1 AND a.attname = $2 AND NOT "
                    "a.attisdropped",
                    pg::Params{}.text(table).text(column))
                .empty();
}

/// Asks by doing; nobody sees a publication that is never committed.
[[nodiscard]] inline bool may_publish(checks::detail::End& source, std::string_view what) {
    if (source.standby) return false;
    try {
        pg::Transaction trial(source.connection);
        source.connection.exec(fmt::format("CREATE PUBLICATION tslive_check {}", what));
        trial.rollback();
        return true;
    } catch (const pg::ServerError& error) {
        if (error.state() == pg::sqlstate::insufficient_privilege) return false;
        throw;
    }
}
[[nodiscard]] inline bool may_publish_schemas(checks::detail::End& source) {
    return source.can.schema_publications() &&
           may_publish(source, "FOR TABLES IN SCHEMA _timescaledb_internal WITH (publish = 'insert')");
}

}  // namespace tslive::timescale::detail
