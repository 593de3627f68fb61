#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "integration/random_workload/chance.hpp"
#include "integration/random_workload/names.hpp"
#include "integration/random_workload/schema.hpp"
#include "integration/random_workload/types.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/release.hpp"

namespace tslive::random_workload {

/// What a schema may look like.
struct SchemaLimits {
    std::int64_t least_tables = 5, most_tables = 30;
    int server_version = 150000;
    std::optional<timescale::Release> timescaledb = {};  ///< hypertables as well
    bool unlogged = false;                               ///< also tables whose changes no stream carries
};

/// Draws a schema.
class SchemaMaker {
public:
    SchemaMaker(const Chance& chance, const SchemaLimits& limits)
        : chance_(chance), names_(chance.branch("names")), types_(value_types(limits.server_version)), limits_(limits) {
        made_.binary = chance.branch("binary").one_in(3);
        if (made_.binary) std::erase_if(types_, [](const ValueType& type) { return !travels_in_binary(type.sql); });
    }

    [[nodiscard]] Schema make();

private:
    /// A table in the making: what goes between the parentheses, and after them.
    struct Draft {
        Table table;
        std::vector<std::string> columns = {}, constraints = {}, later = {};
        std::string partition_by = {};
        bool full_beside_key = false;
        std::string dimensions = {};  ///< arguments of create_hypertable
    };

    std::string name(std::string_view plain) {
        auto next = names_.next(plain);
        while (short_names_ && next.size() > 20) next = names_.next(plain);
        return pg::quote_identifier(next);
    }
    std::string table_name(std::string_view plain) { return chance_.pick(schemas_) + '.' + name(plain); }

    void add_table();
    void add_hypertable();
    void add_child(const Table& parent);
    void draw_key(Draft& draft);
    void draw_identity(Draft& draft);
    void draw_partitioning(Draft& draft);
    void draw_special_columns(Draft& draft);
    void draw_columns(Draft& draft);
    void draw_reference(Draft& draft);
    void draw_triggers(Draft& draft);
    void add_partitions(Draft& draft);
    void finish(Draft draft);
    void draw_dimensions(Draft& draft);
    void draw_identity_of_hypertable(Draft& draft);
    void draw_compression(Draft& draft);
    void draw_aggregates(const Draft& draft, Hypertable& hypertable);
    void finish_hypertable(Draft draft);

