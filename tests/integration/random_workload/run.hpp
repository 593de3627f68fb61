#pragma once

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "integration/random_workload/chance.hpp"
#include "integration/random_workload/faults.hpp"
#include "integration/random_workload/merged_chunks.hpp"
#include "integration/random_workload/phases.hpp"
#include "integration/random_workload/schema.hpp"
#include "integration/random_workload/schema_maker.hpp"
#include "integration/random_workload/session.hpp"
#include "integration/random_workload/statements.hpp"
#include "integration/support/migration.hpp"
#include "integration/support/timescale.hpp"
#include "integration/support/timescale_compare.hpp"
#include "tslive/timescale/installation.hpp"

namespace tslive::random_workload {

struct RunOptions {
    std::uint64_t seed = 1;
    std::int64_t transactions = 2000;
    std::chrono::seconds seconds{0};  ///< the replay takes at least as long; more transactions come then
    std::int64_t sessions = 0;        ///< 0: drawn
    bool faults = true;
    bool unlogged = false;
    bool timescaledb = false;  ///< hypertables as well, of the release that the test servers choose
    bool traces = false;       ///< the source logs statements and keeps its changes, in a slot `trace` of test_decoding
    bool migrates = true;      ///< false: the source and its writers are all there is
    std::int64_t most_tables = 30;
    std::int64_t largest_bytes = 2'000'000;
    std::filesystem::path keep_in = std::filesystem::temp_directory_path();  ///< where a failed run leaves everything
};

struct Outcome {
    std::string failure = {};  ///< empty: both databases are equal
    std::string line = {};     ///< of the log
    std::filesystem::path kept = {};
    std::vector<std::string> refusals = {};  ///< some of what the server did not do
    std::vector<std::string> mistakes = {};  ///< statements that no server understands: the generator's fault
};

/// The command that does the same again, as far as the interleaving allows.
[[nodiscard]] inline std::string command_to_repeat(const RunOptions& options) {
    auto command =
        fmt::format("random_workload --seed={} --transactions={} --sessions={} --most-tables={} --largest-bytes={}",
                    options.seed, options.transactions, options.sessions, options.most_tables, options.largest_bytes);
    if (options.seconds.count() > 0) command += fmt::format(" --seconds={}", options.seconds.count());
    if (!options.faults) command += " --no-faults";
    if (options.unlogged) command += " --unlogged";
    if (options.timescaledb) command += " --timescaledb";
    return command;
}

/// One migration of one random database under random writers.
class Run {
public:
    explicit Run(RunOptions options)
        : options_(std::move(options)), chance_(options_.seed), migration_(pair_options()), installed_(install()),
          schema_(make_schema(migration_.pair.source.connect().server_version())) {
        auto drawn = chance_.branch("run");
        const auto sessions = drawn.between(1, 5);
        if (options_.sessions == 0) options_.sessions = sessions;
        arguments_ = {"--table-jobs",
                      fmt::format("{}", drawn.between(1, 4)),
                      "--index-jobs",
                      fmt::format("{}", drawn.between(1, 3)),
                      "--split-tables-larger-than",
                      drawn.one_in(2) ? "1MB" : "1GB"};
        dies_in_switch_over_ = options_.faults && drawn.one_in(4);
        waits_for_target_ = drawn.one_in(2);
        if (options_.faults) faults_ = draw_faults(chance_.branch("faults"), options_.transactions);
    }

    /// Does not throw: what goes wrong is the outcome.
    [[nodiscard]] Outcome go() {
        Outcome outcome;
        const auto started = std::chrono::steady_clock::now();
        try {
            make_source();
            if (options_.migrates) {
                migrate();
                compare();
            } else {
                only_write();
            }
        } catch (const std::exception& error) {
            outcome.failure = error.what();
        }
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
        outcome.line = line(seconds.count(), outcome.failure.empty());
        outcome.mistakes = tally_.numbers().mistakes;
        outcome.refusals = tally_.numbers().refusals;
        if (!outcome.failure.empty()) outcome.kept = keep(outcome.failure);
        return outcome;
    }

