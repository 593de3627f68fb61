#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>

#include <CLI/CLI.hpp>

#include "apps/console.hpp"
#include "tslive/migrate/options.hpp"

namespace tslive::apps {

/// The first of these environment variables that is set and not empty.
[[nodiscard]] inline std::string from_environment(std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
    return {};
}

/// Adds what all commands share. Defaults come from the environment, which does not show in a process list.
inline void add_common_options(CLI::App& command, migrate::CommonOptions& options, Session& session) {
    options.source = from_environment({"PGCOPYDB_SOURCE_PGURI", "SOURCE"});
    options.target = from_environment({"PGCOPYDB_TARGET_PGURI", "TARGET"});
    options.dir = from_environment({"PGCOPYDB_DIR"});
    if (options.dir.empty()) options.dir = std::filesystem::path{from_environment({"HOME"})} / "live-migration";

    command
        .add_option(
            "--dir", options.dir,
            "Working directory, shared by snapshot, migrate and clean (Default: $PGCOPYDB_DIR, else ~/live-migration)")
        ->type_name("DIR");
    command
        .add_option("--source", options.source,
                    "Connection string of the source db (Default: $PGCOPYDB_SOURCE_PGURI, else $SOURCE)")
        ->type_name("URI");
    command
        .add_option("--target", options.target,
                    "Connection string of the target db (Default: $PGCOPYDB_TARGET_PGURI, else $TARGET)")
        ->type_name("URI");
    command
        .add_option("--pg-bin-dir", options.pg_bin_dir,
                    "Directory of pg_dump and pg_restore (Default: from PATH, else the newest installed)")
        ->type_name("DIR");
    command.add_flag("--yes", session.yes, "Answer every question with yes");
}

/// Adds what snapshot and migrate share.
/// @returns what has to be called once the command line is parsed
[[nodiscard]] inline std::function<void()> add_scope_options(CLI::App& command, migrate::ScopeOptions& options) {
    command.add_flag("--skip-roles", options.skip_roles, "Skip roles migration");
    command
        .add_option("--table-jobs", options.table_jobs,
                    "Number of parallel jobs to copy \"existing data\" from source db to target db (Default: 8)")
        ->type_name("TABLE_JOBS")
        ->check(CLI::Range(1, 1024).description(""));
    command
        .add_option("--index-jobs", options.index_jobs,
                    "Number of parallel jobs to create indexes in target db (Default: 8)")
        ->type_name("INDEX_JOBS")
        ->check(CLI::Range(1, 1024).description(""));
    auto* extensions = command
                           .add_option("--skip-extensions", options.skip_extensions,
                                       "Skips the given extensions during migration. Empty list skips all extensions.")
                           ->type_name("SKIP_EXTENSIONS")
                           ->expected(0, -1);
    command.add_flag_callback(
        "--migrate-across-timescaledb-versions",
        [&options] { options.timescale = migrate::TimescaleWay::across_releases; },
        "Make hypertables, continuous aggregates, compression, policies and jobs anew on the target, whose TimescaleDB "
        "has another version than the source's");
    return [extensions, &options] {
        std::erase(options.skip_extensions, std::string{});
        options.skip_all_extensions = extensions->count() > 0 && options.skip_extensions.empty();
    };
}

}  // namespace tslive::apps
