#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"

/// Some types have OIDs for values (enums, regclass), and the same value another OID, and so another hash, on each server. TimescaleDB
/// keeps hashes: in the ranges of space partitions, and in the Bloom filters of compressed rows.
namespace tslive::timescale {

namespace detail {

/// A WITH clause: `hashed_by_oid(type)`, those types and all that are made of them.
inline constexpr const char* hashed_by_oid =
    "WITH RECURSIVE hashed_by_oid(type) AS (SELECT oid FROM pg_catalog.pg_type WHERE typtype = 'e' OR "
    "  oid = ANY (ARRAY['regclass', 'regproc', 'regprocedure', 'regoper', 'regoperator', 'regtype', 'regrole', "
    "  'regnamespace', 'regconfig', 'regdictionary', 'regcollation']::pg_catalog.regtype[]) "
    "UNION SELECT made.type FROM hashed_by_oid h JOIN ("
    "  SELECT oid AS type, typbasetype AS of FROM pg_catalog.pg_type WHERE typtype = 'd' "
    "  UNION ALL SELECT oid, typelem FROM pg_catalog.pg_type WHERE typelem <> 0 "
    "  UNION ALL SELECT rngtypid, rngsubtype FROM pg_catalog.pg_range "
    "  UNION ALL SELECT t.oid, a.atttypid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid = "
    "    t.typrelid WHERE t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped) made ON made.of = h.type) ";

}  // namespace detail

/// @throws Error  (operator_action) naming the hypertables whose chunks the target would take for those of other rows
inline void check_partitioning(pg::Connection& source) {
    const auto found = source.exec(fmt::format(
        "{}SELECT pg_catalog.format('%I.%I by %I (%s)', h.schema_name, h.table_name, d.column_name, d.column_type) "
        "FROM _timescaledb_catalog.dimension d JOIN _timescaledb_catalog.hypertable h ON h.id = d.hypertable_id "
        "WHERE d.num_slices IS NOT NULL AND d.partitioning_func = 'get_partition_hash' "
        "AND d.column_type::pg_catalog.oid IN (SELECT type FROM hashed_by_oid)",
        detail::hashed_by_oid));
    if (found.empty()) return;
    std::vector<std::string> names;
    for (int row = 0; row < found.rows(); ++row) names.push_back(found.text(row, 0));
    throw Error(Recovery::operator_action,
                fmt::format("hypertables are partitioned by the hash of a type whose values hash otherwise on every "
                            "server: {}",
                            fmt::join(names, ", ")),
                "Partition by a column of another type (text instead of an enum) before the migration, in a new "
                "hypertable");
}

/// Empties the Bloom filters of hypertables that have a column of such a type: a filter that is missing excludes nothing, one with the
/// source's hashes would hide rows. May be repeated.
/// @pre restoring mode: relations of compressed rows are plain tables
inline void forget_filters(pg::Connection& target) {
    if (target.exec("SELECT pg_catalog.to_regtype('_timescaledb_internal.bloom1')").is_null(0, 0)) return;
    const auto found = target.exec(fmt::format(
        "{}SELECT n.nspname, k.relname, pg_catalog.string_agg(pg_catalog.quote_ident(f.attname) || ' = NULL', ', ') "
        "FROM _timescaledb_catalog.hypertable h JOIN _timescaledb_catalog.chunk c ON c.hypertable_id = "
        "h.compressed_hypertable_id JOIN pg_catalog.pg_namespace n ON n.nspname = c.schema_name "
        "JOIN pg_catalog.pg_class k ON k.relnamespace = n.oid AND k.relname = c.table_name "
        "JOIN pg_catalog.pg_attribute f ON f.attrelid = k.oid AND f.attnum > 0 AND NOT f.attisdropped AND f.atttypid = "
        "  pg_catalog.to_regtype('_timescaledb_internal.bloom1')::pg_catalog.oid "
        "WHERE EXISTS (SELECT FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace "
        "  JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "  WHERE rn.nspname = h.schema_name AND r.relname = h.table_name AND a.atttypid IN (SELECT type FROM "
        "  hashed_by_oid)) GROUP BY 1, 2",
        detail::hashed_by_oid));
    for (int row = 0; row < found.rows(); ++row)
        target.exec(
            fmt::format("UPDATE ONLY {} SET {}", pg::qualified(found.at(row, 0), found.at(row, 1)), found.at(row, 2)));
    if (!found.empty())
        log::info(
            "{} compressed chunks have no Bloom filters on the target: their hypertables have columns of enums or "
            "the like, which hash otherwise there",
            found.rows());
}

}  // namespace tslive::timescale
