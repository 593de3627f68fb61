#pragma once

namespace tslive::random_workload {

// Statements on whole tables, and such as change no row.

inline void StatementMaker::add_truncate(Script& script) {
    bool drops_chunks = false;
    const auto one = [&] {
        const auto& table = chance_.pick(schema_->tables);
        drops_chunks = drops_chunks || table.hypertable;
        if (!table.partitions.empty() && chance_.one_in(2)) return chance_.pick(table.partitions);
        return (table.has_children && chance_.one_in(2) ? "ONLY " : "") + table.name;
    };
    auto list = one();
    while (chance_.one_in(3)) list += ", " + one();
    const bool cascades = !chance_.one_in(5);
    const auto* restart = chance_.one_in(3) ? " RESTART IDENTITY" : "";
    add(script, fmt::format("TRUNCATE {}{}{}", list, restart, cascades ? " CASCADE" : ""),
        schema_->has_hypertables && (drops_chunks || cascades) ? When::settled : When::always);
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
inline void StatementMaker::add_maintenance(Script& script) {
    const auto& table = chance_.pick(schema_->tables);
    const auto name = table.partitions.empty() ? table.name : chance_.pick(table.partitions);
    add(script,
        fmt::format("{} {}", chance_.pick({"VACUUM FULL", "VACUUM", "ANALYZE", "REINDEX TABLE", "VACUUM (FREEZE)"}),
                    name),
        table.hypertable ? When::outside_base_copy : When::always);
}

}  // namespace tslive::random_workload
