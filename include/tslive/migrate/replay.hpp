#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/apply/applier.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/background.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/migrate/left_behind.hpp"
#include "tslive/migrate/new_tables.hpp"
#include "tslive/migrate/receiver.hpp"
#include "tslive/migrate/source_tables.hpp"
#include "tslive/migrate/switch_over.hpp"
#include "tslive/migrate/table_drift.hpp"
#include "tslive/pg/retry.hpp"

namespace tslive::migrate {

/// Written into every segment, so that a spool of another migration is refused.
[[nodiscard]] inline spool::StreamId stream_id(const snapshot::Names& names) {
    spool::StreamId id{};
    for (std::size_t i = 0; i < std::min(id.size(), names.id.size()); ++i) id[i] = static_cast<std::byte>(names.id[i]);
    return id;
}

/// Applies the spool and keeps applying, shows where it stands, and on the user's word drains to the end position. One thread.
class Replay {
public:
    Replay(const Context& context, Receiver& receiver, Background& background)
        : context_(context), receiver_(receiver), background_(background), waiter_(background.token()) {}

    /// @returns when everything before the end position is applied
    /// @throws Stopped, or what receiver or applier failed with
    void run() {
        while (!replay_known_tables()) log::debug("replay goes on with the tables that were new");
    }

private:
    /// @returns false when tables were found that the source got after the snapshot: they are copied first
    bool replay_known_tables() {
        NewTables new_tables(context_, background_.token());
        pg::retry("looking for new tables", waiter_, [&] { new_tables.adopt(new_tables.find()); });
        apply::Applier applier(pg::retry("reading the source's catalog", waiter_, [&] { return applier_options(); }));
        if (const auto end = Lsn::parse(context_.store.fact(fact::end_position).value_or(""))) {
            log::info("Going on with the switch-over to the end position {}", *end);
            applier.end_at(*end);
            switching_ = true;
        } else {
            log::info("Replaying changes. {}", context_.user.how_to_switch_over());
        }
        try {
            return run_applier(applier, new_tables);
        } catch (const apply::UnknownTable& unknown) {
            const auto found = new_tables.find();
            if (std::ranges::none_of(found, [&](const catalog::Table& table) { return table.id == unknown.table(); }))
                throw;
            return false;
        } catch (const apply::TableChanged& changed) {
            if (changed.copy_again()) new_tables.copy_again(changed.table());
            if (!changed.mended()) throw;
            log::info("{}", changed.what());
            return false;
        }
    }

    bool run_applier(apply::Applier& applier, NewTables& new_tables) {
        std::atomic<bool> reached{false};
        Background applying(background_.token());
        applying.start(
            [&](const std::stop_token& stop) { reached = applier.run(stop) == apply::Applier::Outcome::reached_end; });
        while (!reached) {
            if (!waiter_.sleep(look_every)) applying.stop();
            applying.rethrow();
            background_.rethrow();
            waiter_.throw_if_stopped();
            if (std::chrono::steady_clock::now() - shown_at_ >= show_every) show(applier);
            if (switching_ || !context_.user.switch_over_requested()) continue;
            const auto covered = applier.status().covered;
            if (!pg::retry("comparing tables", waiter_, [&] { return tables_are_alike(new_tables, covered); }))
                continue;
            if (!pg::retry("looking for new tables", waiter_, [&] { return new_tables.find(); }).empty()) {
                applying.stop();
                return false;
            }
            begin_switch_over(applier);
        }
        applying.stop();
        report(applier.status());
        return true;
    }

    /// Before the switch-over: what DDL did to tables of which no change has come since, so that no Relation message told
    /// about it.
    /// @returns false while changes from before such a difference may still be on their way: the target must not be altered
    ///          before they are applied
    /// @throws Error  (operator_action) with the statements that the target needs
    bool tables_are_alike(NewTables& new_tables, Lsn covered) {
        if (differs_at_ && covered < *differs_at_) return false;
        std::vector<std::string> differences, statements;
        TableDrift(context_, background_.token())
            .each([&](RelationId id, const catalog::QualifiedName& name, const catalog::Drift& drift) {
                if (drift.copy_again) new_tables.copy_again(id);
                if (drift.statements.empty()) return;
                differences.push_back(fmt::format("{} has changed on the source since its rows were copied: {}", name,
                                                  fmt::join(drift.differences, ", ")));
                statements.insert(statements.end(), drift.statements.begin(), drift.statements.end());
            });
        if (statements.empty()) return true;
        if (statements != statements_) {
            auto source = open_end("source", context_.ends.source, "switch-over", background_.token());
            differs_at_ = source.exec("SELECT pg_catalog.pg_current_wal_flush_lsn()").lsn(0, 0);
            statements_ = std::move(statements);
            return false;
        }
        for (const auto& difference : differences) log::warning("{}", difference);
        for (const auto& statement : statements) log::warning("       - {}", statement);
        throw Error(Recovery::operator_action, "the target's tables are not yet as the source's are now",
                    "Run the statements above on the target, then go on with --resume and switch over again");
    }