    [[nodiscard]] const Schema& schema() const { return schema_; }

private:
    [[nodiscard]] harness::PairOptions pair_options() const {
        auto chance = chance_.branch("servers");
        harness::PairOptions pair{.source = {.settings = {"wal_level=logical", "max_prepared_transactions=20"}}};
        if (options_.timescaledb)
            pair = {.source = harness::timescaledb_server({"max_prepared_transactions=20"}),
                    .target = harness::timescaledb_server()};
        auto& settings = pair.source.settings;
        if (options_.traces) settings.insert(settings.end(), {"log_statement=all", "log_line_prefix='%m [%p] %x '"});
        if (chance.one_in(2)) settings.emplace_back("logical_decoding_work_mem=64kB");
        if (chance.one_in(3)) settings.emplace_back("wal_compression=on");
        if (chance.one_in(3)) settings.emplace_back("track_commit_timestamp=on");
        if (chance.one_in(3)) settings.emplace_back("autovacuum_naptime=1s");
        if (chance.one_in(3)) pair.database = "Da.ta \"base\" 😀";
        return pair;
    }
    [[nodiscard]] std::optional<timescale::Installation> install() {
        if (!options_.timescaledb) return std::nullopt;
        tally_.chunks_come_and_go();
        harness::create_timescaledb(migration_.pair.source);
        auto connection = migration_.pair.source.connect();
        return timescale::installation(connection);
    }
    [[nodiscard]] std::optional<timescale::Release> release() const {
        return installed_ ? std::optional{installed_->release} : std::nullopt;
    }
    [[nodiscard]] Schema make_schema(int server_version) const {
        return SchemaMaker{chance_.branch("schema"),
                           {.most_tables = options_.most_tables,
                            .server_version = server_version,
                            .timescaledb = release(),
                            .unlogged = options_.unlogged}}
            .make();
    }
    [[nodiscard]] StatementLimits limits() const {
        return {.largest_bytes = options_.largest_bytes,
                .server_version = migration_.pair.source.connect().server_version(),
                .timescaledb = release()};
    }

    void make_source();
    void migrate();
    void only_write();
    void compare();
    void go_on_until_written();
    void do_fault(const Fault& fault);
    void look_after_migrate();
    void resume();
    void switch_over();
    void start_sessions();
    void stop_sessions() {
        for (auto& session : sessions_) session->stop();
        sessions_.clear();
    }
    /// Chunks are of one snapshot, or nothing is.
    [[nodiscard]] bool snapshot_may_end() const {
        return installed_ ? phases_.now() == Phase::replaying : schema_is_dumped();
    }
    [[nodiscard]] bool schema_is_dumped() const {
        return migration_.pair.target.holds(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname ~ '^tslive_[0-9a-f]{8}$')");
    }
    [[nodiscard]] std::string line(double seconds, bool equal) const;
    [[nodiscard]] std::string traced() const;
    [[nodiscard]] std::filesystem::path keep(const std::string& failure);

