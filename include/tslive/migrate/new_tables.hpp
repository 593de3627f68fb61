#pragma once

#include <algorithm>
#include <memory>
#include <set>
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
#include "tslive/pg/quote.hpp"
#include "tslive/snapshot/publications.hpp"

namespace tslive::migrate {

/// Tables that the source got after the snapshot. What the stream holds of them is not all: the publication of UPDATE and DELETE is a
/// list, made before the slot. So they are added to it, then copied under a snapshot taken after that, and what commits before is
/// passed over. A table that was dropped and made again under its name is such a table, too: tables are known by their OID.
///
/// A new partition is none when the partitioned table above it is published for everything: the stream has all of it. One thread.
class NewTables {
public:
    NewTables(const Context& context, std::stop_token stop) : context_(context), stop_(std::move(stop)) {}

    /// Those that exist on the target, too, and are not copied yet.
    [[nodiscard]] std::vector<catalog::Table> find() {
        auto source = open("source", context_.ends.source);
        auto target = open("target", context_.ends.target);
        std::set<catalog::QualifiedName> there;
        for (const auto& table : catalog::tables(target, catalog::Sizes::estimated)) there.insert(table.name);
        std::set<std::uint32_t> copied;
        for (const auto& table : context_.store.copied()) copied.insert(table.source_oid);
        const auto published = published_tables(source, context_.names.publication_identity());

        auto tables = catalog::tables(source, catalog::Sizes::estimated);
        std::erase_if(tables, [&](const catalog::Table& table) {
            return table.kind != catalog::RelationKind::table || table.persistence != catalog::Persistence::permanent ||
                   !table.extension.empty() || copied.contains(table.id.value) || !there.contains(table.name) ||
                   std::ranges::find(context_.skip_data, table.name) != context_.skip_data.end() ||
                   (table.is_partition && published.contains(table.name));
        });
        return tables;
    }

    /// Publishes and copies them. Harmless to repeat, whatever ended the call before.
    /// @throws Error  (operator_action) when one has rows on the target that are not ours
    void adopt(const std::vector<catalog::Table>& tables) {
        if (tables.empty()) return;
        for (const auto& table : tables)
            log::info("{} was made on the source after the snapshot and is copied now, under a snapshot of its own",
                      table.name);
        publish(tables);
        make_room(tables);
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
            if (std::ranges::find(names, done.table.name) != names.end())
                context_.store.set_copied(done.table.name.quoted(), done.table.id.value, done.consistent_point,
                                          done.rows);
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

    /// Rows of a namesake that the source has dropped are ours to remove; rows that we did not bring are not.
    void make_room(const std::vector<catalog::Table>& tables) {
        auto target = copy::TargetSession::open(context_.ends.target, stop_);
        const copy::Ledger ledger(context_.names.id);
        const auto planned = ledger.read(target.connection());
        for (const auto& table : tables) {
            const auto ours = std::ranges::find(planned, table.name, &copy::PlannedPart::name);
            if (ours == planned.end()) {
                const auto some =
                    target.connection().exec(fmt::format("SELECT FROM ONLY {} LIMIT 1", table.name.quoted()));
                if (!some.empty())
                    throw Error(Recovery::operator_action,
                                fmt::format("{} was made on the source after the snapshot, and the target's table of "
                                            "that name has rows",
                                            table.name),
                                fmt::format("Empty it on the target (TRUNCATE {}), then go on with --resume",
                                            table.name.quoted()));
            } else if (ours->relation != table.id) {
                pg::Transaction transaction(target.connection());
                target.empty(table.name, target.table(table.name));
                ledger.forget(target.connection(), table.name);
                transaction.commit();
                context_.store.erase_copied(table.name.quoted());
            }
        }
    }

    const Context& context_;
    std::stop_token stop_;
};

}  // namespace tslive::migrate
