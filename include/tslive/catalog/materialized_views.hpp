#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/name.hpp"
#include "tslive/catalog/relation.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::catalog {

struct MaterializedView {
    RelationId id;
    QualifiedName name;
    bool populated = false;
    std::string extension;  ///< whose member it is; empty: none
};

namespace detail {

/// The nodes of `order` so that each comes after what it needs, else in the order given. Nodes of a cycle come in that
/// order too.
/// @param needs  what a node is made from; nodes that are not in `order` are walked through
[[nodiscard]] inline std::vector<RelationId> dependency_order(
    const std::vector<RelationId>& order, const std::map<RelationId, std::vector<RelationId>>& needs) {
    enum class Seen { open, done };
    std::map<RelationId, Seen> seen;
    std::vector<RelationId> sorted;
    // Depth first with a stack of our own: views may stand on each other more deeply than a thread's stack allows.
    std::vector<std::pair<RelationId, std::size_t>> path;
    for (const auto root : order) {
        if (!seen.emplace(root, Seen::open).second) continue;
        path.emplace_back(root, 0);
        while (!path.empty()) {
            const auto node = path.back().first;
            const auto edges = needs.find(node);
            if (edges != needs.end() && path.back().second < edges->second.size()) {
                const auto next = edges->second[path.back().second++];
                if (seen.emplace(next, Seen::open).second) path.emplace_back(next, 0);
                continue;
            }
            seen[node] = Seen::done;
            sorted.push_back(node);
            path.pop_back();
        }
    }
    return sorted;
}

/// Which view or materialized view is made from which, by their rules.
inline std::map<RelationId, std::vector<RelationId>> view_dependencies(pg::Connection& connection) {
    const auto result = connection.exec(
        "SELECT DISTINCT r.ev_class, d.refobjid FROM pg_catalog.pg_depend d "
        "JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid "
        "JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm') "
        "JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND c.relkind IN ('v', 'm') "
        "WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass "
        "  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class ORDER BY 1, 2");
    std::map<RelationId, std::vector<RelationId>> needs;
    for (int r = 0; r < result.rows(); ++r) {
        Row row(result, r);
        auto& list = needs[row.relation()];
        list.push_back(row.relation());
    }
    return needs;
}

}  // namespace detail

/// The materialized views that hold rows, each after those it reads, through views too. What a function's body reads is
/// not seen. Two queries.
inline std::vector<MaterializedView> populated_materialized_views(pg::Connection& connection) {
    const auto result = connection.exec(fmt::format(
        "SELECT c.oid, n.nspname, c.relname, c.relispopulated, coalesce(e.extname, '') FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "{extension_join} "
        "WHERE c.relkind = 'm' AND c.relispopulated AND {user_schema} ORDER BY n.nspname, c.relname",
        fmt::arg("extension_join", detail::extension_join), fmt::arg("user_schema", detail::user_schema)));
    std::map<RelationId, MaterializedView> views;
    std::vector<RelationId> order;
    for (int r = 0; r < result.rows(); ++r) {
        detail::Row row(result, r);
        const auto id = row.relation();
        order.push_back(id);
        views[id] = {.id = id, .name = {row.text(), row.text()}, .populated = row.boolean(), .extension = row.text()};
    }
    std::vector<MaterializedView> sorted;
    for (const auto id : detail::dependency_order(order, detail::view_dependencies(connection)))
        if (const auto view = views.find(id); view != views.end()) sorted.push_back(std::move(view->second));
    return sorted;
}

}  // namespace tslive::catalog
