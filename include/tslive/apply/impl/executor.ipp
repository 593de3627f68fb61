#pragma once

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "tslive/apply/detail/refusal.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/copy.hpp"

namespace tslive::apply {

namespace detail {

[[nodiscard]] inline sql::Form form_of(const Wave& wave) { return wave.binary ? sql::Form::binary : sql::Form::text; }
/// Part of a prepared statement's key.
[[nodiscard]] inline std::string_view mark(sql::Form form) { return form == sql::Form::binary ? "b" : ""; }

}  // namespace detail

inline Executor::Executor(pg::Connection& target, Origin& origin, TargetTables& tables)
    : target_(&target), origin_(&origin), tables_(&tables), pipeline_(target) {
    try {
        target.exec("SET session_replication_role = replica");
    } catch (const pg::ServerError& error) {
        throw error.with_context(
            "the target does not let this role switch off triggers and foreign keys while changes are applied",
            "As a superuser of the target: GRANT SET ON PARAMETER session_replication_role TO <role> (PostgreSQL 15 "
            "and later), or use a superuser");
    }
    target.exec("SET synchronous_commit = off; SET jit = off; SET plan_cache_mode = force_generic_plan");
    // Of the planner's settings those that the server has: memoize came with version 14.
    target.exec(
        "SELECT pg_catalog.set_config(name, 'off', false) FROM pg_catalog.pg_settings WHERE name IN "
        "('enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_material', 'enable_memoize')");
    // As many as a statement of the source has touched there, by default, are too many in one of ours.
    target.exec(
        "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = "
        "'timescaledb.max_tuples_decompressed_per_dml_transaction'");
    forget_observed();
}

inline const TargetTable* Executor::table(const pgoutput::CachedRelation& relation,
                                          const TransactionName& transaction) {
    try {
        return tables_->resolve(relation, transaction);
    } catch (const pg::ServerError& error) {
        throw error.with_context(fmt::format("looking up {}.{} on the target (transaction {}, commit at {})",
                                             relation.schema, relation.name, transaction.xid, transaction.commit_lsn));
    }
}

inline const TargetTable* Executor::settle(const TargetTable& table, const pgoutput::CachedRelation& relation) {
    run_copies();
    begin();
    check();
    pipeline_.leave();
    return tables_->settle(table, relation, *target_);
}

inline void Executor::observe(const pgoutput::CachedRelation& relation, const Change& change) {
    tables_->chunks()->observe(relation, change.kind, change.identity, change.row);
}

inline bool Executor::has_to_follow() {
    if (tables_->chunks() != nullptr) to_follow_ = tables_->chunks()->statements_to_follow();
    return !to_follow_.empty();
}

inline void Executor::follow(const TransactionName& transaction) {
    run_copies();
    begin();
    for (const auto& statement : std::exchange(to_follow_, {})) {
        pipeline_.send(statement, {});
        expected_.push_back({nullptr, 0, "dropping a chunk as on the source", transaction});
    }
}

inline bool Executor::has_compressed_rows(const TargetTable& table) {
    return tables_->chunks() != nullptr && tables_->chunks()->has_compressed_rows(table.name);
}

inline std::optional<bool> Executor::hides_changes(std::string_view prefix) const {
    return tables_->chunks() == nullptr ? std::nullopt : tables_->chunks()->hides_changes(prefix);
}

inline void Executor::forget_observed() {
    if (tables_->chunks() != nullptr) tables_->chunks()->forget_observed();
}

inline void Executor::begin() {
    if (begun_) return;
    begun_ = true;
    send_command("BEGIN");
    send_command("SET CONSTRAINTS ALL DEFERRED");
}

inline void Executor::send_command(std::string_view sql) {
    pipeline_.send(sql, {});
    expected_.push_back({});
}

template <typename MakeSql>
void Executor::send(std::string key, MakeSql&& make_sql, const pg::Params& params, Expected expected) {
    auto known = prepared_.find(key);
    const bool seen = known != prepared_.end();
    // Where more tables change than there is room for, those that are in stay in for a while: to make room each time
    // would prepare each statement each time.
    if (!seen && prepared_.size() >= most_prepared && ++turned_away_ >= 4 * most_prepared) {
        send_command("DEALLOCATE ALL");
        prepared_.clear();
        turned_away_ = 0;
    }
    if (!seen) {
        if (prepared_.size() < most_prepared) prepared_.emplace(std::move(key), std::string{});
        pipeline_.send(make_sql(), params);
    } else {
        if (known->second.empty()) {
            known->second = fmt::format("s{}", ++names_);
            expected_.push_back(expected);
            expected_.back().counts = false;
            pipeline_.prepare(known->second, make_sql());
        }
        pipeline_.send_prepared(known->second, params);
    }
    expected_.push_back(std::move(expected));
}

template <typename RowOf>
void Executor::add_arrays(pg::Params& params, const sql::Columns& columns, const TargetTable& table, const Wave& wave,
                          const Indexes& which, RowOf&& row_of) {
    for (const auto column : columns) {
        if (arrays_used_ == arrays_.size()) arrays_.emplace_back();
        auto& array = arrays_[arrays_used_++];
        array.begin(which.size());
        const auto source_index = table.columns[column].source_index;
        for (const auto at : which) array.add(row_of(wave.changes[at])[source_index]);
        params.binary(array.bytes());
    }
    arrays_used_ = 0;
}

template <typename RowOf>
void Executor::add_row_array(pg::Params& params, const Wave& wave, const Indexes& which, RowOf&& row_of) {
    const auto& table = *wave.table;
    row_array_.begin(table, which.size());
    for (const auto at : which)
        row_array_.add(
            [&](std::size_t column) { return row_of(wave.changes[at], column)[table.columns[column].source_index]; });
    params.binary_view(row_array_.bytes());
}

inline bool Executor::has_copy(const TargetTable& table) const {
    return !copies_.empty() && copied_into_.contains(table.name);
}

inline void Executor::apply(const Wave& wave, const TransactionName& transaction) {
    if (wave.binary && !wave.table->row_type) throw detail::no_binary_form(*wave.table, transaction);
    if (has_copy(*wave.table) || copy_bytes_ >= most_copy_bytes) run_copies();
    begin();
    Indexes removed, updated, inserted;
    for (std::size_t i = 0; i < wave.changes.size(); ++i) {
        const auto kind = wave.changes[i].kind;
        if (kind == ChangeKind::remove || kind == ChangeKind::replace) removed.push_back(i);
        if (kind == ChangeKind::update) updated.push_back(i);
        if (kind == ChangeKind::insert || kind == ChangeKind::replace) inserted.push_back(i);
    }
    if (!removed.empty()) remove_rows(wave, removed, transaction);
    if (!updated.empty()) update_rows(wave, updated, transaction);
    if (inserted.size() >= copy_from_rows && !wave.table->columns.empty()) copy_rows(wave, inserted, transaction);
    else if (!inserted.empty()) insert_rows(wave, inserted, transaction);
    if (pipeline_.sent() >= most_unchecked) check();
}

inline void Executor::remove_rows(const Wave& wave, const Indexes& which, const TransactionName& transaction) {
    const auto& table = *wave.table;
    sql::Columns keys;
    for (const auto& part : table.key) keys.push_back(part.column);
    pg::Params params;
    const auto form = detail::form_of(wave);
    if (wave.binary) {
        // Of a row that is removed only the identity is there; what is not part of it is not looked at.
        add_row_array(params, wave, which, [](const Change& change, std::size_t) { return change.identity; });
    } else {
        add_arrays(params, keys, table, wave, which, [](const Change& change) { return change.identity; });
    }
    send(fmt::format("{}d{}", table.number, detail::mark(form)), [&] { return sql::remove(table, form); }, params,
         {&table, static_cast<std::int64_t>(which.size()), "DELETE", transaction,
          which.size() == 1 ? detail::describe_identity(table, wave.changes[which[0]]) : std::string{}});
}

inline void Executor::update_rows(const Wave& wave, const Indexes& which, const TransactionName& transaction) {
    const auto& table = *wave.table;
    sql::Columns keys;
    std::vector<bool> is_key(table.columns.size(), false);
    for (const auto& part : table.key) {
        keys.push_back(part.column);
        is_key[part.column] = true;
    }
    // Rows that carry the same columns make one statement: a TOAST value that did not change is not there to be set.
    std::map<std::string, Indexes> by_columns;
    for (const auto at : which) {
        std::string absent;
        for (std::size_t i = 0; i < table.columns.size(); ++i)
            if (!is_key[i] && wave.changes[at].row[table.columns[i].source_index].kind == ValueKind::unchanged_toast)
                absent += fmt::format(",{}", i);
        by_columns[absent].push_back(at);
    }
    for (const auto& [absent, rows] : by_columns) {
        const auto& first = wave.changes[rows[0]].row;
        sql::Columns set;
        for (std::size_t i = 0; i < table.columns.size(); ++i)
            if (!is_key[i] && first[table.columns[i].source_index].kind != ValueKind::unchanged_toast) set.push_back(i);
        // Only the row's own statement can replace a value that GENERATED ALWAYS protects.
        if (rows.size() == 1 &&
            std::ranges::any_of(set, [&](std::size_t i) { return table.columns[i].always_generated; })) {
            apply_single(table,
                         {.kind = ChangeKind::update_key, .identity = wave.changes[rows[0]].identity, .row = first},
                         transaction);
            continue;
        }
        pg::Params params;
        const auto form = detail::form_of(wave);
        if (wave.binary) {
            add_row_array(params, wave, rows, [&](const Change& change, std::size_t column) {
                return is_key[column] ? change.identity : change.row;
            });
        } else {
            add_arrays(params, set, table, wave, rows, [](const Change& change) { return change.row; });
            add_arrays(params, keys, table, wave, rows, [](const Change& change) { return change.identity; });
        }
        send(fmt::format("{}u{}{}", table.number, absent, detail::mark(form)),
             [&] { return sql::update(table, set, form); }, params,
             {&table, static_cast<std::int64_t>(rows.size()), "UPDATE", transaction,
              rows.size() == 1 ? detail::describe_identity(table, wave.changes[rows[0]]) : std::string{}});
    }
}

inline void Executor::insert_rows(const Wave& wave, const Indexes& which, const TransactionName& transaction) {
    const auto& table = *wave.table;
    pg::Params params;
    if (table.columns.empty()) params.number(which.size());
    sql::Columns all(table.columns.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    const auto form = detail::form_of(wave);
    if (wave.binary) add_row_array(params, wave, which, [](const Change& change, std::size_t) { return change.row; });
    else add_arrays(params, all, table, wave, which, [](const Change& change) { return change.row; });
    send(fmt::format("{}i{}", table.number, detail::mark(form)), [&] { return sql::insert(table, form); }, params,
         {&table, static_cast<std::int64_t>(which.size()), "INSERT", transaction,
          which.size() == 1 ? detail::describe_identity(table, wave.changes[which[0]]) : std::string{}});
}

inline void Executor::copy_rows(const Wave& wave, const Indexes& which, const TransactionName& transaction) {
    // COPY cannot run in the pipeline; it waits for the end of the batch, where one round trip serves all of them.
    // Until then
    // nothing else touches the table.
    auto& copy = copies_.emplace_back(
        PendingCopy{wave.table, detail::form_of(wave), static_cast<std::int64_t>(which.size()), {}, transaction});
    if (copy.form == sql::Form::text) {
        for (const auto at : which) encode::copy_row(copy.data, *wave.table, wave.changes[at].row);
    } else {
        encode::begin_binary_copy(copy.data);
        for (const auto at : which) encode::binary_copy_row(copy.data, *wave.table, wave.changes[at].row);
        encode::end_binary_copy(copy.data);
    }
    copied_into_.insert(wave.table->name);
    copy_bytes_ += copy.data.size();
}

inline void Executor::apply_single(const TargetTable& table, const Change& change, const TransactionName& transaction) {
    if (has_copy(table)) run_copies();
    const bool binary = is_binary(change.identity) || is_binary(change.row);
    if (binary && !table.row_type) throw detail::no_binary_form(table, transaction);
    begin();
    sql::Columns set;
    pg::Params params;
    const auto add = [&](const Value& value) {
        if (value.kind == ValueKind::null) params.null();
        else if (value.kind == ValueKind::binary) params.binary_view(value.data);
        else params.text(as_text(encode::text_of(value)));
    };
    std::string absent;
    const bool removes = change.kind == ChangeKind::remove;
    // A key that stays is not set: TimescaleDB would look for the row that it has just decompressed as for another one.
    const auto stays = [&](std::size_t column) {
        return change.kind == ChangeKind::update &&
               std::ranges::find(table.key, column, &KeyColumn::column) != table.key.end();
    };
    for (std::size_t i = 0; i < table.columns.size() && !removes; ++i) {
        if (stays(i)) continue;
        const auto& value = change.row[table.columns[i].source_index];
        if (value.kind == ValueKind::unchanged_toast) {
            absent += fmt::format(",{}", i);
            continue;
        }
        set.push_back(i);
        add(value);
    }
    if (table.match == Match::by_key)
        for (const auto& part : table.key) add(change.identity[table.columns[part.column].source_index]);
    else
        for (const auto& column : table.columns)
            if (column.identity) add(change.identity[column.source_index]);
    std::vector<bool> filled;
    if (table.match == Match::by_content)
        for (const auto& column : table.columns) {
            filled.push_back(column.identity && change.identity[column.source_index].kind != ValueKind::null);
            if (column.identity && !filled.back()) absent += fmt::format(",-{}", filled.size() - 1);
        }

    // With its values in the plan, a statement leaves out all chunks but the row's.
    if (table.one_by_one) send_command("SET LOCAL plan_cache_mode = force_custom_plan");
    const auto form = binary ? sql::Form::binary : sql::Form::text;
    const auto make_sql = [&] {
        if (removes) return sql::remove_single(table, form, filled);
        return table.updates_replace() ? sql::replace_single(table, set, form, filled)
                                       : sql::update_single(table, set, form, filled);
    };
    send(fmt::format("{}{}{}{}", table.number,
                     removes                             ? "x"
                     : change.kind == ChangeKind::update ? "y"
                                                         : "k",
                     absent, detail::mark(form)),
         make_sql, params,
         {&table, 1, removes ? "DELETE" : "UPDATE", transaction, detail::describe_identity(table, change)});
    if (table.one_by_one) send_command("SET LOCAL plan_cache_mode = force_generic_plan");
    if (pipeline_.sent() >= most_unchecked) check();
}

inline void Executor::truncate(std::span<const TargetTable* const> tables, TruncateList list, bool restart_identity,
                               const TransactionName& transaction) {
    run_copies();
    begin();
    if (list == TruncateList::part) {
        // Foreign keys of the tables that are left alone would forbid TRUNCATE. The identity's next value is of no
        // matter before the switch-over sets it.
        for (const auto* table : tables) {
            pipeline_.send(fmt::format("DELETE FROM {}", sql::relation(*table)), {});
            expected_.push_back({table, 0, "TRUNCATE", transaction, {}, false});
        }
        return;
    }
    std::string names;
    for (const auto* table : tables) names += fmt::format("{}{}", names.empty() ? "" : ", ", sql::relation(*table));
    for (const auto& partitioned : tables_->emptied_with(tables)) names += ", " + partitioned.quoted();
    // The stream lists every published table that CASCADE reached on the source; it must not reach further here.
    pipeline_.send(fmt::format("TRUNCATE {}{}", names, restart_identity ? " RESTART IDENTITY" : ""), {});
    expected_.push_back({nullptr, 0, "TRUNCATE", transaction, names});
}

inline void Executor::check_count(const Expected& expected, std::int64_t rows) {
    if (expected.table == nullptr || !expected.counts || rows == expected.rows) return;
    const bool looks_for_rows =
        std::string_view{expected.what} == "UPDATE" || std::string_view{expected.what} == "DELETE";
    if (expected.table->rows_may_be_missing && looks_for_rows && rows < expected.rows) {
        missing_rows_ += static_cast<std::uint64_t>(expected.rows - rows);
        return;
    }
    throw Error(Recovery::operator_action,
                fmt::format("{} of {} touched {} rows where {} was expected{}{} (transaction {}, commit at {})",
                            expected.what, expected.table->name, rows, expected.rows, expected.key.empty() ? "" : ": ",
                            expected.key, expected.transaction.xid, expected.transaction.commit_lsn),
                std::string{detail::apply_remedy});
}

inline void Executor::check() {
    const auto expected = std::exchange(expected_, {});
    std::vector<std::int64_t> touched(expected.size(), 0);
    const auto failure = pipeline_.finish([&](std::size_t index, const pg::Result& result) {
        touched[index] = result.command_rows().value_or(result.rows());
    });
    if (!failure) {
        for (std::size_t i = 0; i < expected.size(); ++i) check_count(expected[i], touched[i]);
        return;
    }
    const auto& failed = expected[failure->index];
    if (*failed.what == '\0')
        throw failure->error.with_context("a batch of changes", detail::remedy_for(failure->error));
    throw failure->error.with_context(
        fmt::format("{}{}{}{}{} (transaction {}, commit at {})", failed.what, failed.table != nullptr ? " of " : "",
                    failed.table != nullptr ? fmt::format("{}", failed.table->name) : std::string{},
                    failed.key.empty() ? "" : ": ", failed.key, failed.transaction.xid, failed.transaction.commit_lsn),
        detail::remedy_for(failure->error));
}

inline void Executor::run_copies() {
    if (copies_.empty()) return;
    begin();
    check();
    pipeline_.leave();
    const auto copies = std::exchange(copies_, {});
    copied_into_.clear();
    copy_bytes_ = 0;
    for (const auto& copy : copies) {
        const auto doing = [&] {
            return fmt::format("INSERT of {} rows into {} (transaction {}, commit at {})", copy.rows, copy.table->name,
                               copy.transaction.xid, copy.transaction.commit_lsn);
        };
        try {
            pg::CopyIn in(*target_, sql::copy(*copy.table, copy.form));
            in.write(copy.data);
            check_count({copy.table, copy.rows, "COPY", copy.transaction, {}}, in.finish());
        } catch (const pg::ServerError& error) {
            throw error.with_context(doing(), detail::remedy_for(error));
        }
    }
}

inline void Executor::commit(Lsn end_lsn, ServerTime commit_time) {
    run_copies();
    begin();
    check();
    origin_->advance(pipeline_, end_lsn, commit_time);
    expected_.push_back({});
    send_command("COMMIT");
    auto expected = std::exchange(expected_, {});
    bool committed = false;
    const auto failure = pipeline_.finish([&](std::size_t index, const pg::Result& result) {
        if (index + 1 == expected.size()) committed = result.command_tag() == "COMMIT";
    });
    if (failure)
        throw failure->error.with_context(fmt::format("commit of a batch that ends at {}", end_lsn),
                                          detail::remedy_for(failure->error));
    if (!committed)
        throw Error(Recovery::unknown_outcome,
                    fmt::format("the target did not commit the batch that ends at {}", end_lsn));
    begun_ = false;
    forget_observed();
}

inline void Executor::rollback() noexcept {
    expected_.clear();
    copies_.clear();
    copied_into_.clear();
    copy_bytes_ = 0;
    try {
        static_cast<void>(pipeline_.finish([](std::size_t, const pg::Result&) {}));
        pipeline_.leave();
        if (begun_) target_->exec("ROLLBACK");
        target_->exec("DEALLOCATE ALL");
        prepared_.clear();
        turned_away_ = 0;
    } catch (const std::exception&) {  // the server rolls back when the connection goes
        broken_ = true;
    }
    begun_ = false;
    to_follow_.clear();
    forget_observed();
}

inline Lsn Executor::flushed_progress() {
    check();
    pipeline_.leave();
    return origin_->flushed_progress();
}

}  // namespace tslive::apply
