#pragma once

#include <string>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"

namespace tslive::catalog {

/// Where `c` is pg_class: an SQL expression that is true when the source accepts a published UPDATE of the table and
/// the stream names its row. A unique constraint alone is not enough (CASES D8). A key that holds a generated column is
/// none: no version sends it, and the rest of the key names other rows, too. From the version on that can publish
/// generated columns, an identity that holds one which is not published is refused even when it is FULL (CASES A3);
/// columns that an index only includes do not count.
///
/// The conditions are those of RelationGetIndexList() and pub_contains_invalid_column(). pg_get_replica_identity_index()
/// says the first of them too, but locks every table.
[[nodiscard]] inline std::string usable_identity_sql(const Capabilities& can) {
    const auto no_generated = [](const char* relation, const char* which) {
        return fmt::format(
            " AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = {} AND {} AND NOT "
            "a.attisdropped "
            "AND a.attgenerated <> '')",
            relation, which);
    };
    return fmt::format(
        "(c.relreplident = 'f'{} OR EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid = c.oid AND "
        "x.indisvalid "
        "AND x.indisunique AND x.indimmediate AND x.indpred IS NULL "
        "AND (c.relreplident = 'd' AND x.indisprimary OR c.relreplident = 'i' AND x.indisreplident){}))",
        can.generated_columns_published() ? no_generated("c.oid", "a.attnum > 0") : std::string{},
        no_generated("x.indrelid", "a.attnum = ANY ((x.indkey::pg_catalog.int2[])[0:x.indnkeyatts - 1])"));
}

}  // namespace tslive::catalog
