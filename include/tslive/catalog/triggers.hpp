#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/name.hpp"
#include "tslive/catalog/relation.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::catalog {

enum class Firing {
    always,   ///< ENABLE ALWAYS
    replica,  ///< ENABLE REPLICA
};

enum class FiringKind { trigger, rule };

/// A trigger or rule that acts on changes applied under session_replication_role = replica, and so would act twice
/// (CASES D17).
struct ReplicaTrigger {
    FiringKind kind = FiringKind::trigger;
    RelationId table;
    QualifiedName table_name;
    std::string name;
    Firing firing = Firing::always;
    std::string extension;  ///< whose member the table is; empty: none

    /// @returns e.g. `ALTER TABLE "public"."t" DISABLE TRIGGER "audit"`
    [[nodiscard]] std::string disable_sql() const { return alter("DISABLE"); }
    /// Undoes disable_sql().
    [[nodiscard]] std::string restore_sql() const {
        return alter(firing == Firing::always ? "ENABLE ALWAYS" : "ENABLE REPLICA");
    }

private:
    [[nodiscard]] std::string alter(std::string_view verb) const {
        return fmt::format("ALTER TABLE {} {} {} {}", table_name.quoted(), verb,
                           kind == FiringKind::trigger ? "TRIGGER" : "RULE", pg::quote_identifier(name));
    }
};

namespace detail {

/// From `f`: triggers and rules, with `enabled`. Those of foreign keys and other constraints are left out.
inline constexpr std::string_view triggers_and_rules =
    "(SELECT 't' AS kind, t.tgrelid AS relation, t.tgname AS name, t.tgenabled AS enabled "
    "  FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal OR t.tgconstraint = 0 "
    "UNION ALL SELECT 'r', r.ev_class, r.rulename, r.ev_enabled FROM pg_catalog.pg_rewrite r) f";

}  // namespace detail

/// All of them on user tables. One query.
///
/// Up to version 14 the copies of a row trigger on partitions are marked internal; those of constraints, which we leave
/// alone, have tgconstraint set too.
inline std::vector<ReplicaTrigger> replica_triggers(pg::Connection& connection) {
    const auto result = connection.exec(fmt::format(
        "SELECT f.kind, c.oid, n.nspname, c.relname, f.name, f.enabled, coalesce(e.extname, '') "
        "FROM {triggers_and_rules} "
        "JOIN pg_catalog.pg_class c ON c.oid = f.relation "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "{extension_join} "
        "WHERE f.enabled IN ('A', 'R') AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {user_schema} "
        "ORDER BY n.nspname, c.relname, f.kind, f.name",
        fmt::arg("triggers_and_rules", detail::triggers_and_rules), fmt::arg("extension_join", detail::extension_join),
        fmt::arg("user_schema", detail::user_schema)));
    std::vector<ReplicaTrigger> found;
    for (int r = 0; r < result.rows(); ++r) {
        detail::Row row(result, r);
        ReplicaTrigger trigger;
        trigger.kind = row.letter() == 't' ? FiringKind::trigger : FiringKind::rule;
        trigger.table = row.relation();
        trigger.table_name = {row.text(), row.text()};
        trigger.name = row.text();
        trigger.firing = row.letter() == 'A' ? Firing::always : Firing::replica;
        trigger.extension = row.text();
        found.push_back(std::move(trigger));
    }
    return found;
}

}  // namespace tslive::catalog
