#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "tslive/copy/index_builder.hpp"
#include "tslive/copy/ledger.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/progress.hpp"
#include "tslive/copy/round.hpp"
#include "tslive/copy/round_plan.hpp"
#include "tslive/copy/temporary_snapshot.hpp"
#include "tslive/copy/workers.hpp"

/// Rows in rounds, one snapshot each:
///
///   round 1      the migration's snapshot; its parts run in parallel
///   round 2, …   a new snapshot, for the tables that the one before could not show (rewritten since), or not any more
///                (it is gone); usually there are none
///
/// What is complete is decided between rounds by reading the ledger on the target, so a run after a crash is the same.
namespace tslive::copy {

struct CopyResult {
    std::vector<CopiedTable> copied;
    /// Planned, but dropped on the source before it was read. Empty on the target; changes of it may still be in the
    /// stream.
    std::vector<catalog::QualifiedName> gone;
};

namespace detail {

/// Copies all rows. One owner thread.
class RowCopy {
public:
    RowCopy(const Options& options, Progress& progress, std::stop_token stop, TableComplete on_complete)
        : options_(options), progress_(progress), ledger_(options.migration_id), stop_(std::move(stop)), waiter_(stop_),
          on_complete_(std::move(on_complete)) {}

    CopyResult run() {
        constexpr int most_rounds = 20;  // each round needs another ALTER TABLE or TRUNCATE of a table to be in vain
        // Nothing needs a snapshot when a run before has copied everything: by now it may be gone for good reasons.
        if (options_.only_new.empty())
            if (auto result = result_if_complete(); result && !result->copied.empty()) return std::move(*result);
        std::optional<TemporarySnapshot> temporary;
        RoundSnapshot snapshot{.id = options_.snapshot, .consistent_point = options_.consistent_point, .first = true};
        if (!options_.only_new.empty()) {
            temporary.emplace(new_snapshot());
            snapshot = {.id = temporary->id(), .consistent_point = temporary->consistent_point(), .first = true};
        }
        for (int n = 1; n <= most_rounds; ++n) {
            try {
                run_round(snapshot);
                if (auto result = result_if_complete()) return std::move(*result);
            } catch (const SnapshotGone& error) {
                log::warning("{}; tables that are not complete are copied under a new one", error.what());
            }
            temporary.reset();
            temporary.emplace(new_snapshot());
            snapshot = {.id = temporary->id(), .consistent_point = temporary->consistent_point(), .first = false};
            log::info("new snapshot at {}", snapshot.consistent_point);
        }
        throw Error(
            Recovery::operator_action,
            fmt::format("after {} snapshots there are still tables that were rewritten before they could be copied",
                        most_rounds),
            "Stop what rewrites them on the source (ALTER TABLE, TRUNCATE, compression) until they are copied, then "
            "run again with --resume");
    }

private:
    [[nodiscard]] TemporarySnapshot new_snapshot() {
        return pg::retry("new snapshot", waiter_,
                         [&] { return TemporarySnapshot::make(options_.source, options_.migration_id, stop_); });
    }

    void run_round(const RoundSnapshot& snapshot) {
        auto plan = pg::retry("planning of the copy", waiter_, [&] { return make_plan(snapshot); });
        if (plan.parts.empty()) return;
        Round round(options_, progress_, snapshot.id, std::move(plan),
                    [this](const catalog::QualifiedName& name) { on_complete_(name); });
        round.run(stop_);
        for (const auto& table : round.tables())
            if (table.gone) forget_gone(table.table);
    }

    RoundPlan make_plan(const RoundSnapshot& snapshot) {
        auto source = SourceSession::open(options_.source, snapshot.id, stop_);
        auto target = TargetSession::open(options_.target, stop_);
        RoundPlanner planner(options_, source.connection(), target);
        auto plan = planner.plan(snapshot);
        const auto ledger = by_table(ledger_.read(target.connection()));
        if (!snapshot.first) {
            still_there_.emplace();
            for (const auto& table : planner.visible()) still_there_->insert(table.table.name);
        }
        notice_gone(planner.visible(), ledger);
        count(plan, ledger);
        return plan;
    }

