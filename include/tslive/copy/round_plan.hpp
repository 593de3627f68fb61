#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tslive/copy/ledger.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/plan.hpp"
#include "tslive/copy/round.hpp"
#include "tslive/copy/tables_to_copy.hpp"
#include "tslive/copy/target_session.hpp"

namespace tslive::copy {

/// One table's parts as the ledger has them.
struct LedgerTable {
    catalog::QualifiedName name;
    RelationId relation;
    Lsn consistent_point;
    std::int64_t rows = 0;
    bool complete = true;
    std::vector<PlannedPart> parts;
};

/// @param parts  in the order of Ledger::read
[[nodiscard]] inline std::vector<LedgerTable> by_table(std::vector<PlannedPart> parts) {
    std::vector<LedgerTable> tables;
    for (auto& part : parts) {
        if (tables.empty() || tables.back().name != part.name)
            tables.push_back(
                {.name = part.name, .relation = part.relation, .consistent_point = part.consistent_point, .parts = {}});
        auto& table = tables.back();
        table.rows += part.rows.value_or(0);
        table.complete = table.complete && part.rows.has_value();
        table.parts.push_back(std::move(part));
    }
    return tables;
}

/// The snapshot of a round.
struct RoundSnapshot {
    std::string id;
    Lsn consistent_point;
    /// The migration's own. Under it every table that it shows is ours to copy; under a later one only those that were
    /// planned before, because others may have been created since, and the target's schema does not know them.
    bool first = true;
};

/// Decides what a round copies, and writes new plans to the ledger.
///
/// A table keeps the plan, and so the snapshot's position, that it has; when it has none, or when its snapshot is not
/// this one and this is not the first, it gets a new plan and its rows are removed from the target.
class RoundPlanner {
public:
    RoundPlanner(const Options& options, pg::Connection& source, TargetSession& target)
        : options_(options), ledger_(options.migration_id), source_(source), target_(target) {}

    [[nodiscard]] RoundPlan plan(const RoundSnapshot& snapshot) {
        visible_ = tables_to_copy(source_, options_);
        if (const auto& only = options_.only_new; !only.empty())
            std::erase_if(visible_, [&](const TableToCopy& table) {
                return std::find(only.begin(), only.end(), table.table.name) == only.end();
            });
        const auto ranges = split_tables(visible_, options_.split_tables_larger_than, options_.table_jobs);
        std::map<catalog::QualifiedName, LedgerTable> known;
        for (auto& table : by_table(ledger_.read(target_.connection()))) known.emplace(table.name, std::move(table));

        const bool all_visible = snapshot.first || known.empty();
        const auto joined = snapshot.first ? std::map<catalog::QualifiedName, bool>{} : to_be_joined(known);
        std::vector<PlannedPart> unplanned;
        std::vector<TableToCopy> first_seen;
        for (std::size_t i = 0; i < visible_.size(); ++i) {
            if (const auto one = joined.find(visible_[i].table.name); one != joined.end()) {
                if (one->second) join(visible_[i], snapshot.consistent_point, known);
                continue;
            }
            const auto found = known.find(visible_[i].table.name);
            if (found == known.end()) {
                if (!all_visible) continue;
                const auto parts = planned(visible_[i], ranges[i], snapshot.consistent_point);
                unplanned.insert(unplanned.end(), parts.begin(), parts.end());
                first_seen.push_back(visible_[i]);
                add(visible_[i], parts);
            } else if (found->second.complete) {
                continue;
            } else if (found->second.consistent_point == snapshot.consistent_point) {
                add(visible_[i], found->second.parts);
            } else if (!snapshot.first) {
                add(visible_[i], replan(visible_[i], ranges[i], snapshot.consistent_point));
            }
        }
        pg::Transaction transaction(target_.connection());
        ledger_.plan(target_.connection(), unplanned);
        ledger_.remember(source_, target_.connection(), first_seen);
        transaction.commit();
        return std::move(plan_);
    }

    /// Some tables once more, whatever of them is on the target: it is removed.
    /// @param wanted  says of a catalog::Table whether it is one of them
    template <typename Wanted>
    [[nodiscard]] RoundPlan plan_again(Lsn consistent_point, Wanted&& wanted) {
        visible_ = tables_to_copy(source_, options_);
        std::erase_if(visible_, [&](const TableToCopy& table) { return !wanted(table.table); });
        const auto ranges = split_tables(visible_, options_.split_tables_larger_than, options_.table_jobs);
        for (std::size_t i = 0; i < visible_.size(); ++i)
            add(visible_[i], replan(visible_[i], ranges[i], consistent_point));
        return std::move(plan_);
    }