    static constexpr std::chrono::milliseconds look_every{100};
    static constexpr std::chrono::milliseconds show_every{500};

    [[nodiscard]] apply::ApplierOptions applier_options() {
        apply::ApplierOptions options;
        options.target = context_.ends.target;
        options.origin = context_.names.origin();
        options.start = context_.consistent_point;
        options.spool = context_.layout.spool();
        options.stream = stream_id(context_.names);
        options.frontier = receiver_.frontier();
        options.knowledge = source_knowledge(context_, background_.token());
        options.on_flushed = [this](Lsn flushed) { receiver_.retire_before(flushed); };
        return options;
    }

    /// Status must not end a migration: a source that does not answer is shown as it was.
    void show(const apply::Applier& applier) {
        shown_at_ = std::chrono::steady_clock::now();
        const auto before = status_.source;
        try {
            if (!monitor_) monitor_.emplace(open_end("source", context_.ends.source, "status", background_.token()));
            const auto row = monitor_->exec(
                "SELECT pg_catalog.pg_current_wal_flush_lsn(), coalesce((SELECT "
                "pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), "
                "restart_lsn)::pg_catalog.int8 FROM pg_catalog.pg_replication_slots WHERE slot_name = $1), 0)",
                pg::Params{}.text(context_.names.slot()));
            status_.source = row.lsn(0, 0);
            status_.retained_bytes =
                static_cast<std::uint64_t>(std::max<std::int64_t>(0, row.number<std::int64_t>(0, 1)));
        } catch (const Error& error) {
            log::debug("no status of the source: {}", error.what());
            monitor_.reset();
        }
        const auto applied = applier.status();
        status_.applied = applied.covered;
        status_.lag_bytes = bytes_between(applied.covered, status_.source);
        status_.spool_bytes = receiver_.spool_bytes();
        status_.rows = applied.counts.rows();
        status_.transactions = applied.counts.transactions;
        // Whatever was committed on the source when we last looked is on the target now.
        status_.caught_up = before.valid() && applied.covered >= before;
        context_.user.show_replay(status_);
    }

    void begin_switch_over(apply::Applier& applier) {
        const auto open = [this](std::string_view side, const pg::ConnInfo& info) {
            return open_end(side, info, "switch-over", background_.token());
        };
        std::vector<catalog::QualifiedName> missing;
        std::map<catalog::QualifiedName, std::string> renamed;
        std::vector<std::string> others;
        pg::retry("switch-over", waiter_, [&] {
            auto source = open("source", context_.ends.source);
            auto target = open("target", context_.ends.target);
            missing = tables_only_on_source(source, target);
            renamed = TableDrift(context_, background_.token()).renamed();
            std::erase_if(missing, [&](const catalog::QualifiedName& name) { return renamed.contains(name); });
            others = objects_only_on_source(source, target, left_out(context_));
        });
        if (!missing.empty())
            log::warning("These tables were made on the source after the snapshot and do not exist on the target:");
        for (const auto& table : missing) log::warning("       - {}", table);
        if (!renamed.empty())
            log::warning(
                "These tables were renamed on the source after the snapshot. To follow on the target after the "
                "switch-over:");
        for (const auto& [name, statement] : renamed) log::warning("       - {}", statement);
        if (!others.empty())
            log::warning(
                "These objects were made on the source after the snapshot and do not exist on the target, with what "
                "makes them there:");
        for (const auto& object : others) log::warning("       - {}", object);
        if (!(missing.empty() && renamed.empty() && others.empty()) &&
            !context_.user.confirm("Switching over leaves the target so"))
            throw Stopped{};
        const auto end = pg::retry("switch-over", waiter_, [&] {
            auto source = open("source", context_.ends.source);
            return mark_end(context_, source);
        });
        log::info(
            "Switch-over: everything that was committed before {} is applied, then the target is the primary copy",
            end);
        applier.end_at(end);
        switching_ = true;
    }

    static void report(const apply::ApplierStatus& status) {
        const auto& counts = status.counts;
        log::info("Replayed {} transactions: {} inserts, {} updates, {} deletes, {} truncates", counts.transactions,
                  counts.inserts, counts.updates, counts.deletes, counts.truncates);
        if (status.missing_rows > 0)
            log::warning("{} updates and deletes found no row, in tables whose data was left out by --skip-table-data",
                         status.missing_rows);
        if (counts.left_out > 0) log::info("{} changes of extensions' own tables were left out", counts.left_out);
    }

    const Context& context_;
    Receiver& receiver_;
    Background& background_;
    Waiter waiter_;
    bool switching_ = false;
    std::optional<Lsn> differs_at_;  // every change from before `statements_` were needed commits before it
    std::vector<std::string> statements_;
    std::chrono::steady_clock::time_point shown_at_;
    std::optional<pg::Connection> monitor_;
    ReplayStatus status_;
};

}  // namespace tslive::migrate
