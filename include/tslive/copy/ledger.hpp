#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/catalog/drift.hpp"
#include "tslive/catalog/table_shape.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/plan.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/pg/retry.hpp"

/// What of the base copy is on the target, kept there, so that it can neither be ahead of the rows nor behind them:
///   part_plan   the parts of each table, and the snapshot that they are read from; written when they are planned
///   part_done   the parts that are complete; written in the transaction that brings the rows
///   table_seen  what each table looked like in that snapshot, and later, once the target has followed a change of it
/// A table that has to be read from another snapshot changes its rows in both, and is emptied, in one transaction.
namespace tslive::copy {

/// Makes our schema on the target and the tables in it. Safe to repeat.
inline void create_helper_schema(pg::Connection& target, std::string_view migration_id) {
    const auto schema = pg::quote_identifier(helper_schema(migration_id));
    target.exec(fmt::format(
        "CREATE SCHEMA IF NOT EXISTS {0};"
        "CREATE TABLE IF NOT EXISTS {0}.part_plan (part pg_catalog.text PRIMARY KEY, relation pg_catalog.oid NOT NULL, "
        "  schema_name pg_catalog.text NOT NULL, table_name pg_catalog.text NOT NULL, consistent_point "
        "pg_catalog.pg_lsn NOT NULL, "
        "  first_block pg_catalog.int8 NOT NULL, end_block pg_catalog.int8);"
        "CREATE INDEX IF NOT EXISTS part_plan_table ON {0}.part_plan (schema_name, table_name);"
        "CREATE TABLE IF NOT EXISTS {0}.part_done (part pg_catalog.text PRIMARY KEY, rows pg_catalog.int8 NOT NULL, "
        "  finished_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp());"
        "CREATE TABLE IF NOT EXISTS {0}.table_seen (schema_name pg_catalog.text, table_name pg_catalog.text, accepted "
        "  pg_catalog.bool, relation pg_catalog.oid NOT NULL, target_relation pg_catalog.oid, file_node pg_catalog.oid "
        "NOT "
        "  NULL, attributes pg_catalog.int2 NOT NULL, numbers pg_catalog.int2[], names pg_catalog.text[], types "
        "  pg_catalog.oid[], modifiers pg_catalog.int4[], generated pg_catalog.bool[], "
        "  PRIMARY KEY (schema_name, table_name, accepted));"
        "CREATE INDEX IF NOT EXISTS table_seen_relation ON {0}.table_seen (relation);"
        "CREATE INDEX IF NOT EXISTS table_seen_target ON {0}.table_seen (target_relation);"
        "CREATE TABLE IF NOT EXISTS {0}.progress (origin pg_catalog.text PRIMARY KEY, lsn pg_catalog.pg_lsn NOT NULL)",
        schema));
}

/// A part as the target knows it.
struct PlannedPart {
    std::string key;
    RelationId relation;  ///< on the source
    catalog::QualifiedName name;
    Lsn consistent_point;
    BlockRange range;
    std::optional<std::int64_t> rows;  ///< copied; nothing: not done
};

/// A table of the source as it was.
struct SeenTable {
    RelationId source;
    catalog::QualifiedName name;
    std::optional<RelationId> target;             ///< the OID of the target's table, which outlives names
    catalog::TableShape copied;                   ///< when its rows were copied
    std::optional<catalog::TableShape> accepted;  ///< after the last change of it that the target has followed

    [[nodiscard]] const catalog::TableShape& newest() const noexcept { return accepted ? *accepted : copied; }
    /// Whether changes with these columns are of one of the two.
    [[nodiscard]] bool knows(const std::vector<catalog::ShapeColumn>& sent) const {
        const auto is = [&](const catalog::TableShape& shape) {
            return catalog::same_columns(catalog::carried(shape.columns), sent);
        };
        return is(copied) || (accepted && is(*accepted));
    }
};

/// SQL for these tables. Each call uses the connection it is given, in that connection's transaction.
class Ledger {
public:
    explicit Ledger(std::string_view migration_id) : schema_(pg::quote_identifier(helper_schema(migration_id))) {}

