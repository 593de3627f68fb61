#pragma once

#include <algorithm>
#include <memory>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/tables.hpp"
#include "tslive/copy/base_copy.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/migrate/facts.hpp"
#include "tslive/migrate/table_drift.hpp"
#include "tslive/migrate/table_marks.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/snapshot/publications.hpp"
#include "tslive/timescale/own_relations.hpp"

namespace tslive::migrate {

/// Tables of the source of whose rows the stream does not have all, so that they have to be copied under a new snapshot:
///
///   made after the snapshot   The publication of UPDATE and DELETE is a list, made before the slot. A table that was dropped
///                             and made again under its name is one of these: tables are known by their OID. So is one that was
///                             made first and attached as a partition later. A new partition is none when the partitioned table
///                             above it is published for everything: the stream has all of it.
///   out of the publication    a partition that was detached, a table that got an identity late, or lost its own and got it back
///   marked                    somebody found that the rows have changed by DDL (TableDrift)
///
/// They are added to the publications, then copied, and what commits before that is passed over. One thread.
class NewTables {
public:
    NewTables(const Context& context, std::stop_token stop)
        : context_(context), stop_(std::move(stop)), marks_(context.store, fact::copy_again),
          lost_identity_(context.store, fact::lost_identity) {}

    /// @throws Error  (operator_action) when one has lost its identity and not got it back
    [[nodiscard]] std::vector<catalog::Table> find() {
        auto source = open("source", context_.ends.source);
        auto target = open("target", context_.ends.target);
        const auto there = names_on(target);
        std::set<RelationId> copied;
        for (const auto& table : context_.store.copied()) copied.insert({table.source_oid});
        const auto marked = marks_.all();
        const auto published = published_tables(source, context_.names.publication_identity());
        const auto published_inserts = published_tables(source, context_.names.publication_all());

        const auto own = timescale::own_relations(source);
        auto tables = catalog::tables(source, catalog::Sizes::estimated);
        std::erase_if(tables, [&](const catalog::Table& table) { return own.internal.contains(table.name); });
        check_identities(tables);
        std::vector<RelationId> partitions;
        std::erase_if(tables, [&](const catalog::Table& table) {
            if (table.kind != catalog::RelationKind::table || table.persistence != catalog::Persistence::permanent ||
                !table.extension.empty() ||
                std::ranges::find(context_.skip_data, table.name) != context_.skip_data.end())
                return true;
            if (marked.contains(table.id)) return false;
            if (copied.contains(table.id))
                return published_inserts.contains(table.name) &&
                       (!table.usable_identity || published.contains(table.name));
            if (!there.contains(table.name)) return true;
            if (table.is_partition && published.contains(table.name)) partitions.push_back(table.id);
            return false;
        });
        if (partitions.empty()) return tables;
        const auto attached = attached_later(source, context_.names.publication_identity(), partitions);
        std::erase_if(tables, [&](const catalog::Table& table) {
            return std::ranges::find(partitions, table.id) != partitions.end() && !attached.contains(table.id);
        });
        return tables;
    }

    /// Publishes and copies them. Harmless to repeat, whatever ended the call before.
    /// @throws Error  (operator_action) when one has rows on the target that are not ours, or another definition there
    void adopt(const std::vector<catalog::Table>& tables) {
        if (tables.empty()) return;
        mark_copied_ones(tables);
        const auto marked = marks_.all();
        expect_ready(tables);
        for (const auto& table : tables)
            log::info("{} {} and is copied now, under a snapshot of its own", table.name,
                      marked.contains(table.id) ? "has changes that are not in the stream"
                                                : "was made on the source after the snapshot");
        publish(tables);
        make_room(tables, marked);
        std::vector<catalog::QualifiedName> names;
        for (const auto& table : tables) names.push_back(table.name);
        copy::Progress progress;
        const copy::Options options{.source = context_.ends.source,
                                    .target = context_.ends.target,
                                    .migration_id = context_.names.id,
                                    .snapshot = "no-snapshot",
                                    .consistent_point = {},
                                    .table_jobs = context_.options.table_jobs,
                                    .index_jobs = context_.options.index_jobs,
                                    .split_tables_larger_than = context_.options.split_tables_larger_than,
                                    .skip_data = context_.skip_data,
                                    .only_new = names,
                                    .on_rows_complete = {}};
        for (const auto& done : copy::copy_rows_and_indexes(options, progress, stop_).copied)
            if (std::ranges::find(names, done.table.name) != names.end()) {
                context_.store.set_copied(done.table.name.quoted(), done.table.id.value, done.consistent_point,
                                          done.rows);
                marks_.remove(done.table.id);
                lost_identity_.remove(done.table.id);
            }
    }

