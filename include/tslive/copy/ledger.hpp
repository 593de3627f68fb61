#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/detail/row.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/plan.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/pg/retry.hpp"

/// What of the base copy is on the target, kept there, so that it can neither be ahead of the rows nor behind them:
///   part_plan   the parts of each table, and the snapshot that they are read from; written when they are planned
///   part_done   the parts that are complete; written in the transaction that brings the rows
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

/// SQL for the two tables. Each call uses the connection it is given, in that connection's transaction.
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

    void plan(pg::Connection& target, std::span<const PlannedPart> parts) const {
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
