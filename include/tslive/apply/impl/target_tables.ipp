#pragma once

#include "tslive/catalog/binary_types.hpp"

namespace tslive::apply {

inline const TargetTable* TargetTables::resolve(const pgoutput::CachedRelation& relation,
                                                const TransactionName& transaction) {
    const catalog::QualifiedName sent{relation.schema, relation.name};
    if (knowledge_.chunks) {
        const auto route = knowledge_.chunks->route(relation);
        switch (route.kind) {
            case Route::Kind::ordinary: break;
            case Route::Kind::left_out: return nullptr;
            case Route::Kind::elsewhere: return resolve_elsewhere(relation, route, transaction);
            case Route::Kind::chunk:
            case Route::Kind::shadow: return resolve_chunk(relation, route, transaction);
        }
    }
    if (knowledge_.not_ours && knowledge_.not_ours(sent)) return nullptr;
    switch (knowledge_.standing ? knowledge_.standing(sent, relation.id) : Standing::ours) {
        case Standing::ours: break;
        case Standing::gone:
            log::info("{} was made after the snapshot and dropped again: its changes are left out", sent);
            return nullptr;
        case Standing::made_later:
            throw UnknownTable(
                relation.id,
                fmt::format(
                    "a change of {} arrived, a table that was made on the source after the snapshot, or attached as a "
                    "partition (transaction {}, commit at {})",
                    sent, transaction.xid, transaction.commit_lsn),
                fmt::format(
                    "Create {} on the target with the source's definition, then go on with --resume: it is then "
                    "copied under a snapshot of its own",
                    sent));
    }
    const auto name = knowledge_.copied_as ? knowledge_.copied_as(relation.id).value_or(sent) : sent;
    const auto copied_at = knowledge_.copied_at ? knowledge_.copied_at(name).value_or(Lsn{}) : Lsn{};
    // The copy is newer than this change, and so may be the definition that the target has by now.
    if (transaction.commit_lsn < copied_at) return passed_over(relation, name, copied_at);
    const auto found = find_or_throw(relation, name, sent, transaction);
    if (found.has_triggers) refuse_triggers(found, transaction);
    if (found.unlogged) {
        log::info(
            "changes of {} are left out: the table is unlogged on the target, so it is copied whole at the "
            "switch-over",
            name);
        return nullptr;
    }
    const auto columns = catalog::columns(*target_, found.id);
    if (!expect_no_drift(relation, found, columns, transaction)) {
        log::info(
            "{} is gone from the source: changes of a definition of it that was made after the snapshot are left out",
            sent);
        return nullptr;
    }

    TargetTable table;
    table.name = found.name;
    table.only = !found.partitioned && !found.above && !found.hypertable;
    table.shared = found.above;
    table.copied_at = copied_at;
    table.rows_may_be_missing = knowledge_.data_left_out && knowledge_.data_left_out(name);
    if (found.hypertable) {
        table.hypertable = found.name;
        take_dimensions(table, found.id);
    }
    take_definition(table, relation, found, columns, transaction);
    log::debug("changes of {} go to {}, rows found {}", name, table.name,
               table.match == Match::by_key       ? "by key"
               : table.match == Match::by_content ? "by content"
                                                  : "not at all: inserts only");
    return &made_.emplace_back(std::move(table));
}

inline const TargetTable* TargetTables::passed_over(const pgoutput::CachedRelation& relation,
                                                    const catalog::QualifiedName& name, Lsn copied_at) {
    TargetTable table;
    table.source = relation.id;
    table.name = name;
    table.copied_at = copied_at;
    table.passed_over = true;
    return &made_.emplace_back(std::move(table));
}

inline void TargetTables::take_definition(TargetTable& table, const pgoutput::CachedRelation& relation,
                                          const Found& found, const std::vector<catalog::Column>& columns,
                                          const TransactionName& transaction) {
    table.source = relation.id;
    table.number = made_.size() + 1;
    take_columns(table, relation, columns, transaction);
    refuse_values_that_never_come(table, relation, transaction);
    choose_match(table, relation, found.id);
    take_row_type(table, relation, found.id);
    table.dimensions_in_key = std::ranges::all_of(table.dimensions, [&](const std::string& dimension) {
        return std::ranges::any_of(table.key,
                                   [&](const KeyColumn& part) { return table.columns[part.column].name == dimension; });
    });
}

/// Ours: nothing of it was copied by the base copy, and nobody alters it.
inline const TargetTable* TargetTables::resolve_elsewhere(const pgoutput::CachedRelation& relation, const Route& route,
                                                          const TransactionName& transaction) {
    const auto found = find(route.table);
    if (!found)
        throw Error(Recovery::operator_action,
                    fmt::format("{} is missing on the target, where what the source says about its chunks is kept",
                                route.table),
                    "Somebody has removed it. The migration has to begin anew: ts-clean, then a new snapshot");
    TargetTable table;
    table.name = found->name;
    table.observed = true;
    take_definition(table, relation, *found, catalog::columns(*target_, found->id), transaction);
    return &made_.emplace_back(std::move(table));
}

inline const TargetTable* TargetTables::resolve_chunk(const pgoutput::CachedRelation& relation, const Route& route,
                                                      const TransactionName& transaction) {
    const catalog::QualifiedName sent{relation.schema, relation.name};
    const auto name = knowledge_.copied_as ? knowledge_.copied_as(relation.id).value_or(sent) : sent;
    const auto copied_at = knowledge_.copied_at ? knowledge_.copied_at(name).value_or(Lsn{}) : Lsn{};
    if (transaction.commit_lsn < copied_at) return passed_over(relation, name, copied_at);
    TargetTable table;
    table.copied_at = copied_at;
    table.hypertable = route.table;
    table.truncate_only = route.kind == Route::Kind::shadow;
    take_route(table, route);
    if (table.truncate_only) {
        table.source = relation.id;
        table.number = made_.size() + 1;
        return &made_.emplace_back(std::move(table));
    }
    const auto found = find(route.table);
    if (!found)
        throw Error(Recovery::operator_action,
                    fmt::format("a change of {} arrived, a chunk of {}, and the target has no such hypertable "
                                "(transaction {}, commit at {})",
                                sent, route.table, transaction.xid, transaction.commit_lsn),
                    "It was made on the source after the snapshot, or dropped on the target. A hypertable cannot be "
                    "added to a migration that runs: begin anew with ts-clean and a new snapshot");
    if (found->has_triggers) refuse_triggers(*found, transaction);
    const auto columns = catalog::columns(*target_, found->id);
    if (!expect_no_drift(relation, *found, columns, transaction)) return nullptr;
    table.rows_may_be_missing = knowledge_.data_left_out && knowledge_.data_left_out(route.table);
    take_definition(table, relation, *found, columns, transaction);
    // Which of several rows that are the same goes is told by the place of one, which rows that are compressed do not have.
    if (table.match == Match::by_content && table.one_by_one) table.chunk_missing = true;
    log::debug("changes of {} go to {}{}", sent, table.name,
               table.chunk_missing ? ", for now"
               : table.one_by_one  ? ", one by one"
                                   : "");
    return &made_.emplace_back(std::move(table));
}

inline void TargetTables::take_route(TargetTable& table, const Route& route) const {
    const bool direct = route.chunk && !route.through_table && !through_tables_;
    table.name = direct ? *route.chunk : route.table;
    table.only = direct;
    table.chunk = route.chunk;
    table.pieces = route.pieces;
    table.chunk_missing = !route.chunk && route.pieces.empty();
    table.one_by_one = !direct;
}

inline const TargetTable* TargetTables::settle(const TargetTable& table, const pgoutput::CachedRelation& relation,
                                               pg::Connection& applying) {
    const auto route = knowledge_.chunks->settle(relation, applying, table.match == Match::by_content);
    auto settled = table;
    settled.hypertable = route.table;
    take_route(settled, route);
    if (table.match == Match::by_content && through_tables_ && route.chunk && !route.through_table) {
        // By their place, rows are found in their chunk only. It is looked for anew before the next.
        settled.name = *route.chunk;
        settled.only = true;
        settled.chunk_missing = true;
    }
    settled.number = made_.size() + 1;
    return &made_.emplace_back(std::move(settled));
}

inline void TargetTables::take_dimensions(TargetTable& table, RelationId id) {
    const auto rows = target_->exec_again(
        "SELECT d.column_name FROM _timescaledb_catalog.dimension d "
        "JOIN _timescaledb_catalog.hypertable h ON h.id = d.hypertable_id "
        "JOIN pg_catalog.pg_namespace n ON n.nspname = h.schema_name "
        "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = h.table_name "
        "WHERE c.oid = $1::pg_catalog.oid ORDER BY d.id",
        pg::Params{}.number(id.value));
    for (int row = 0; row < rows.rows(); ++row) table.dimensions.push_back(rows.text(row, 0));
}

inline std::optional<TargetTables::Found> TargetTables::find(const catalog::QualifiedName& name) {
    // With its partitions, through which its rows may go.
    const auto row = target_->exec_again(
        fmt::format(
            "WITH RECURSIVE tree AS (SELECT c.oid, c.relkind, c.relpersistence, 0 AS depth FROM pg_catalog.pg_class c "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') "
            "UNION ALL SELECT i.inhrelid, c.relkind, c.relpersistence, depth + 1 FROM tree "
            "JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid "
            "JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE tree.relkind = 'p') "
            "SELECT oid, relkind, EXISTS (SELECT FROM tree CROSS JOIN LATERAL (SELECT FROM {} WHERE f.relation = "
            "tree.oid "
            "AND f.enabled IN ('A', 'R') OFFSET 0) AS found), relpersistence, {} FROM tree ORDER BY depth LIMIT 1",
            catalog::detail::triggers_and_rules,
            hypertables_ ? "EXISTS (SELECT FROM _timescaledb_catalog.hypertable h WHERE h.schema_name = "
                           "$1::pg_catalog.name AND h.table_name = $2::pg_catalog.name)"
                         : "false"),
        pg::Params{}.text(name.schema).text(name.name));
    if (row.empty()) return std::nullopt;
    return Found{.id = {row.number<std::uint32_t>(0, 0)},
                 .name = name,
                 .partitioned = row.at(0, 1) == "p",
                 .has_triggers = row.boolean(0, 2),
                 .unlogged = row.at(0, 1) == "r" && row.at(0, 3) == "u",
                 .hypertable = row.boolean(0, 4)};
}

/// The base copy has switched those off that it found; what came later, with a table that somebody made, is here.
inline void TargetTables::refuse_triggers(const Found& found, const TransactionName& transaction) {
    const auto tree = target_->exec(
        "WITH RECURSIVE tree AS (SELECT $1::pg_catalog.oid AS oid UNION ALL SELECT i.inhrelid FROM tree JOIN "
        "pg_catalog.pg_inherits i ON i.inhparent = tree.oid WHERE $2::pg_catalog.bool) SELECT oid FROM tree",
        pg::Params{}.number(found.id.value).text(found.partitioned ? "true" : "false"));
    std::string names, statements;
    for (const auto& trigger : catalog::replica_triggers(*target_))
        for (int row = 0; row < tree.rows(); ++row) {
            if (tree.number<std::uint32_t>(row, 0) != trigger.table.value) continue;
            names += fmt::format("{}{} of {}", names.empty() ? "" : ", ", pg::quote_identifier(trigger.name),
                                 trigger.table_name);
            statements += trigger.disable_sql() + "; ";
        }
    if (names.empty()) return;  // gone in the meantime, or of an extension
    throw Error(
        Recovery::operator_action,
        fmt::format("changes of {} would set off what has acted on the source already: {} (transaction {}, commit "
                    "at {})",
                    found.name, names, transaction.xid, transaction.commit_lsn),
        fmt::format("Run on the target: {}then go on with --resume, and enable it again after the switch-over",
                    statements));
}

inline void TargetTables::refuse_values_that_never_come(const TargetTable& table,
                                                        const pgoutput::CachedRelation& relation,
                                                        const TransactionName& transaction) const {
    if (table.target_only.empty() || !knowledge_.generated) return;
    for (const auto& name : knowledge_.generated(relation.id)) {
        if (std::ranges::find(table.target_only, name) == table.target_only.end()) continue;
        throw Error(Recovery::operator_action,
                    fmt::format("column {} of {} is computed by the source, which sends no values of it, and is an "
                                "ordinary column on the target (transaction {}, commit at {})",
                                pg::quote_identifier(name), table.name, transaction.xid, transaction.commit_lsn),
                    fmt::format("Make it a generated column on the target, too: ALTER TABLE {0} DROP COLUMN {1}, ADD "
                                "COLUMN {1} … GENERATED ALWAYS AS (…) STORED; then go on with --resume",
                                table.name.quoted(), pg::quote_identifier(name)));
    }
}

/// By name, but not the table that another one's rows were copied into and that had this name then.
inline std::optional<TargetTables::Found> TargetTables::find_unless_anothers(const catalog::QualifiedName& name,
                                                                             RelationId relation) {
    auto found = find(name);
    if (!found || !knowledge_.source_of) return found;
    const auto source = knowledge_.source_of(found->id);
    if (source && *source != relation) return std::nullopt;
    return found;
}

inline bool TargetTables::expect_no_drift(const pgoutput::CachedRelation& relation, const Found& found,
                                          const std::vector<catalog::Column>& there,
                                          const TransactionName& transaction) {
    if (!knowledge_.drift) return true;
    const auto drift = knowledge_.drift(relation, found.name, there);
    if (!drift) return false;
    if (drift->none()) return true;
    throw TableChanged(
        relation.id, drift->statements.empty(), drift->copy_again,
        fmt::format("{} has changed on the source since its rows were copied: {} (transaction {}, commit at {})",
                    found.name, fmt::join(drift->differences, ", "), transaction.xid, transaction.commit_lsn),
        drift->remedy());
}

inline TargetTables::Found TargetTables::find_or_throw(const pgoutput::CachedRelation& relation,
                                                       const catalog::QualifiedName& name,
                                                       const catalog::QualifiedName& sent,
                                                       const TransactionName& transaction) {
    const auto copied_to = knowledge_.target_of ? knowledge_.target_of(relation.id) : std::nullopt;
    if (copied_to) {
        const auto row = target_->exec(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
            "c.relnamespace WHERE c.oid = $1",
            pg::Params{}.number(copied_to->value));
        if (!row.empty())
            if (auto found = find({row.text(0, 0), row.text(0, 1)})) return *found;
    }
    auto by_name = find_unless_anothers(name, relation.id);
    if (!by_name && name != sent) by_name = find_unless_anothers(sent, relation.id);
    if (by_name && copied_to)
        throw TableChanged(
            relation.id, true, true,
            fmt::format("{} is not the table that its rows were copied into: it was dropped on the target "
                        "and made again (transaction {}, commit at {})",
                        by_name->name, transaction.xid, transaction.commit_lsn),
            "Go on with --resume: it is copied again");
    if (by_name) return *by_name;
    if (knowledge_.ancestors)
        for (const auto& ancestor : knowledge_.ancestors(relation.id))
            if (auto found = find(ancestor)) {
                log::warning("partition {} does not exist on the target; its changes are written through {}", name,
                             ancestor);
                found->above = true;
                return *found;
            }
    throw Error(
        Recovery::operator_action,
        fmt::format("a change of {} arrived, and the target has no such table (transaction {}, commit at {})", name,
                    transaction.xid, transaction.commit_lsn),
        fmt::format(
            "It was made on the source after the snapshot, or dropped on the target. Create {} on the target with the "
            "source's definition, then go on with --resume",
            name));
}

inline void TargetTables::take_columns(TargetTable& table, const pgoutput::CachedRelation& relation,
                                       const std::vector<catalog::Column>& columns,
                                       const TransactionName& transaction) const {
    for (std::size_t i = 0; i < relation.columns.size(); ++i) {
        const auto& sent = relation.columns[i];
        const auto column = std::ranges::find(columns, sent.name, &catalog::Column::name);
        if (column == columns.end())
            throw Error(
                Recovery::operator_action,
                fmt::format(
                    "{} has a column {} on the source which {} on the target has not (transaction {}, commit at "
                    "{})",
                    table.name, pg::quote_identifier(sent.name), table.name, transaction.xid, transaction.commit_lsn),
                fmt::format(
                    "Run on the target: ALTER TABLE {} ADD COLUMN {} with the source's type; then go on with --resume",
                    table.name.quoted(), pg::quote_identifier(sent.name)));
        if (column->generated != 0) continue;
        table.columns.push_back({.source_index = i,
                                 .name = sent.name,
                                 .type = column->type,
                                 .type_name = column->type_name,
                                 .base_type = column->base_type == column->type_name ? "" : column->base_type,
                                 .read_from = column->read_from,
                                 .identity = sent.key,
                                 .always_generated = column->identity == 'a'});
    }
    for (const auto& column : columns)
        if (column.generated == 0 &&
            std::ranges::find(table.columns, column.name, &TargetColumn::name) == table.columns.end())
            table.target_only.push_back(column.name);
}

inline void TargetTables::choose_match(TargetTable& table, const pgoutput::CachedRelation& relation, RelationId id) {
    if (relation.replica_identity == pgoutput::ReplicaIdentity::nothing) return;
    const auto identity_columns = std::ranges::count_if(table.columns, &TargetColumn::identity);
    const bool full = relation.replica_identity == pgoutput::ReplicaIdentity::full;
    table.whole_rows = full;
    if (identity_columns == 0 && !full) return;
    for (const auto& key : catalog::unique_keys(*target_, id)) {
        // An identity other than FULL has no NULLs, whatever the target would allow.
        if (!key.immediate || (full && key.nullable)) continue;
        // With FULL any key of the target does, because the old row is there whole; else it must be the identity
        // itself, or rows
        // that differ on the source could be one here.
        if (!full && static_cast<std::ptrdiff_t>(key.columns.size()) != identity_columns) continue;
        std::vector<KeyColumn> parts;
        for (const auto& part : key.columns) {
            const auto column = std::ranges::find(table.columns, part.name, &TargetColumn::name);
            if (column == table.columns.end() || !column->identity) break;
            parts.push_back({static_cast<std::size_t>(column - table.columns.begin()), part.equality, part.collation});
        }
        if (parts.size() != key.columns.size()) continue;
        table.key = std::move(parts);
        table.match = Match::by_key;
        return;
    }
    table.match = Match::by_content;
    log::warning(
        "{} has no unique index on the target that its replica identity covers: each UPDATE and DELETE reads the whole "
        "table",
        table.name);
}

inline void TargetTables::take_row_type(TargetTable& table, const pgoutput::CachedRelation& relation, RelationId id) {
    constexpr TypeId text{25}, varchar{1043};
    const auto is_text = [&](TypeId type) { return type == text || type == varchar; };
    const auto fits = [&](const TargetColumn& column) {
        const auto sent = relation.columns[column.source_index].type;
        return catalog::binary_copy_safe(sent) && (sent == column.type || (is_text(sent) && is_text(column.type)));
    };
    if (!std::ranges::all_of(table.columns, fits)) return;
    const auto rows = target_->exec(
        "SELECT c.reltype, a.attname, a.atttypid, t.typtype = 'd' FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
        "WHERE c.oid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        pg::Params{}.number(id.value));
    if (rows.empty()) return;
    RowType type{.id = {rows.number<std::uint32_t>(0, 0)}, .columns = {}};
    for (int row = 0; row < rows.rows(); ++row) {
        const auto column = std::ranges::find(table.columns, rows.at(row, 1), &TargetColumn::name);
        RowType::Column part{.type = {rows.number<std::uint32_t>(row, 2)}, .index = std::nullopt};
        if (column != table.columns.end()) part.index = static_cast<std::size_t>(column - table.columns.begin());
        else if (rows.at(row, 3) == "t") return;  // a domain may refuse the NULL that stands for it
        type.columns.push_back(part);
    }
    table.row_type = std::move(type);
}

inline std::vector<catalog::QualifiedName> TargetTables::emptied_with(std::span<const TargetTable* const> tables) {
    std::string named;
    for (const auto* table : tables)
        named += fmt::format("{}({}, {})", named.empty() ? "" : ", ", pg::quote_literal(table->name.schema),
                             pg::quote_literal(table->name.name));
    const auto found = target_->exec(fmt::format(
        "WITH RECURSIVE named AS (SELECT c.oid FROM (VALUES {}) AS v (schema, name) "
        "JOIN pg_catalog.pg_namespace n ON n.nspname = v.schema "
        "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = v.name), "
        "below AS (SELECT oid AS root, oid, relkind FROM pg_catalog.pg_class WHERE relkind = 'p' "
        "UNION ALL SELECT below.root, c.oid, c.relkind FROM below "
        "JOIN pg_catalog.pg_inherits i ON i.inhparent = below.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid), "
        "emptied AS (SELECT root FROM below LEFT JOIN named USING (oid) GROUP BY root "
        "HAVING bool_and(relkind = 'p' OR named.oid IS NOT NULL)), "
        // Never in the stream, and copied whole at the switch-over. Only other unlogged tables can refer to one.
        "unlogged AS (SELECT f.conrelid AS oid FROM pg_catalog.pg_constraint f "
        "JOIN pg_catalog.pg_class c ON c.oid = f.conrelid "
        "WHERE f.contype = 'f' AND c.relpersistence = 'u' AND f.confrelid IN (SELECT oid FROM named) "
        "UNION SELECT f.conrelid FROM pg_catalog.pg_constraint f JOIN unlogged ON f.confrelid = unlogged.oid "
        "WHERE f.contype = 'f') "
        "SELECT n.nspname, c.relname FROM (SELECT root FROM emptied WHERE EXISTS ("
        "SELECT FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.conrelid = emptied.root "
        "AND (f.confrelid IN (SELECT oid FROM named) OR f.confrelid IN (SELECT root FROM emptied))) "
        "UNION SELECT oid FROM unlogged WHERE oid NOT IN (SELECT oid FROM named)) AS too (oid) "
        "JOIN pg_catalog.pg_class c ON c.oid = too.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
        named));
    std::vector<catalog::QualifiedName> names;
    for (int row = 0; row < found.rows(); ++row) names.push_back({found.text(row, 0), found.text(row, 1)});
    return names;
}

}  // namespace tslive::apply
