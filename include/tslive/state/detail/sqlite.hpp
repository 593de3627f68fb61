#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <sqlite3.h>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/state/files.hpp"

/// A thin RAII layer over SQLite: what goes wrong is a StateError with the file's path and a remedy. One thread at a
/// time.
namespace tslive::state::detail {

/// Decides by SQLite's result code and errno, never by text.
[[nodiscard]] inline StateError database_error(sqlite3* database, const std::string& path, int code) {
    const std::string action = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
    const int system = database != nullptr ? sqlite3_system_errno(database) : 0;
    switch (code & 0xFF) {
        case SQLITE_FULL: return {path, "cannot write: the disk is full", remedy_for(ENOSPC)};
        case SQLITE_READONLY: return {path, fmt::format("cannot write: {}", action), remedy_for(EACCES)};
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {path, "is locked by another process, and stays so",
                    "Find out which process has it open (fuser), and end that; then run the same command again."};
        case SQLITE_NOTADB:
            return {path, "is not a state database of ts-live", "Give --dir the directory that ts-snapshot made."};
        case SQLITE_CORRUPT:
            return {path, fmt::format("is damaged: {}", action),
                    "Put back a copy of the whole directory, or start over: ts-clean --prune, then ts-snapshot."};
        case SQLITE_CANTOPEN:
        case SQLITE_IOERR:
            if (system != 0) return file_error(path, (code & 0xFF) == SQLITE_IOERR ? "read or write" : "open", system);
            return {path, action, remedy_for(EIO)};
        default: return {path, fmt::format("{} (SQLite result {})", action, code)};
    }
}

/// A prepared statement with its parameters bound. @pre does not outlive its Database
class Statement {
public:
    Statement(sqlite3* database, const std::string& path, std::string_view sql) : database_(database), path_(&path) {
        sqlite3_stmt* prepared = nullptr;
        check(sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &prepared, nullptr));
        statement_.reset(prepared);
    }

    Statement& bind(int parameter, std::string_view text) {
        // SQLITE_TRANSIENT: SQLite takes a copy, so that the text may go before the statement does.
        check(sqlite3_bind_text64(statement_.get(), parameter, text.data() != nullptr ? text.data() : "", text.size(),
                                  SQLITE_TRANSIENT, SQLITE_UTF8));
        return *this;
    }
    Statement& bind(int parameter, std::integral auto number) {
        check(sqlite3_bind_int64(statement_.get(), parameter, static_cast<sqlite3_int64>(number)));
        return *this;
    }

    /// @returns whether there is a row
    bool step() {
        const int code = sqlite3_step(statement_.get());
        if (code != SQLITE_ROW && code != SQLITE_DONE) throw database_error(database_, *path_, extended(code));
        return code == SQLITE_ROW;
    }

    [[nodiscard]] std::int64_t number(int column) const { return sqlite3_column_int64(statement_.get(), column); }
    [[nodiscard]] std::string text(int column) const {
        const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
        return bytes == nullptr
                   ? std::string{}
                   : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)));
    }

private:
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
    };

    void check(int code) const {
        if (code != SQLITE_OK) throw database_error(database_, *path_, extended(code));
    }
    [[nodiscard]] int extended(int code) const {
        return database_ != nullptr ? sqlite3_extended_errcode(database_) : code;
    }

    sqlite3* database_;
    const std::string* path_;
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// An open database file. Another process that writes is waited for, up to `patience`.
class Database {
public:
    static constexpr std::chrono::milliseconds patience{10'000};

    /// @throws StateError  when there is no such file, or it cannot be opened; what is in it shows with the first
    /// statement
    explicit Database(const std::filesystem::path& path) : path_(std::make_unique<std::string>(path.string())) {
        sqlite3* opened = nullptr;
        const int code = sqlite3_open_v2(path.c_str(), &opened,
                                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
        database_.reset(opened);
        if (code != SQLITE_OK) throw database_error(opened, *path_, code);
        sqlite3_busy_timeout(opened, static_cast<int>(patience.count()));
    }

    [[nodiscard]] const std::string& path() const noexcept { return *path_; }

    template <typename... Values>
    [[nodiscard]] Statement query(std::string_view sql, const Values&... values) const {
        Statement statement(database_.get(), *path_, sql);
        int parameter = 0;
        (statement.bind(++parameter, values), ...);
        return statement;
    }
    template <typename... Values>
    void run(std::string_view sql, const Values&... values) {
        auto statement = query(sql, values...);
        while (statement.step()) {
        }
    }
    /// The one number or text of a query that has one row, a PRAGMA for example.
    [[nodiscard]] std::int64_t number(std::string_view sql) const {
        auto statement = query(sql);
        return statement.step() ? statement.number(0) : 0;
    }
    [[nodiscard]] std::string text(std::string_view sql) const {
        auto statement = query(sql);
        return statement.step() ? statement.text(0) : std::string{};
    }

    [[nodiscard]] std::int64_t last_row_id() const noexcept { return sqlite3_last_insert_rowid(database_.get()); }

private:
    struct Close {
        void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
    };

    std::unique_ptr<std::string> path_;  // an address that stays when the Database moves: statements refer to it
    std::unique_ptr<sqlite3, Close> database_;
};

/// Takes the write lock at once, so that nothing read in it can be overtaken. Rolls back unless committed.
class WriteTransaction {
public:
    explicit WriteTransaction(Database& database) : database_(&database) { database.run("BEGIN IMMEDIATE"); }
    WriteTransaction(const WriteTransaction&) = delete;
    WriteTransaction& operator=(const WriteTransaction&) = delete;
    ~WriteTransaction() {
        if (committed_) return;
        try {
            database_->run("ROLLBACK");
        } catch (const StateError&) {
            // SQLite has rolled back by itself already (disk full), or will when the file is opened next.
            return;
        }
    }
    void commit() {
        database_->run("COMMIT");
        committed_ = true;
    }

private:
    Database* database_;
    bool committed_ = false;
};

}  // namespace tslive::state::detail
