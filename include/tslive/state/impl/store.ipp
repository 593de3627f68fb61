#pragma once

#include <cerrno>
#include <utility>

#include <fcntl.h>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/state/files.hpp"
#include "tslive/state/detail/tables.hpp"
#include "tslive/state/directory.hpp"

namespace tslive::state {

namespace detail {

/// Makes the empty file ourselves, because SQLite would let everybody read it. Never opens one that exists: closing
/// that would drop the locks that SQLite has on it in this process (fcntl locks).
inline void create_private_file(const std::filesystem::path& path) {
    const Descriptor file{::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!file && errno != EEXIST) throw file_error(path, "create", errno);
}

/// @throws StateError  with what is missing, the directory or the file in it
inline void check_present(const Layout& layout) {
    const auto remedy = "Run ts-snapshot with this --dir first, or correct --dir.";
    const auto directory = status_of(layout.root);
    if (!directory) throw StateError(layout.root.string(), "there is no such directory", remedy);
    if (!S_ISDIR(directory->st_mode)) throw StateError(layout.root.string(), "is not a directory", remedy);
    if (!status_of(layout.database()))
        throw StateError(layout.root.string(), "is not a state directory: it has no state.db", remedy);
}

}  // namespace detail

inline Store::Store(detail::Database database) {
    detail::set_durability(database);
    auto migration = detail::read_migration(database);
    shared_.reset(new Shared{{}, std::move(database), std::move(migration)});
}

inline Store Store::create(const Layout& layout, const Migration& migration) {
    create_directory(layout);
    detail::create_private_file(layout.database());
    detail::Database database(layout.database());
    detail::create_tables(database, migration);
    sync_directory(layout.root);
    return Store(std::move(database));
}

inline Store Store::open(const Layout& layout) {
    detail::check_present(layout);
    detail::Database database(layout.database());
    detail::check_format(database);
    return Store(std::move(database));
}

inline bool Store::exists(const Layout& layout) {
    if (!detail::status_of(layout.database())) return false;
    try {
        return !detail::is_pristine(detail::Database(layout.database()));
    } catch (const StateError&) {
        return true;  // something that is no state database, or not for us: open() says what it is
    }
}

inline void Store::check_identity(const DatabaseIdentity& source, const DatabaseIdentity& target) const {
    const auto check = [this](Side side, const DatabaseIdentity& recorded, const DatabaseIdentity& found) {
        if (found == recorded) return;
        throw StateError(
            shared_->database.path(),
            fmt::format("this migration's {} is {}, and the {} given is {}", name(side), recorded.describe(),
                        name(side), found.describe()),
            fmt::format("Correct the connection string of the {}, or give another --dir for another migration.",
                        name(side)));
    };
    check(Side::source, migration().source, source);
    check(Side::target, migration().target, target);
}

inline std::optional<std::string> Store::fact(std::string_view key) const {
    const std::scoped_lock lock(shared_->mutex);
    auto row = shared_->database.query("SELECT value FROM fact WHERE key = ?", key);
    if (!row.step()) return std::nullopt;
    return row.text(0);
}

inline void Store::set_fact(std::string_view key, std::string_view value) {
    const std::scoped_lock lock(shared_->mutex);
    shared_->database.run("INSERT INTO fact VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key,
                          value);
}

inline void Store::erase_fact(std::string_view key) {
    const std::scoped_lock lock(shared_->mutex);
    shared_->database.run("DELETE FROM fact WHERE key = ?", key);
}

inline bool Store::done(std::string_view step) const {
    const std::scoped_lock lock(shared_->mutex);
    return shared_->database.query("SELECT 1 FROM step_done WHERE step = ?", step).step();
}

inline void Store::mark_done(std::string_view step) {
    const std::scoped_lock lock(shared_->mutex);
    shared_->database.run("INSERT INTO step_done (step) VALUES (?) ON CONFLICT DO NOTHING", step);
}

inline std::int64_t Store::journal(Side side, std::string_view what, std::string_view undo_sql) {
    const std::scoped_lock lock(shared_->mutex);
    shared_->database.run("INSERT INTO undo (side, what, undo_sql) VALUES (?, ?, ?)", name(side), what, undo_sql);
    return shared_->database.last_row_id();
}

inline std::vector<UndoEntry> Store::pending_undo(Side side) const {
    const std::scoped_lock lock(shared_->mutex);
    auto row =
        shared_->database.query("SELECT id, what, undo_sql FROM undo WHERE side = ? ORDER BY id DESC", name(side));
    std::vector<UndoEntry> entries;
    while (row.step()) entries.push_back({row.number(0), side, row.text(1), row.text(2)});
    return entries;
}

inline void Store::undone(std::int64_t id) {
    const std::scoped_lock lock(shared_->mutex);
    shared_->database.run("DELETE FROM undo WHERE id = ?", id);
}

inline void Store::set_copied(std::string_view table, std::uint32_t source_oid, Lsn consistent_point,
                              std::int64_t rows) {
    const std::scoped_lock lock(shared_->mutex);
    shared_->database.run(
        "INSERT INTO copied_table (table_name, source_oid, consistent_point, rows) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (table_name) DO UPDATE SET source_oid = excluded.source_oid,"
        " consistent_point = excluded.consistent_point, rows = excluded.rows, finished_at = CURRENT_TIMESTAMP",
        table, source_oid, fmt::format("{}", consistent_point), rows);
}

inline void Store::erase_copied(std::string_view table) {
    const std::scoped_lock lock(shared_->mutex);
    shared_->database.run("DELETE FROM copied_table WHERE table_name = ?", table);
}

inline std::vector<CopiedTable> Store::copied() const {
    const std::scoped_lock lock(shared_->mutex);
    auto row =
        shared_->database.query("SELECT table_name, source_oid, consistent_point, rows FROM copied_table ORDER BY 1");
    std::vector<CopiedTable> tables;
    while (row.step())
        tables.push_back({row.text(0), static_cast<std::uint32_t>(row.number(1)),
                          detail::lsn_of(shared_->database, row.text(2)), row.number(3)});
    return tables;
}

}  // namespace tslive::state
