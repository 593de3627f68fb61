#pragma once

namespace tslive::random_workload {

// How a run ends: both sides compared, what is said about it, what is kept.

inline void Run::compare() {
    const auto& [source, target] = std::tie(migration_.pair.source, migration_.pair.target);
    const auto expect_equal = [&](std::string_view when) {
        auto diff = installed_ ? harness::compare_timescaledb(source, target) : harness::compare(source, target);
        forget_merged_chunks(diff);
        if (!diff.empty()) throw harness::Failure(fmt::format("the databases differ{}:\n{}", when, diff.report()));
    };
    expect_equal("");
    if (schema_.has_aggregates) {
        // What was still to be refreshed is the same on both sides.
        for (const auto& table : schema_.tables) {
            if (!table.hypertable) continue;
            for (const auto& sql : StatementMaker::refreshes_of_all(table)) {
                source.sql(sql);
                target.sql(sql);
            }
        }
        expect_equal(" after a refresh of all continuous aggregates");
    }
    if (options_.traces) source.sql("SELECT pg_drop_replication_slot('trace')");
    migration_.pair.clean()->expect_exit(0);
    if (!harness::ours_on_source(migration_.pair.source).empty() ||
        !harness::ours_on_target(migration_.pair.target).empty())
        throw harness::Failure("ts-clean left something behind");
}

inline std::string Run::line(double seconds, bool equal) const {
    const auto numbers = tally_.numbers();
    std::string refused;
    for (const auto& [state, count] : numbers.refused) refused += fmt::format(" {}:{}", state, count);
    const auto said = said_ + (migration_.migrate ? migration_.migrate->output() : "");
    const auto* form = said.find("Changes travel in binary form") == std::string::npos ? "as text" : "in binary form";
    return fmt::format(
        "seed {}: {}{}; {} tables, {} hypertables, changes {}, {} sessions; {} transactions committed, {} rolled back; "
        "rows {} inserted, "
        "{} updated, "
        "{} deleted; {} "
        "truncates; {:.1f} MB of WAL; {:.1f} s; faults: {}; refused:{}",
        options_.seed, equal ? "equal" : "NOT EQUAL", installed_ ? ", TimescaleDB " + installed_->version : "",
        schema_.tables.size(),
        std::ranges::count_if(schema_.tables, [](const Table& table) { return table.hypertable.has_value(); }), form,
        options_.sessions, numbers.committed, numbers.rolled_back, numbers.rows.inserted, numbers.rows.updated,
        numbers.rows.deleted, numbers.rows.truncates, static_cast<double>(wal_bytes_) / 1e6, seconds,
        done_.empty() ? "none" : fmt::format("{}", fmt::join(done_, ", ")), refused.empty() ? " none" : refused);
}

inline std::string Run::traced() const {
    const auto found = migration_.pair.source.rows(
        "SELECT lsn, xid, data FROM pg_logical_slot_peek_changes('trace', NULL, NULL, 'include-timestamp', 'on')");
    return fmt::format("{}", fmt::join(found, "\n"));
}

/// Everything there is, servers shut down, under `keep_in`. @returns where
inline std::filesystem::path Run::keep(const std::string& failure) {
    sessions_.clear();
    const auto place = options_.keep_in / fmt::format("random-{}", options_.seed);
    std::error_code ignored;
    std::filesystem::remove_all(place, ignored);
    std::filesystem::create_directories(place);
    const auto write = [&](const char* name, const std::string& text) {
        std::ofstream(place / name, std::ios::binary) << text;
    };
    write("failure", failure + "\n\n" + command_to_repeat(options_) + "\n");
    write("schema.sql", fmt::format("{};\n", fmt::join(schema_.sql, ";\n")));
    auto& pair = migration_.pair;
    try {
        if (options_.traces) write("changes", traced());
    } catch (const std::exception& error) {
        write("no-changes", error.what());
    }
    if (migration_.snapshot) write("ts-snapshot.output", migration_.snapshot->output());
    if (migration_.migrate) {
        migration_.migrate->kill_9();
        write("ts-migrate.output", said_ + migration_.migrate->output());
    }
    if (migration_.snapshot) migration_.snapshot->kill_9();
    try {
        if (pair.source_server.running()) pair.source_server.stop();
        if (pair.target_server.running()) pair.target_server.stop();
        const auto copy = [&](const std::filesystem::path& from, const char* name) {
            harness::run_tool_or_fail({.arguments = {"cp", "-a", from.string(), (place / name).string()}});
        };
        copy(pair.source_server.data_dir().parent_path(), "source");
        copy(pair.target_server.data_dir().parent_path(), "target");
        if (std::filesystem::exists(pair.dir)) copy(pair.dir, "state");
    } catch (const std::exception& error) {
        write("not-kept", error.what());
    }
    return place;
}

}  // namespace tslive::random_workload
