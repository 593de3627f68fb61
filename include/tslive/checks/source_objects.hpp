#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tslive/catalog/extensions.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/catalog/triggers.hpp"
#include "tslive/checks/detail/end.hpp"
#include "tslive/checks/finding.hpp"

/// Checks of what is in the source's database: may we read and publish it, and what of it cannot follow.
namespace tslive::checks {

namespace detail {

/// Extension members are the extension's to make, and their rows too.
[[nodiscard]] inline bool migrated(const catalog::Table& table) { return table.extension.empty(); }

}  // namespace detail

/// Tables whose UPDATE and DELETE cannot be replicated, since nothing says which row was meant (CASES A1, D8).
[[nodiscard]] inline Verdict judge_replica_identity(const std::vector<catalog::Table>& tables) {
    std::vector<catalog::QualifiedName> without;
    for (const auto& table : tables)
        if (detail::migrated(table) && table.kind == catalog::RelationKind::table &&
            table.persistence == catalog::Persistence::permanent && !table.usable_identity)
            without.push_back(table.name);
    if (without.empty()) return passed("every table has a replica identity");
    return warning(
        fmt::format("{} tables have no replica identity: what UPDATE and DELETE change there during the migration does "
                    "not reach the target, INSERT and TRUNCATE do: {}",
                    without.size(), listed(without)),
        "Where such changes may happen: add a primary key, or ALTER TABLE … REPLICA IDENTITY USING INDEX or FULL");
}

/// CASES E20: changes of unlogged tables are in no WAL.
[[nodiscard]] inline Verdict judge_unlogged(const std::vector<catalog::Table>& tables) {
    std::vector<catalog::QualifiedName> unlogged;
    for (const auto& table : tables)
        if (detail::migrated(table) && table.persistence == catalog::Persistence::unlogged)
            unlogged.push_back(table.name);
    if (unlogged.empty()) return passed("no table is unlogged");
    return warning(
        fmt::format(
            "{} tables are unlogged, so that no change of them can be replicated: their rows are copied now, and "
            "once more at the switch-over, which is part of the downtime: {}",
            unlogged.size(), listed(unlogged)),
        "Where they are large: ALTER TABLE … SET LOGGED before the migration, or --skip-table-data");
}

/// CASES E14: pg_dump holds a lock on every table at once, and the table of locks has one size for the whole server.
///
/// @param sessions  that the table of locks is made for; each adds `per_session` locks, which all may use
[[nodiscard]] inline Verdict judge_locks(std::int64_t tables, std::int64_t per_session, std::int64_t sessions) {
    const auto room = per_session * sessions;
    auto text = fmt::format(
        "{} tables are locked at once while the schema is read, and the source has room for {} locks", tables, room);
    if (tables <= room / 2) return passed(std::move(text));
    auto remedy = fmt::format("ALTER SYSTEM SET max_locks_per_transaction = {}, and restart the source",
                              2 * tables / std::max<std::int64_t>(1, sessions) + 1);
    if (tables <= room) return warning(text + ": other sessions may run out of them", std::move(remedy));
    return fatal(std::move(text), std::move(remedy));
}

/// @param all_tables   the role may publish FOR ALL TABLES
/// @param may_create   CREATE on the database
/// @param not_owned    tables that the role may not publish by name
[[nodiscard]] inline Verdict judge_publication(bool all_tables, bool may_create,
                                               const std::vector<catalog::QualifiedName>& not_owned,
                                               const catalog::Capabilities& can) {
    if (all_tables) return passed("the role may publish all tables");
    if (!may_create)
        return fatal("the role may not make publications: it lacks CREATE on the database",
                     "GRANT CREATE ON DATABASE … TO …, or use a superuser");
    if (!not_owned.empty())
        return fatal(fmt::format("the role may publish tables that it owns only, and does not own {}: {}",
                                 not_owned.size(), listed(not_owned)),
                     "Use a superuser, or a role that is a member of the tables' owners");
    return note(fmt::format("the role may not publish FOR ALL TABLES: tables are published by name, and tables made "
                            "during the migration are reported, not followed{}",
                            can.safe_publication_change()
                                ? ""
                                : "; this minor version may lose changes when a table is added to a publication"),
                can.safe_publication_change() ? "Use a superuser where tables come and go"
                                              : "Use a superuser, or update the source to its newest minor version");
}

namespace detail {

[[nodiscard]] inline std::vector<catalog::QualifiedName> names(const pg::Result& result) {
    std::vector<catalog::QualifiedName> found;
    for (int row = 0; row < result.rows(); ++row) found.push_back({result.text(row, 0), result.text(row, 1)});
    return found;
}

/// FROM and WHERE for relations of users that belong to no extension (CASES E9: by class and object).
inline constexpr const char* user_relations =
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' "
    "  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass "
    "AND d.objid = c.oid AND d.deptype = 'e')";

/// Asks by doing: managed servers give this right by ways of their own. Nobody sees a publication that is never
/// committed.
[[nodiscard]] inline bool may_publish_all_tables(End& end) {
    if (end.superuser) return true;
    if (end.standby) return false;
    try {
        pg::Transaction trial(end.connection);
        end.connection.exec("CREATE PUBLICATION tslive_check FOR ALL TABLES");
        trial.rollback();
        return true;
    } catch (const pg::ServerError& error) {
        if (error.state() == pg::sqlstate::insufficient_privilege) return false;
        throw;
    }
}

inline Verdict check_publication(End& end) {
    const bool all = may_publish_all_tables(end);
    const auto create =
        end.connection.exec("SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')");
    const auto result = end.connection.exec(
        fmt::format("SELECT n.nspname, c.relname {} AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p' "
                    "AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') ORDER BY 1, 2",
                    user_relations));
    return judge_publication(all, create.boolean(0, 0), names(result), end.can);
}

inline Verdict check_read_rights(End& end) {
    const auto result = end.connection.exec(
        fmt::format("SELECT n.nspname, c.relname {} AND c.relkind IN ('r', 'p', 'm', 'S') AND c.relpersistence <> 't' "
                    "AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND CASE WHEN c.relkind = 'S' "
                    "  THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT') "
                    "  ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') END) "
                    "ORDER BY 1, 2",
                    user_relations));
    if (result.empty()) return passed("the role may read every table and sequence");
    return fatal(
        fmt::format("role {} may not read {} tables and sequences: {}", end.role, result.rows(), listed(names(result))),
        fmt::format("GRANT pg_read_all_data TO {0} (version 14 and later), or GRANT USAGE on the schemas and SELECT on "
                    "all tables and sequences in them TO {0}",
                    pg::quote_identifier(end.role)));
}

/// CASES E22: policies would hide rows; with row_security = off reading fails instead.
inline Verdict check_row_security(End& end) {
    const auto result = end.connection.exec(fmt::format(
        "SELECT n.nspname, c.relname {} AND c.relrowsecurity AND pg_catalog.row_security_active(c.oid) ORDER BY 1, 2",
        user_relations));
    if (result.empty()) return passed("no policy hides rows from the role");
    return fatal(fmt::format("row security policies apply to role {} on {} tables, which cannot be copied whole: {}",
                             end.role, result.rows(), listed(names(result))),
                 fmt::format("ALTER ROLE {} BYPASSRLS", pg::quote_identifier(end.role)));
}

/// CASES A3: from 18 on the source itself refuses UPDATE when an identity holds a generated column; catalog::tables()
/// calls such an identity unusable, and here is why.
inline Verdict check_generated_identity(End& end) {
    if (!end.can.generated_columns_published())
        return passed("generated columns do not matter for replica identities before version 18");
    const auto result = end.connection.exec(fmt::format(
        "SELECT n.nspname, c.relname {} AND c.relkind IN ('r', 'p') AND EXISTS (SELECT FROM pg_catalog.pg_attribute a "
        "  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> '' "
        "  AND (c.relreplident = 'f' OR EXISTS (SELECT FROM pg_catalog.pg_index i "
        "    WHERE i.indrelid = c.oid AND a.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1]) "
        "    AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)))) ORDER BY 1, "
        "2",
        user_relations));
    if (result.empty()) return passed("no replica identity holds a generated column");
    return warning(
        fmt::format(
            "the replica identity of {} tables holds a generated column, with which the source would refuse published "
            "UPDATEs: UPDATE and DELETE of them are not replicated: {}",
            result.rows(), listed(names(result))),
        "Give them an identity without generated columns: ALTER TABLE … REPLICA IDENTITY USING INDEX …");
}

inline Verdict check_locks(End& end) {
    const auto tables =
        end.connection.exec(fmt::format("SELECT count(*) {} AND c.relkind IN ('r', 'p')", user_relations));
    const auto sessions = end.connection.exec(
        "SELECT sum(setting::pg_catalog.int8)::pg_catalog.int8 FROM pg_catalog.pg_settings WHERE name IN "
        "('max_connections', 'max_prepared_transactions', 'max_wal_senders', 'max_worker_processes')");
    return judge_locks(tables.number<std::int64_t>(0, 0),
                       std::stoll(setting(end.connection, "max_locks_per_transaction")),
                       sessions.number<std::int64_t>(0, 0));
}

inline Verdict check_large_objects(End& end) {
    if (end.connection.exec("SELECT FROM pg_catalog.pg_largeobject_metadata LIMIT 1").empty())
        return passed("there are no large objects");
    // The table itself is for superusers to read; how large it is anybody may know.
    const auto size = end.connection.exec(
        "SELECT pg_catalog.count(*), pg_catalog.pg_size_pretty(pg_catalog.pg_table_size("
        "'pg_catalog.pg_largeobject'::pg_catalog.regclass)) FROM pg_catalog.pg_largeobject_metadata");
    return warning(
        fmt::format(
            "the database has {} large objects ({}), whose changes cannot be replicated: they are copied now, and "
            "compared at the switch-over, where those that differ are sent again",
            size.at(0, 0), size.at(0, 1)),
        "Both servers read all of them for that, as part of the downtime");
}

/// Their rows come from a query, which no change of them is in the stream for.
inline Verdict check_materialized_views(End& end) {
    const auto result = end.connection.exec(fmt::format(
        "SELECT n.nspname, c.relname {} AND c.relkind = 'm' AND c.relispopulated ORDER BY 1, 2", user_relations));
    if (result.empty()) return passed("no materialized view holds rows");
    return note(fmt::format("{} materialized views are refreshed at the end of the base copy: {}", result.rows(),
                            listed(names(result))),
                "With --refresh-matviews at the switch-over, too, as part of the downtime; else do it after");
}

/// CASES E5: indexes, constraints and materialized views are built with an empty search_path, and so run functions with it.
inline Verdict check_search_path(End& end) {
    const auto rows = end.connection.exec(
        "SELECT DISTINCT p.oid::pg_catalog.regprocedure::pg_catalog.text FROM pg_catalog.pg_depend d "
        "JOIN pg_catalog.pg_proc p ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.refobjid "
        "JOIN pg_catalog.pg_language l ON l.oid = p.prolang "
        "WHERE d.deptype = 'n' AND l.lanname NOT IN ('c', 'internal') "
        "AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search\\_path=%') "
        "AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = "
        "'pg_catalog.pg_proc'::pg_catalog.regclass "
        "  AND e.objid = p.oid AND e.deptype = 'e') "
        "AND CASE d.classid "
        "  WHEN 'pg_catalog.pg_class'::pg_catalog.regclass "
        "    THEN EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = d.objid) "
        "  WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN true "
        "  WHEN 'pg_catalog.pg_attrdef'::pg_catalog.regclass "
        "    THEN EXISTS (SELECT FROM pg_catalog.pg_attrdef f JOIN pg_catalog.pg_attribute a "
        "      ON a.attrelid = f.adrelid AND a.attnum = f.adnum WHERE f.oid = d.objid AND a.attgenerated <> '') "
        "  WHEN 'pg_catalog.pg_rewrite'::pg_catalog.regclass "
        "    THEN EXISTS (SELECT FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class "
        "      WHERE r.oid = d.objid AND c.relkind = 'm') "
        "  ELSE false END ORDER BY 1");
    std::vector<std::string> functions;
    for (int row = 0; row < rows.rows(); ++row) functions.push_back(rows.text(row, 0));
    if (functions.empty())
        return passed("no index, constraint or materialized view runs a function that has no search_path of its own");
    return note(
        fmt::format(
            "{} functions without a search_path of their own are run by indexes, constraints, generated columns or "
            "materialized views: {}",
            functions.size(), listed(functions)),
        "Where a body names objects without their schema, run ALTER FUNCTION … SET search_path = … on the source "
        "first, or migrate with --search-path-for: the "
        "target runs them with an empty search_path while it is built");
}

/// CASES D17: they would act on the source, and again on the target for the same change.
inline Verdict check_replica_triggers(End& end) {
    std::vector<std::string> firing;
    for (const auto& trigger : catalog::replica_triggers(end.connection))
        if (trigger.extension.empty())
            firing.push_back(
                fmt::format("{} on {}", catalog::detail::plain_identifier(trigger.name), trigger.table_name));
    if (firing.empty()) return passed("no trigger or rule is enabled for replicas");
    return warning(
        fmt::format(
            "{} triggers and rules are ENABLE ALWAYS or ENABLE REPLICA, and would act on replicated changes too: {}",
            firing.size(), listed(firing)),
        "They must be disabled on the target until the switch-over");
}

}  // namespace detail
}  // namespace tslive::checks