    /// What a table's rows are is not known any more: find() will find it.
    void copy_again(RelationId table) { marks_.add(table); }

    /// Of these partitions, those that were not made as partitions: from their making to their attaching, what UPDATE and
    /// DELETE did to them was not published.
    ///
    /// CREATE TABLE … PARTITION OF writes all column rows of a table by one command, ATTACH PARTITION writes the user's once
    /// more. A partitioned table in between may have been attached before our publications were made, too.
    [[nodiscard]] static std::set<RelationId> attached_later(pg::Connection& source, const std::string& publication,
                                                             std::span<const RelationId> partitions) {
        const auto found = source.exec(
            "WITH RECURSIVE up AS ("
            "  SELECT inhrelid AS leaf, inhrelid AS child, inhparent AS parent, "
            "    pg_catalog.age(xmin) AS age FROM pg_catalog.pg_inherits "
            "    WHERE inhrelid = ANY ($1::pg_catalog.oid[]) "
            "  UNION ALL SELECT up.leaf, i.inhrelid, i.inhparent, pg_catalog.age(i.xmin) "
            "    FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.parent) "
            "SELECT DISTINCT leaf FROM up WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a "
            "  JOIN pg_catalog.pg_attribute s ON s.attrelid = a.attrelid AND s.attnum = -1 "
            "  WHERE a.attrelid = up.child AND a.attnum > 0 AND a.xmin = s.xmin AND a.cmin = s.cmin) "
            "AND (up.child = up.leaf OR up.age <= (SELECT pg_catalog.max(pg_catalog.age(r.xmin)) "
            "  FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid "
            "  WHERE p.pubname = $2))",
            pg::Params{}.text(catalog::detail::oid_array(partitions)).text(publication));
        std::set<RelationId> late;
        for (int row = 0; row < found.rows(); ++row) late.insert({found.number<std::uint32_t>(row, 0)});
        return late;
    }

    /// Members as the server expands them: the partitions of a partitioned member are members.
    [[nodiscard]] static std::set<catalog::QualifiedName> published_tables(pg::Connection& source,
                                                                           const std::string& publication) {
        const auto rows =
            source.exec("SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = $1",
                        pg::Params{}.text(publication));
        std::set<catalog::QualifiedName> found;
        for (int row = 0; row < rows.rows(); ++row) found.insert({rows.text(row, 0), rows.text(row, 1)});
        return found;
    }

private:
    [[nodiscard]] pg::Connection open(std::string_view side, const pg::ConnInfo& info) const {
        return open_end(side, info, "new tables", stop_);
    }

    [[nodiscard]] static std::set<catalog::QualifiedName> names_on(pg::Connection& target) {
        std::set<catalog::QualifiedName> there;
        for (const auto& table : catalog::tables(target, catalog::Sizes::estimated)) there.insert(table.name);
        return there;
    }

    /// SourceWatch has taken them out of the publication.
    void check_identities(const std::vector<catalog::Table>& tables) const {
        const auto lost = lost_identity_.all();
        for (const auto& table : tables)
            if (lost.contains(table.id) && !table.usable_identity)
                throw Error(
                    Recovery::operator_action,
                    fmt::format("{} has no replica identity on the source any more, so its UPDATEs and DELETEs are "
                                "not replicated",
                                table.name),
                    "Give it a primary key or REPLICA IDENTITY again, then go on with --resume: it is then copied "
                    "again");
    }

    /// Before anything is done about them, which would hide that it has to be done.
    void mark_copied_ones(const std::vector<catalog::Table>& tables) {
        std::set<RelationId> copied;
        for (const auto& table : context_.store.copied()) copied.insert({table.source_oid});
        for (const auto& table : tables)
            if (copied.contains(table.id)) marks_.add(table.id);
    }