    /// What a new snapshot does not show any more will never be complete.
    void notice_gone(const std::vector<TableToCopy>& visible, const std::vector<LedgerTable>& ledger) {
        for (const auto& table : visible) known_.insert_or_assign(table.table.name, table.table);
        std::set<catalog::QualifiedName> seen;
        for (const auto& table : visible) seen.insert(table.table.name);
        for (const auto& table : ledger) {
            if (seen.contains(table.name) || table.complete || skipped(table.name) || !gone_.insert(table.name).second)
                continue;
            progress_.warn(fmt::format("table {} has been dropped on the source; its rows are not copied", table.name));
        }
    }

    void forget_gone(const TableToCopy& table) {
        const auto& name = table.table.name;
        if (!gone_.insert(name).second) return;
        progress_.warn(
            fmt::format("table {} has been dropped on the source since the snapshot; its rows are not copied", name));
    }

    void count(const RoundPlan& plan, const std::vector<LedgerTable>& ledger) {
        std::int64_t parts = 0, rows = 0, complete = 0, bytes_left = 0;
        for (const auto& table : ledger) {
            parts += static_cast<std::int64_t>(table.parts.size());
            rows += table.rows;
            complete += table.complete ? 1 : 0;
            if (table.complete) report(table.name);
        }
        for (const auto& part : plan.parts) bytes_left += part.bytes;
        progress_.tables.total = static_cast<std::int64_t>(ledger.size());
        progress_.tables.done = complete;
        progress_.parts.total = parts;
        progress_.parts.done = parts - static_cast<std::int64_t>(plan.parts.size());
        progress_.rows = rows;
        progress_.bytes.total = progress_.bytes.done + bytes_left;
    }

    /// Reads the ledger: the only word on what is there.
    std::optional<CopyResult> result_if_complete() {
        return pg::retry("reading what is copied", waiter_, [&]() -> std::optional<CopyResult> {
            auto target = TargetSession::open(options_.target, stop_);
            CopyResult result;
            for (const auto& table : by_table(ledger_.read(target.connection()))) {
                if (table.complete) {
                    report(table.name);
                    result.copied.push_back(
                        {.table = described(table), .rows = table.rows, .consistent_point = table.consistent_point});
                } else if (gone_.contains(table.name)) {
                    if (other_half_lives(table.name)) return std::nullopt;
                    remove_partial(target, table);
                    result.gone.push_back(table.name);
                } else if (!skipped(table.name)) {
                    return std::nullopt;
                }
            }
            return result;
        });
    }

    /// The rows of a half that is gone are in the other one by now, unless that is gone too.
    [[nodiscard]] bool other_half_lives(const catalog::QualifiedName& name) const {
        const auto whole = options_.halves.whole_of.find(name);
        return whole != options_.halves.whole_of.end() && !gone_.contains(whole->second) &&
               (!still_there_ || still_there_->contains(whole->second));
    }

    /// Half a table helps nobody. The plan stays: it says that the table was once to be copied.
    void remove_partial(TargetSession& target, const LedgerTable& table) {
        pg::Transaction transaction(target.connection());
        const auto& there = options_.name_there(table.name);
        if (!options_.without_rows.contains(table.name)) target.empty(there, target.table(there));
        ledger_.forget(target.connection(), table.name);
        auto parts = table.parts;
        ledger_.plan(target.connection(), parts);
        transaction.commit();
    }

    void report(const catalog::QualifiedName& table) {
        if (reported_.insert(table).second) on_complete_(table);
    }
    [[nodiscard]] catalog::Table described(const LedgerTable& table) const {
        if (const auto found = known_.find(table.name); found != known_.end()) return found->second;
        catalog::Table bare;
        bare.id = table.relation;
        bare.name = table.name;
        return bare;
    }
    [[nodiscard]] bool skipped(const catalog::QualifiedName& name) const {
        return std::find(options_.skip_data.begin(), options_.skip_data.end(), name) != options_.skip_data.end();
    }

