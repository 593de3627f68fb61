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
    std::string type_category;  ///< pg_type.typcategory
    bool not_null = false;
    bool has_default = false;
    char generated = 0;  ///< 0, 's'tored or 'v'irtual: neither may be written
    char identity = 0;   ///< 0, 'a'lways (INSERT needs OVERRIDING SYSTEM VALUE) or by 'd'efault
};

/// The columns of some relations, dropped ones left out, ordered by number. One query; a table without columns (CASES
/// D28), or one that is gone, has an empty entry.
inline std::map<RelationId, std::vector<Column>> columns(pg::Connection& connection,
                                                         std::span<const RelationId> relations) {
    const auto result = connection.exec_again(
        "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, -1), "
        "  t.typcategory, a.attnotnull, a.atthasdef, a.attgenerated, a.attidentity "
        "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
        "WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped "
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
                        .type_category = row.text(),
                        .not_null = row.boolean(),
                        .has_default = row.boolean(),
                        .generated = row.letter(),
                        .identity = row.letter()});
    }
    return found;
}

inline std::vector<Column> columns(pg::Connection& connection, RelationId relation) {
    return std::move(columns(connection, std::span{&relation, 1})[relation]);
}

}  // namespace tslive::catalog
