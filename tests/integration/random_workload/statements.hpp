#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "integration/random_workload/chance.hpp"
#include "integration/random_workload/schema.hpp"
#include "integration/random_workload/script.hpp"

namespace tslive::random_workload {

struct StatementLimits {
    std::int64_t largest_bytes = 2'000'000;  ///< of a value
    std::int64_t most_rows = 8'000;          ///< of one statement
    int server_version = 150000;
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

private:
    void add_statements(Script& script, int depth);
    void add_statement(Script& script);
    void add(Script& script, std::string sql) { script.statements.push_back({std::move(sql)}); }

    [[nodiscard]] std::string insert(const Table& table, std::int64_t first, std::int64_t count, bool with_key = false);
    [[nodiscard]] std::string insert_or_update(const Table& table);
    [[nodiscard]] std::string merge(const Table& table);
    [[nodiscard]] std::string update(const Table& table);
    [[nodiscard]] std::string update_of_key(const Table& table);
    [[nodiscard]] std::string swap_of_places(const Table& table);
    [[nodiscard]] std::string remove(const Table& table);
    [[nodiscard]] std::string truncate();
    [[nodiscard]] std::string block_with_handlers(const Table& table);
    [[nodiscard]] std::string aside(const Table& table);
    [[nodiscard]] std::string maintenance();
    void add_remove_and_insert(Script& script, const Table& table);

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
        if (chance_.one_in(120)) return chance_.between(limits_.most_rows / 4, limits_.most_rows);
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
        add(script, maintenance());
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
    if (chance_.one_in(90)) return add(script, truncate());
    if (chance_.one_in(14)) return add(script, aside(table));
    if (chance_.one_in(40)) return add(script, block_with_handlers(table));
    if (table.changes == Changes::inserts_only)
        return add(script, insert(table, number_of_a_row(table), row_count(table)));
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

/// Columns and what they get, as expressions of the row's number. Columns that are left out get their defaults.
inline StatementMaker::Assignments StatementMaker::values_of_row(const Table& table, bool with_key) {
    Assignments values;
    const bool leave_key = table.key_default != Table::KeyDefault::none && !with_key && chance_.one_in(2);
    for (const auto& column : table.key)
        if (!leave_key || &column != &table.key.front())
            values.emplace_back(column.name, fmt::format("({})::{}", column.by_number,
                                                         column.type.substr(0, column.type.find(" COLLATE"))));
    if (table.key.empty() && !table.region.empty())
        values.emplace_back(table.region, "(ARRAY['north', 'south', 'east', 'west'])[1 + #i# % 4]");
    if (!chance_.one_in(5)) values.emplace_back(table.number, "(#i# % 50)::int");
    if (!table.code.empty()) values.emplace_back(table.code, "'code ' || #i#");
    if (!table.place.empty() && !leave_key && chance_.one_in(2)) values.emplace_back(table.place, "(#i#)::int");
    if (!table.during.empty() && chance_.one_in(2))
        values.emplace_back(table.during, "int4range((#i# * 10)::int, (#i# * 10 + 9)::int)");
    if (!table.reference.empty() && !chance_.one_in(3)) values.emplace_back(table.reference, table.reference_value);
    if (!table.large.empty() && chance_.one_in(3)) values.emplace_back(table.large, large_value(table));
    for (const auto& column : table.columns)
        if (!chance_.one_in(5)) values.emplace_back(column.name, random_value(column.type, chance_, column.nullable));
    if (values.empty()) values.emplace_back(table.number, "(#i# % 50)::int");
    return values;
}

inline std::string StatementMaker::insert(const Table& table, std::int64_t first, std::int64_t count, bool with_key) {
    const auto values = values_of_row(table, with_key);
    std::string columns, expressions;
    const bool one_row = count == 1 && chance_.one_in(2);
    for (const auto& [name, value] : values) {
        columns += (columns.empty() ? "" : ", ") + name;
        expressions += (expressions.empty() ? "" : ", ") + with_number(value, one_row ? constant(first) : "g.\"#\"");
    }
    const auto into = fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE", table.name, columns);
    if (one_row) return fmt::format("{} VALUES ({})", into, expressions);
    // Tables whose rows are found by content stay small, or finding them would take ever longer.
    const auto bound =
        table.changes == Changes::by_content ? fmt::format(" WHERE (SELECT count(*) FROM {}) < 150", table.name) : "";
    return fmt::format("{} SELECT {} FROM generate_series({}::bigint, {}::bigint) AS g(\"#\"){}", into, expressions,
                       first, first + count - 1, bound);
}

inline std::string StatementMaker::insert_or_update(const Table& table) {
    const auto count = row_count(table);
    const auto base = insert(table, number_of_a_row(table), count, true);
    if (!table.conflict_target) return base;
    const auto changes = changes_of_row(table);
    if (changes.empty() || chance_.one_in(4)) return base + unless_there(table);
    return fmt::format("{} ON CONFLICT ({}) DO UPDATE SET {}", base, table.key_list(),
                       set_list(changes, number_of_a_row(table)));
}

inline std::string StatementMaker::merge(const Table& table) {
    const auto changes = changes_of_row(table);
    if (limits_.server_version < 150000 || table.key.empty() || changes.empty() ||
        table.key_default == Table::KeyDefault::always || table.has_children)
        return update(table);
    const auto first = number_of_a_row(table);
    std::string matches, columns, expressions;
    for (const auto& column : table.key)
        matches += fmt::format("{}{}.{} = {}", matches.empty() ? "" : " AND ", table.name, column.name,
                               with_number(column.by_number, "g.\"#\""));
    for (const auto& [name, value] : values_of_row(table, true)) {
        columns += (columns.empty() ? "" : ", ") + name;
        expressions += (expressions.empty() ? "" : ", ") + with_number(value, "g.\"#\"");
    }
    return fmt::format(
        "MERGE INTO {} USING generate_series({}::bigint, {}::bigint) AS g(\"#\") ON {} "
        "WHEN MATCHED AND g.\"#\" % 3 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET {} WHEN NOT MATCHED THEN INSERT "
        "({}) VALUES ({})",
        table.name, first, first + chance_.skewed(0, 12), matches, set_list(changes, first), columns, expressions);
}

/// What an UPDATE may set besides the key.
inline StatementMaker::Assignments StatementMaker::changes_of_row(const Table& table) {
    Assignments all;
    all.emplace_back(table.number, "(#i# % 50)::int");
    all.emplace_back(table.number, fmt::format("coalesce({}.{}, 0) + 1", table.name, table.number));
    if (!table.code.empty()) all.emplace_back(table.code, "'code ' || #i#");
    if (!table.place.empty()) all.emplace_back(table.place, chance_.one_in(2) ? "NULL" : "(#i#)::int");
    if (!table.during.empty())
        all.emplace_back(table.during, chance_.one_in(3) ? "NULL" : "int4range((#i# * 10)::int, (#i# * 10 + 9)::int)");
    if (!table.reference.empty()) all.emplace_back(table.reference, table.reference_value);
    if (!table.large.empty()) all.emplace_back(table.large, large_value(table));
    if (!table.region.empty())
        all.emplace_back(table.region, fmt::format("'{}'", chance_.pick({"north", "south", "east", "west"})));
    for (const auto& column : table.columns)
        all.emplace_back(column.name, random_value(column.type, chance_, column.nullable));
    chance_.shuffle(all);
    Assignments chosen;
    const auto wanted = static_cast<std::size_t>(chance_.skewed(1, 5));
    for (auto& assignment : all) {
        if (chosen.size() == wanted) break;
        const auto same = [&](const auto& other) { return other.first == assignment.first; };
        if (std::none_of(chosen.begin(), chosen.end(), same)) chosen.push_back(std::move(assignment));
    }
    return chosen;
}

inline std::string StatementMaker::set_list(const Assignments& assignments, std::int64_t number) const {
    std::string out;
    for (const auto& [name, value] : assignments)
        out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", name, with_number(value, constant(number)));
    return out;
}

/// Of one byte to two million, some that compress well and some that do not.
inline std::string StatementMaker::large_value(const Table& table) {
    if (chance_.one_in(6)) return "NULL";
    const auto most = table.changes == Changes::by_content ? 20'000 : limits_.largest_bytes;
    const auto bytes =
        chance_.one_in(12) ? chance_.skewed(1, most) : chance_.skewed(1, std::min<std::int64_t>(most, 12'000));
    const auto text =
        chance_.one_in(2)
            ? fmt::format("repeat('v' || #i# || ' ', {})", bytes / 6 + 1)
            : fmt::format("(SELECT string_agg(md5((#i#)::text || s), '') FROM generate_series(1, {}) AS s)",
                          bytes / 32 + 1);
    if (table.large_type == "bytea") return fmt::format("convert_to({}, 'UTF8')", text);
    if (table.large_type == "jsonb") return fmt::format("jsonb_build_object('large', {})", text);
    return text;
}

inline std::string StatementMaker::rows_by_key(const Table& table, std::int64_t first, std::int64_t count) {
    std::string columns, expressions;
    for (const auto& column : table.key) {
        columns += fmt::format("{}{}.{}", columns.empty() ? "" : ", ", table.name, column.name);
        expressions +=
            fmt::format("{}({})::{}", expressions.empty() ? "" : ", ", with_number(column.by_number, "g.\"#\""),
                        column.type.substr(0, column.type.find(" COLLATE")));
    }
    return fmt::format("({}) IN (SELECT {} FROM generate_series({}::bigint, {}::bigint) AS g(\"#\"))", columns,
                       expressions, first, first + count - 1);
}

/// A condition that holds for one row, for some, or for none.
inline std::string StatementMaker::some_rows(const Table& table) {
    if (table.key.empty() || chance_.one_in(5)) {
        const auto number = chance_.between(0, 49);
        if (!table.partitions.empty() || table.has_children || chance_.one_in(3))
            return fmt::format("{}.{} = {}", table.name, table.number, number);
        return fmt::format("{0}.ctid = ANY (ARRAY(SELECT ctid FROM {0} WHERE {1} >= {2} LIMIT {3}))", table.name,
                           table.number, number, chance_.between(1, 3));
    }
    if (chance_.one_in(60)) return rows_by_key(table, number_of_a_row(table), limits_.most_rows);
    return rows_by_key(table, number_of_a_row(table), chance_.one_in(2) ? 1 : chance_.skewed(1, 30));
}

inline std::string StatementMaker::update(const Table& table) {
    if (chance_.one_in(12))
        return fmt::format("UPDATE {0} SET {1} = {0}.{1} WHERE {2}", table.name, table.number, some_rows(table));
    return fmt::format("UPDATE {} SET {} WHERE {}", table.name, set_list(changes_of_row(table), number_of_a_row(table)),
                       some_rows(table));
}

inline std::string StatementMaker::update_of_key(const Table& table) {
    if (table.key.empty()) return update(table);
    const auto& key = chance_.pick(table.key);
    if (table.key_default == Table::KeyDefault::always)
        return fmt::format("UPDATE {} SET {} = DEFAULT WHERE {}", table.name, key.name, some_rows(table));
    const auto more = chance_.one_in(3) ? ", " + set_list(changes_of_row(table), number_of_a_row(table)) : "";
    // Changes of the key's own columns come once: "region" is one of them.
    const auto extra = more.find(key.name + " = ") == std::string::npos ? more : "";
    if (!key.equal.empty() && chance_.one_in(2))
        return fmt::format("UPDATE {} SET {} = {}{} WHERE {}", table.name, key.name, key.equal, extra,
                           some_rows(table));
    if (key.counts) {
        switch (chance_.between(1, 4)) {
            case 1:
                return fmt::format("UPDATE {0} SET {1} = {1} + 1{2} WHERE {3}", table.name, key.name, extra,
                                   some_rows(table));
            case 2:
                return fmt::format("UPDATE {0} SET {1} = {1} - 1 WHERE {1} > {2}", table.name, key.name,
                                   table.numbers - chance_.between(0, 30));
            case 3:
                return fmt::format("UPDATE {0} SET {1} = -{1}{2} WHERE {3}", table.name, key.name, extra,
                                   some_rows(table));
            default: break;
        }
    }
    const auto number = number_of_a_row(table);
    return fmt::format("UPDATE {} SET {} = {}{} WHERE {}", table.name, key.name,
                       with_number(key.by_number, constant(number)), extra,
                       rows_by_key(table, number_of_a_row(table), 1));
}

/// Two rows exchange a unique value: within a statement where the constraint allows that, else by way of a third value.
inline std::string StatementMaker::swap_of_places(const Table& table) {
    if (table.place.empty()) return update(table);
    const auto a = number_of_a_row(table), b = number_of_a_row(table);
    if (!table.place_is_deferrable)
        return fmt::format("UPDATE {0} SET {1} = {1} + {2} WHERE {1} BETWEEN {3} AND {4}", table.name, table.place,
                           chance_.pick({1, 1000, -1}), std::min(a, b), std::max(a, b));
    return fmt::format("UPDATE {0} SET {1} = CASE {1} WHEN {2} THEN {3} ELSE {2} END WHERE {1} IN ({2}, {3})",
                       table.name, table.place, a, b);
}

inline std::string StatementMaker::remove(const Table& table) {
    return fmt::format("DELETE FROM {} WHERE {}", table.name, some_rows(table));
}

/// The same key goes and comes back, in one transaction.
inline void StatementMaker::add_remove_and_insert(Script& script, const Table& table) {
    if (table.key.empty()) return add(script, remove(table));
    const auto first = number_of_a_row(table), count = chance_.skewed(1, 12);
    add(script, fmt::format("DELETE FROM {} WHERE {}", table.name, rows_by_key(table, first, count)));
    add(script, insert(table, first, count, true));
}

inline std::string StatementMaker::truncate() {
    const auto one = [&] {
        const auto& table = chance_.pick(schema_->tables);
        if (!table.partitions.empty() && chance_.one_in(2)) return chance_.pick(table.partitions);
        return (table.has_children && chance_.one_in(2) ? "ONLY " : "") + table.name;
    };
    auto list = one();
    while (chance_.one_in(3)) list += ", " + one();
    return fmt::format("TRUNCATE {}{}{}", list, chance_.one_in(3) ? " RESTART IDENTITY" : "",
                       chance_.one_in(5) ? "" : " CASCADE");
}

/// Each row in a sub-transaction of its own, of which some fail.
inline std::string StatementMaker::block_with_handlers(const Table& table) {
    std::string columns, expressions;
    for (const auto& [name, value] : values_of_row(table, true)) {
        columns += (columns.empty() ? "" : ", ") + name;
        expressions += (expressions.empty() ? "" : ", ") + with_number(value, "\"the #\"");
    }
    const auto first = number_of_a_row(table);
    return fmt::format(
        "DO $do$ DECLARE \"the #\" bigint; BEGIN FOR \"the #\" IN {}..{} LOOP BEGIN "
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}); IF \"the #\" % 3 = 0 THEN RAISE 'no'; END IF; "
        "EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $do$",
        first, first + chance_.skewed(1, table.changes == Changes::by_content ? 3 : 100), table.name, columns,
        expressions);
}

/// What changes no row.
inline std::string StatementMaker::aside(const Table& table) {
    switch (chance_.between(1, 6)) {
        case 1:
            return fmt::format("SELECT pg_logical_emit_message({}, 'other', repeat('message', {}))", chance_.one_in(2),
                               chance_.skewed(0, 5000));
        case 2: return fmt::format("SELECT nextval({})", pg::quote_literal(chance_.pick(schema_->sequences)));
        case 3:
            return fmt::format("SELECT setval({}, {}, {})", pg::quote_literal(chance_.pick(schema_->sequences)),
                               chance_.between(1, 20), chance_.one_in(2));
        case 4: return fmt::format("SELECT FROM {} WHERE {} FOR UPDATE", table.name, some_rows(table));
        case 5: return fmt::format("SELECT FROM {} WHERE {} FOR KEY SHARE", table.name, some_rows(table));
        default: return "CREATE TEMPORARY TABLE IF NOT EXISTS passing ON COMMIT DROP AS SELECT 1 AS one";
    }
}

/// What moves rows and changes none; outside of transactions.
inline std::string StatementMaker::maintenance() {
    const auto& table = chance_.pick(schema_->tables);
    const auto name = table.partitions.empty() ? table.name : chance_.pick(table.partitions);
    return fmt::format("{} {}", chance_.pick({"VACUUM FULL", "VACUUM", "ANALYZE", "REINDEX TABLE", "VACUUM (FREEZE)"}),
                       name);
}

inline std::string StatementMaker::many_rows(const Table& table, std::int64_t rows) {
    std::string columns = table.number, expressions = "(g.\"#\" % 50)::int";
    const auto add = [&](const std::string& name, const std::string& value) {
        columns += ", " + name;
        expressions += ", " + with_number(value, "g.\"#\"");
    };
    for (const auto& column : table.key) add(column.name, column.by_number);
    if (!table.code.empty()) add(table.code, "'code ' || #i#");
    return fmt::format(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM generate_series(1000::bigint, {}::bigint) AS "
        "g(\"#\") "
        "{}",
        table.name, columns, expressions, 1000 + rows, unless_there(table));
}

}  // namespace tslive::random_workload
