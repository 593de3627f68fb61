#pragma once

namespace tslive::random_workload {

// Statements that change rows or remove them, and which rows they mean.

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
        if (table.has_parts() || chance_.one_in(3)) return fmt::format("{}.{} = {}", table.name, table.number, number);
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

}  // namespace tslive::random_workload
