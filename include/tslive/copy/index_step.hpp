#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tslive/catalog/indexes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"

/// How an index gets to the target. Each index is a state machine; its state is what the target's catalog says, so that
/// it goes on from wherever a crash left it (CASES E4):
///
///   absent ──create──▶ index ──attach_constraint──▶ index of a constraint     unique and primary key, B-tree
///   absent ──add_constraint──▶ index of a constraint          exclusion, others, and partitioned tables and hypertables
///   invalid, or without the constraint it cannot be given later ──remove──▶ absent
namespace tslive::copy {

/// What the target has under an index's name.
struct IndexState {
    bool exists = false;
    bool valid = false;
    bool of_constraint = false;
    catalog::QualifiedName table;
};

enum class IndexStep { create, add_constraint, attach_constraint, remove };

/// Whether its index is built first, under a lock that readers and other index builds share, and becomes a constraint
/// then.
[[nodiscard]] inline bool built_before_constraint(const catalog::Index& index) {
    return index.constraint && index.constraint->kind != catalog::ConstraintKind::exclusion &&
           index.access_method == "btree" && !index.on_partitioned_table() && !index.on_hypertable;
}

/// @returns nothing when the index is as on the source
/// @throws Error  operator_action when something else has its name
[[nodiscard]] inline std::optional<IndexStep> next_step(const catalog::Index& index, const IndexState& state) {
    if (!state.exists) {
        if (index.constraint && !built_before_constraint(index)) return IndexStep::add_constraint;
        return IndexStep::create;
    }
    if (state.table != index.table_name)
        throw Error(Recovery::operator_action,
                    fmt::format("index {} of table {}: the target has another relation of that name", index.name,
                                index.table_name),
                    "Rename or drop that relation on the target, then run again with --resume");
    // A partitioned index is invalid until each partition has its own.
    if (!state.valid && !index.on_partitioned_table()) return IndexStep::remove;
    if (!index.constraint || state.of_constraint) return std::nullopt;
    return built_before_constraint(index) ? IndexStep::attach_constraint : IndexStep::remove;
}

[[nodiscard]] inline std::string step_command(const catalog::Index& index, IndexStep step, const IndexState& state) {
    const auto table = (index.on_hypertable ? "" : "ONLY ") + index.table_name.quoted();
    switch (step) {
        case IndexStep::create: return index.definition;
        case IndexStep::add_constraint:
            return fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", table,
                               pg::quote_identifier(index.constraint->name), index.constraint->definition);
        case IndexStep::attach_constraint:
            return fmt::format(
                "ALTER TABLE {} ADD CONSTRAINT {} {} USING INDEX {}{}{}", table,
                pg::quote_identifier(index.constraint->name),
                index.constraint->kind == catalog::ConstraintKind::primary_key ? "PRIMARY KEY" : "UNIQUE",
                pg::quote_identifier(index.name.name), index.constraint->deferrable ? " DEFERRABLE" : "",
                index.constraint->initially_deferred ? " INITIALLY DEFERRED" : "");
        case IndexStep::remove:
            if (state.of_constraint)
                return fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", table,
                                   pg::quote_identifier(index.constraint ? index.constraint->name : index.name.name));
            return fmt::format("DROP INDEX {}", index.name.quoted());
    }
    throw Error(Recovery::operator_action, "unknown index step");
}

[[nodiscard]] inline IndexState read_index_state(pg::Connection& target, const catalog::QualifiedName& name) {
    const auto found = target.exec_again(
        "SELECT coalesce(i.indisvalid AND i.indisready, false), coalesce(tn.nspname, ''), coalesce(t.relname, ''), "
        "EXISTS (SELECT FROM "
        "pg_catalog.pg_constraint k WHERE k.conindid = c.oid AND k.conrelid = t.oid AND k.contype IN ('p', 'u', 'x')) "
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_catalog.pg_class t ON t.oid = i.indrelid "
        "LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
        pg::Params{}.text(name.schema).text(name.name));
    if (found.empty()) return {};
    return {.exists = true,
            .valid = found.boolean(0, 0),
            .of_constraint = found.boolean(0, 3),
            .table = {found.text(0, 1), found.text(0, 2)}};
}

/// How far `advance_index` goes.
enum class IndexGoal {
    built,     ///< the index is there; several of one table may be built at a time
    complete,  ///< and the constraint that owns it, which takes the table's strongest lock for a moment
};

/// Takes the steps that are left. May be repeated, also while a session that we lost still works on the same index.
inline void advance_index(pg::Connection& target, const catalog::Index& index, IndexGoal goal) {
    constexpr int most_steps = 10;
    for (int taken = 0; taken < most_steps; ++taken) {
        const auto state = read_index_state(target, index.name);
        const auto step = next_step(index, state);
        if (!step || (goal == IndexGoal::built && step == IndexStep::attach_constraint)) return;
        try {
            target.exec(step_command(index, *step, state));
        } catch (const pg::ServerError& error) {
            // The lost session was faster: look again.
            if (error.state() == pg::sqlstate::duplicate_table || error.state() == pg::sqlstate::duplicate_object)
                continue;
            throw error.with_context(fmt::format("index {} of table {}", index.name, index.table_name),
                                     error.state() == pg::sqlstate::unique_violation
                                         ? "The source's index holds what the target's cannot: look for rows that were "
                                           "in the target before, for "
                                           "a corrupt index on the source, or for a collation that compares otherwise"
                                         : "");
        }
    }
    throw Error(Recovery::operator_action,
                fmt::format("index {} of table {} does not settle on the target", index.name, index.table_name),
                "Another session changes it: find out which, then run again with --resume");
}

/// What an index carries besides its definition, set on the target. Safe to repeat.
inline void set_index_marks(pg::Connection& target, const catalog::Index& index) {
    const auto table = index.table_name.quoted();
    const auto name = pg::quote_identifier(index.name.name);
    for (const auto& statistics : index.statistics)
        target.exec(fmt::format("ALTER INDEX {} ALTER COLUMN {} SET STATISTICS {}", index.name.quoted(),
                                statistics.column, statistics.target));
    if (index.clustered) target.exec(fmt::format("ALTER TABLE {} CLUSTER ON {}", table, name));
    if (index.is_replica_identity)
        target.exec(fmt::format("ALTER TABLE {}{} REPLICA IDENTITY USING INDEX {}", index.on_hypertable ? "" : "ONLY ",
                                table, name));
}

}  // namespace tslive::copy
