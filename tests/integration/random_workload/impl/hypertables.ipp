#pragma once

namespace tslive::random_workload {

// Hypertables: dimensions, identities, compression, continuous aggregates.

inline void SchemaMaker::add_hypertable() {
    // TimescaleDB puts names together, and cuts them where 63 bytes are full, be it within a character.
    short_names_ = true;
    Draft draft{.table = {.name = table_name("hyper"), .numbers = chance_.pick({20, 60, 200, 500})}};
    draft.table.hypertable.emplace();
    made_.has_hypertables = true;
    draw_dimensions(draft);
    draw_identity_of_hypertable(draft);
    draw_special_columns(draft);
    draw_columns(draft);
    draw_reference(draft);
    draw_triggers(draft);
    finish_hypertable(std::move(draft));
    short_names_ = false;
}

/// The time, and often a column of few values, by which it may be cut as well.
inline void SchemaMaker::draw_dimensions(Draft& draft) {
    auto& hypertable = *draft.table.hypertable;
    const auto rows =
        std::max<std::int64_t>(chance_.pick({4, 15, 50}), draft.table.numbers / 6);  // sixty chunks at most
    hypertable.rows_per_chunk = rows;
    std::string interval;
    const auto by = [&](std::string type, std::string by_number, std::string a_little, std::string width) {
        hypertable.time_type = std::move(type);
        hypertable.time_by_number = std::move(by_number);
        hypertable.a_little = std::move(a_little);
        interval = std::move(width);
    };
    const auto minutes = fmt::format("interval '{} minutes'", rows * 10);
    switch (chance_.between(1, 7)) {
        case 1:
            by("timestamp", "'2020-01-01'::timestamp + #i# * interval '10 minutes'", "interval '1.5 seconds'", minutes);
            break;
        case 2: by("date", "'2020-01-01'::date + (#i#)::int", "1", fmt::format("interval '{} days'", rows)); break;
        case 3: by("bigint", "#i# * 1000", "7", fmt::format("{}::bigint", rows * 1000)); break;
        case 4: by("int", "#i#", "1", fmt::format("{}", rows)); break;
        default:
            by("timestamptz", "'2020-01-01 UTC'::timestamptz + #i# * interval '10 minutes'", "interval '1.5 seconds'",
               minutes);
    }
    const auto time = names_.next("time");
    hypertable.time = pg::quote_identifier(time);
    draft.columns.push_back(fmt::format("{} {} NOT NULL", hypertable.time, hypertable.time_type));
    draft.dimensions = fmt::format("{}, chunk_time_interval => {}", pg::quote_literal(time), interval);
    if (chance_.percent(75)) {
        const auto segment = names_.next("segment");
        hypertable.segment = pg::quote_identifier(segment);
        const bool is_text = chance_.one_in(2);
        hypertable.segment_by_number = is_text ? "'device ' || #i# % 7" : "(#i# % 7)::int";
        draft.columns.push_back(fmt::format("{} {}", hypertable.segment, is_text ? "text" : "int"));
        if (chance_.percent(30)) {
            draft.dimensions += fmt::format(", partitioning_column => {}, number_partitions => {}",
                                            pg::quote_literal(segment), chance_.between(2, 4));
            draft.columns.back() += " NOT NULL";
        }
    }
    if (chance_.one_in(3)) {
        switch (chance_.between(1, 4)) {
            case 1: {
                const auto schema = names_.next("chunks");
                draft.dimensions += ", associated_schema_name => " + pg::quote_literal(schema);
                made_.sql.push_back("CREATE SCHEMA " + pg::quote_identifier(schema));
                break;
            }
            case 2: draft.dimensions += ", associated_schema_name => 'public'"; break;
            default: break;
        }
        auto prefix = names_.next("Prefix");
        while (prefix.size() > 20) prefix.pop_back();
        draft.dimensions += ", associated_table_prefix => " + pg::quote_literal(prefix);
    }
    if (chance_.one_in(2)) draft.dimensions += ", create_default_indexes => false";
}

inline void SchemaMaker::draw_identity_of_hypertable(Draft& draft) {
    auto& table = draft.table;
    const auto& hypertable = *table.hypertable;
    const bool cut_by_segment = draft.dimensions.find("partitioning_column") != std::string::npos;
    const KeyColumn time{hypertable.time, hypertable.time_type, hypertable.time_by_number,
                         hypertable.time_type == "int"};
    const KeyColumn segment{hypertable.segment, hypertable.segment_by_number.front() == '(' ? "int" : "text",
                            hypertable.segment_by_number};
    const bool may_choose = limits_.timescaledb->replica_identity_of_hypertables();
    const auto choice = may_choose ? chance_.between(1, 100) : 1;
    if (choice > 75) {  // no key: FULL, by us or by the migration
        table.changes = Changes::by_content;
        table.numbers = 40;
        table.always.push_back(time);
        if (!hypertable.segment.empty()) table.always.push_back(segment);
        draft.full_beside_key = choice > 87;
        return;
    }
    table.key.push_back(time);
    if (!hypertable.segment.empty()) {
        if (cut_by_segment || chance_.percent(60)) table.key.push_back(segment);
        else table.always.push_back(segment);
    }
    if (chance_.percent(40)) {
        table.key.push_back({name("key"), "int", "#i#", true});
        draft.columns.push_back(table.key.back().name + " int");
    }
    chance_.shuffle(table.key);
    table.conflict_target = true;
    const auto list = table.key_list();
    if (choice <= 50) {
        draft.constraints.push_back(fmt::format("CONSTRAINT {} PRIMARY KEY ({})", name("primary"), list));
        draft.full_beside_key = choice > 40;
        return;
    }
    const auto index = name("identity");
    for (auto& column : draft.columns)
        if (column.find(" NOT NULL") == std::string::npos) column += " NOT NULL";
    draft.later.push_back(fmt::format("CREATE UNIQUE INDEX {} ON {} ({})", index, table.name, list));
    if (choice <= 65)
        draft.later.push_back(fmt::format("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}", table.name, index));
    else draft.full_beside_key = choice <= 70;  // else the migration has to
}

/// Columns of unique keys have to be among those that it is segmented or ordered by.
inline void SchemaMaker::draw_compression(Draft& draft) {
    auto& hypertable = *draft.table.hypertable;
    // Releases of old compress no foreign key that they are not segmented by.
    if (!limits_.timescaledb->compression_markers() && !draft.table.reference.empty()) return;
    std::string segment_by, order_by = hypertable.time + chance_.pick({"", " DESC", " DESC NULLS LAST"});
    if (!hypertable.segment.empty()) {
        if (chance_.percent(75)) segment_by = hypertable.segment;
        else order_by += ", " + hypertable.segment;
    }
    for (const auto& column : draft.table.key)
        if (column.name != hypertable.time && column.name != hypertable.segment) order_by += ", " + column.name;
    auto text = fmt::format("ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_orderby = {}",
                            draft.table.name, pg::quote_literal(order_by));
    // With no word on it, newer releases choose a column themselves.
    text += fmt::format(", timescaledb.compress_segmentby = {}", pg::quote_literal(segment_by));
    made_.sql.push_back(text + ")");
    hypertable.compressible = true;
    if (!limits_.timescaledb->compression_markers()) draft.table.changes = Changes::none;
}

/// One, or several on each other.
inline void SchemaMaker::draw_aggregates(const Draft& draft, Hypertable& hypertable) {
    const auto& type = hypertable.time_type;
    const bool is_number = type == "int" || type == "bigint";
    if (is_number) {
        const auto now = table_name("now");
        made_.sql.push_back(fmt::format(
            "CREATE FUNCTION {0}() RETURNS {1} LANGUAGE sql STABLE AS {2}; SELECT public.set_integer_now_func({3}, "
            "{4})",
            now, type,
            pg::quote_literal(fmt::format("SELECT coalesce(max({}), 0) FROM {}", hypertable.time, draft.table.name)),
            pg::quote_literal(draft.table.name), pg::quote_literal(now)));
    }
    std::int64_t width = std::max<std::int64_t>(2, hypertable.rows_per_chunk / 3);
    auto from = draft.table.name, time = hypertable.time, counted = draft.table.number;
    const bool grouped = !hypertable.segment.empty() && chance_.percent(70);
    for (auto left = chance_.between(1, 3); left > 0; --left) {
        const auto bucket = name("bucket"), total = name("total");
        const auto wide = type == "date"     ? fmt::format("interval '{} days'", width)
                          : type == "int"    ? fmt::format("{}", width)
                          : type == "bigint" ? fmt::format("{}::bigint", width * 1000)
                                             : fmt::format("interval '{} minutes'", width * 10);
        Hypertable::Aggregate aggregate{table_name("aggregate")};
        made_.sql.push_back(fmt::format(
            "CREATE MATERIALIZED VIEW {} WITH (timescaledb.continuous, timescaledb.materialized_only = {}) AS "
            "SELECT public.time_bucket({}, {}) AS {}{}, sum({}) AS {}, count(*) AS n FROM {} GROUP BY 1{} WITH NO DATA",
            aggregate.name, chance_.one_in(2), wide, time, bucket, grouped ? ", " + hypertable.segment : "", counted,
            total, from, grouped ? ", " + hypertable.segment : ""));
        if (limits_.timescaledb->compression_markers() && chance_.one_in(3)) {
            made_.sql.push_back(
                fmt::format("ALTER MATERIALIZED VIEW {} SET (timescaledb.compress = true)", aggregate.name));
            aggregate.compressible = true;
        }
        made_.has_aggregates = true;
        if (chance_.one_in(2)) {  // the next is on this one
            from = aggregate.name;
            time = bucket;
            counted = total;
        }
        width *= chance_.pick({2, 3});
        hypertable.aggregates.push_back(std::move(aggregate));
    }
}

inline void SchemaMaker::finish_hypertable(Draft draft) {
    auto& table = draft.table;
    auto inside = draft.columns;
    inside.insert(inside.end(), draft.constraints.begin(), draft.constraints.end());
    made_.sql.push_back(fmt::format("CREATE TABLE {} ({})", table.name, fmt::join(inside, ", ")));
    made_.sql.push_back(
        fmt::format("SELECT public.create_hypertable({}, {})", pg::quote_literal(table.name), draft.dimensions));
    if (chance_.one_in(2)) {  // a chunk whose columns have other numbers than those of later ones
        std::vector<std::string> columns, values;
        for (const auto* of : {&table.key, &table.always})
            for (const auto& column : *of) {
                columns.push_back(column.name);
                values.push_back(fmt::format("({})::{}", with_number(column.by_number, "1"), column.type));
            }
        made_.sql.push_back(fmt::format("INSERT INTO {} ({}) VALUES ({})", table.name, fmt::join(columns, ", "),
                                        fmt::join(values, ", ")));
    }
    made_.sql.insert(made_.sql.end(), draft.later.begin(), draft.later.end());
    if (draft.full_beside_key) made_.sql.push_back(fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL", table.name));
    if (chance_.percent(65)) draw_compression(draft);  // after which older releases refuse a replica identity
    if (limits_.timescaledb->replica_identity_of_hypertables() && chance_.percent(50))
        draw_aggregates(draft, *table.hypertable);
    made_.tables.push_back(std::move(draft.table));
}

}  // namespace tslive::random_workload
