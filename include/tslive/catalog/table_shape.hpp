#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"

/// What of a table decides whether its rows mean the same as they did before: which columns there are, and which file
/// holds the rows. A column is known by its number: a name that changed hands is another column.
namespace tslive::catalog {

struct ShapeColumn {
    std::int16_t number = 0;  ///< attnum; 0 where it is not known, as in a Relation message
    std::string name;
    TypeId type;
    std::int32_t type_modifier = -1;
    bool generated = false;  ///< computed by the server: never in the stream
};

struct TableShape {
    std::uint32_t file_node = 0;  ///< another one: the rows were rewritten
    std::int16_t attributes = 0;  ///< pg_class.relnatts: dropped columns count
    std::vector<ShapeColumn> columns;
};

/// What an ALTER TABLE for the other server has to say about a column.
struct ColumnDefinition : ShapeColumn {
    std::string type_text;  ///< with its modifier
    std::string collation;  ///< ` COLLATE …` where it is not the type's
    bool not_null = false;
    char identity = 0;                        ///< 0, 'a'lways or by 'd'efault
    std::optional<std::string> default_text;  ///< the expression for new rows
    std::optional<std::string> missing_text;  ///< the value of rows that are older than the column
};

/// A table as it is now.
struct TableDefinition {
    QualifiedName name;
    std::uint32_t file_node = 0;
    std::int16_t attributes = 0;
    std::vector<ColumnDefinition> columns;
};

/// The shape of some tables in a form that a server takes back: one row a table, the columns as arrays. The session's
/// snapshot decides which shape. Columns: oid, file node, attributes, numbers, names, types, modifiers, generated.
inline pg::Result shapes_as_text(pg::Connection& connection, std::span<const RelationId> relations) {
    return connection.exec(
        "SELECT c.oid, c.relfilenode, c.relnatts, coalesce(a.numbers::pg_catalog.text, '{}'), "
        "  coalesce(a.names::pg_catalog.text, '{}'), coalesce(a.types::pg_catalog.text, '{}'), "
        "  coalesce(a.modifiers::pg_catalog.text, '{}'), coalesce(a.generated::pg_catalog.text, '{}') "
        "FROM pg_catalog.pg_class c LEFT JOIN (SELECT attrelid, pg_catalog.array_agg(attnum ORDER BY attnum) AS "
        "numbers, "
        "    pg_catalog.array_agg(attname::pg_catalog.text ORDER BY attnum) AS names, "
        "    pg_catalog.array_agg(atttypid ORDER BY attnum) AS types, "
        "    pg_catalog.array_agg(atttypmod ORDER BY attnum) AS modifiers, "
        "    pg_catalog.array_agg(attgenerated <> '' ORDER BY attnum) AS generated "
        "  FROM pg_catalog.pg_attribute WHERE attnum > 0 AND NOT attisdropped "
        "  AND attrelid = ANY ($1::pg_catalog.oid[]) GROUP BY attrelid) a ON a.attrelid = c.oid "
        "WHERE c.oid = ANY ($1::pg_catalog.oid[])",
        pg::Params{}.text(detail::oid_array(relations)));
}

/// Tables as they are now; one that is gone has no entry. Two queries.
inline std::map<RelationId, TableDefinition> table_definitions(pg::Connection& connection,
                                                               std::span<const RelationId> relations) {
    const auto ids = detail::oid_array(relations);
    std::map<RelationId, TableDefinition> found;
    const auto tables = connection.exec_again(
        "SELECT c.oid, n.nspname, c.relname, c.relfilenode, c.relnatts FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::pg_catalog.oid[])",
        pg::Params{}.text(ids));
    for (int r = 0; r < tables.rows(); ++r) {
        detail::Row row(tables, r);
        const auto id = row.relation();
        found[id] = {.name = {row.text(), row.text()},
                     .file_node = row.number<std::uint32_t>(),
                     .attributes = row.number<std::int16_t>(),
                     .columns = {}};
    }
    const auto columns = connection.exec_again(
        "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attgenerated <> '', "
        "  pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN k.oid IS NULL THEN '' "
        "    ELSE pg_catalog.format(' COLLATE %I.%I', kn.nspname, k.collname) END, "
        "  a.attnotnull, a.attidentity, CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) "
        "  END, CASE WHEN a.atthasmissing THEN (a.attmissingval::pg_catalog.text::pg_catalog.text[])[1] END "
        "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
        "LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
        "LEFT JOIN pg_catalog.pg_collation k ON k.oid = a.attcollation AND a.attcollation <> t.typcollation "
        "LEFT JOIN pg_catalog.pg_namespace kn ON kn.oid = k.collnamespace "
        "WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped "
        "ORDER BY a.attrelid, a.attnum",
        pg::Params{}.text(ids));
    for (int r = 0; r < columns.rows(); ++r) {
        detail::Row row(columns, r);
        const auto table = found.find(row.relation());
        if (table == found.end()) continue;
        ColumnDefinition column;
        column.number = row.number<std::int16_t>();
        column.name = row.text();
        column.type = {row.number<std::uint32_t>()};
        column.type_modifier = row.number<std::int32_t>();
        column.generated = row.boolean();
        column.type_text = row.text();
        column.collation = row.text();
        column.not_null = row.boolean();
        column.identity = row.letter();
        column.default_text = row.optional_text();
        column.missing_text = row.optional_text();
        table->second.columns.push_back(std::move(column));
    }
    return found;
}

}  // namespace tslive::catalog
