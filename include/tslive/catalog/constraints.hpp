#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::catalog {

enum class ConstraintKind { check, foreign_key, primary_key, unique, exclusion, not_null, trigger };

[[nodiscard]] constexpr std::string_view name(ConstraintKind kind) noexcept {
    switch (kind) {
        case ConstraintKind::check: return "check constraint";
        case ConstraintKind::foreign_key: return "foreign key";
        case ConstraintKind::primary_key: return "primary key";
        case ConstraintKind::unique: return "unique constraint";
        case ConstraintKind::exclusion: return "exclusion constraint";
        case ConstraintKind::not_null: return "not-null constraint";
        case ConstraintKind::trigger: return "constraint trigger";
    }
    return "?";
}

/// A constraint of a table that does not belong to an index.
struct Constraint {
    std::string name;
    ConstraintKind kind = ConstraintKind::check;
    RelationId table;
    QualifiedName table_name;
    bool on_partitioned_table = false;
    QualifiedName referenced_table;  ///< of a foreign key; else empty
    std::string definition;          ///< pg_get_constraintdef(): ends in NOT VALID when it is not validated
    bool validated = true;
    std::string extension;  ///< whose member the table is; empty: none
};

namespace detail {

[[nodiscard]] inline ConstraintKind constraint_kind(char letter) {
    switch (letter) {
        case 'c': return ConstraintKind::check;
        case 'f': return ConstraintKind::foreign_key;
        case 'p': return ConstraintKind::primary_key;
        case 'u': return ConstraintKind::unique;
        case 'x': return ConstraintKind::exclusion;
        case 'n': return ConstraintKind::not_null;
        case 't': return ConstraintKind::trigger;
        default: unknown_letter("pg_constraint.contype", letter);
    }
}

inline std::vector<Constraint> constraints_where(pg::Connection& connection, const char* condition) {
    const auto result = connection.exec(fmt::format(
        "SELECT k.conname, k.contype, c.oid, n.nspname, c.relname, c.relkind = 'p', coalesce(fn.nspname, ''), "
        "  coalesce(f.relname, ''), pg_catalog.pg_get_constraintdef(k.oid), k.convalidated, coalesce(e.extname, '') "
        "FROM pg_catalog.pg_constraint k "
        "JOIN pg_catalog.pg_class c ON c.oid = k.conrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_catalog.pg_class f ON f.oid = k.confrelid "
        "LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace "
        "{extension_join} "
        "WHERE c.relpersistence <> 't' AND {user_schema} AND {condition} ORDER BY n.nspname, c.relname, k.conname",
        fmt::arg("extension_join", extension_join), fmt::arg("user_schema", user_schema),
        fmt::arg("condition", condition)));

    std::vector<Constraint> found;
    found.reserve(static_cast<std::size_t>(result.rows()));
    for (int r = 0; r < result.rows(); ++r) {
        Row row(result, r);
        found.push_back({.name = row.text(),
                         .kind = constraint_kind(row.letter()),
                         .table = row.relation(),
                         .table_name = {row.text(), row.text()},
                         .on_partitioned_table = row.boolean(),
                         .referenced_table = {row.text(), row.text()},
                         .definition = row.text(),
                         .validated = row.boolean(),
                         .extension = row.text()});
    }
    return found;
}

}  // namespace detail

/// The foreign keys that somebody declared. The server makes more of them by itself, one for each partition on either
/// side (conparentid <> 0); declaring those again would reject rows (CASES E2).
inline std::vector<Constraint> foreign_keys(pg::Connection& connection) {
    return detail::constraints_where(connection, "k.contype = 'f' AND k.conparentid = 0");
}

/// Constraints that rows of the table may violate: what is declared NOT VALID on the source must be so on the target.
inline std::vector<Constraint> unvalidated_constraints(pg::Connection& connection) {
    return detail::constraints_where(connection, "NOT k.convalidated AND k.conparentid = 0");
}

}  // namespace tslive::catalog
