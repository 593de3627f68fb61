#pragma once

namespace tslive::random_workload {

// Statements that add rows, and what a row is made of.

/// Columns and what they get, as expressions of the row's number. Columns that are left out get their defaults.
inline StatementMaker::Assignments StatementMaker::values_of_row(const Table& table, bool with_key) {
    Assignments values;
    const bool leave_key = table.key_default != Table::KeyDefault::none && !with_key && chance_.one_in(2);
    for (const auto& column : table.key)
        if (!leave_key || &column != &table.key.front())
            values.emplace_back(column.name, fmt::format("({})::{}", column.by_number,
                                                         column.type.substr(0, column.type.find(" COLLATE"))));
    for (const auto& column : table.always)
        values.emplace_back(column.name, fmt::format("({})::{}", column.by_number, column.type));
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
