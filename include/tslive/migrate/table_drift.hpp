#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/columns.hpp"
#include "tslive/catalog/drift.hpp"
#include "tslive/catalog/table_shape.hpp"
#include "tslive/copy/ledger.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/pgoutput/relation_cache.hpp"
#include "tslive/timescale/own_relations.hpp"

namespace tslive::migrate {

/// How tables of the source differ from what they were when their rows were copied, as far as the target has not followed
/// yet. Uses two sessions of its own. One thread.
class TableDrift {
    template <typename Work>
    auto with_sessions(Work&& work) {
        try {
            if (!source_) source_.emplace(open_end("source", context_.ends.source, "source tables", stop_));
            if (!target_) {
                target_.emplace(open_end("target", context_.ends.target, "source tables", stop_));
                copy::create_helper_schema(*target_, context_.names.id);
            }
            return work(*source_, *target_);
        } catch (const Error&) {
            source_.reset();
            target_.reset();
            throw;
        }
    }

    template <typename Work>
    static void in_chunks(const std::vector<RelationId>& ids, Work&& work) {
        constexpr std::size_t at_once = 1'000;  // bounds what is in memory
        for (std::size_t first = 0; first < ids.size(); first += at_once)
            work(std::span{ids}.subspan(first, std::min(at_once, ids.size() - first)));
    }

public:
    TableDrift(const Context& context, std::stop_token stop)
        : context_(context), stop_(std::move(stop)), ledger_(context.names.id) {}

    /// Where the rows of a table were copied to. Names may have changed on both servers since.
    [[nodiscard]] std::optional<RelationId> target_of(RelationId source) {
        return with_sessions(
            [&](pg::Connection&, pg::Connection& target) { return ledger_.target_of(target, source); });
    }
    [[nodiscard]] std::optional<RelationId> source_of(RelationId target_table) {
        return with_sessions(
            [&](pg::Connection&, pg::Connection& target) { return ledger_.source_of(target, target_table); });
    }

    /// For a change that arrives. @returns nothing when the table is gone from the source, and was another one before: what
    /// becomes of its rows is no matter
    [[nodiscard]] std::optional<catalog::Drift> of_change(const pgoutput::CachedRelation& relation,
                                                          const catalog::QualifiedName& target_name,
                                                          std::span<const catalog::Column> there) {
        std::vector<catalog::ShapeColumn> sent;
        for (const auto& column : relation.columns)
            sent.push_back({.number = 0,
                            .name = column.name,
                            .type = column.type,
                            .type_modifier = column.type_modifier,
                            .generated = false});
        return with_sessions([&](pg::Connection& source, pg::Connection& target) -> std::optional<catalog::Drift> {
            const auto id = std::span{&relation.id, 1};
            const auto seen = ledger_.seen(target, id);
            const auto now = catalog::table_definitions(source, id);
            const auto table = seen.find(relation.id);
            if (now.empty()) {
                if (table == seen.end() || table->second.knows(sent)) return catalog::Drift{};
                return std::nullopt;
            }
            const auto& definition = now.begin()->second;
            if (table == seen.end()) return catalog::columns_missing(sent, definition, target_name, there);
            return judge(target, table->second, sent, definition, target_name, there);
        });
    }

    /// Calls `found` for each table that was copied and differs now from what the target has, changes or not.
    void each(const std::function<void(RelationId, const catalog::QualifiedName&, const catalog::Drift&)>& found) {
        with_sessions([&](pg::Connection& source, pg::Connection& target) {
            in_chunks(ledger_.relations(target),
                      [&](std::span<const RelationId> ids) { some(source, target, ids, found); });
            return true;
        });
    }
    void each_of(std::span<const RelationId> ids,
                 const std::function<void(RelationId, const catalog::QualifiedName&, const catalog::Drift&)>& found) {
        with_sessions([&](pg::Connection& source, pg::Connection& target) {
            some(source, target, ids, found);
            return true;
        });
    }