    Chance chance_;
    Names names_;
    std::vector<ValueType> types_;
    SchemaLimits limits_;
    bool short_names_ = false;
    std::vector<std::string> schemas_;
    Schema made_;
};

inline Schema SchemaMaker::make() {
    made_.sql.emplace_back(own_types_sql);
    for (auto left = chance_.between(1, 3); left > 0; --left) {
        schemas_.push_back(name("schema"));
        made_.sql.push_back(fmt::format("CREATE SCHEMA {}", schemas_.back()));
    }
    schemas_.emplace_back("public");
    for (auto left = chance_.between(1, 4); left > 0; --left) {
        made_.sequences.push_back(table_name("sequence"));
        made_.sql.push_back(fmt::format(
            "CREATE SEQUENCE {} {}", made_.sequences.back(),
            chance_.pick({"", "INCREMENT -3", "AS smallint CYCLE MAXVALUE 20", "CACHE 10", "START 7 INCREMENT 100"})));
    }
    const auto wanted = chance_.one_in(3) ? chance_.between(limits_.least_tables, limits_.most_tables)
                                          : chance_.skewed(limits_.least_tables, limits_.most_tables);
    while (static_cast<std::int64_t>(made_.tables.size()) < wanted)
        if (limits_.timescaledb && chance_.percent(40)) add_hypertable();
        else add_table();
    return std::move(made_);
}

inline void SchemaMaker::add_table() {
    Draft draft{.table = {.name = table_name("table"), .numbers = chance_.pick({20, 60, 200, 500})}};
    if (chance_.percent(82)) draw_key(draft);
    draw_partitioning(draft);
    draw_identity(draft);
    draw_special_columns(draft);
    draw_columns(draft);
    draw_reference(draft);
    draw_triggers(draft);
    if (limits_.unlogged && draft.partition_by.empty() && draft.table.reference.empty())
        draft.table.unlogged = chance_.one_in(5);
    finish(std::move(draft));
    const auto& table = made_.tables.back();
    if (table.partitions.empty() && !table.unlogged && table.changes == Changes::all && table.code.empty() &&
        chance_.one_in(10))
        add_child(Table{table});
}

/// Rows of a child show in the parent's UPDATE and DELETE; its key is its own.
inline void SchemaMaker::add_child(const Table& parent) {
    auto child = parent;
    child.name = table_name("child");
    made_.sql.push_back(fmt::format("CREATE TABLE {} (extra text, PRIMARY KEY ({})) INHERITS ({})", child.name,
                                    child.key_list(), parent.name));
    child.key_default = Table::KeyDefault::none;
    child.conflict_target = true;
    child.place.clear();
    child.during.clear();
    child.reference.clear();
    made_.tables.back().has_children = true;
    made_.tables.push_back(std::move(child));
}

inline void SchemaMaker::draw_partitioning(Draft& draft) {
    auto& table = draft.table;
    if (!chance_.percent(22) || table.key_default == Table::KeyDefault::always) return;
    if (!table.key.empty() && table.key.front().counts && chance_.one_in(2)) {
        draft.partition_by = fmt::format("{} ({})", chance_.pick({"RANGE", "HASH"}), table.key.front().name);
        return;
    }
    table.region = name("region");
    draft.columns.push_back(fmt::format("{} text", table.region));
    draft.partition_by = fmt::format("LIST ({})", table.region);
    if (!table.key.empty())
        table.key.push_back({table.region, "text", "(ARRAY['north', 'south', 'east', 'west'])[1 + #i# % 4]"});
}

/// On the source they write to other tables, and change rows before they are stored; on the target they must not.
inline void SchemaMaker::draw_triggers(Draft& draft) {
    const auto& table = draft.table;
    if (chance_.one_in(6)) {
        const auto audit = table_name("audit"), function = table_name("note");
        made_.sql.push_back(fmt::format("CREATE TABLE {} ({}what text, n int)", audit,
                                        chance_.one_in(2) ? "id bigserial PRIMARY KEY, " : ""));
        made_.sql.push_back(
            fmt::format("CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN "
                        "IF TG_OP = 'DELETE' THEN INSERT INTO {} (what, n) VALUES (TG_OP, OLD.{}); RETURN OLD; END IF; "
                        "INSERT INTO {} (what, n) VALUES (TG_OP, NEW.{}); RETURN NEW; END $f$",
                        function, audit, table.number, audit, table.number));
        draft.later.push_back(
            fmt::format("CREATE TRIGGER {} AFTER INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW EXECUTE FUNCTION {}()",
                        name("trigger"), table.name, function));
    }
    if (chance_.one_in(12)) {
        const auto function = table_name("mark"), trigger = name("trigger");
        made_.sql.push_back(
            fmt::format("CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN NEW.{} := coalesce(NEW.{}, "
                        "0) + 1; RETURN NEW; END $f$",
                        function, table.number, table.number));
        draft.later.push_back(
            fmt::format("CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}()", trigger,
                        table.name, function));
        if (draft.partition_by.empty() && !table.hypertable && chance_.one_in(2))
            draft.later.push_back(fmt::format("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}", table.name, trigger));
    }
}

inline void SchemaMaker::add_partitions(Draft& draft) {
    auto& table = draft.table;
    const auto add = [&](const std::string& parent, const std::string& bound, const std::string& tail = "") {
        const auto partition = table_name("partition");
        made_.sql.push_back(fmt::format("CREATE TABLE {} PARTITION OF {} {}{}", partition, parent, bound, tail));
        if (tail.empty()) table.partitions.push_back(partition);
        return partition;
    };
    const auto by_hash = [&](const std::string& parent) {
        for (int i = 0; i < 3; ++i) add(parent, fmt::format("FOR VALUES WITH (MODULUS 3, REMAINDER {})", i));
    };
    if (draft.partition_by.starts_with("HASH")) return by_hash(table.name);
    if (draft.partition_by.starts_with("RANGE")) {
        const auto middle = table.numbers / 2;
        add(table.name, fmt::format("FOR VALUES FROM (MINVALUE) TO ({})", middle / 2));
        const auto inner = add(table.name, fmt::format("FOR VALUES FROM ({}) TO ({})", middle / 2, middle),
                               chance_.one_in(2) ? "" : fmt::format(" PARTITION BY HASH ({})", table.key.front().name));
        if (table.partitions.back() != inner) by_hash(inner);
        if (chance_.one_in(2)) add(table.name, fmt::format("FOR VALUES FROM ({}) TO (MAXVALUE)", middle));
        else add(table.name, "DEFAULT");
        return;
    }
    add(table.name, "FOR VALUES IN ('north')");
    const auto inner = add(table.name, "FOR VALUES IN ('south', 'east')",
                           chance_.one_in(2) ? "" : fmt::format(" PARTITION BY LIST ({})", table.region));
    if (table.partitions.back() != inner) {
        add(inner, "FOR VALUES IN ('south')");
        add(inner, "FOR VALUES IN ('east')");
    }
    add(table.name, chance_.one_in(2) ? "DEFAULT" : "FOR VALUES IN ('west', NULL)");
}

inline void SchemaMaker::finish(Draft draft) {
    auto inside = draft.columns;
    inside.insert(inside.end(), draft.constraints.begin(), draft.constraints.end());
    made_.sql.push_back(fmt::format("CREATE {}TABLE {} ({}){}", draft.table.unlogged ? "UNLOGGED " : "",
                                    draft.table.name, fmt::join(inside, ", "),
                                    draft.partition_by.empty() ? "" : " PARTITION BY " + draft.partition_by));
    if (!draft.partition_by.empty()) add_partitions(draft);
    made_.sql.insert(made_.sql.end(), draft.later.begin(), draft.later.end());
    if (draft.full_beside_key) {
        auto full = draft.table.partitions;
        full.push_back(draft.table.name);
        for (const auto& table : full) made_.sql.push_back(fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL", table));
    }
    made_.tables.push_back(std::move(draft.table));
}

}  // namespace tslive::random_workload

#include "integration/random_workload/impl/columns.ipp"
#include "integration/random_workload/impl/hypertables.ipp"
#include "integration/random_workload/impl/keys.ipp"
