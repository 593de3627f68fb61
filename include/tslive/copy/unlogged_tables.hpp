#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/tables.hpp"
#include "tslive/copy/ledger.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/progress.hpp"
#include "tslive/copy/round.hpp"
#include "tslive/copy/round_plan.hpp"
#include "tslive/pg/retry.hpp"

namespace tslive::copy {

namespace detail {

/// A snapshot of the source as it is now. No stream goes with it, so it needs no slot. Lives as long as this object.
class SnapshotOfNow {
public:
    SnapshotOfNow(const pg::ConnInfo& source, std::stop_token stop)
        : connection_(pg::Connection::open(source, "copy", std::move(stop))) {
        connection_.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        const auto made =
            connection_.exec("SELECT pg_catalog.pg_export_snapshot(), pg_catalog.pg_current_wal_insert_lsn()");
        id_ = made.text(0, 0);
        position_ = made.lsn(0, 1);
    }
    [[nodiscard]] const std::string& id() const noexcept { return id_; }
    [[nodiscard]] Lsn position() const noexcept { return position_; }

private:
    pg::Connection connection_;
    std::string id_;
    Lsn position_;
};

/// Unlogged on either end: made so since the snapshot, or before and no longer, when the stream has a part of it at best.
[[nodiscard]] inline std::set<catalog::QualifiedName> tables_to_copy_again(pg::Connection& source,
                                                                           pg::Connection& target) {
    const auto unlogged = [](const catalog::Table& table) {
        return table.kind == catalog::RelationKind::table && table.persistence == catalog::Persistence::unlogged;
    };
    std::set<catalog::QualifiedName> there, wanted;
    for (const auto& table : catalog::tables(target, catalog::Sizes::estimated)) {
        if (table.kind == catalog::RelationKind::table) there.insert(table.name);
        if (unlogged(table)) wanted.insert(table.name);
    }
    for (const auto& table : catalog::tables(source, catalog::Sizes::estimated))
        if (unlogged(table) && there.contains(table.name)) wanted.insert(table.name);
    return wanted;
}

}  // namespace detail

/// Copies the unlogged tables once more, under one snapshot, after removing what is there. For the switch-over, when
/// nobody writes on the source any more: no change of such a table is in the stream (CASES E20). Both ends count the
/// rows, as in the base copy.
///
/// May be repeated: it begins from nothing. @returns the tables with their rows. @throws Error, Stopped
inline std::vector<CopiedTable> copy_unlogged_tables(const Options& options, Progress& progress,
                                                     const std::stop_token& stop) {
    constexpr int most_tries = 10;  // each needs another lost snapshot, or a table that is rewritten meanwhile
    progress.enter("copying unlogged tables");
    Waiter waiter(stop);
    const Ledger ledger(options.migration_id);
    for (int n = 1;; ++n) {
        const auto result = pg::retry("copy of unlogged tables", waiter, [&] {
            auto target = TargetSession::open(options.target, stop);
            const detail::SnapshotOfNow snapshot(options.source, stop);
            auto source = SourceSession::open(options.source, snapshot.id(), stop);
            const auto wanted = detail::tables_to_copy_again(source.connection(), target.connection());
            std::vector<CopiedTable> copied;
            if (wanted.empty()) return copied;
            RoundPlanner planner(options, source.connection(), target);
            auto plan = planner.plan_again(snapshot.position(),
                                           [&](const catalog::Table& table) { return wanted.contains(table.name); });
            for (const auto& table : planner.visible())
                copied.push_back({.table = table.table, .rows = -1, .consistent_point = snapshot.position()});
            Round(options, progress, snapshot.id(), std::move(plan), [](const catalog::QualifiedName&) {}).run(stop);
            for (const auto& table : by_table(ledger.read(target.connection())))
                for (auto& one : copied)
                    if (one.table.name == table.name && table.complete) one.rows = table.rows;
            return copied;
        });
        const bool complete =
            std::none_of(result.begin(), result.end(), [](const CopiedTable& table) { return table.rows < 0; });
        if (complete) {
            if (!result.empty()) make_durable(options, stop);
            return result;
        }
        if (n == most_tries)
            throw Error(Recovery::operator_action,
                        fmt::format("unlogged tables were not complete after {} tries", most_tries),
                        "Stop what drops or rewrites them on the source, then go on with --resume");
    }
}

}  // namespace tslive::copy
