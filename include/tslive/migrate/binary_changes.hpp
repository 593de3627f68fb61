#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include <fmt/format.h>

#include "tslive/catalog/binary_types.hpp"
#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::migrate {

/// Whether the source is to send changes in binary form, which costs both servers less.
///
/// pgoutput decides it for a whole session, so every column of every table has to be of a type whose binary form is the
/// same on both servers; the relations in the way are named in the log. A relation that comes later is looked at when it
/// comes (Receiver).
[[nodiscard]] inline bool changes_may_be_binary(pg::Connection& source) {
    if (!catalog::Capabilities{source.server_version()}.binary_output()) return false;
    const auto rows = source.exec(
        "SELECT n.nspname, c.relname, a.attname, a.atttypid, pg_catalog.format_type(a.atttypid, NULL) "
        "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
        "AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND NOT EXISTS (SELECT FROM "
        "pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND "
        "d.deptype = 'e') AND a.atttypid <> ALL ($1::pg_catalog.oid[]) ORDER BY c.oid, a.attnum",
        pg::Params{}.text(catalog::binary_type_list()));
    if (rows.empty()) {
        log::info("Changes travel in binary form");
        return true;
    }
    constexpr int most_named = 5;
    log::info("Changes travel as text: {} columns are of types whose binary form not every server reads alike",
              rows.rows());
    for (int row = 0; row < std::min(rows.rows(), most_named); ++row)
        log::info("       - {}: {} {}", catalog::QualifiedName{rows.text(row, 0), rows.text(row, 1)}, rows.at(row, 2),
                  rows.at(row, 4));
    if (rows.rows() > most_named) log::info("       - and {} more", rows.rows() - most_named);
    return false;
}

}  // namespace tslive::migrate