    /// All parts, by table and then by block.
    [[nodiscard]] std::vector<PlannedPart> read(pg::Connection& target) const {
        const auto result =
            target.exec(fmt::format("SELECT p.part, p.relation, p.schema_name, p.table_name, p.consistent_point, "
                                    "p.first_block, p.end_block, d.rows "
                                    "FROM {0}.part_plan p LEFT JOIN {0}.part_done d ON d.part = p.part ORDER BY "
                                    "p.schema_name, p.table_name, p.first_block",
                                    schema_));
        std::vector<PlannedPart> parts;
        parts.reserve(static_cast<std::size_t>(result.rows()));
        for (int r = 0; r < result.rows(); ++r) {
            PlannedPart part{.key = result.text(r, 0),
                             .relation = {result.number<std::uint32_t>(r, 1)},
                             .name = {result.text(r, 2), result.text(r, 3)},
                             .consistent_point = result.lsn(r, 4),
                             .range = {.first = result.number<std::int64_t>(r, 5), .end = std::nullopt},
                             .rows = std::nullopt};
            if (!result.is_null(r, 6)) part.range.end = result.number<std::int64_t>(r, 6);
            if (!result.is_null(r, 7)) part.rows = result.number<std::int64_t>(r, 7);
            parts.push_back(std::move(part));
        }
        return parts;
    }

    /// On the target's disk with the COMMIT, whatever the session has set: parts are copied by what was planned, and
    /// where a crash takes the plan and leaves them, nobody would miss the tables that are not complete.
    /// @pre a transaction is open
    void plan(pg::Connection& target, std::span<const PlannedPart> parts) const {
        target.exec("SET LOCAL synchronous_commit = on");
        constexpr std::size_t most_rows = 500;  // times seven parameters; the protocol allows 65,535
        for (std::size_t at = 0; at < parts.size(); at += most_rows) {
            const auto some = parts.subspan(at, std::min(most_rows, parts.size() - at));
            auto sql = fmt::format(
                "INSERT INTO {}.part_plan (part, relation, schema_name, table_name, consistent_point, first_block, "
                "end_block) VALUES ",
                schema_);
            pg::Params params;
            for (const auto& part : some) {
                const int n = params.count();
                sql += fmt::format("{}(${}, ${}, ${}, ${}, ${}, ${}, ${})", n == 0 ? "" : ", ", n + 1, n + 2, n + 3,
                                   n + 4, n + 5, n + 6, n + 7);
                params.text(part.key).number(part.relation.value).text(part.name.schema).text(part.name.name);
                params.text(fmt::format("{}", part.consistent_point)).number(part.range.first);
                if (part.range.end) params.number(*part.range.end);
                else params.null();
            }
            target.exec(sql, params);
        }
    }

    /// Forgets a table's parts, done or not. @pre the same transaction empties the table
    void forget(pg::Connection& target, const catalog::QualifiedName& table) const {
        pg::Params params;
        params.text(table.schema).text(table.name);
        target.exec(
            fmt::format(
                "DELETE FROM {0}.part_done WHERE part IN (SELECT part FROM {0}.part_plan WHERE schema_name = $1 "
                "AND table_name = $2)",
                schema_),
            params);
        target.exec(fmt::format("DELETE FROM {}.part_plan WHERE schema_name = $1 AND table_name = $2", schema_),
                    params);
        target.exec(fmt::format("DELETE FROM {}.table_seen WHERE schema_name = $1 AND table_name = $2", schema_),
                    params);
    }

    /// Writes down what `tables` look like in the source session's snapshot.
    void remember(pg::Connection& source, pg::Connection& target, std::span<const TableToCopy> tables) const {
        constexpr std::size_t most_rows = 500;  // times twelve parameters
        for (std::size_t at = 0; at < tables.size(); at += most_rows) {
            std::map<RelationId, const TableToCopy*> some;
            std::vector<RelationId> ids;
            for (const auto& table : tables.subspan(at, std::min(most_rows, tables.size() - at))) {
                some.emplace(table.table.id, &table);
                ids.push_back(table.table.id);
            }
            const auto shapes = catalog::shapes_as_text(source, ids);
            std::string rows;
            pg::Params params;
            for (int r = 0; r < shapes.rows(); ++r) {
                const auto& table = *some.at({shapes.number<std::uint32_t>(r, 0)});
                params.text(table.table.name.schema).text(table.table.name.name);
                params.text(table.there.schema).text(table.there.name);
                rows += values_of(rows.empty() ? "" : ", ", params.count() - 3, false);
                for (int column = 0; column < shapes.columns(); ++column) params.text(shapes.at(r, column));
            }
            if (!rows.empty()) insert_seen(target, rows, params);
        }
    }

