#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <random>
#include <string>

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "integration/random_workload/run.hpp"

namespace {

using namespace tslive::random_workload;

/// What would be done, without a server: for finding the statement that made a run fail.
void show(const RunOptions& options, std::int64_t count) {
    const Chance chance{options.seed};
    const char* chosen = std::getenv("TSLIVE_TIMESCALEDB");
    const auto release =
        options.timescaledb ? tslive::timescale::Release::parse(chosen == nullptr ? "2.27.0" : chosen) : std::nullopt;
    const auto schema =
        SchemaMaker{chance.branch("schema"),
                    {.most_tables = options.most_tables, .timescaledb = release, .unlogged = options.unlogged}}
            .make();
    for (const auto& sql : schema.sql) fmt::print("{};\n", sql);
    for (std::uint64_t number = 0; number < static_cast<std::uint64_t>(std::max<std::int64_t>(options.sessions, 1));
         ++number) {
        StatementMaker maker{
            schema, chance.branch("session", number), {.largest_bytes = options.largest_bytes, .timescaledb = release}};
        for (std::int64_t i = 0; i < count; ++i) {
            const auto script = maker.transaction();
            fmt::print("-- session {}, transaction {}\n{}{}", number, i + 1, script.begin,
                       script.begin.empty() ? "" : ";\n");
            for (const auto& statement : script.statements) fmt::print("{};\n", statement.sql);
            constexpr const char* ends[] = {"COMMIT", "ROLLBACK", "PREPARE and COMMIT PREPARED",
                                            "PREPARE and ROLLBACK PREPARED"};
            if (!script.begin.empty()) fmt::print("{};\n", ends[static_cast<int>(script.end)]);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Migrates random databases under random writers and compares both sides"};
    RunOptions options;
    std::string seed = "random";
    std::int64_t runs = 0, seconds = 0, shown = 0;
    std::filesystem::path log_file;
    bool no_faults = false, no_migration = false, with_refusals = false;
    app.add_option("--seed", seed, "A number, or `random`. The runs after the first take the numbers that follow")
        ->capture_default_str();
    app.add_option("--runs", runs, "How many; 0: one with a given seed, without end with a random one");
    app.add_option("--transactions", options.transactions, "Of a run, all sessions together")->capture_default_str();
    app.add_option("--seconds", seconds, "The replay of a run takes at least so long");
    app.add_option("--sessions", options.sessions, "That write at the same time; 0: drawn")->capture_default_str();
    app.add_option("--most-tables", options.most_tables)->capture_default_str();
    app.add_option("--largest-bytes", options.largest_bytes, "Of a value")->capture_default_str();
    app.add_option("--directory", options.keep_in, "Where a run that fails leaves its directories")
        ->capture_default_str();
    app.add_option("--log", log_file, "A file that gets a line a run as well");
    app.add_flag("--no-faults", no_faults, "Nothing is killed or cut");
    app.add_flag("--timescaledb", options.timescaledb,
                 "Hypertables as well. The release is that of $TSLIVE_TIMESCALEDB, or the newest");
    app.add_flag("--no-migration", no_migration, "Only a source and its writers: what does it refuse?");
    app.add_flag("--refusals", with_refusals, "Print some of the statements that the source refused");
    app.add_flag("--trace", options.traces,
                 "What the source is told and what it decodes is kept with a run that fails");
    app.add_flag("--unlogged", options.unlogged, "Unlogged tables as well");
    app.add_option("--show", shown, "Print the schema and so many transactions of each session, and run nothing");
    CLI11_PARSE(app, argc, argv);
    options.faults = !no_faults;
    options.migrates = !no_migration;
    options.seconds = std::chrono::seconds{seconds};
    if (seed == "random") {
        options.seed = std::random_device{}();
    } else {
        options.seed = std::stoull(seed);
        if (runs == 0) runs = 1;
    }
    if (shown > 0) {
        show(options, shown);
        return 0;
    }

    int failures = 0;
    for (std::int64_t run = 0; runs == 0 || run < runs; ++run, ++options.seed) {
        const auto outcome = Run{options}.go();
        auto text = outcome.line + '\n';
        for (const auto& mistake : outcome.mistakes) text += "  not understood: " + mistake + '\n';
        if (with_refusals)
            for (const auto& refusal : outcome.refusals) text += "  refused: " + refusal + '\n';
        if (!outcome.failure.empty()) {
            ++failures;
            text += fmt::format("{}\nAgain with:\n    {}\nEverything is in {}\n", outcome.failure,
                                command_to_repeat(options), outcome.kept.string());
        }
        fmt::print("{}", text);
        std::fflush(stdout);
        if (!log_file.empty()) std::ofstream(log_file, std::ios::app) << text;
    }
    return failures == 0 ? 0 : 1;
}
