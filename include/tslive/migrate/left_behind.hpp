#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/detail/row.hpp"
#include "tslive/catalog/materialized_views.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/migrate/left_out.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/own_relations.hpp"

/// What the source got after the snapshot by DDL, which no stream carries, and the target still lacks. Looked for before
/// the switch-over, so that nobody finds out after it.
namespace tslive::migrate {

/// Tables that the source has and the target has not: made after the snapshot, or dropped on the target.
[[nodiscard]] inline std::vector<catalog::QualifiedName> tables_only_on_source(pg::Connection& source,
                                                                               pg::Connection& target) {
    std::set<catalog::QualifiedName> there;
    for (const auto& table : catalog::tables(target, catalog::Sizes::estimated)) there.insert(table.name);
    std::vector<catalog::QualifiedName> missing;
    const auto own = timescale::own_relations(source);
    for (const auto& table : catalog::tables(source, catalog::Sizes::estimated))
        if (table.extension.empty() && !there.contains(table.name) && !own.internal.contains(table.name))
            missing.push_back(table.name);
    return missing;
}

/// The statements that refresh the materialized views which hold rows on the source, each after those it reads.
[[nodiscard]] inline std::vector<std::string> refresh_statements(pg::Connection& source) {
    std::vector<std::string> statements;
    for (const auto& view : catalog::populated_materialized_views(source))
        if (view.extension.empty())
            statements.push_back(fmt::format("REFRESH MATERIALIZED VIEW {};", view.name.quoted()));
    return statements;
}

namespace detail {

/// An object of a database besides its tables.
struct OtherObject {
    std::string kind;  ///< as ` SELECT` in objects_of() says
    std::uint32_t id = 0;
    std::string table;  ///< quoted; of an index or a constraint
};

/// By a name that is the same on both servers.
/// @param own  TimescaleDB's relations there, which are no objects of the user's
[[nodiscard]] inline std::map<std::string, OtherObject> objects_of(pg::Connection& connection,
                                                                   const timescale::OwnRelations& own) {
    std::vector<RelationId> left_out;
    for (const auto& [name, id] : own.internal) left_out.push_back(id);
    const auto found = connection.exec(
        "WITH ours AS (SELECT n.oid, pg_catalog.quote_ident(n.nspname) AS name FROM pg_catalog.pg_namespace n "
        "  WHERE n.nspname !~ '^(pg_|tslive_)' AND n.nspname <> 'information_schema'), "
        "relation AS (SELECT c.oid, c.relkind, ours.name || '.' || pg_catalog.quote_ident(c.relname) AS name "
        "  FROM pg_catalog.pg_class c JOIN ours ON ours.oid = c.relnamespace WHERE c.relpersistence <> 't' "
        "  AND c.oid <> ALL ($1::pg_catalog.oid[])), "
        "object AS ("
        "SELECT CASE r.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' "
        "    ELSE 'foreign table' END AS kind, r.oid, 'pg_catalog.pg_class'::pg_catalog.regclass AS class, r.name, "
        "    '' AS on_table FROM relation r WHERE r.relkind IN ('S', 'v', 'm', 'f') "
        "UNION ALL SELECT 'index', r.oid, 'pg_catalog.pg_class'::pg_catalog.regclass, r.name, t.name "
        "  FROM pg_catalog.pg_index i JOIN relation r ON r.oid = i.indexrelid JOIN relation t ON t.oid = i.indrelid "
        "  WHERE i.indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid "
        "    AND k.contype IN ('p', 'u', 'x')) "
        "UNION ALL SELECT 'constraint', k.oid, 'pg_catalog.pg_constraint'::pg_catalog.regclass, "
        "    pg_catalog.quote_ident(k.conname) || ' on ' || t.name, t.name "
        "  FROM pg_catalog.pg_constraint k JOIN relation t ON t.oid = k.conrelid "
        "  WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND k.conparentid = 0 AND k.conislocal "
        "UNION ALL SELECT 'function', p.oid, 'pg_catalog.pg_proc'::pg_catalog.regclass, "
        "    ours.name || '.' || pg_catalog.quote_ident(p.proname) || '(' || "
        "    pg_catalog.oidvectortypes(p.proargtypes) || ')', '' "
        "  FROM pg_catalog.pg_proc p JOIN ours ON ours.oid = p.pronamespace "
        "UNION ALL SELECT 'type', y.oid, 'pg_catalog.pg_type'::pg_catalog.regclass, "
        "    ours.name || '.' || pg_catalog.quote_ident(y.typname), '' "
        "  FROM pg_catalog.pg_type y JOIN ours ON ours.oid = y.typnamespace "
        "  LEFT JOIN pg_catalog.pg_class c ON c.oid = y.typrelid "
        "  WHERE y.typtype IN ('d', 'e', 'r') OR y.typtype = 'c' AND c.relkind = 'c') "
        "SELECT kind, oid, name, on_table FROM object o WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d "
        "  WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')",
        pg::Params{}.text(catalog::detail::oid_array(left_out)));
    std::map<std::string, OtherObject> objects;
    for (int r = 0; r < found.rows(); ++r)
        objects.emplace(
            fmt::format("{} {}", found.at(r, 0), found.at(r, 2)),
            OtherObject{.kind = found.text(r, 0), .id = found.number<std::uint32_t>(r, 1), .table = found.text(r, 3)});
    return objects;
}

[[nodiscard]] inline std::string sequence_statement(pg::Connection& source, std::uint32_t id) {
    const auto found = source.exec(
        "SELECT CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, "
        "  pg_catalog.format('%I.%I', n.nspname, c.relname), "
        "  pg_catalog.format('INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', s.seqincrement, "
        "    s.seqmin, s.seqmax, s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END), "
        "  pg_catalog.format_type(s.seqtypid, NULL), o.deptype, t.name, pg_catalog.quote_ident(a.attname), "
        "  CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END "
        "FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_catalog.pg_depend o ON o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass "
        "  AND o.objid = c.oid AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i') "
        "LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid "
        "LEFT JOIN (SELECT r.oid, pg_catalog.format('%I.%I', m.nspname, r.relname) AS name FROM pg_catalog.pg_class r "
        "  JOIN pg_catalog.pg_namespace m ON m.oid = r.relnamespace) t ON t.oid = o.refobjid WHERE c.oid = $1",
        pg::Params{}.number(id));
    if (found.empty()) return {};
    if (found.at(0, 4) == "i")
        return fmt::format("ALTER TABLE {} ALTER COLUMN {} ADD GENERATED {} AS IDENTITY (SEQUENCE NAME {} {});",
                           found.at(0, 5), found.at(0, 6), found.at(0, 7), found.at(0, 1), found.at(0, 2));
    return fmt::format("CREATE {}SEQUENCE {} AS {} {}{};", found.at(0, 0), found.at(0, 1), found.at(0, 3),
                       found.at(0, 2),
                       found.at(0, 4) == "a" ? fmt::format(" OWNED BY {}.{}", found.at(0, 5), found.at(0, 6)) : "");
}

/// What makes the object on the target. Empty where the server has no words for it, or it is gone.
[[nodiscard]] inline std::string statement_for(pg::Connection& source, const std::string& name,
                                               const OtherObject& object) {
    if (object.kind == "sequence") return sequence_statement(source, object.id);
    const auto told = [&](const char* sql) {
        const auto found = source.exec(sql, pg::Params{}.number(object.id));
        return found.empty() || found.is_null(0, 0) ? std::string{} : found.text(0, 0);
    };
    const auto bare = name.substr(object.kind.size() + 1);
    if (object.kind == "index") return told("SELECT pg_catalog.pg_get_indexdef($1::pg_catalog.oid) || ';'");
    if (object.kind == "view" || object.kind == "materialized view")
        return fmt::format("CREATE {} {} AS{}", object.kind == "view" ? "VIEW" : "MATERIALIZED VIEW", bare,
                           told("SELECT pg_catalog.pg_get_viewdef($1::pg_catalog.oid)"));
    if (object.kind == "constraint")
        return told(
            "SELECT pg_catalog.format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s;', n.nspname, c.relname, k.conname, "
            "pg_catalog.pg_get_constraintdef(k.oid)) FROM pg_catalog.pg_constraint k "
            "JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE k.oid = $1");
    if (object.kind == "function")
        return told(
            "SELECT pg_catalog.pg_get_functiondef(p.oid) || ';' FROM pg_catalog.pg_proc p "
            "WHERE p.oid = $1 AND p.prokind <> 'a'");
    return {};
}

}  // namespace detail

/// Sequences, views, indexes, constraints, functions and types that the source has and the target has not, each with the
/// statement that makes it where there is one. Those of tables which the target lacks come with the table.
/// @param left_out  is not missed
[[nodiscard]] inline std::vector<std::string> objects_only_on_source(pg::Connection& source, pg::Connection& target,
                                                                     const LeftOut& left_out = {}) {
    const auto own = timescale::own_relations(source);
    auto missing = detail::objects_of(source, own);
    const auto oids = oids_of(left_out);
    std::erase_if(missing, [&](const auto& entry) {
        const auto& object = entry.second;
        return (object.kind == "index" && oids.contains({timescale::detail::class_of_relations, object.id})) ||
               (object.kind == "constraint" && oids.contains({timescale::detail::class_of_constraints, object.id}));
    });
    for (const auto& [name, object] : detail::objects_of(target, timescale::own_relations(target))) missing.erase(name);
    std::vector<std::string> said;
    if (missing.empty()) return said;
    std::set<std::string> there;
    const auto names = target.exec(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'm')");
    for (int r = 0; r < names.rows(); ++r) there.insert(names.text(r, 0));
    std::set<RelationId> continuous;
    for (const auto& [name, id] : own.caggs) continuous.insert(id);
    for (const auto& [name, object] : missing) {
        if (object.kind == "view" && continuous.contains({object.id})) {  // no view: what makes it is TimescaleDB's
            said.push_back("continuous aggregate " + name.substr(object.kind.size() + 1));
            continue;
        }
        if (!object.table.empty() && !there.contains(object.table)) continue;
        const auto statement = detail::statement_for(source, name, object);
        said.push_back(statement.empty() ? name : fmt::format("{}: {}", name, statement));
    }
    return said;
}

}  // namespace tslive::migrate