    /// All tables that the session's snapshot shows, those that need no copying included.
    [[nodiscard]] const std::vector<TableToCopy>& visible() const noexcept { return visible_; }

private:
    [[nodiscard]] static std::vector<PlannedPart> planned(const TableToCopy& table, std::span<const BlockRange> ranges,
                                                          Lsn consistent_point) {
        std::vector<PlannedPart> parts;
        for (const auto& range : ranges)
            parts.push_back({.key = part_key(table.table.name, consistent_point, range),
                             .relation = table.table.id,
                             .name = table.table.name,
                             .consistent_point = consistent_point,
                             .range = range,
                             .rows = std::nullopt});
        return parts;
    }

    /// The tables of which a half is missing, with true, and their other halves, with false.
    [[nodiscard]] std::map<catalog::QualifiedName, bool> to_be_joined(
        const std::map<catalog::QualifiedName, LedgerTable>& known) const {
        const auto missing = [&](const catalog::QualifiedName& name) {
            const auto found = known.find(name);
            return found == known.end() || !found->second.complete;
        };
        std::map<catalog::QualifiedName, bool> joined;
        for (const auto& table : visible_) {
            const auto found = options_.halves.tables.find(table.table.name);
            if (found == options_.halves.tables.end()) continue;
            const auto& other = found->second;
            if (!missing(found->first) && !(other && missing(*other))) continue;
            joined.emplace(found->first, true);
            if (other) joined.emplace(*other, false);
        }
        return joined;
    }

    /// Has the table read as a whole. Its other half is empty from now on, and done.
    void join(TableToCopy table, Lsn consistent_point, const std::map<catalog::QualifiedName, LedgerTable>& known) {
        table.whole = true;
        const auto& name = table.table.name;
        const BlockRange all;
        const auto parts = planned(table, std::span{&all, 1}, consistent_point);
        pg::Transaction transaction(target_.connection());
        target_.empty(name, target_.table(name));
        ledger_.forget(target_.connection(), name);
        if (const auto& other = options_.halves.tables.at(name)) {
            target_.empty(*other, target_.table(*other));
            ledger_.forget(target_.connection(), *other);
            const PlannedPart nothing{.key = part_key(*other, consistent_point, all),
                                      .relation = id_of(*other, known),
                                      .name = *other,
                                      .consistent_point = consistent_point,
                                      .range = all,
                                      .rows = 0};
            ledger_.plan(target_.connection(), std::span{&nothing, 1});
            ledger_.mark(target_.connection(), nothing.key, 0);
        }
        options_.halves.join(target_.connection(), name);
        ledger_.plan(target_.connection(), parts);
        ledger_.remember(source_, target_.connection(), std::span{&table, 1});
        transaction.commit();
        add(table, parts);
    }

    /// Of a table that may be gone by now.
    [[nodiscard]] RelationId id_of(const catalog::QualifiedName& name,
                                   const std::map<catalog::QualifiedName, LedgerTable>& known) const {
        for (const auto& table : visible_)
            if (table.table.name == name) return table.table.id;
        const auto found = known.find(name);
        return found == known.end() ? RelationId{} : found->second.relation;
    }

    std::vector<PlannedPart> replan(const TableToCopy& table, std::span<const BlockRange> ranges,
                                    Lsn consistent_point) {
        const auto parts = planned(table, ranges, consistent_point);
        pg::Transaction transaction(target_.connection());
        // Even when no part is done: a COMMIT of the run before may still be on its way, and this waits for it. Of a
        // configuration table, the part itself removes what it replaces.
        if (!table.configuration && !options_.without_rows.contains(table.table.name))
            target_.empty(table.there, target_.table(table.there));
        ledger_.forget(target_.connection(), table.table.name);
        ledger_.plan(target_.connection(), parts);
        ledger_.remember(source_, target_.connection(), std::span{&table, 1});
        transaction.commit();
        return parts;
    }

    void add(const TableToCopy& table, std::span<const PlannedPart> parts) {
        const auto index = plan_.tables.size();
        plan_.tables.push_back({.table = table});
        for (const auto& part : parts) {
            if (part.rows) continue;
            ++plan_.tables.back().parts_left;
            plan_.parts.push_back(
                {.table = index, .range = part.range, .bytes = share(table.table, part.range), .key = part.key});
        }
    }

    [[nodiscard]] static std::int64_t share(const catalog::Table& table, const BlockRange& range) {
        if (range.whole() || table.heap_blocks == 0) return table.bytes;
        const auto blocks = std::max<std::int64_t>(0, range.end.value_or(table.heap_blocks) - range.first);
        return static_cast<std::int64_t>(static_cast<double>(table.bytes) * static_cast<double>(blocks) /
                                         static_cast<double>(table.heap_blocks));
    }

    const Options& options_;
    Ledger ledger_;
    pg::Connection& source_;
    TargetSession& target_;
    std::vector<TableToCopy> visible_;
    RoundPlan plan_;
};

}  // namespace tslive::copy
