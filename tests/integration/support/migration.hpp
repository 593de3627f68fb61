#pragma once

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/harness/harness.hpp"

namespace tslive::harness {

/// Blocks, on one database, whatever runs the function `gate(id, at)` of gate_sql() with id = at: a COPY or an index build stands still
/// there, at a place that the test has chosen, until the gate opens. One owning thread.
class Gate {
public:
    /// For both databases: `CHECK (gate(id, 500))` holds a COPY at that row, an index on `gate(id, 500)` its build.
    [[nodiscard]] static std::string_view sql() {
        return "CREATE FUNCTION public.gate(id int, at int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN "
               "IF id = at THEN PERFORM pg_catalog.pg_advisory_xact_lock_shared(at); END IF; RETURN true; END $$;";
    }
    Gate(const Database& database, int at) : database_(database), at_(at), holder_(database.connect("gate")) {
        holder_.exec(fmt::format("SELECT pg_advisory_lock({})", at));
    }
    void wait_until_reached() const {
        eventually("somebody stands before the gate", [this] {
            return database_.holds(fmt::format(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = {} AND NOT granted)",
                at_));
        });
    }
    void open() { holder_.exec("SELECT pg_advisory_unlock_all()"); }

private:
    Database database_;
    int at_;
    pg::Connection holder_;
};

/// A migration from one database to another, step by step, as a user makes it.
class Migration {
public:
    explicit Migration(PairOptions options = {}) : pair(std::move(options)) {}

    /// Runs ts-snapshot until the snapshot is there. It goes on in the background.
    Program& take_snapshot(std::vector<std::string> arguments = {"--yes"}) {
        snapshot = pair.snapshot(std::move(arguments));
        snapshot->wait_for_line("Snapshot ID created successfully.");
        return *snapshot;
    }
    /// Starts ts-migrate in the background.
    Program& start(std::vector<std::string> arguments = {}) {
        arguments.emplace_back("--yes");
        migrate = pair.migrate(std::move(arguments));
        return *migrate;
    }
    Program& resume(std::vector<std::string> arguments = {}) {
        arguments.emplace_back("--resume");
        return start(std::move(arguments));
    }
    void wait_until_caught_up() const { migrate->wait_for_line("Target has caught up with source"); }
    /// The user's word, and the end of the migration.
    void switch_over() const {
        migrate->signal(SIGUSR1);
        migrate->wait_for_line("Migration successfully completed");
        migrate->expect_exit(0);
    }
    /// From here to the end without stopping: snapshot, copy, replay, switch-over.
    void run_to_the_end(std::vector<std::string> arguments = {}) {
        take_snapshot();
        start(std::move(arguments));
        wait_until_caught_up();
        switch_over();
    }

    /// Eight hexadecimal digits, as the names on the servers show them.
    [[nodiscard]] std::string id() const {
        return pair.source.value(
            "SELECT substr(slot_name, 8, 8) FROM pg_replication_slots WHERE slot_name ~ '^tslive_[0-9a-f]{8}$'");
    }
    [[nodiscard]] std::string helper_schema() const { return "tslive_" + id(); }
    /// Parts that are on the target, each with the time it came.
    [[nodiscard]] std::vector<std::string> parts_done() const {
        if (pair.target.holds(fmt::format("SELECT to_regclass('{}.part_done') IS NULL", helper_schema()))) return {};
        return pair.target.rows(fmt::format(
            "SELECT part, rows, finished_at FROM {}.part_done WHERE part LIKE '%.%' AND rows > 0 ORDER BY 1",
            helper_schema()));
    }
    [[nodiscard]] testing::AssertionResult is_equal(const CompareOptions& options = {}) const {
        return databases_are_equal(pair.source, pair.target, options);
    }

    Pair pair;
    std::unique_ptr<Program> snapshot, migrate;
};

/// What a migration leaves on a source: slots and publications.
[[nodiscard]] inline std::vector<std::string> ours_on_source(const Database& source) {
    return source.rows(
        "SELECT 'slot ' || slot_name FROM pg_replication_slots UNION ALL SELECT 'publication ' || pubname FROM "
        "pg_publication "
        "WHERE pubname LIKE 'tslive%' ORDER BY 1");
}
/// What a migration leaves on a target besides the data: schemas, origins.
[[nodiscard]] inline std::vector<std::string> ours_on_target(const Database& target) {
    return target.rows(
        "SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname ~ '^tslive_[0-9a-f]{8}$' UNION ALL "
        "SELECT 'origin ' || roname FROM pg_replication_origin ORDER BY 1");
}
[[nodiscard]] inline std::int64_t user_tables(const Database& database) {
    return database.number(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind IN ('r', 'p') AND "
        "nspname "
        "NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_toast'");
}
/// Nothing was created on either side, and nothing is in the state directory that stands in the way of another try.
inline void expect_untouched(const Pair& pair) {
    EXPECT_THAT(ours_on_source(pair.source), testing::IsEmpty());
    EXPECT_THAT(ours_on_target(pair.target), testing::IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(pair.dir / "state.db"));
}

[[nodiscard]] inline std::string read_text(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>{in}, {}};
}

/// One of our programs, none of whose files may grow past `kilobytes`: to it the disk is full there.
[[nodiscard]] inline std::unique_ptr<Program> on_a_full_disk(const Pair& pair, std::string_view name, int kilobytes) {
    const char* chosen = std::getenv("TSLIVE_BIN_DIR");
    const auto path = std::filesystem::path{chosen == nullptr ? TSLIVE_BIN_DIR : chosen} / name;
    const auto script = fmt::format("trap '' XFSZ; ulimit -f {}; exec \"$0\" --yes --dir \"$1\"", 2 * kilobytes);
    return std::make_unique<Program>(
        "/bin/sh", std::vector<std::string>{"-c", script, path.string(), pair.dir.string()},
        std::map<std::string, std::string>{{"SOURCE", pair.source.uri()}, {"TARGET", pair.target.uri()}});
}

/// Runs one of our programs to its end and expects an exit code and words in what it says.
/// @returns what it said
inline std::string expect_outcome(std::unique_ptr<Program> program, int exit_code,
                                  std::initializer_list<std::string_view> words) {
    EXPECT_EQ(program->wait_exit(), exit_code) << program->output();
    const auto said = program->output();
    for (const auto word : words) EXPECT_THAT(said, testing::HasSubstr(std::string{word}));
    return said;
}

}  // namespace tslive::harness
