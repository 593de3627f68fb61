#pragma once

namespace tslive::random_workload {

// Statements on hypertables, their chunks and their continuous aggregates.

/// Rows by their time, of some chunks or of part of one.
inline std::string StatementMaker::rows_by_time(const Table& table) {
    const auto& hypertable = *table.hypertable;
    const auto first = number_of_a_row(table);
    return fmt::format("{0}.{1} >= {2} AND {0}.{1} < {3}", table.name, hypertable.time, hypertable.time_of(first),
                       hypertable.time_of(first + chance_.skewed(1, hypertable.rows_per_chunk * 3)));
}

/// Constants only: so that TimescaleDB takes whole batches of compressed rows, if there are any.
inline std::string StatementMaker::rows_by_segment(const Table& table) {
    const auto& hypertable = *table.hypertable;
    if (hypertable.segment.empty()) return rows_by_time(table);
    const bool is_text = hypertable.segment_by_number.front() != '(';
    const auto value = chance_.between(0, 6);
    return fmt::format("{}.{} = {}{}", table.name, hypertable.segment,
                       is_text ? fmt::format("'device {}'", value) : fmt::format("{}", value),
                       chance_.one_in(3) ? "" : " AND " + rows_by_time(table));
}

inline void StatementMaker::add_statement_on_hypertable(Script& script, const Table& table) {
    const auto& hypertable = *table.hypertable;
    const auto set = [&] { return set_list(changes_of_row(table), number_of_a_row(table)); };
    switch (chance_.weighted({20, 10, 12, 6, 14, 14, 10})) {
        case 0: return add(script, fmt::format("UPDATE {} SET {} WHERE {}", table.name, set(), rows_by_time(table)));
        case 1: return add(script, fmt::format("UPDATE {} SET {} WHERE {}", table.name, set(), rows_by_segment(table)));
        case 2: return add(script, fmt::format("DELETE FROM {} WHERE {}", table.name, rows_by_time(table)));
        case 3:
            return add(script, fmt::format("DELETE FROM {} WHERE {}", table.name, rows_by_segment(table)),
                       When::settled);
        case 4:  // the time is part of the key
            return add(script, fmt::format("UPDATE {0} SET {1} = {1} {2} {3} WHERE {4}", table.name, hypertable.time,
                                           chance_.pick({"+", "-"}), hypertable.a_little, rows_by_time(table)));
        case 5:  // chunks that nobody has seen, before all others or after
            return add(script,
                       insert(table, chance_.between(-table.numbers * 2, table.numbers * 15), row_count(table)));
        default: return add_drop_and_insert(script, table);
    }
}

/// Chunks go, and often they come again at once.
inline void StatementMaker::add_drop_and_insert(Script& script, const Table& table) {
    const auto& hypertable = *table.hypertable;
    const auto first = number_of_a_row(table), chunks = chance_.skewed(1, 4);
    add(script,
        fmt::format("SELECT public.drop_chunks({}, newer_than => {}, older_than => {})", pg::quote_literal(table.name),
                    hypertable.time_of(first), hypertable.time_of(first + (chunks + 1) * hypertable.rows_per_chunk)),
        When::settled);
    if (chance_.one_in(2)) add(script, insert(table, first, row_count(table), true));
}

/// @param which  condition on timescaledb_information.chunks
inline std::string StatementMaker::some_chunks(const std::string& hypertable, std::string_view which,
                                               std::int64_t most) {
    return fmt::format(
        "SELECT pg_catalog.format('%I.%I', k.chunk_schema, k.chunk_name)::regclass AS c FROM "
        "timescaledb_information.chunks AS k WHERE pg_catalog.format('%I.%I', k.hypertable_schema, "
        "k.hypertable_name)::regclass = {}::regclass AND {} ORDER BY pg_catalog.hashtext(k.chunk_name::text || '{}') "
        "LIMIT {}",
        pg::quote_literal(hypertable), which, chance_.between(1, 1'000'000), most);
}

/// @param command  a format with one %s: the chunk
inline std::string StatementMaker::for_a_chunk(const std::string& hypertable, std::string_view which,
                                               std::string_view command) {
    return fmt::format(
        "DO $do$ DECLARE \"the #\" regclass; BEGIN FOR \"the #\" IN {} LOOP IF \"the #\"::text ~ '_chunk' THEN "
        "EXECUTE pg_catalog.format({}, \"the #\"); END IF; END LOOP; END $do$",
        some_chunks(hypertable, which, 1), pg::quote_literal(command));
}

inline void StatementMaker::add_statement_on_chunks(Script& script, const Table& table) {
    const auto& hypertable = *table.hypertable;
    const auto& release = *limits_.timescaledb;
    const auto of = [&](std::string_view call, std::string_view which) {
        return fmt::format("SELECT {} FROM ({}) AS s", call, some_chunks(table.name, which, chance_.skewed(1, 6)));
    };
    const auto choice = chance_.weighted({30, 20, 12, 6, 8, 8, 6});
    if (choice <= 2 && !hypertable.compressible) return add_statement_on_hypertable(script, table);
    switch (choice) {
        case 0: return add(script, of("public.compress_chunk(s.c)", "NOT k.is_compressed"), When::settled);
        case 1:  // those that are partly compressed, again
            return add(script, of("public.compress_chunk(s.c, true)", "k.is_compressed"), When::outside_base_copy);
        case 2: return add(script, of("public.decompress_chunk(s.c)", "k.is_compressed"), When::outside_base_copy);
        case 3:  // of one that is partly compressed, TimescaleDB truncates the compressed part only, and the stream does not tell
            return add(script,
                       for_a_chunk(table.name,
                                   "(SELECT c.status FROM _timescaledb_catalog.chunk AS c WHERE c.schema_name = "
                                   "k.chunk_schema AND c.table_name = k.chunk_name) IN (0, 1)",
                                   "TRUNCATE %s"),
                       When::outside_base_copy);
        case 4:
            if (table.changes == Changes::by_content) return add(script, remove(table));
            return add(script,
                       for_a_chunk(table.name, "true",
                                   fmt::format("{} WHERE {} = {}",
                                               chance_.one_in(2) ? "DELETE FROM %s"
                                                                 : fmt::format("UPDATE %s SET {} = 3", table.number),
                                               table.number, chance_.between(0, 49))));
        case 5:
            if (release < timescale::Release{2, 18, 0}) return add(script, remove(table));
            return add(script,
                       fmt::format("DO $do$ DECLARE \"the #\" regclass[]; BEGIN SELECT pg_catalog.array_agg(s.c) INTO "
                                   "\"the #\" FROM ({0}) AS s; IF pg_catalog.cardinality(\"the #\") = 2 THEN EXECUTE "
                                   "pg_catalog.format('CALL public.merge_chunks(%L::regclass[])', \"the #\"); END IF; "
                                   "END $do$",
                                   fmt::format("SELECT pg_catalog.format('%I.%I', k.chunk_schema, "
                                               "k.chunk_name)::regclass AS c FROM timescaledb_information.chunks AS k "
                                               "WHERE pg_catalog.format('%I.%I', k.hypertable_schema, "
                                               "k.hypertable_name)::regclass = {}::regclass ORDER BY k.range_start, "
                                               "k.range_start_integer OFFSET {} LIMIT 2",
                                               pg::quote_literal(table.name), chance_.skewed(0, 20))),
                       When::outside_base_copy);
        default: {
            for (const auto& aggregate : hypertable.aggregates)
                if (aggregate.compressible)
                    return add(script,
                               fmt::format("SELECT public.{}(c, true) FROM public.show_chunks({}) AS c",
                                           chance_.one_in(3) ? "decompress_chunk" : "compress_chunk",
                                           pg::quote_literal(aggregate.name)),
                               When::outside_base_copy);
            return add_statement_on_hypertable(script, table);
        }
    }
}

inline std::string StatementMaker::refresh() {
    const Table* table = nullptr;
    while (table == nullptr || !table->hypertable || table->hypertable->aggregates.empty())
        table = &chance_.pick(schema_->tables);
    const auto& hypertable = *table->hypertable;
    const auto first = chance_.between(-table->numbers, table->numbers * 5);
    return fmt::format("CALL public.refresh_continuous_aggregate({}, {}, {})",
                       pg::quote_literal(chance_.pick(hypertable.aggregates).name), hypertable.time_of(first),
                       hypertable.time_of(first + chance_.skewed(hypertable.rows_per_chunk * 2, table->numbers * 10)));
}

inline std::vector<std::string> StatementMaker::first_chunks(const Table& table) {
    const auto& hypertable = *table.hypertable;
    std::vector<std::string> statements;
    if (hypertable.compressible)
        statements.push_back(fmt::format("SELECT public.compress_chunk(s.c) FROM ({}) AS s",
                                         some_chunks(table.name, "true", chance_.between(1, 20))));
    for (const auto& aggregate : hypertable.aggregates)
        if (!chance_.one_in(4))
            statements.push_back(fmt::format("CALL public.refresh_continuous_aggregate({}, {}, {})",
                                             pg::quote_literal(aggregate.name),
                                             hypertable.time_of(-4 * hypertable.rows_per_chunk),
                                             hypertable.time_of(chance_.between(0, table.numbers * 2))));
    return statements;
}

inline std::vector<std::string> StatementMaker::refreshes_of_all(const Table& table) {
    std::vector<std::string> statements;
    for (const auto& aggregate : table.hypertable->aggregates)
        statements.push_back(
            fmt::format("CALL public.refresh_continuous_aggregate({}, NULL, NULL)", pg::quote_literal(aggregate.name)));
    return statements;
}

}  // namespace tslive::random_workload
