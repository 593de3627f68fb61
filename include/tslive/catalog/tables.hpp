#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/catalog/relation.hpp"
#include "tslive/catalog/replica_identity.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::catalog {

/// A table or partitioned table. Its own rows only: read it with ONLY, its children are entries of their own
/// (CASES E19).
struct Table {
    RelationId id;
    QualifiedName name;
    RelationKind kind = RelationKind::table;
    Persistence persistence = Persistence::permanent;
    ReplicaIdentity replica_identity = ReplicaIdentity::default_;
    /// pgoutput can name the row of an UPDATE or DELETE, and the source accepts them when they are published.
    bool usable_identity = false;
    std::int64_t bytes = 0;            ///< heap and TOAST, no indexes; 0 for a partitioned table
    std::int64_t heap_blocks = 0;      ///< main fork only, for ctid ranges
    std::optional<RelationId> parent;  ///< the first one, by partitioning or inheritance
    bool is_partition = false;
    bool has_subclass = false;  ///< somebody inherits from it, partitions included
    std::string extension;      ///< whose member it is; empty: none
    bool row_security = false;  ///< policies are enabled, whether or not they apply to us
};

enum class Sizes {
    measured,   ///< asks the file system, which needs ACCESS SHARE: waits behind an ALTER TABLE
    estimated,  ///< what the last VACUUM or ANALYZE saw; waits for nobody
};

/// All user tables, ordered by schema and name; no system schemas, no temporary tables (CASES E21). One query.
inline std::vector<Table> tables(pg::Connection& connection, Sizes sizes = Sizes::measured) {
    constexpr const char* measured =
        "CASE WHEN c.relkind = 'r' THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0) ELSE 0 END + "
        "CASE WHEN c.reltoastrelid <> 0 THEN coalesce(pg_catalog.pg_relation_size(c.reltoastrelid), 0) ELSE 0 END, "
        "CASE WHEN c.relkind = 'r' THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0) / "
        "pg_catalog.current_setting('block_size')::pg_catalog.int8 ELSE 0 END";
    constexpr const char* estimated =
        "CASE WHEN c.relkind = 'r' THEN "
        "(greatest(c.relpages, 0) + greatest(coalesce(t.relpages, 0), 0))::pg_catalog.int8 * "
        "pg_catalog.current_setting('block_size')::pg_catalog.int8 ELSE 0 END, "
        "CASE WHEN c.relkind = 'r' THEN greatest(c.relpages, 0)::pg_catalog.int8 ELSE 0 END";
    const auto result = connection.exec(fmt::format(
        "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident, "
        "  {usable_identity}, {sizes}, h.parent, c.relispartition, "
        "  coalesce(s.subclass, false), coalesce(e.extname, ''), c.relrowsecurity "
        "FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid "
        "LEFT JOIN (SELECT inhrelid, (pg_catalog.array_agg(inhparent ORDER BY inhseqno))[1] AS parent "
        "  FROM pg_catalog.pg_inherits GROUP BY inhrelid) h ON h.inhrelid = c.oid "
        "LEFT JOIN (SELECT DISTINCT inhparent, true AS subclass FROM pg_catalog.pg_inherits) s ON s.inhparent = c.oid "
        "{extension_join} "
        "WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {user_schema} ORDER BY n.nspname, c.relname",
        fmt::arg("usable_identity", usable_identity_sql(Capabilities{connection.server_version()})),
        fmt::arg("sizes", sizes == Sizes::measured ? measured : estimated),
        fmt::arg("extension_join", detail::extension_join), fmt::arg("user_schema", detail::user_schema)));

    std::vector<Table> found;
    found.reserve(static_cast<std::size_t>(result.rows()));
    for (int r = 0; r < result.rows(); ++r) {
        detail::Row row(result, r);
        found.push_back({.id = row.relation(),
                         .name = {row.text(), row.text()},
                         .kind = detail::relation_kind(row.letter()),
                         .persistence = detail::persistence(row.letter()),
                         .replica_identity = detail::replica_identity(row.letter()),
                         .usable_identity = row.boolean(),
                         .bytes = row.number<std::int64_t>(),
                         .heap_blocks = row.number<std::int64_t>(),
                         .parent = row.optional_relation(),
                         .is_partition = row.boolean(),
                         .has_subclass = row.boolean(),
                         .extension = row.text(),
                         .row_security = row.boolean()});
    }
    return found;
}

}  // namespace tslive::catalog
