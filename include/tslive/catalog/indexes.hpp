#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/constraints.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/catalog/relation.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::catalog {

/// The constraint that an index belongs to.
struct IndexConstraint {
    std::string name;
    ConstraintKind kind = ConstraintKind::unique;  ///< primary_key, unique or exclusion
    bool deferrable = false;
    bool initially_deferred = false;
    std::string definition;  ///< pg_get_constraintdef(): `PRIMARY KEY (id)`
};

/// ALTER INDEX … ALTER COLUMN … SET STATISTICS: of an expression, which pg_get_indexdef() does not tell.
struct StatisticsTarget {
    std::int16_t column = 0;
    int target = -1;
};

/// An index of a table, partitioned table or materialized view.
struct Index {
    RelationId id;
    QualifiedName name;
    RelationId table;
    QualifiedName table_name;
    RelationKind table_kind = RelationKind::table;
    std::string definition;  ///< pg_get_indexdef(): a whole CREATE INDEX, `ON ONLY` for a partitioned table
    std::string access_method;
    std::string tablespace;  ///< empty: the database's
    bool unique = false;
    bool primary = false;
    bool valid = true;  ///< false: a failed CREATE INDEX CONCURRENTLY, or a partitioned index that lacks a partition's
    bool is_replica_identity = false;
    bool clustered = false;
    std::optional<RelationId> parent;  ///< the partitioned index that it is attached to
    std::vector<StatisticsTarget> statistics;
    std::optional<IndexConstraint> constraint;
    std::string extension;  ///< whose member the table is; empty: none
    /// Set by who builds it elsewhere: the table there takes neither ONLY nor a constraint over an index that is there.
    bool on_hypertable = false;

    [[nodiscard]] bool on_partitioned_table() const noexcept { return table_kind == RelationKind::partitioned_table; }
};

namespace detail {

inline const std::string& indexes_query() {
    static const std::string text = fmt::format(
        "SELECT i.indexrelid, xn.nspname, x.relname, c.oid, n.nspname, c.relname, c.relkind, "
        "  pg_catalog.pg_get_indexdef(i.indexrelid), m.amname, coalesce(s.spcname, ''), i.indisunique, i.indisprimary, "
        "  i.indisvalid, i.indisreplident, i.indisclustered, h.inhparent, coalesce(e.extname, ''), "
        "  k.conname, k.contype, k.condeferrable, k.condeferred, pg_catalog.pg_get_constraintdef(k.oid) "
        "FROM pg_catalog.pg_index i "
        "JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid "
        "JOIN pg_catalog.pg_namespace xn ON xn.oid = x.relnamespace "
        "JOIN pg_catalog.pg_class c ON c.oid = i.indrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_catalog.pg_am m ON m.oid = x.relam "
        "LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = x.reltablespace "
        "LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = i.indexrelid "
        "LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid "
        "  AND k.contype IN ('p', 'u', 'x') "
        "{extension_join} "
        "WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND i.indislive AND {user_schema} "
        "ORDER BY n.nspname, c.relname, x.relname",
        fmt::arg("extension_join", extension_join), fmt::arg("user_schema", user_schema));
    return text;
}

inline std::map<RelationId, std::vector<StatisticsTarget>> index_statistics(pg::Connection& connection) {
    // 17 writes NULL where older servers write -1 for "the default".
    const auto result = connection.exec(
        "SELECT a.attrelid, a.attnum, a.attstattarget FROM pg_catalog.pg_attribute a "
        "JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
        "WHERE c.relkind IN ('i', 'I') AND a.attstattarget >= 0 AND a.attnum > 0 AND a.attrelid >= 16384 "
        "ORDER BY a.attrelid, a.attnum");
    std::map<RelationId, std::vector<StatisticsTarget>> found;
    for (int r = 0; r < result.rows(); ++r) {
        Row row(result, r);
        auto& list = found[row.relation()];
        list.push_back({.column = row.number<std::int16_t>(), .target = row.number<int>()});
    }
    return found;
}

/// pg_get_indexdef() fails where an index is dropped under it; the next look no longer sees that one.
inline pg::Result query_indexes(pg::Connection& connection) {
    for (int tries_left = 10;; --tries_left) {
        try {
            return connection.exec(indexes_query());
        } catch (const pg::ServerError& error) {
            const bool dropped = error.state() == pg::SqlState{"XX000"};
            if (!dropped || tries_left == 0 || connection.in_transaction()) throw;
        }
    }
}

}  // namespace detail

/// All indexes of user relations, ordered by table and name. Two queries.
inline std::vector<Index> indexes(pg::Connection& connection) {
    auto statistics = detail::index_statistics(connection);
    const auto result = detail::query_indexes(connection);
    std::vector<Index> found;
    found.reserve(static_cast<std::size_t>(result.rows()));
    for (int r = 0; r < result.rows(); ++r) {
        detail::Row row(result, r);
        found.push_back({.id = row.relation(),
                         .name = {row.text(), row.text()},
                         .table = row.relation(),
                         .table_name = {row.text(), row.text()},
                         .table_kind = detail::relation_kind(row.letter()),
                         .definition = row.text(),
                         .access_method = row.text(),
                         .tablespace = row.text(),
                         .unique = row.boolean(),
                         .primary = row.boolean(),
                         .valid = row.boolean(),
                         .is_replica_identity = row.boolean(),
                         .clustered = row.boolean(),
                         .parent = row.optional_relation(),
                         .statistics = {},
                         .constraint = {},
                         .extension = row.text()});
        if (found.back().definition.empty()) {  // NULL: dropped since
            found.pop_back();
            continue;
        }
        auto& index = found.back();
        if (auto name = row.optional_text())
            index.constraint = IndexConstraint{.name = std::move(*name),
                                               .kind = detail::constraint_kind(row.letter()),
                                               .deferrable = row.boolean(),
                                               .initially_deferred = row.boolean(),
                                               .definition = row.text()};
        if (const auto targets = statistics.find(index.id); targets != statistics.end())
            index.statistics = std::move(targets->second);
    }
    return found;
}

}  // namespace tslive::catalog
