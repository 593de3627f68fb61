#pragma once

#include <map>
#include <string>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/catalog/extensions.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::timescale {

/// The relations that TimescaleDB makes and looks after, in whatever schema; users know the hypertable or continuous aggregate.
struct OwnRelations {
    using Relations = std::map<catalog::QualifiedName, RelationId>;
    Relations chunks;    ///< with those that hold compressed rows
    Relations roots;     ///< of hypertables: the user's, materializations, and those over compressed chunks
    Relations internal;  ///< chunks, and roots and views that nobody but TimescaleDB names
    Relations caggs;     ///< the views by which users know continuous aggregates
};

/// As they are now (or in the session's snapshot). Empty without the extension.
[[nodiscard]] inline OwnRelations own_relations(pg::Connection& connection) {
    OwnRelations own;
    if (!catalog::has_extension(connection, "timescaledb")) return own;
    const auto found = connection.exec(
        "SELECT c.oid, n.nspname, c.relname, o.kind FROM ("
        "SELECT schema_name, table_name, CASE WHEN h.compression_state = 2 OR EXISTS (SELECT FROM "
        "    _timescaledb_catalog.continuous_agg a WHERE a.mat_hypertable_id = h.id) THEN 'internal root' ELSE 'root' "
        "END "
        "  FROM _timescaledb_catalog.hypertable h "
        "UNION ALL SELECT schema_name, table_name, 'chunk' FROM _timescaledb_catalog.chunk "
        "UNION ALL SELECT user_view_schema, user_view_name, 'cagg' FROM _timescaledb_catalog.continuous_agg "
        "UNION ALL SELECT partial_view_schema, partial_view_name, 'view' FROM _timescaledb_catalog.continuous_agg "
        "UNION ALL SELECT direct_view_schema, direct_view_name, 'view' FROM _timescaledb_catalog.continuous_agg) "
        "o(schema, name, kind) JOIN pg_catalog.pg_namespace n ON n.nspname = o.schema "
        "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = o.name");
    for (int r = 0; r < found.rows(); ++r) {
        catalog::detail::Row row(found, r);
        const auto id = row.relation();
        const catalog::QualifiedName name{row.text(), row.text()};
        const auto kind = row.text();
        if (kind == "cagg") own.caggs.emplace(name, id);
        if (kind == "chunk") own.chunks.emplace(name, id);
        if (kind == "root" || kind == "internal root") own.roots.emplace(name, id);
        if (kind == "chunk" || kind == "internal root" || kind == "view") own.internal.emplace(name, id);
    }
    return own;
}

}  // namespace tslive::timescale
