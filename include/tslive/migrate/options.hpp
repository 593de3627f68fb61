#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tslive::migrate {

/// How the user calls the commands, for messages that say what to type next.
struct CommandNames {
    std::string snapshot = "ts-snapshot";
    std::string migrate = "ts-migrate";
    std::string clean = "ts-clean";
};

/// What all commands share.
struct CommonOptions {
    std::filesystem::path dir;  ///< the state directory
    std::string source;         ///< connection strings, in any form that libpq understands; never logged
    std::string target;
    std::optional<std::filesystem::path> pg_bin_dir;
    CommandNames commands;
};

/// A command line that goes on with the same directory.
[[nodiscard]] inline std::string with_dir(const std::string& command, const CommonOptions& options) {
    return command + " --dir " + options.dir.string();
}

/// What becomes of what TimescaleDB has on the source.
enum class TimescaleWay {
    same_release,     ///< the same, bit by bit
    across_releases,  ///< made anew by the target's release, rows copied through SELECT
    flatten,          ///< ordinary tables: the target has no TimescaleDB
};

/// What is moved, and with how many sessions: migrate does it, snapshot checks whether it can be done.
struct ScopeOptions : CommonOptions {
    bool skip_roles = false;
    int table_jobs = 8;
    int index_jobs = 8;
    bool skip_all_extensions = false;
    std::vector<std::string> skip_extensions;
    TimescaleWay timescale = TimescaleWay::same_release;
};

struct SnapshotOptions : ScopeOptions {};

struct MigrateOptions : ScopeOptions {
    bool resume = false;
    std::vector<std::string> skip_table_data;  ///< `schema.table`, parts quoted as in SQL where they need it
    std::int64_t split_tables_larger_than = std::int64_t{1} << 30;  ///< bytes
    bool text_changes = false;  ///< changes travel as text even where their binary form is the same on both servers
    std::vector<std::string> search_path_for;  ///< `public.f(integer)=app,public`
    bool no_owner = false;
    bool no_acl = false;
    std::optional<std::filesystem::path> hypertables;  ///< a file: which tables of a plain source become hypertables
    std::vector<std::string> skip_indexes;             ///< `schema.index`, with the constraints that they belong to
    bool skip_compatibility_check = false;   ///< of the source's keys, triggers and rules with the hypertables
    bool skip_incompatible_objects = false;  ///< leave out what that check finds
    bool refresh_matviews = false;           ///< at the switch-over, too: part of the downtime
};

struct CleanOptions : CommonOptions {
    bool prune = false;  ///< remove the state directory, too
};

}  // namespace tslive::migrate
