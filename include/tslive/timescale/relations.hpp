#pragma once

#include <set>

#include "tslive/catalog/extensions.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::timescale {

/// Tables that TimescaleDB makes and names: chunks, those of compressed rows, hypertables of compressed rows and of continuous
/// aggregates. None in a database without it.
[[nodiscard]] inline std::set<catalog::QualifiedName> made_tables(pg::Connection& connection) {
    std::set<catalog::QualifiedName> names;
    if (!catalog::has_extension(connection, "timescaledb")) return names;
    const auto found = connection.exec(
        "SELECT schema_name, table_name FROM _timescaledb_catalog.chunk UNION ALL "
        "SELECT schema_name, table_name FROM _timescaledb_catalog.hypertable h WHERE compression_state = 2 OR "
        "EXISTS (SELECT FROM _timescaledb_catalog.continuous_agg a WHERE a.mat_hypertable_id = h.id)");
    for (int row = 0; row < found.rows(); ++row) names.insert({found.text(row, 0), found.text(row, 1)});
    return names;
}

}  // namespace tslive::timescale
