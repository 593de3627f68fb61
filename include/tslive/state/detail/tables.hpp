#pragma once

#include <cstdint>
#include <string>

#include <poll.h>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/state/detail/sqlite.hpp"
#include "tslive/state/layout.hpp"
#include "tslive/state/migration.hpp"

/// What is in state.db. A change here raises `format_version`; docs/on-disk-layout.md has the same tables with their
/// meaning.
namespace tslive::state::detail {

/// In the file's header, so that `file` and SQLite tell a state database from others: "tsLv".
inline constexpr std::int64_t application_id = 0x7473'4C76;

inline constexpr const char* table_definitions[] = {
    R"(CREATE TABLE migration (
        one integer PRIMARY KEY CHECK (one = 1),
        id text NOT NULL,
        source_system_identifier text NOT NULL, source_database_name text NOT NULL,
        source_database_oid integer NOT NULL,
        target_system_identifier text NOT NULL, target_database_name text NOT NULL,
        target_database_oid integer NOT NULL,
        slot text NOT NULL, consistent_point text NOT NULL, created_at text NOT NULL) STRICT)",
    R"(CREATE TABLE fact (key text PRIMARY KEY, value text NOT NULL) STRICT)",
    R"(CREATE TABLE step_done (step text PRIMARY KEY, finished_at text NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT)",
    R"(CREATE TABLE undo (
        id integer PRIMARY KEY AUTOINCREMENT, side text NOT NULL CHECK (side IN ('source', 'target')),
        what text NOT NULL, undo_sql text NOT NULL, made_at text NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT)",
    R"(CREATE TABLE copied_table (
        table_name text PRIMARY KEY, source_oid integer NOT NULL, consistent_point text NOT NULL, rows integer NOT NULL,
        finished_at text NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT)",
};

/// A file in which nothing was ever committed.
[[nodiscard]] inline bool is_pristine(const Database& database) {
    return database.number("PRAGMA application_id") == 0 && database.number("SELECT count(*) FROM sqlite_schema") == 0;
}

/// One transaction: after a crash there are all tables and the migration, or an empty file.
inline void create_tables(Database& database, const Migration& migration) {
    WriteTransaction transaction(database);
    if (!is_pristine(database))
        throw StateError(database.path(), "there is a migration in this directory already",
                         "Go on with it (ts-migrate --resume), end it (ts-clean --prune), or give another --dir.");
    for (const auto* definition : table_definitions) database.run(definition);
    const auto& [id, source, target, slot, consistent_point, created_at] = migration;
    database.run("INSERT INTO migration VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", id, source.system_identifier,
                 source.database_name, source.database_oid, target.system_identifier, target.database_name,
                 target.database_oid, slot, fmt::format("{}", consistent_point), created_at);
    database.run(fmt::format("PRAGMA application_id = {}", application_id));
    database.run(fmt::format("PRAGMA user_version = {}", format_version));
    transaction.commit();
}

/// Refuses what is not a state database, is damaged, or is of a format that this program does not know.
inline void check_format(const Database& database) {
    if (is_pristine(database))
        throw StateError(database.path(), "holds no migration", "Run ts-snapshot with this --dir first.");
    if (database.number("PRAGMA application_id") != application_id)
        throw StateError(database.path(), "is a SQLite database, but not one of ts-live",
                         "Give --dir the directory that ts-snapshot made.");
    const auto version = database.number("PRAGMA user_version");
    if (version > format_version)
        throw StateError(database.path(),
                         fmt::format("has format {}, and this ts-live knows up to {}", version, format_version),
                         "Use the version of ts-live that made the directory, or a newer one.");
    if (version < 1) throw StateError(database.path(), fmt::format("has the unknown format {}", version));
    if (const auto finding = database.text("PRAGMA quick_check(1)"); finding != "ok")
        throw StateError(database.path(), fmt::format("is damaged: {}", finding),
                         "Put back a copy of the whole directory, or start over: ts-clean --prune, then ts-snapshot.");
}

/// @param stored  as create_tables() and set_copied() wrote it
[[nodiscard]] inline Lsn lsn_of(const Database& database, const std::string& stored) {
    if (const auto lsn = Lsn::parse(stored)) return *lsn;
    throw StateError(database.path(), fmt::format("'{}' is not a WAL position", stored));
}

[[nodiscard]] inline Migration read_migration(const Database& database) {
    auto row = database.query(
        "SELECT id, source_system_identifier, source_database_name, source_database_oid, target_system_identifier,"
        " target_database_name, target_database_oid, slot, consistent_point, created_at FROM migration");
    if (!row.step()) throw StateError(database.path(), "holds no migration");
    return {.id = row.text(0),
            .source = {row.text(1), row.text(2), static_cast<std::uint32_t>(row.number(3))},
            .target = {row.text(4), row.text(5), static_cast<std::uint32_t>(row.number(6))},
            .slot = row.text(7),
            .consistent_point = lsn_of(database, row.text(8)),
            .created_at = row.text(9)};
}

/// WAL: readers and the writer do not wait for each other, in this and other processes. FULL: a commit is on disk.
inline void set_durability(Database& database) {
    // The change to WAL needs the file alone for a moment, and SQLite does not wait for that by itself.
    constexpr int most_tries = 200;
    constexpr int pause_ms = 20;
    std::string mode;
    for (int tries = 1; mode.empty(); ++tries) {
        try {
            mode = database.text("PRAGMA journal_mode = WAL");
        } catch (const StateError&) {
            if (tries == most_tries) throw;
            ::poll(nullptr, 0, pause_ms);
        }
    }
    if (mode != "wal")
        throw StateError(database.path(),
                         fmt::format("SQLite cannot share this file between processes (journal mode {})", mode),
                         "Give --dir a directory on a local disk.");
    database.run("PRAGMA synchronous = FULL");
}

}  // namespace tslive::state::detail