    /// Writes down what a table looks like now, which the target has followed.
    void accept(pg::Connection& target, const SeenTable& table, const catalog::TableDefinition& now) const {
        std::vector<std::int64_t> numbers, types, modifiers;
        std::vector<std::string> names;
        std::vector<bool> generated;
        for (const auto& column : now.columns) {
            numbers.push_back(column.number);
            names.push_back(column.name);
            types.push_back(column.type.value);
            modifiers.push_back(column.type_modifier);
            generated.push_back(column.generated);
        }
        using catalog::detail::array_text;
        pg::Params params;
        params.text(table.name.schema).text(table.name.name).text(table.name.schema).text(table.name.name);
        params.number(table.source.value).number(now.file_node);
        params.number(now.attributes).text(array_text(numbers)).text(array_text(names)).text(array_text(types));
        params.text(array_text(modifiers)).text(array_text(generated));
        insert_seen(target, values_of("", 1, true), params);
    }

    /// By their OIDs on the source; those that were never remembered have no entry.
    [[nodiscard]] std::map<RelationId, SeenTable> seen(pg::Connection& target,
                                                       std::span<const RelationId> relations) const {
        const auto result = target.exec_again(
            fmt::format("SELECT s.relation, s.schema_name, s.table_name, s.target_relation, s.accepted, s.file_node, "
                        "s.attributes, u.number, u.name, u.type, u.modifier, u.generated FROM {}.table_seen s "
                        "LEFT JOIN LATERAL unnest(s.numbers, s.names, s.types, s.modifiers, s.generated) "
                        "AS u (number, name, type, modifier, generated) ON true "
                        "WHERE s.relation = ANY ($1::pg_catalog.oid[]) ORDER BY s.relation, s.accepted, u.number",
                        schema_),
            pg::Params{}.text(catalog::detail::oid_array(relations)));
        std::map<RelationId, SeenTable> found;
        for (int r = 0; r < result.rows(); ++r) {
            catalog::detail::Row row(result, r);
            const auto id = row.relation();
            auto& table = found[id];
            table.source = id;
            table.name = {row.text(), row.text()};
            table.target = row.optional_relation();
            if (row.boolean() && !table.accepted) table.accepted.emplace();
            auto& shape = table.accepted ? *table.accepted : table.copied;
            shape.file_node = row.number<std::uint32_t>();
            shape.attributes = row.number<std::int16_t>();
            if (result.is_null(r, 7)) continue;  // a table without columns
            catalog::ShapeColumn column;
            column.number = row.number<std::int16_t>();
            column.name = row.text();
            column.type = {row.number<std::uint32_t>()};
            column.type_modifier = row.number<std::int32_t>();
            column.generated = row.boolean();
            shape.columns.push_back(std::move(column));
        }
        return found;
    }
    /// OIDs on the source of all tables that were remembered.
    [[nodiscard]] std::vector<RelationId> relations(pg::Connection& target) const {
        const auto result = target.exec(fmt::format("SELECT DISTINCT relation FROM {}.table_seen ORDER BY 1", schema_));
        std::vector<RelationId> ids;
        for (int r = 0; r < result.rows(); ++r) ids.push_back({result.number<std::uint32_t>(r, 0)});
        return ids;
    }
    [[nodiscard]] std::optional<RelationId> target_of(pg::Connection& target, RelationId source_table) const {
        return look_up(target, "target_relation", "relation", source_table);
    }
    [[nodiscard]] std::optional<RelationId> source_of(pg::Connection& target, RelationId target_table) const {
        return look_up(target, "relation", "target_relation", target_table);
    }

    [[nodiscard]] std::optional<std::int64_t> done_rows(pg::Connection& target, std::string_view key) const {
        const auto result =
            target.exec(fmt::format("SELECT rows FROM {}.part_done WHERE part = $1", schema_), pg::Params{}.text(key));
        if (result.empty()) return std::nullopt;
        return result.number<std::int64_t>(0, 0);
    }

