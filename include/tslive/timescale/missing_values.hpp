#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/catalog/name.hpp"
#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/release.hpp"

/// What rows that were compressed before `ALTER TABLE … ADD COLUMN … DEFAULT …` have in that column: compressed, they have nothing there, and
/// TimescaleDB reads pg_attribute.attmissingval of the chunk instead. No dump carries that, and a table made anew has none, so the
/// rows would read as NULL on the target.
namespace tslive::timescale {

namespace detail {

struct MissingValue {
    std::string type;
    std::string value;  ///< as text
    struct Column {
        catalog::QualifiedName chunk, compressed;  ///< the table of the chunk, and that of its compressed rows
        std::string name;
    };
    std::vector<Column> columns = {};
};

[[nodiscard]] inline std::vector<MissingValue> missing_values(pg::Connection& source) {
    const auto found = source.exec(
        "SELECT n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, "
        // The text of an array's element, whatever its type.
        "(a.attmissingval::pg_catalog.text::pg_catalog.text[])[1] AS value, "
        "z.schema_name, z.table_name FROM _timescaledb_catalog.chunk k "
        "JOIN _timescaledb_catalog.chunk z ON z.id = k.compressed_chunk_id JOIN pg_catalog.pg_namespace n ON n.nspname "
        "= k.schema_name "
        "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = k.table_name "
        "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE a.atthasmissing AND a.attnum > 0 AND NOT "
        "a.attisdropped ORDER BY type, value");
    std::vector<MissingValue> values;
    for (int row = 0; row < found.rows(); ++row) {
        if (values.empty() || values.back().type != found.at(row, 3) || values.back().value != found.at(row, 4))
            values.push_back({found.text(row, 3), found.text(row, 4)});
        values.back().columns.push_back(
            {{found.text(row, 0), found.text(row, 1)}, {found.text(row, 5), found.text(row, 6)}, found.text(row, 2)});
    }
    return values;
}

[[nodiscard]] inline Error no_missing_value(const MissingValue::Column& column) {
    return {
        Recovery::operator_action,
        fmt::format("column {} of chunk {} was added with a default when rows of it were compressed, and the target "
                    "cannot be told what they have there",
                    pg::quote_identifier(column.name), column.chunk),
        "Decompress and compress the chunk on the source, then begin anew: ts-clean --prune, and a new snapshot"};
}

/// Compressed rows in which a column is NULL travel without a word on it from releases that cannot read what they write for that
/// (Release::reads_null_compression): where a missing value is there as well, one would be taken for the other.
inline void refuse_null_beside(const MissingValue::Column& column, pg::Connection& source) {
    const auto found = source.exec(fmt::format("SELECT EXISTS (SELECT FROM {} WHERE {}::pg_catalog.text = 'Bg==')",
                                               column.compressed.quoted(), pg::quote_identifier(column.name)));
    if (found.boolean(0, 0)) throw no_missing_value(column);
}

}  // namespace detail

/// Gives the target's chunks the missing values of the source's, in the target's transaction.
///
/// PostgreSQL makes such a value when a column is added; it is made so for a table that passes, and taken over from there.
/// @param release  of the source
/// @pre    the chunks are tables of the target; its role is a superuser
/// @returns columns that got one
/// @throws Error  (operator_action) when a chunk or the value cannot be had on the target
inline std::int64_t copy_missing_values(pg::Connection& source, Release release, pg::Connection& target) {
    std::int64_t count = 0;
    for (const auto& missing : detail::missing_values(source)) {
        std::vector<std::string> columns;
        for (const auto& column : missing.columns) {
            if (!release.reads_null_compression()) detail::refuse_null_beside(column, source);
            columns.push_back(fmt::format("({}, {}, {})", pg::quote_literal(column.chunk.schema),
                                          pg::quote_literal(column.chunk.name), pg::quote_literal(column.name)));
        }
        target.exec("CREATE TEMPORARY TABLE tslive_missing_value (one pg_catalog.int4) ON COMMIT DROP");
        target.exec(fmt::format("ALTER TABLE pg_temp.tslive_missing_value ADD COLUMN value {} DEFAULT {}::{}",
                                missing.type, pg::quote_literal(missing.value), missing.type));
        const auto updated = target.exec(fmt::format(
            "UPDATE pg_catalog.pg_attribute a SET atthasmissing = true, attmissingval = made.attmissingval "
            "FROM pg_catalog.pg_attribute made, (VALUES {}) wanted(schema, name, attribute), "
            "pg_catalog.pg_class c, pg_catalog.pg_namespace n "
            "WHERE made.attrelid = 'pg_temp.tslive_missing_value'::pg_catalog.regclass AND made.attname = 'value' "
            "AND made.atthasmissing AND n.nspname = wanted.schema::pg_catalog.name AND c.relnamespace = n.oid "
            "AND c.relname = wanted.name::pg_catalog.name AND a.attrelid = c.oid "
            "AND a.attname = wanted.attribute::pg_catalog.name AND NOT a.attisdropped",
            fmt::join(columns, ", ")));
        target.exec("DROP TABLE pg_temp.tslive_missing_value");
        const auto rows = updated.command_rows().value_or(0);
        if (rows != static_cast<std::int64_t>(columns.size())) throw detail::no_missing_value(missing.columns.front());
        count += rows;
    }
    return count;
}

}  // namespace tslive::timescale
