#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"

namespace tslive::catalog {

struct KeyColumn {
    std::string name;
    std::string equality;   ///< the operator by which the index calls two values equal: `OPERATOR("pg_catalog".=)`
    std::string collation;  ///< the index's, where it is not the column's: `"public"."ignoring_case"`; else empty
    std::string type_name;  ///< for SQL text, as Column::type_name
};

/// A unique index that names at most one row: valid, over all rows, over plain columns. INCLUDE columns are no part of
/// it.
struct UniqueKey {
    std::string index_name;
    std::vector<KeyColumn> columns;
    bool primary = false;
    bool immediate = true;          ///< false: a deferrable constraint, no identity and no arbiter of ON CONFLICT
    bool replica_identity = false;  ///< chosen by REPLICA IDENTITY USING INDEX
    bool nullable = false;          ///< a column may be NULL, and then the key does not name a row
};

/// The unique keys of some tables: the primary key first, then immediate ones, then by name. One query.
inline std::map<RelationId, std::vector<UniqueKey>> unique_keys(pg::Connection& connection,
                                                                std::span<const RelationId> relations) {
    // Equality is what the operator family says, so that citext compares as citext whatever its schema is (strategy 3
    // of btree; no other built-in access method makes unique indexes).
    const auto result = connection.exec_again(
        "SELECT i.indrelid, c.relname, i.indisprimary, i.indimmediate, i.indisreplident, k.position, a.attname, "
        "  a.attnotnull, e.nspname, e.oprname, pg_catalog.format_type(a.atttypid, -1), "
        "  coalesce(l.nspname, ''), coalesce(l.collname, '') "
        "FROM unnest($1::pg_catalog.oid[]) AS wanted(oid) "
        "JOIN pg_catalog.pg_index i ON i.indrelid = wanted.oid "
        "JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_catalog.pg_am m ON m.oid = c.relam AND m.amname = 'btree' "
        "CROSS JOIN LATERAL unnest(i.indkey::pg_catalog.int2[], i.indclass::pg_catalog.oid[], "
        "  i.indcollation::pg_catalog.oid[]) WITH ORDINALITY AS k(attnum, opclass, compares_by, position) "
        "JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
        // Looked up for each column: joined, the planner begins with all operators and reads all indexes for each (OFFSET 0 keeps it).
        "CROSS JOIN LATERAL (SELECT n.nspname, o.oprname FROM pg_catalog.pg_opclass p "
        "  JOIN pg_catalog.pg_amop s ON s.amopfamily = p.opcfamily AND s.amoplefttype = p.opcintype "
        "    AND s.amoprighttype = p.opcintype AND s.amopstrategy = 3 AND s.amoppurpose = 's' "
        "  JOIN pg_catalog.pg_operator o ON o.oid = s.amopopr "
        "  JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace WHERE p.oid = k.opclass OFFSET 0) AS e "
        "LEFT JOIN LATERAL (SELECT n.nspname, c.collname FROM pg_catalog.pg_collation c "
        "  JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace "
        "  WHERE c.oid = k.compares_by AND c.oid <> a.attcollation OFFSET 0) AS l ON true "
        "WHERE i.indisunique AND i.indisvalid AND i.indisready "
        "  AND i.indislive AND i.indpred IS NULL AND i.indexprs IS NULL AND k.position <= i.indnkeyatts "
        "ORDER BY i.indrelid, i.indisprimary DESC, i.indimmediate DESC, c.relname, k.position",
        pg::Params{}.text(detail::oid_array(relations)));

    std::map<RelationId, std::vector<UniqueKey>> found;
    for (const auto relation : relations) found[relation];
    for (int r = 0; r < result.rows(); ++r) {
        detail::Row row(result, r);
        auto& keys = found[row.relation()];
        UniqueKey key{.index_name = row.text(),
                      .columns = {},
                      .primary = row.boolean(),
                      .immediate = row.boolean(),
                      .replica_identity = row.boolean()};
        if (row.number<int>() == 1) keys.push_back(std::move(key));
        auto name = row.text();
        if (!row.boolean()) keys.back().nullable = true;
        const auto schema = row.text();
        const auto sign = row.text();
        auto type_name = row.text();
        const auto collation_schema = row.text();
        const auto collation = row.text();
        keys.back().columns.push_back({.name = std::move(name),
                                       .equality = "OPERATOR(" + pg::quote_identifier(schema) + "." + sign + ")",
                                       .collation = collation.empty() ? std::string{}
                                                                      : pg::quote_identifier(collation_schema) + "." +
                                                                            pg::quote_identifier(collation),
                                       .type_name = std::move(type_name)});
    }
    return found;
}

inline std::vector<UniqueKey> unique_keys(pg::Connection& connection, RelationId relation) {
    return std::move(unique_keys(connection, std::span{&relation, 1})[relation]);
}

}  // namespace tslive::catalog