    RunOptions options_;
    Chance chance_;
    Tally tally_;
    harness::Migration migration_;
    std::optional<timescale::Installation> installed_;
    Schema schema_;
    std::vector<std::string> arguments_;
    std::vector<Fault> faults_;
    bool dies_in_switch_over_ = false, waits_for_target_ = false;
    Phases phases_;
    std::vector<std::unique_ptr<Session>> sessions_;
    std::vector<std::string> done_;  // faults
    std::string said_;               // by runs of ts-migrate that have ended
    bool snapshot_disturbed_ = false;
    std::int64_t wal_bytes_ = 0;
};

inline void Run::make_source() {
    auto& source = migration_.pair.source;
    auto connection = source.connect("maker");
    connection.exec("SET client_min_messages = error");
    for (const auto& sql : schema_.sql) {
        try {
            connection.exec(sql);
        } catch (const Error& error) {
            throw harness::Failure(fmt::format("the schema cannot be made: {}\n    {}", error.what(), sql));
        }
    }
    auto chance = chance_.branch("database");
    for (const auto* zoo : {"types", "names", "identities", "partitions"})
        if (chance.one_in(8) && !schema_.binary)
            source.load(std::filesystem::path{TSLIVE_SOURCE_DIR} / "tests/integration/zoo" /
                        fmt::format("{}.sql", zoo));
    const auto name = pg::quote_identifier(source.name());
    for (const auto* setting : {"\"DateStyle\" = 'SQL, DMY'", "\"IntervalStyle\" = 'sql_standard'",
                                "bytea_output = 'escape'", "extra_float_digits = -15",
                                "\"TimeZone\" = 'Asia/Kathmandu'", "synchronous_commit = off", "lock_timeout = '7s'"})
        if (chance.one_in(4)) connection.exec(fmt::format("ALTER DATABASE {} SET {}", name, setting));
    StatementMaker first{schema_, chance_.branch("first rows"), limits()};
    for (const auto& table : schema_.tables) {
        const auto sql = first.first_rows(table);
        try {
            connection.exec(sql);
        } catch (const pg::ServerError& error) {
            tally_.refused(error, sql);
        }
        if (!table.hypertable) continue;
        for (const auto& statement : first.first_chunks(table)) connection.exec(statement);
    }
    const auto& table = chance.pick(schema_.tables);
    if (chance.one_in(4) && table.changes != Changes::by_content && table.conflict_target && !table.hypertable)
        connection.exec(StatementMaker::many_rows(table, chance.between(10'000, 40'000)));
}

inline void Run::only_write() {
    phases_.change_to(Phase::replaying);
    tally_.allow(options_.transactions);
    start_sessions();
    while (tally_.begun() < options_.transactions) std::this_thread::sleep_for(std::chrono::milliseconds{5});
    stop_sessions();
}

inline void Run::start_sessions() {
    for (int number = 0; number < options_.sessions; ++number)
        sessions_.push_back(
            std::make_unique<Session>(migration_.pair.source, schema_, chance_, limits(), number, tally_, phases_));
}

inline void Run::migrate() {
    if (options_.traces)
        migration_.pair.source.sql("SELECT pg_create_logical_replication_slot('trace', 'test_decoding')");
    const auto begin = migration_.pair.source.value("SELECT pg_current_wal_lsn()");
    const auto some = std::max<std::int64_t>(options_.transactions / 10, 1);
    tally_.allow(some);
    start_sessions();
    if (installed_) {
        harness::eventually("the first transactions have begun", [&] { return tally_.begun() == some; });
        phases_.change_to(Phase::snapshot);
        tally_.allow(2 * some);
    }
    migration_.take_snapshot();
    migration_.start(arguments_);
    tally_.allow(options_.transactions / 2);
    go_on_until_written();
    stop_sessions();
    wal_bytes_ = migration_.pair.source.number(fmt::format("SELECT (pg_current_wal_lsn() - '{}')::bigint", begin));
    switch_over();
}

inline void Run::go_on_until_written() {
    bool replays = false;
    auto replays_since = std::chrono::steady_clock::now();
    const auto deadline = replays_since + options_.seconds + std::chrono::minutes{10};
    auto next = faults_.begin();
    while (true) {
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
        const auto now = std::chrono::steady_clock::now();
        look_after_migrate();
        if (phases_.now() == Phase::snapshot && schema_is_dumped()) phases_.change_to(Phase::copying);
        if (phases_.now() != Phase::replaying && migration_.migrate->has_said("The base copy is complete"))
            phases_.change_to(Phase::replaying);
        if (!replays && migration_.migrate->has_said("Replaying changes")) {
            replays = true;
            replays_since = now;
        }
        const bool time_is_over = replays && now - replays_since >= options_.seconds;
        if (replays) tally_.allow(time_is_over ? std::max(options_.transactions, tally_.begun()) : 1'000'000'000);
        else if (tally_.begun() >= tally_.allowed() && tally_.allowed() < options_.transactions)
            tally_.allow(tally_.allowed() + 1);  // slowly on, until the base copy is done
        if (next != faults_.end() && tally_.begun() >= next->at && (!next->ends_snapshot() || snapshot_may_end())) {
            do_fault(*next++);
            continue;
        }
        if (time_is_over && tally_.begun() >= options_.transactions && next == faults_.end()) return;
        if (now > deadline) throw harness::Failure("the run does not come to its end");
    }
}

inline void Run::do_fault(const Fault& fault) {
    using Kind = Fault::Kind;
    auto& pair = migration_.pair;
    done_.emplace_back(fault.name());
    snapshot_disturbed_ = snapshot_disturbed_ || fault.ends_snapshot();
    switch (fault.kind) {
        case Kind::kill_migrate: migration_.migrate->kill_9(); return resume();
        case Kind::stop_migrate:
            migration_.migrate->signal(SIGTERM);
            // Before the program can take a signal, SIGTERM ends it as any other.
            if (migration_.migrate->wait_exit() != 128 + SIGTERM || !migration_.migrate->output().empty())
                migration_.migrate->expect_exit(4);
            return resume();
        case Kind::freeze_migrate:
            migration_.migrate->freeze();
            std::this_thread::sleep_for(std::chrono::milliseconds{300});
            return migration_.migrate->thaw();
        case Kind::kill_snapshot: return migration_.snapshot->kill_9();
        case Kind::stop_snapshot: return migration_.snapshot->signal(SIGINT);
        case Kind::cut_source: pair.source_server.drop_connections(); return;
        case Kind::cut_receiver: pair.source_server.drop_connections("ts-live receiver"); return;
        case Kind::cut_target: pair.target_server.drop_connections(); return;
        case Kind::cut_applier: pair.target_server.drop_connections("ts-live apply"); return;
        case Kind::restart_source: return pair.source_server.restart();
        case Kind::kill_source: pair.source_server.kill_9(); return pair.source_server.start();
        case Kind::restart_target: return pair.target_server.restart();
        case Kind::kill_target: pair.target_server.kill_9(); return pair.target_server.start();
    }
}

inline void Run::resume() {
    said_ += migration_.migrate->output() + "\n--- ts-migrate --resume\n";
    migration_.resume(arguments_);
}

/// Where a server was away with no retry left, its exit code asks for another go.
inline void Run::look_after_migrate() {
    constexpr int try_again = 75;
    if (migration_.migrate->running()) return;
    if (const int code = migration_.migrate->wait_exit(); code != try_again || !options_.faults)
        throw harness::Failure(fmt::format("ts-migrate ended with {}", code));
    resume();
}

inline void Run::switch_over() {
    constexpr std::chrono::minutes long_enough{5};
    auto chance = chance_.branch("switch-over");
    if (waits_for_target_) migration_.migrate->wait_for_line("Target has caught up with source", long_enough);
    migration_.migrate->signal(SIGUSR1);
    if (dies_in_switch_over_) {
        std::this_thread::sleep_for(std::chrono::milliseconds{chance.skewed(0, 800)});
        if (migration_.migrate->running()) {
            done_.emplace_back("kill -9 of ts-migrate in the switch-over");
            migration_.migrate->kill_9();
            if (!migration_.migrate->has_said("Migration successfully completed")) {
                resume();
                migration_.migrate->wait_for_match("Replaying changes|Migration successfully completed", long_enough);
                migration_.migrate->signal(SIGUSR1);
            }
        }
    }
    migration_.migrate->wait_for_line("Migration successfully completed", long_enough);
    if (migration_.migrate->wait_exit() != 0 && done_.empty()) throw harness::Failure("ts-migrate did not end with 0");
    if (!snapshot_disturbed_) migration_.snapshot->expect_exit(0);
}

}  // namespace tslive::random_workload

#include "integration/random_workload/impl/outcome.ipp"
