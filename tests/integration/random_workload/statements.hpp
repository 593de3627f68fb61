#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "integration/random_workload/chance.hpp"
#include "integration/random_workload/schema.hpp"
#include "integration/random_workload/script.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/release.hpp"

namespace tslive::random_workload {

struct StatementLimits {
    std::int64_t largest_bytes = 2'000'000;  ///< of a value
    std::int64_t most_rows = 8'000;          ///< of one statement
    int server_version = 150000;
    std::optional<timescale::Release> timescaledb = {};
};

/// Draws the transactions of one session.
class StatementMaker {
public:
    StatementMaker(const Schema& schema, Chance chance, StatementLimits limits)
        : schema_(&schema), chance_(chance), limits_(limits) {}

    [[nodiscard]] Script transaction();
    /// The rows that a table begins with.
    [[nodiscard]] std::string first_rows(const Table& table) {
        return insert(table, 1, table.numbers) + unless_there(table);
    }

    /// So many that the table is copied in parts: keys, and what else cannot be NULL.
    [[nodiscard]] static std::string many_rows(const Table& table, std::int64_t rows);
    /// What is compressed and aggregated of the rows that a hypertable begins with.
    [[nodiscard]] std::vector<std::string> first_chunks(const Table& table);
    /// All that there is.
    [[nodiscard]] static std::vector<std::string> refreshes_of_all(const Table& table);

private:
    void add_statements(Script& script, int depth);
    void add_statement(Script& script);
    void add(Script& script, std::string sql, When when = When::always) {
        script.statements.push_back({.sql = std::move(sql), .when = when});
    }

    [[nodiscard]] std::string insert(const Table& table, std::int64_t first, std::int64_t count, bool with_key = false);
    [[nodiscard]] std::string insert_or_update(const Table& table);
    [[nodiscard]] std::string merge(const Table& table);
    [[nodiscard]] std::string update(const Table& table);
    [[nodiscard]] std::string update_of_key(const Table& table);
    [[nodiscard]] std::string swap_of_places(const Table& table);
    [[nodiscard]] std::string remove(const Table& table);
    void add_truncate(Script& script);
    [[nodiscard]] std::string block_with_handlers(const Table& table);
    [[nodiscard]] std::string aside(const Table& table);
    void add_maintenance(Script& script);
    void add_remove_and_insert(Script& script, const Table& table);

    void add_statement_on_hypertable(Script& script, const Table& table);
    void add_statement_on_chunks(Script& script, const Table& table);
    void add_drop_and_insert(Script& script, const Table& table);
    [[nodiscard]] std::string refresh();
    [[nodiscard]] std::string rows_by_time(const Table& table);
    [[nodiscard]] std::string rows_by_segment(const Table& table);
    [[nodiscard]] std::string some_chunks(const std::string& hypertable, std::string_view which, std::int64_t most);
    [[nodiscard]] std::string for_a_chunk(const std::string& hypertable, std::string_view which,
                                          std::string_view command);

    using Assignments = std::vector<std::pair<std::string, std::string>>;
    [[nodiscard]] Assignments values_of_row(const Table& table, bool with_key);
    [[nodiscard]] Assignments changes_of_row(const Table& table);
    [[nodiscard]] std::string set_list(const Assignments& assignments, std::int64_t number) const;
    [[nodiscard]] std::string large_value(const Table& table);
    [[nodiscard]] std::string some_rows(const Table& table);
    [[nodiscard]] static std::string rows_by_key(const Table& table, std::int64_t first, std::int64_t count);
    [[nodiscard]] std::int64_t number_of_a_row(const Table& table) {
        return chance_.between(1, chance_.percent(60) ? table.numbers * 5 / 4 : table.numbers * 10);
    }
    [[nodiscard]] std::int64_t row_count(const Table& table) {
        if (table.changes == Changes::by_content) return chance_.between(1, 4);
        if (table.hypertable && chance_.one_in(120)) return chance_.between(table.numbers, table.numbers * 4);
        if (!table.hypertable && chance_.one_in(120)) return chance_.between(limits_.most_rows / 4, limits_.most_rows);
        return chance_.skewed(1, 40);
    }
    /// With the key named, because deferrable constraints cannot be asked.
    static std::string unless_there(const Table& table) {
        return table.conflict_target ? fmt::format(" ON CONFLICT ({}) DO NOTHING", table.key_list()) : "";
    }
    static std::string constant(std::int64_t number) { return fmt::format("({}::bigint)", number); }

