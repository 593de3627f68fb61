#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::catalog {

struct Column {
    std::int16_t number = 0;  ///< attnum: gaps where columns were dropped
    std::string name;
    TypeId type;
    std::int32_t type_modifier = -1;
    std::string type_name;      ///< for SQL text: qualified where it is no built-in, and without its modifier
    std::string base_type;      ///< the same of what a domain is over in the end; else type_name
    std::string type_category;  ///< pg_type.typcategory
    /// The string type from which an explicit cast calls the type's input function. From the others a cast of its own may lead, and
    /// mean something else: that of text to regclass knows no numbers, and users make casts too.
    std::string read_from;
    bool not_null = false;
    bool has_default = false;
    char generated = 0;          ///< 0, 's'tored or 'v'irtual: neither may be written
    char identity = 0;           ///< 0, 'a'lways (INSERT needs OVERRIDING SYSTEM VALUE) or by 'd'efault
    std::string full_type = {};  ///< as type_name, with its modifier
};

/// The columns of some relations, dropped ones left out, ordered by number. One query; a table without columns (CASES
/// D28), or one that is gone, has an empty entry.
inline std::map<RelationId, std::vector<Column>> columns(pg::Connection& connection,
                                                         std::span<const RelationId> relations) {
    const auto result = connection.exec_again(
        "WITH RECURSIVE wanted AS (SELECT * FROM pg_catalog.pg_attribute "
        "  WHERE attrelid = ANY ($1::pg_catalog.oid[]) AND attnum > 0 AND NOT attisdropped), "
        // Each type once: a database has some hundred of them, and a million columns. Casts from and to a domain are those of what it
        // is over. What all three have a cast to (name, \"char\", xml) has ones that do what the input function does.
        "over(type, oid, base) AS (SELECT t.oid, t.oid, t.typbasetype FROM pg_catalog.pg_type t "
        "    WHERE t.oid IN (SELECT atttypid FROM wanted) "
        "  UNION ALL SELECT o.type, t.oid, t.typbasetype FROM over o JOIN pg_catalog.pg_type t ON t.oid = o.base), "
        "types AS (SELECT o.type, pg_catalog.format_type(o.oid, -1) AS base_type, "
        "    (SELECT s.name FROM (VALUES (1, 'text'), (2, 'bpchar'), (3, 'varchar')) s(rank, name) "
        "     WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_cast k WHERE k.casttarget = o.oid AND k.castmethod = 'f' "
        "       AND k.castsource = ('pg_catalog.' || s.name)::pg_catalog.regtype) ORDER BY s.rank LIMIT 1) AS "
        "read_from "
        "  FROM over o WHERE o.base = 0) "
        "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, -1), "
        "  b.base_type, t.typcategory, coalesce(b.read_from, 'text'), a.attnotnull, a.atthasdef, a.attgenerated, "
        "  a.attidentity, pg_catalog.format_type(a.atttypid, a.atttypmod) "
        "FROM wanted a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid JOIN types b ON b.type = a.atttypid "
        "ORDER BY a.attrelid, a.attnum",
        pg::Params{}.text(detail::oid_array(relations)));

    std::map<RelationId, std::vector<Column>> found;
    for (const auto relation : relations) found[relation];
    for (int r = 0; r < result.rows(); ++r) {
        detail::Row row(result, r);
        auto& list = found[row.relation()];
        list.push_back({.number = row.number<std::int16_t>(),
                        .name = row.text(),
                        .type = {row.number<std::uint32_t>()},
                        .type_modifier = row.number<std::int32_t>(),
                        .type_name = row.text(),
                        .base_type = row.text(),
                        .type_category = row.text(),
                        .read_from = row.text(),
                        .not_null = row.boolean(),
                        .has_default = row.boolean(),
                        .generated = row.letter(),
                        .identity = row.letter(),
                        .full_type = row.text()});
    }
    return found;
}

inline std::vector<Column> columns(pg::Connection& connection, RelationId relation) {
    return std::move(columns(connection, std::span{&relation, 1})[relation]);
}

}  // namespace tslive::catalog
