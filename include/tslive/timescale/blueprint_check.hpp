#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/pg/connection.hpp"
#include "tslive/timescale/installation.hpp"

namespace tslive::timescale {
namespace detail {

/// What a query finds, one object a row, and why each cannot be carried.
struct Objection {
    std::string_view query;  ///< `{0}` is the schema of TimescaleDB's own functions
    std::string_view reason;
};

// Before read_blueprint: it reads only what passes here.
inline constexpr Objection known_objections[] = {
    {"SELECT pg_catalog.format('hypertable %I.%I', h.schema_name, h.table_name) FROM _timescaledb_catalog.hypertable h "
     "WHERE coalesce((pg_catalog.to_jsonb(h) ->> 'replication_factor')::int, 0) <> 0 ORDER BY 1",
     "is distributed over several servers, which TimescaleDB has given up; make it an ordinary one first"},
    {"SELECT DISTINCT pg_catalog.format('hypertable %I.%I', h.schema_name, h.table_name) "
     "FROM _timescaledb_catalog.hypertable h JOIN _timescaledb_catalog.chunk c ON c.hypertable_id = h.id "
     "WHERE c.osm_chunk ORDER BY 1",
     "has tiered chunks, whose rows are not in the database; bring them back first (untier_chunk)"},
    {"SELECT DISTINCT pg_catalog.format('hypertable %I.%I', h.schema_name, h.table_name) "
     "FROM _timescaledb_catalog.hypertable h LEFT JOIN _timescaledb_catalog.chunk k ON k.hypertable_id = h.id "
     "JOIN pg_catalog.pg_class c ON c.oid IN "
     "  (pg_catalog.to_regclass(pg_catalog.format('%I.%I', h.schema_name, h.table_name)), "
     "   pg_catalog.to_regclass(pg_catalog.format('%I.%I', k.schema_name, k.table_name))) "
     "JOIN pg_catalog.pg_am a ON a.oid = c.relam WHERE a.amname = 'hypercore' ORDER BY 1",
     "uses the access method hypercore, which TimescaleDB has given up; set it to heap first"},
    {"SELECT DISTINCT pg_catalog.format('hypertable %I.%I', h.schema_name, h.table_name) "
     "FROM _timescaledb_catalog.dimension d JOIN _timescaledb_catalog.hypertable h ON h.id = d.hypertable_id "
     "WHERE d.partitioning_func_schema IN ('_timescaledb_internal', '_timescaledb_functions') "
     "AND d.partitioning_func NOT IN ('get_partition_hash', 'get_partition_for_key') ORDER BY 1",
     "is partitioned by a function of TimescaleDB's own that other releases need not have"},
    {"SELECT pg_catalog.format('continuous aggregate %I.%I', a.user_view_schema, a.user_view_name) "
     "FROM _timescaledb_catalog.continuous_agg a WHERE NOT coalesce((pg_catalog.to_jsonb(a) ->> 'finalized')::bool, "
     "true) ORDER BY 1",
     "has the form of before 2.7, which newer releases do not make; bring it to the new one first (cagg_migrate)"},
    {"SELECT DISTINCT pg_catalog.format('continuous aggregate %I.%I', a.user_view_schema, a.user_view_name) "
     "FROM _timescaledb_catalog.continuous_agg a JOIN pg_catalog.pg_rewrite w ON w.ev_class = "
     "  pg_catalog.to_regclass(pg_catalog.format('%I.%I', a.direct_view_schema, a.direct_view_name)) "
     "JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid "
     "  AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass "
     "JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace "
     "WHERE n.nspname = 'timescaledb_experimental' ORDER BY 1",
     "uses an experimental function (time_bucket_ng), which newer releases do not take; make it with time_bucket "
     "first"},
    {"SELECT pg_catalog.format('job %s (%s)', j.id, j.application_name) FROM {1} j WHERE j.id >= 1000 "
     "AND j.proc_schema IN ('_timescaledb_internal', '_timescaledb_functions') AND j.proc_name NOT IN "
     "('policy_retention', 'policy_compression', 'policy_reorder', 'policy_refresh_continuous_aggregate') ORDER BY 1",
     "is a policy of a kind that ts-live cannot make anew; delete it first (delete_job)"},
    {"SELECT DISTINCT pg_catalog.format('view %I.%I', n.nspname, v.relname) "
     "FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid "
     "JOIN pg_catalog.pg_class v ON v.oid = w.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace "
     "WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass "
     "AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid IN ("
     "  SELECT pg_catalog.to_regclass(pg_catalog.format('%I.%I', schema_name, table_name)) "
     "    FROM _timescaledb_catalog.chunk "
     "  UNION ALL SELECT pg_catalog.to_regclass(pg_catalog.format('%I.%I', schema_name, table_name)) "
     "    FROM _timescaledb_catalog.hypertable h WHERE compression_state = 2 OR EXISTS (SELECT FROM "
     "    _timescaledb_catalog.continuous_agg a WHERE a.mat_hypertable_id = h.id) "
     "  UNION ALL SELECT pg_catalog.to_regclass(pg_catalog.format('%I.%I', partial_view_schema, partial_view_name)) "
     "    FROM _timescaledb_catalog.continuous_agg "
     "  UNION ALL SELECT pg_catalog.to_regclass(pg_catalog.format('%I.%I', direct_view_schema, direct_view_name)) "
     "    FROM _timescaledb_catalog.continuous_agg) "
     "AND v.oid NOT IN (SELECT x FROM _timescaledb_catalog.continuous_agg a CROSS JOIN LATERAL (VALUES "
     "    (pg_catalog.to_regclass(pg_catalog.format('%I.%I', user_view_schema, user_view_name))), "
     "    (pg_catalog.to_regclass(pg_catalog.format('%I.%I', partial_view_schema, partial_view_name))), "
     "    (pg_catalog.to_regclass(pg_catalog.format('%I.%I', direct_view_schema, direct_view_name)))) "
     "  AS own(x) WHERE x IS NOT NULL) "
     "AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass "
     "  AND e.objid = v.oid AND e.deptype = 'e') ORDER BY 1",
     "reads a table of TimescaleDB's own (a chunk, a materialization), which has another name on the target; let it "
     "read the "
     "hypertable or the continuous aggregate"},
};

/// Continuous aggregates that learn of changes from the WAL (an experiment of 2.22): their hypertable lacks the trigger.
inline constexpr Objection without_trigger = {
    "SELECT DISTINCT pg_catalog.format('hypertable %I.%I', h.schema_name, h.table_name) "
    "FROM _timescaledb_catalog.continuous_agg a JOIN _timescaledb_catalog.hypertable h ON h.id = a.raw_hypertable_id "
    "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = "
    "  pg_catalog.to_regclass(pg_catalog.format('%I.%I', h.schema_name, h.table_name)) "
    "  AND t.tgname = 'ts_cagg_invalidation_trigger') ORDER BY 1",
    "has continuous aggregates that learn of changes from the WAL (invalidate_using), which newer releases do not "
    "take"};

}  // namespace detail

/// What of the source cannot be made on another release, one line each, with the reason; and why not at all.
/// Only reads, on the source.
///
/// @param target  nothing while the target does not have the extension
[[nodiscard]] inline std::vector<std::string> objections(pg::Connection& source, const Installation& installation,
                                                         const std::optional<Installation>& target) {
    std::vector<std::string> found;
    if (target && target->release < installation.release)
        found.push_back(fmt::format("the target's TimescaleDB, {}, is older than the source's, {}", target->version,
                                    installation.version));
    if (target && target->schema != installation.schema)
        found.push_back(
            fmt::format("TimescaleDB's functions are in the schema {} on the target and in {} on the source, where "
                        "views and functions look for them; DROP EXTENSION timescaledb on the target",
                        target->schema, installation.schema));
    if (target && !target->release.known())
        found.push_back(fmt::format("this ts-live does not know the target's TimescaleDB, {}", target->version));
    const auto ask = [&](const detail::Objection& one) {
        const auto rows = source.exec(
            fmt::format(fmt::runtime(one.query), installation.release.functions(), installation.release.jobs()));
        for (int row = 0; row < rows.rows(); ++row) found.push_back(fmt::format("{} {}", rows.at(row, 0), one.reason));
    };
    for (const auto& one : detail::known_objections) ask(one);
    if (!installation.release.invalidation_by_executor()) ask(detail::without_trigger);
    return found;
}

}  // namespace tslive::timescale