    /// Tables that have another name or schema on the source than on the target, by their name on the source, with the
    /// statement that follows on the target.
    [[nodiscard]] std::map<catalog::QualifiedName, std::string> renamed() {
        std::map<catalog::QualifiedName, std::string> found;
        with_sessions([&](pg::Connection& source, pg::Connection& target) {
            const auto own = timescale::own_relations(source);
            in_chunks(ledger_.relations(target), [&](std::span<const RelationId> ids) {
                const auto pairs = both(source, target, ids);
                for (const auto& pair : pairs) {
                    if (own.internal.contains(pair.now.name)) continue;  // chunks have names of their own there
                    const auto &now = pair.now.name, &there = pair.there.name;
                    std::string statement;
                    if (now.schema != there.schema)
                        statement = fmt::format("ALTER TABLE {} SET SCHEMA {};", there.quoted(),
                                                pg::quote_identifier(now.schema));
                    if (now.name != there.name)
                        statement += fmt::format("{}ALTER TABLE {} RENAME TO {};", statement.empty() ? "" : " ",
                                                 pg::qualified(now.schema, there.name), pg::quote_identifier(now.name));
                    if (!statement.empty()) found.emplace(now, std::move(statement));
                }
            });
            return true;
        });
        return found;
    }

private:
    /// A copied table that both servers still have.
    struct Pair {
        RelationId id;
        copy::SeenTable seen;
        catalog::TableDefinition now, there;
    };
    [[nodiscard]] std::vector<Pair> both(pg::Connection& source, pg::Connection& target,
                                         std::span<const RelationId> ids) const {
        auto seen = ledger_.seen(target, ids);
        auto now = catalog::table_definitions(source, ids);
        std::vector<RelationId> targets;
        for (const auto& [id, table] : seen)
            if (table.target) targets.push_back(*table.target);
        auto there = catalog::table_definitions(target, targets);
        std::vector<Pair> pairs;
        for (auto& [id, table] : seen) {
            const auto definition = now.find(id);
            if (definition == now.end() || !table.target || !there.contains(*table.target)) continue;
            auto& other = there.at(*table.target);
            pairs.push_back({id, std::move(table), std::move(definition->second), std::move(other)});
        }
        return pairs;
    }
    void some(pg::Connection& source, pg::Connection& target, std::span<const RelationId> ids,
              const std::function<void(RelationId, const catalog::QualifiedName&, const catalog::Drift&)>& found) {
        auto pairs = both(source, target, ids);
        // What DDL does to a hypertable it does to its chunks.
        const auto own = timescale::own_relations(source);
        std::erase_if(pairs, [&](const Pair& pair) { return own.internal.contains(pair.now.name); });
        std::vector<RelationId> targets;
        for (const auto& pair : pairs) targets.push_back(*pair.seen.target);
        const auto columns = catalog::columns(target, targets);
        for (const auto& pair : pairs) {
            std::vector<catalog::ShapeColumn> sent;
            for (const auto& column : catalog::carried(pair.now.columns)) sent.push_back(column);
            const auto drift = judge(target, pair.seen, sent, pair.now, pair.there.name, columns.at(*pair.seen.target));
            if (!drift.none()) found(pair.id, pair.now.name, drift);
        }
    }

    catalog::Drift judge(pg::Connection& target, const copy::SeenTable& table,
                         const std::vector<catalog::ShapeColumn>& sent, const catalog::TableDefinition& now,
                         const catalog::QualifiedName& target_name, std::span<const catalog::Column> there) {
        auto drift = catalog::drift_of(table.newest(), sent, now, target_name, there);
        if (!drift.none() && table.accepted && catalog::drift_of(table.copied, sent, now, target_name, there).none())
            return {};
        if (drift.none() && !drift.differences.empty()) {
            log::info("{} has changed on the source since it was copied, and the target has followed: {}", target_name,
                      fmt::join(drift.differences, ", "));
            // The next difference is measured from here: once the file is rewritten for another reason, it would no longer
            // tell whether this change did it.
            if (catalog::same_columns(sent, catalog::carried(now.columns))) ledger_.accept(target, table, now);
        }
        return drift;
    }

    const Context& context_;
    std::stop_token stop_;
    copy::Ledger ledger_;
    std::optional<pg::Connection> source_, target_;
};

}  // namespace tslive::migrate
