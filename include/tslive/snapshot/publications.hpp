#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/replica_identity.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/snapshot/names.hpp"
#include "tslive/snapshot/slot.hpp"

namespace tslive::snapshot {

/// What the two publications hold. A publication of updates makes the source refuse UPDATE and DELETE on every member without a usable
/// replica identity, so only tables that have one are in the second (law 10; CASES A1, A2).
struct PublicationPlan {
    bool all_tables = false;           ///< FOR ALL TABLES, which carries tables to come
    std::vector<std::string> members;  ///< of the first, when it is a list: `ONLY "s"."t"`, or a partitioned table
    std::vector<std::string> identity_members;         ///< of the second
    std::vector<std::string> identity_schemas;         ///< all tables in them, those to come too, are in the second
    bool identity_of_all_tables = false;               ///< the second is FOR ALL TABLES: each has an identity
    std::vector<catalog::QualifiedName> inserts_only;  ///< whose UPDATE and DELETE are not replicated
};

/// Only permanent tables are decoded; an extension's own tables are made by the extension, its configuration tables are data.
[[nodiscard]] inline bool publishable(const catalog::Table& table) {
    return table.persistence == catalog::Persistence::permanent;
}

/// @param tables      all tables of the source
/// @param all_tables  the role may publish FOR ALL TABLES
/// @param schemas     to publish as a whole for UPDATE and DELETE, because tables come and go in them
/// @pre every table in `schemas` has a usable replica identity, or none ever has an UPDATE or DELETE of its own
[[nodiscard]] inline PublicationPlan plan_publications(const std::vector<catalog::Table>& tables, bool all_tables,
                                                       const catalog::Capabilities& capabilities,
                                                       const std::vector<std::string>& schemas = {}) {
    PublicationPlan plan{.all_tables = all_tables,
                         .members = {},
                         .identity_members = {},
                         .identity_schemas = schemas,
                         .identity_of_all_tables = false,
                         .inserts_only = {}};
    const std::unordered_set<std::string_view> whole(schemas.begin(), schemas.end());
    std::unordered_map<RelationId, const catalog::Table*> by_id;
    for (const auto& table : tables) by_id.emplace(table.id, &table);

    // A partitioned table with a primary key gives one to each partition to come, so naming it covers those; but only when every
    // partition of today can do UPDATE, and so can the tables in between.
    std::unordered_set<RelationId> spoiled;
    const auto above = [&](const catalog::Table& table) -> const catalog::Table* {
        if (!table.is_partition || !table.parent) return nullptr;
        const auto found = by_id.find(*table.parent);
        return found == by_id.end() ? nullptr : found->second;
    };
    for (const auto& table : tables)
        if (!table.usable_identity || !publishable(table))
            for (const auto* parent = &table; parent != nullptr; parent = above(*parent)) spoiled.insert(parent->id);
    const auto covers = [&](const catalog::Table& table) {
        return table.kind == catalog::RelationKind::partitioned_table && capabilities.publish_via_root() &&
               !spoiled.contains(table.id);
    };
    const auto covered = [&](const catalog::Table& table) {
        for (const auto* parent = above(table); parent != nullptr; parent = above(*parent))
            if (covers(*parent)) return true;
        return false;
    };

    for (const auto& table : tables) {
        if (!publishable(table)) continue;
        const bool partitioned = table.kind == catalog::RelationKind::partitioned_table;
        const auto member = (partitioned ? "" : "ONLY ") + table.name.quoted();
        if (!partitioned || (capabilities.publish_via_root() && !table.is_partition)) plan.members.push_back(member);
        if (whole.contains(table.name.schema)) continue;
        if (partitioned ? covers(table) && !covered(table) : table.usable_identity && !covered(table))
            plan.identity_members.push_back(member);
        if (!partitioned && !table.usable_identity) plan.inserts_only.push_back(table.name);
    }
    return plan;
}

/// Tried, because managed services have their own idea of who may; nothing of it stays.
[[nodiscard]] inline bool may_publish_all_tables(pg::Connection& source) {
    pg::Transaction transaction(source);
    try {
        source.exec("CREATE PUBLICATION tslive_rights FOR ALL TABLES WITH (publish = 'insert')");
        return true;
    } catch (const pg::ServerError& error) {
        if (error.state() != pg::sqlstate::insufficient_privilege) throw;
        return false;
    }
}

/// Likewise, of `schema`.
[[nodiscard]] inline bool may_publish_schemas(pg::Connection& source, std::string_view schema) {
    if (!catalog::Capabilities{source.server_version()}.schema_publications()) return false;
    pg::Transaction transaction(source);
    try {
        source.exec(fmt::format("CREATE PUBLICATION tslive_rights FOR TABLES IN SCHEMA {} WITH (publish = 'insert')",
                                pg::quote_identifier(schema)));
        return true;
    } catch (const pg::ServerError& error) {
        if (error.state() != pg::sqlstate::insufficient_privilege) throw;
        return false;
    }
}

namespace detail {
inline constexpr const char* all_publishes = "publish = 'insert, truncate'";
inline constexpr const char* identity_publishes = "publish = 'update, delete'";
}  // namespace detail

/// Both in one transaction, so that no reader of the catalog sees one alone.
inline void create_publications(pg::Connection& source, const Names& names, const PublicationPlan& plan) {
    const auto list = [](const std::vector<std::string>& members, const std::vector<std::string>& schemas = {}) {
        std::string text;
        if (!members.empty()) text = fmt::format(" FOR TABLE {}", fmt::join(members, ", "));
        for (const auto& schema : schemas)
            text += fmt::format("{} TABLES IN SCHEMA {}", text.empty() ? " FOR" : ",", pg::quote_identifier(schema));
        return text;
    };
    pg::Transaction transaction(source);
    source.exec(fmt::format("CREATE PUBLICATION {}{} WITH ({})", pg::quote_identifier(names.publication_all()),
                            plan.all_tables ? " FOR ALL TABLES" : list(plan.members), detail::all_publishes));
    source.exec(fmt::format(
        "CREATE PUBLICATION {}{} WITH ({})", pg::quote_identifier(names.publication_identity()),
        plan.identity_of_all_tables ? " FOR ALL TABLES" : list(plan.identity_members, plan.identity_schemas),
        detail::identity_publishes));
    transaction.commit();
}

/// Returns once every transaction has ended that had written something before this call, on the whole cluster. Says what it waits for.
/// @throws Stopped
inline void wait_for_writers(pg::Connection& source, Waiter& waiter) {
    constexpr std::chrono::milliseconds look_every{50};
    constexpr std::chrono::seconds say_first{1}, say_every{5};
    const auto newest = source.exec("SELECT pg_catalog.txid_current()").number<std::int64_t>(0, 0);
    auto say_at = std::chrono::steady_clock::now() + say_first;
    while (!source
                .exec("SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) > $1",
                      pg::Params{}.number(newest))
                .boolean(0, 0)) {
        if (!waiter.sleep(look_every)) throw Stopped{};
        if (const auto now = std::chrono::steady_clock::now(); now >= say_at) {
            log_what_delays(source, source.backend_pid(), "A table to be published");
            say_at = now + say_every;
        }
    }
}

/// To be called after tables were added, before their snapshot is taken; from then on nothing of them is missing in the stream.
///
/// Where `safe_publication_change` is lacking (CASES B6), the server decodes a transaction that was open meanwhile without the
/// addition, and keeps what it then believes for all that follow. So those must have ended when the publications are changed
/// once more, to what they are: that makes it look again.
inline void settle_publications(pg::Connection& source, const Names& names, Waiter& waiter) {
    if (catalog::Capabilities{source.server_version()}.safe_publication_change()) return;
    wait_for_writers(source, waiter);
    source.exec(fmt::format("ALTER PUBLICATION {} SET ({}); ALTER PUBLICATION {} SET ({})",
                            pg::quote_identifier(names.publication_all()), detail::all_publishes,
                            pg::quote_identifier(names.publication_identity()), detail::identity_publishes));
}

/// A member of a publication through which a table is published that has no usable replica identity (any more).
struct UnfitMember {
    catalog::QualifiedName name;
    bool partitioned = false;
    RelationId id;      ///< the table itself: the member or a partition of it
    std::string table;  ///< the same, for people
};
/// Finds one, if there is one: on the source, UPDATE and DELETE of that table fail now.
[[nodiscard]] inline std::optional<UnfitMember> member_without_identity(pg::Connection& source,
                                                                        std::string_view publication) {
    // A partition is reached through the partitioned member above it, which is then what has to leave.
    const auto found = source.exec(
        fmt::format("WITH RECURSIVE member AS (SELECT r.prrelid AS root, r.prrelid AS relation "
                    "FROM pg_catalog.pg_publication_rel r "
                    "JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE p.pubname = $1 "
                    "UNION ALL SELECT m.root, i.inhrelid FROM member m "
                    "JOIN pg_catalog.pg_inherits i ON i.inhparent = m.relation "
                    "JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE c.relispartition) "
                    "SELECT rn.nspname, r.relname, r.relkind = 'p', c.oid, c.oid::pg_catalog.regclass FROM member m "
                    "JOIN pg_catalog.pg_class c ON c.oid = m.relation JOIN pg_catalog.pg_class r ON r.oid = m.root "
                    "JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace "
                    "WHERE c.relkind = 'r' AND NOT {} LIMIT 1",
                    catalog::usable_identity_sql(catalog::Capabilities{source.server_version()})),
        pg::Params{}.text(publication));
    if (found.empty()) return std::nullopt;
    return UnfitMember{{found.text(0, 0), found.text(0, 1)},
                       found.boolean(0, 2),
                       {found.number<std::uint32_t>(0, 3)},
                       found.text(0, 4)};
}
[[nodiscard]] inline std::string drop_member_sql(std::string_view publication, const UnfitMember& member) {
    return fmt::format("ALTER PUBLICATION {} DROP TABLE {}{}", pg::quote_identifier(publication),
                       member.partitioned ? "" : "ONLY ", member.name.quoted());
}

/// Harmless when there is none.
[[nodiscard]] inline std::string drop_publication_sql(std::string_view name) {
    return fmt::format("DROP PUBLICATION IF EXISTS {}", pg::quote_identifier(name));
}

}  // namespace tslive::snapshot
