#pragma once

namespace tslive::random_workload {

// What tables have besides their keys: columns of all types, foreign keys.

inline void SchemaMaker::draw_special_columns(Draft& draft) {
    auto& table = draft.table;
    table.number = name("number");
    draft.columns.push_back(fmt::format("{} int{}", table.number, chance_.one_in(3) ? " DEFAULT 7" : ""));
    if (chance_.one_in(4))
        draft.columns.push_back(
            fmt::format("{} int GENERATED ALWAYS AS ({} * 2 + 1) STORED", name("generated"), table.number));
    if (chance_.one_in(4))
        draft.constraints.push_back(fmt::format("CONSTRAINT {} CHECK ({} < 1000000)", name("check"), table.number));
    if (chance_.percent(35)) {
        table.large = name("large");
        table.large_type = chance_.pick({"text", "text", "bytea", "jsonb", "varchar"});
        draft.columns.push_back(fmt::format("{} {}", table.large, table.large_type));
        if (const std::string storage = chance_.pick({"", "", "EXTERNAL", "MAIN"}); !storage.empty())
            draft.later.push_back(
                fmt::format("ALTER TABLE {} ALTER {} SET STORAGE {}", table.name, table.large, storage));
    }
    if (!draft.partition_by.empty() || table.hypertable) return;
    if (chance_.percent(25)) {
        table.place = name("place");
        table.place_is_deferrable = chance_.one_in(2);
        draft.columns.push_back(fmt::format("{} int UNIQUE{}", table.place,
                                            !table.place_is_deferrable ? ""
                                            : chance_.one_in(2)        ? " DEFERRABLE"
                                                                       : " DEFERRABLE INITIALLY DEFERRED"));
    }
    if (chance_.percent(10)) {
        table.during = name("during");
        draft.columns.push_back(fmt::format("{} int4range", table.during));
        draft.constraints.push_back(
            fmt::format("EXCLUDE USING gist ({} WITH &&){}", table.during, chance_.one_in(3) ? " DEFERRABLE" : ""));
    }
}

inline void SchemaMaker::draw_columns(Draft& draft) {
    auto& table = draft.table;
    for (auto left = chance_.skewed(0, 9); left > 0; --left) {
        const auto& type = chance_.pick(types_);
        const Column column{name("column"), type, !chance_.one_in(5)};
        auto text = fmt::format("{} {}", column.name, type.sql);
        if (chance_.one_in(4) || !column.nullable)
            text += fmt::format(" DEFAULT ({})::{}", type.literals.front(), cast_name(type));
        if (!column.nullable && type.literals.front() != "NULL") text += " NOT NULL";
        if (chance_.one_in(6)) draft.later.push_back(fmt::format("ALTER TABLE {} ADD COLUMN {}", table.name, text));
        else draft.columns.push_back(text);
        table.columns.push_back(column);
    }
    for (auto left = chance_.one_in(4) ? chance_.between(1, 3) : 0; left > 0; --left) {
        const auto gone = name("gone");
        draft.columns.push_back(fmt::format("{} {}", gone, chance_.pick(types_).sql));
        draft.later.push_back(fmt::format("ALTER TABLE {} DROP COLUMN {}", table.name, gone));
    }
    chance_.shuffle(draft.columns);
}

inline void SchemaMaker::draw_reference(Draft& draft) {
    std::vector<const Table*> parents;
    for (const auto& table : made_.tables)
        if (table.key.size() == 1 && table.conflict_target && !table.unlogged && !table.hypertable)
            parents.push_back(&table);
    if (parents.empty() || !chance_.percent(30)) return;
    auto& table = draft.table;
    const auto& parent = *chance_.pick(parents);
    const auto& key = parent.key.front();
    table.reference = name("reference");
    table.reference_value =
        fmt::format("(SELECT p.{0} FROM {1} AS p WHERE p.{0} = {2})", key.name, parent.name, key.by_number);
    const bool may_change = table.changes != Changes::inserts_only;
    draft.columns.push_back(fmt::format(
        "{} {} REFERENCES {} ({}){}{}", table.reference, key.type, parent.name, key.name,
        may_change ? chance_.pick({"", " ON DELETE CASCADE ON UPDATE CASCADE", " ON DELETE SET NULL ON UPDATE CASCADE"})
                   : "",
        chance_.pick({"", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"})));
}

}  // namespace tslive::random_workload
