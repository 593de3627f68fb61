#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/detail/row.hpp"
#include "tslive/catalog/extensions.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/plan.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::copy {

namespace detail {

/// Tables of an access method whose ctid is no block number (columnar ones; CASES F6).
inline std::set<RelationId> tables_without_blocks(pg::Connection& source) {
    const auto result = source.exec(
        "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid = c.relam "
        "WHERE c.relkind = 'r' AND a.amname <> 'heap'");
    std::set<RelationId> found;
    for (int r = 0; r < result.rows(); ++r) found.insert(catalog::detail::Row(result, r).relation());
    return found;
}

}  // namespace detail

/// The tables whose rows the base copy moves, as the session's snapshot shows them.
///
/// Each table by itself, partitions and inheritance children too; their parents add only what they hold themselves
/// (CASES E19). Unlogged tables are among them, although no change of them will follow (CASES E20). Of extensions'
/// tables only those that the extension marks as the user's, and of these only the rows it names (CASES E8).
inline std::vector<TableToCopy> tables_to_copy(pg::Connection& source, const Options& options) {
    const auto& skip_data = options.skip_data;
    const bool ranges = catalog::Capabilities{source.server_version()}.tid_range_scan();
    const auto without_blocks = detail::tables_without_blocks(source);
    std::map<RelationId, std::string> conditions;
    for (const auto& extension : catalog::extensions(source)) {
        if (std::ranges::find(options.configuration_elsewhere, extension.name) != options.configuration_elsewhere.end())
            continue;
        for (const auto& table : extension.configuration) conditions.emplace(table.id, table.condition);
    }

    const auto elsewhere =
        options.rows_elsewhere ? options.rows_elsewhere(source) : options.relations_elsewhere(source);
    const auto read_whole = options.read_whole ? options.read_whole(source) : std::set<RelationId>{};
    std::vector<TableToCopy> found;
    for (auto& table : catalog::tables(source)) {
        if (table.kind != catalog::RelationKind::table || elsewhere.contains(table.id)) continue;
        if (std::find(skip_data.begin(), skip_data.end(), table.name) != skip_data.end()) continue;
        const auto condition = conditions.find(table.id);
        const bool configuration = condition != conditions.end();
        if (!table.extension.empty() && !configuration) continue;
        const bool whole = read_whole.contains(table.id);
        const bool blocks = ranges && !without_blocks.contains(table.id) && !configuration && !whole;
        auto there = options.name_there(table.name);
        found.push_back({.table = std::move(table),
                         .condition = configuration ? condition->second : std::string{},
                         .configuration = configuration,
                         .whole = whole,
                         .block_ranges = blocks,
                         .there = std::move(there)});
    }
    return found;
}

}  // namespace tslive::copy