    /// Takes the part for this transaction. Another one that has it, such as a COMMIT whose answer got lost on its way
    /// to us, is waited for.
    /// @returns false when the part is done
    [[nodiscard]] bool claim(pg::Connection& target, std::string_view key) const {
        const auto inserted = target.exec_again(
            fmt::format("INSERT INTO {}.part_done (part, rows) VALUES ($1, 0) ON CONFLICT (part) DO NOTHING", schema_),
            pg::Params{}.text(key));
        return inserted.command_rows() == 1;
    }
    void set_rows(pg::Connection& target, std::string_view key, std::int64_t rows) const {
        target.exec_again(
            fmt::format("UPDATE {}.part_done SET rows = $2, finished_at = pg_catalog.clock_timestamp() WHERE part = $1",
                        schema_),
            pg::Params{}.text(key).number(rows));
    }
    /// A marker that may be written again.
    void mark(pg::Connection& target, std::string_view key, std::int64_t rows) const {
        target.exec(
            fmt::format("INSERT INTO {}.part_done (part, rows) VALUES ($1, $2) ON CONFLICT (part) DO UPDATE SET rows = "
                        "EXCLUDED.rows, finished_at = pg_catalog.clock_timestamp()",
                        schema_),
            pg::Params{}.text(key).number(rows));
    }

private:
    /// One row of VALUES; `first` is the number of the parameter with the schema's name. The name on the target follows.
    [[nodiscard]] static std::string values_of(std::string_view comma, int first, bool accepted) {
        const auto p = [first](int n) { return first + n; };
        return fmt::format(
            "{}(${}::pg_catalog.text, ${}::pg_catalog.text, {}, ${}::pg_catalog.oid, (SELECT c.oid FROM "
            "pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = "
            "${}::pg_catalog.text AND c.relname = ${}::pg_catalog.text), ${}::pg_catalog.oid, ${}::pg_catalog.int2, "
            "${}::pg_catalog.int2[], ${}::pg_catalog.text[], ${}::pg_catalog.oid[], ${}::pg_catalog.int4[], "
            "${}::pg_catalog.bool[])",
            comma, p(0), p(1), accepted ? "true" : "false", p(4), p(2), p(3), p(5), p(6), p(7), p(8), p(9), p(10),
            p(11));
    }
    void insert_seen(pg::Connection& target, const std::string& rows, const pg::Params& params) const {
        target.exec(
            fmt::format(
                "INSERT INTO {0}.table_seen AS s (schema_name, table_name, accepted, relation, target_relation, "
                "file_node, attributes, numbers, names, types, modifiers, generated) VALUES {1} ON CONFLICT "
                "(schema_name, table_name, accepted) DO UPDATE SET relation = EXCLUDED.relation, "
                "target_relation = CASE WHEN s.accepted THEN s.target_relation ELSE EXCLUDED.target_relation END, "
                "file_node = EXCLUDED.file_node, attributes = EXCLUDED.attributes, numbers = EXCLUDED.numbers, "
                "names = EXCLUDED.names, types = EXCLUDED.types, modifiers = EXCLUDED.modifiers, "
                "generated = EXCLUDED.generated",
                schema_, rows),
            params);
    }
    [[nodiscard]] std::optional<RelationId> look_up(pg::Connection& target, std::string_view wanted,
                                                    std::string_view known, RelationId id) const {
        const auto found = target.exec_again(
            fmt::format("SELECT {} FROM {}.table_seen WHERE {} = $1 AND NOT accepted AND {} IS NOT NULL", wanted,
                        schema_, known, wanted),
            pg::Params{}.number(id.value));
        if (found.empty()) return std::nullopt;
        return RelationId{found.number<std::uint32_t>(0, 0)};
    }

    std::string schema_;
};

/// Makes durable on the target what any session committed before without waiting for the disk: one commit that does
/// wait flushes the log up to itself. To be called before a step is recorded as done (law 5).
inline void make_durable(const Options& options, const std::stop_token& stop) {
    Waiter waiter(stop);
    pg::retry("flush of the target", waiter, [&] {
        auto target = pg::Connection::open(options.target, "copy", stop);
        target.exec("SET synchronous_commit = on");
        Ledger(options.migration_id).mark(target, "durable", 0);
    });
}

}  // namespace tslive::copy