    /// A copy needs the source's name and definition on the target.
    void expect_ready(const std::vector<catalog::Table>& tables) {
        auto target = open("target", context_.ends.target);
        const auto there = names_on(target);
        const copy::Ledger ledger(context_.names.id);
        std::vector<RelationId> ids;
        for (const auto& table : tables) ids.push_back(table.id);
        const auto seen = ledger.seen(target, ids);
        for (const auto& table : tables) {
            if (there.contains(table.name)) continue;
            const auto before = seen.find(table.id);
            throw Error(
                Recovery::operator_action,
                fmt::format("{} has to be copied again, and the target has no table of that name", table.name),
                before == seen.end()
                    ? fmt::format("Create {} on the target with the source's definition, then go on with --resume",
                                  table.name)
                    : fmt::format("It was renamed on the source. Rename {} on the target to {}, then go on with "
                                  "--resume",
                                  before->second.name, table.name));
        }
        TableDrift(context_, stop_)
            .each_of(ids, [](RelationId, const catalog::QualifiedName& name, const catalog::Drift& drift) {
                if (drift.statements.empty()) return;
                throw Error(Recovery::operator_action,
                            fmt::format("{} has changed on the source since its rows were copied: {}", name,
                                        fmt::join(drift.differences, ", ")),
                            drift.remedy());
            });
    }

    /// Before the snapshot, which then waits for every transaction that may not have seen the publication's change.
    void publish(const std::vector<catalog::Table>& tables) {
        auto source = open("source", context_.ends.source);
        const auto add = [&](const std::string& publication, const catalog::Table& table,
                             const std::set<catalog::QualifiedName>& members) {
            if (!members.contains(table.name))
                source.exec(fmt::format("ALTER PUBLICATION {} ADD TABLE ONLY {}", pg::quote_identifier(publication),
                                        table.name.quoted()));
        };
        const auto identity = published_tables(source, context_.names.publication_identity());
        const auto all = published_tables(source, context_.names.publication_all());
        for (const auto& table : tables) {
            add(context_.names.publication_all(), table, all);
            if (table.usable_identity) add(context_.names.publication_identity(), table, identity);
            else log::warning("UPDATE and DELETE on {} are not replicated: it has no replica identity", table.name);
        }
        Waiter waiter(stop_);
        snapshot::settle_publications(source, context_.names, waiter);
    }

    /// Rows of a namesake that the source has dropped are ours to remove, and rows that we copied; others are not.
    void make_room(const std::vector<catalog::Table>& tables, const std::set<RelationId>& marked) {
        auto target = copy::TargetSession::open(context_.ends.target, stop_);
        const copy::Ledger ledger(context_.names.id);
        const auto planned = ledger.read(target.connection());
        for (const auto& table : tables) {
            const auto ours = std::ranges::find(planned, table.name, &copy::PlannedPart::name);
            const auto before = std::ranges::find(planned, table.id, &copy::PlannedPart::relation);
            if (ours == planned.end() && before == planned.end()) {
                const auto some =
                    target.connection().exec(fmt::format("SELECT FROM ONLY {} LIMIT 1", table.name.quoted()));
                if (!some.empty())
                    throw Error(Recovery::operator_action,
                                fmt::format("{} was made on the source after the snapshot, and the target's table of "
                                            "that name has rows",
                                            table.name),
                                fmt::format("Empty it on the target (TRUNCATE {}), then go on with --resume",
                                            table.name.quoted()));
            } else if (marked.contains(table.id) || ours == planned.end() || ours->relation != table.id) {
                pg::Transaction transaction(target.connection());
                target.empty(table.name, target.table(table.name));
                ledger.forget(target.connection(), table.name);
                if (before != planned.end()) ledger.forget(target.connection(), before->name);
                transaction.commit();
                if (before != planned.end()) context_.store.erase_copied(before->name.quoted());
                context_.store.erase_copied(table.name.quoted());
            }
        }
    }

    const Context& context_;
    std::stop_token stop_;
    TableMarks marks_, lost_identity_;
};

}  // namespace tslive::migrate