    const Options& options_;
    Progress& progress_;
    Ledger ledger_;
    std::stop_token stop_;
    Waiter waiter_;
    TableComplete on_complete_;
    std::map<catalog::QualifiedName, catalog::Table> known_;
    std::set<catalog::QualifiedName> gone_;
    std::optional<std::set<catalog::QualifiedName>> still_there_;  // what the newest snapshot after the first one shows
    std::set<catalog::QualifiedName> reported_;
};

/// Reads the indexes as they are now. Under the snapshot, the server could not describe one that has been dropped
/// since.
inline std::vector<catalog::Index> read_indexes(const Options& options, Progress& progress,
                                                const std::stop_token& stop) {
    Waiter waiter(stop);
    return pg::retry("reading the indexes", waiter, [&] {
        auto target = pg::Connection::open(options.target, "copy", stop);
        create_helper_schema(target, options.migration_id);
        auto source = pg::Connection::open(options.source, "copy", stop);
        return indexes_to_build(options, source, target, progress);
    });
}

}  // namespace detail

namespace detail {

/// Tells when a table's rows are complete: of one whose rows are in tables of their own, when all of these are. Any thread.
class CompleteTables {
public:
    CompleteTables(const Options& options, TableComplete complete) : complete_(std::move(complete)) {
        for (const auto& [name, part] : options.part_tables) {
            whole_of_.emplace(name, part.whole);
            whole_of_.emplace(part.whole, part.whole);
            waits_for_[part.whole].insert({name, part.whole});
        }
    }
    void operator()(const catalog::QualifiedName& name) {
        const auto found = whole_of_.find(name);
        if (found == whole_of_.end()) return complete_(name);
        {
            const std::scoped_lock lock(mutex_);
            auto& left = waits_for_[found->second];
            if (left.erase(name) == 0 || !left.empty()) return;
        }
        complete_(found->second);
    }

private:
    TableComplete complete_;
    std::map<catalog::QualifiedName, catalog::QualifiedName> whole_of_;
    std::mutex mutex_;  // guards what follows
    std::map<catalog::QualifiedName, std::set<catalog::QualifiedName>> waits_for_;
};

}  // namespace detail

/// Copies the rows of all tables, parts in parallel and the largest first, and builds each table's indexes, primary
/// keys, unique and exclusion constraints as soon as its rows are in. The target has the schema's pre-data section.
///
/// To resume, call it again: what is done is read from the target. On return everything is durable there.
/// @throws Error    what made a part or an index fail for good, after all workers have ended
/// @throws Stopped  when asked to stop; what was complete stays
inline CopyResult copy_rows_and_indexes(const Options& options, Progress& progress, std::stop_token stop) {
    progress.enter("copying rows and building indexes");
    IndexBuilder indexes(options, progress, detail::read_indexes(options, progress, stop));
    Workers builders(stop);  // after what they work on: they end first
    for (int i = 0; i < std::max(options.index_jobs, 1); ++i)
        builders.start([&indexes](const std::stop_token& token) { indexes.work(token); });
    try {
        detail::CompleteTables complete(
            options, [&indexes](const catalog::QualifiedName& name) { indexes.rows_complete(name); });
        detail::RowCopy rows(options, progress, builders.token(),
                             [&complete](const catalog::QualifiedName& name) { complete(name); });
        auto result = rows.run();
        if (options.on_rows_complete) options.on_rows_complete();
        indexes.no_more_rows();
        progress.enter("building indexes");
        builders.join();
        indexes.build_partitioned(stop);
        make_durable(options, stop);
        return result;
    } catch (const Stopped&) {
        builders.request_stop();
        builders.join();  // throws what failed there, if that is why we were stopped
        throw;
    }
}

}  // namespace tslive::copy
