#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/apply/target_tables.hpp"
#include "tslive/catalog/extensions.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/migrate/chunk_changes.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/migrate/new_tables.hpp"
#include "tslive/migrate/table_drift.hpp"
#include "tslive/migrate/table_names.hpp"
#include "tslive/timescale/installation.hpp"

namespace tslive::migrate {

/// What the applier has to know about the source's tables besides the stream: how they were copied, by OID and by name, read once; what
/// became of others, asked when one turns up. One thread.
class SourceTables {
public:
    SourceTables(const Context& context, std::stop_token stop)
        : source_(context.ends.source), identity_publication_(context.names.publication_identity()),
          stop_(std::move(stop)), left_out_(context.skip_data.begin(), context.skip_data.end()) {
        for (const auto& table : context.store.copied()) {
            const auto name = parse_table_name(table.table);
            if (!name)
                throw Error(Recovery::operator_action,
                            fmt::format("state.db holds '{}' where the name of a table is expected", table.table));
            by_name_.emplace(*name, table);
            if (table.source_oid != 0) by_oid_.emplace(table.source_oid, *name);
        }
        auto session = open();
        std::set<catalog::QualifiedName> configuration;
        for (const auto& extension : catalog::extensions(session))
            for (const auto& table : extension.configuration) configuration.insert(table.name);
        for (const auto& table : catalog::tables(session, catalog::Sizes::estimated))
            if (!table.extension.empty() && !configuration.contains(table.name)) extensions_own_.insert(table.name);
    }

    [[nodiscard]] std::optional<Lsn> copied_at(const catalog::QualifiedName& name) const {
        const auto found = by_name_.find(name);
        if (found == by_name_.end()) return std::nullopt;
        return found->second.consistent_point;
    }

    [[nodiscard]] std::optional<catalog::QualifiedName> copied_as(RelationId id) const {
        const auto found = by_oid_.find(id.value);
        if (found == by_oid_.end()) return std::nullopt;
        return found->second;
    }

    [[nodiscard]] apply::Standing standing(const catalog::QualifiedName& name, RelationId id) const {
        using apply::Standing;
        if (by_oid_.contains(id.value) || left_out_.contains(name)) return Standing::ours;
        auto session = open();
        const auto now = session.exec("SELECT relispartition FROM pg_catalog.pg_class WHERE oid = $1",
                                      pg::Params{}.number(id.value));
        if (now.empty()) return Standing::gone;
        // The stream has all of a partition that was made under a partitioned table which is published for everything.
        if (now.boolean(0, 0) && NewTables::published_tables(session, identity_publication_).contains(name) &&
            NewTables::attached_later(session, identity_publication_, std::span{&id, 1}).empty())
            return Standing::ours;
        return Standing::made_later;
    }

    [[nodiscard]] std::vector<catalog::QualifiedName> ancestors(RelationId partition) const {
        auto session = open();
        const auto rows = session.exec(
            "WITH RECURSIVE up AS (SELECT i.inhparent, 1 AS distance FROM pg_catalog.pg_inherits i "
            "JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = $1 AND c.relispartition "
            "UNION ALL SELECT i.inhparent, up.distance + 1 FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = "
            "up.inhparent) "
            "SELECT n.nspname, c.relname FROM up JOIN pg_catalog.pg_class c ON c.oid = up.inhparent "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'p' ORDER BY up.distance",
            pg::Params{}.number(partition.value));
        std::vector<catalog::QualifiedName> found;
        for (int row = 0; row < rows.rows(); ++row) found.push_back({rows.text(row, 0), rows.text(row, 1)});
        return found;
    }

    [[nodiscard]] std::vector<std::string> generated(RelationId table) const {
        auto session = open();
        std::vector<std::string> found;
        for (const auto& column : catalog::columns(session, table))
            if (column.generated != 0) found.push_back(column.name);
        return found;
    }

    [[nodiscard]] bool left_out(const catalog::QualifiedName& name) const { return left_out_.contains(name); }
    [[nodiscard]] bool extensions_own(const catalog::QualifiedName& name) const {
        return extensions_own_.contains(name);
    }

private:
    [[nodiscard]] pg::Connection open() const { return open_end("source", source_, "source tables", stop_); }

    pg::ConnInfo source_;
    std::string identity_publication_;
    std::stop_token stop_;
    std::set<catalog::QualifiedName> left_out_, extensions_own_;
    std::map<catalog::QualifiedName, state::CopiedTable> by_name_;
    std::map<std::uint32_t, catalog::QualifiedName> by_oid_;
};

[[nodiscard]] inline apply::SourceKnowledge source_knowledge(const Context& context, const std::stop_token& stop) {
    const auto tables = std::make_shared<SourceTables>(context, stop);
    const auto drift = std::make_shared<TableDrift>(context, stop);
    const auto chunks = [&]() -> std::shared_ptr<apply::ChunkKnowledge> {
        auto source = open_end("source", context.ends.source, "source tables", stop);
        auto target = open_end("target", context.ends.target, "source tables", stop);
        auto there = timescale::installation(source), here = timescale::installation(target);
        if (!there || !here) return nullptr;
        return std::make_shared<ChunkChanges>(context, std::move(*there), std::move(*here), stop);
    }();
    return {
        .copied_at = [tables](const catalog::QualifiedName& name) { return tables->copied_at(name); },
        .standing = [tables](const catalog::QualifiedName& name, RelationId id) { return tables->standing(name, id); },
        .copied_as = [tables](RelationId id) { return tables->copied_as(id); },
        .data_left_out = [tables](const catalog::QualifiedName& name) { return tables->left_out(name); },
        .not_ours = [tables](const catalog::QualifiedName& name) { return tables->extensions_own(name); },
        .generated = [tables](RelationId id) { return tables->generated(id); },
        .ancestors = [tables](RelationId id) { return tables->ancestors(id); },
        .target_of = [drift](RelationId id) { return drift->target_of(id); },
        .source_of = [drift](RelationId id) { return drift->source_of(id); },
        .drift = [drift](const pgoutput::CachedRelation& relation, const catalog::QualifiedName& target,
                         std::span<const catalog::Column> there) { return drift->of_change(relation, target, there); },
        .chunks = chunks};
}

}  // namespace tslive::migrate