    const Schema* schema_;
    Chance chance_;
    StatementLimits limits_;
    int savepoints_ = 0;
};

inline Script StatementMaker::transaction() {
    Script script;
    if (chance_.one_in(80)) {
        add_maintenance(script);
        return script;
    }
    if (schema_->has_aggregates && chance_.one_in(20)) {
        add(script, refresh());
        return script;
    }
    if (chance_.percent(30)) {
        do {
            script.statements.clear();
            add_statement(script);
        } while (script.statements.size() != 1);
        return script;
    }
    script.begin = chance_.pick({"BEGIN", "BEGIN", "BEGIN", "BEGIN", "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ",
                                 "BEGIN ISOLATION LEVEL SERIALIZABLE"});
    if (chance_.one_in(5)) add(script, "SET CONSTRAINTS ALL DEFERRED");
    if (!chance_.one_in(25)) add_statements(script, 0);
    const auto end = chance_.between(1, 100);
    script.end = end <= 84   ? Script::End::commit
                 : end <= 94 ? Script::End::rollback
                 : end <= 98 ? Script::End::commit_prepared
                             : Script::End::rollback_prepared;
    return script;
}

inline void StatementMaker::add_statements(Script& script, int depth) {
    for (auto left = chance_.skewed(1, depth == 0 ? 14 : 5); left > 0; --left) {
        if (depth > 3 || !chance_.one_in(6)) {
            add_statement(script);
            continue;
        }
        const auto savepoint = fmt::format("s{}", ++savepoints_);
        script.statements.push_back({"SAVEPOINT " + savepoint, Statement::Kind::savepoint, savepoint});
        add_statements(script, depth + 1);
        if (chance_.one_in(2))
            script.statements.push_back(
                {"ROLLBACK TO SAVEPOINT " + savepoint, Statement::Kind::rollback_to, savepoint});
        if (!chance_.one_in(4))
            script.statements.push_back({"RELEASE SAVEPOINT " + savepoint, Statement::Kind::release, savepoint});
    }
}

inline void StatementMaker::add_statement(Script& script) {
    const auto& table = chance_.pick(schema_->tables);
    if (chance_.one_in(90)) return add_truncate(script);
    if (chance_.one_in(14)) return add(script, aside(table));
    if (chance_.one_in(40)) return add(script, block_with_handlers(table));
    if (table.changes == Changes::inserts_only)
        return add(script, insert(table, number_of_a_row(table), row_count(table)));
    if (table.changes == Changes::none) return add(script, aside(table));
    if (table.hypertable && chance_.percent(45))
        return chance_.percent(65) ? add_statement_on_hypertable(script, table)
                                   : add_statement_on_chunks(script, table);
    switch (chance_.weighted({30, 14, 40, 10, 8, 16, 7, 5})) {
        case 0: return add(script, insert(table, number_of_a_row(table), row_count(table)));
        case 1: return add(script, insert_or_update(table));
        case 2: return add(script, update(table));
        case 3: return add(script, update_of_key(table));
        case 4: return add(script, swap_of_places(table));
        case 5: return add(script, remove(table));
        case 6: return add_remove_and_insert(script, table);
        default: return add(script, merge(table));
    }
}

}  // namespace tslive::random_workload

#include "integration/random_workload/impl/asides.ipp"
#include "integration/random_workload/impl/changes.ipp"
#include "integration/random_workload/impl/chunks.ipp"
#include "integration/random_workload/impl/inserts.ipp"
