#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/catalog/columns.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/detail/transfer.hpp"

namespace tslive::timescale {

/// The tables of the source's catalog that the target keeps a copy of, as `source_<name>` in the helper schema: what a chunk of
/// the source is can be told when its changes are applied, however long after. Those that a release does not have are left out.
inline constexpr std::array<std::string_view, 5> mirrored_tables{"hypertable", "dimension", "dimension_slice", "chunk",
                                                                 "chunk_constraint"};

/// Makes the mirror and fills it from the source's catalog, in the transactions of both sessions. What was there is replaced.
///
/// Columns have the names and types of the source's; a regclass is text, for its relation need not exist here.
/// @pre the source's transaction sees the migration's snapshot; the target has the helper schema
inline void create_mirror(pg::Connection& source, pg::Connection& target, std::string_view helper_schema) {
    for (const auto table : mirrored_tables) {
        const auto found = source.exec(
            "SELECT c.oid, EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_index i ON i.indrelid = "
            "a.attrelid AND i.indisprimary AND i.indkey::pg_catalog.text = a.attnum::pg_catalog.text "
            "WHERE a.attrelid = c.oid AND a.attname = 'id') "
            "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = '_timescaledb_catalog' AND c.relname = $1 AND c.relkind = 'r'",
            pg::Params{}.text(table));
        if (found.empty()) continue;
        const auto mirror = pg::qualified(helper_schema, fmt::format("source_{}", table));
        std::vector<std::string> definitions, values;
        bool by_name = false, compressed = false, of_chunk = false;
        for (const auto& column : catalog::columns(source, {found.number<std::uint32_t>(0, 0)})) {
            by_name = by_name || column.name == "table_name";
            compressed = compressed || column.name == "compressed_chunk_id";
            of_chunk = of_chunk || column.name == "chunk_id";
            definitions.push_back(fmt::format("{} {}{}", pg::quote_identifier(column.name),
                                              column.type_name == "regclass" ? "pg_catalog.text" : column.full_type,
                                              column.name == "id" && found.boolean(0, 1) ? " PRIMARY KEY" : ""));
            values.push_back(detail::text_of(column));
        }
        target.exec(
            fmt::format("DROP TABLE IF EXISTS {0}; CREATE TABLE {0} ({1})", mirror, fmt::join(definitions, ", ")));
        detail::transfer(source,
                         fmt::format("SELECT {} FROM ONLY {} AS t", fmt::join(values, ", "),
                                     pg::qualified("_timescaledb_catalog", table)),
                         target, mirror);
        if (table == "chunk" && by_name)
            target.exec(fmt::format("CREATE INDEX ON {} (schema_name, table_name)", mirror));
        if (table == "chunk" && compressed)
            target.exec(fmt::format("CREATE INDEX ON {} (compressed_chunk_id)", mirror));
        if (table == "chunk_constraint")  // its identity on the source, while we migrate
            target.exec(fmt::format("CREATE UNIQUE INDEX ON {} (chunk_id, constraint_name)", mirror));
        else if (of_chunk) target.exec(fmt::format("CREATE INDEX ON {} (chunk_id)", mirror));
    }
}

}  // namespace tslive::timescale
