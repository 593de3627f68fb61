#pragma once

#include <exception>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tslive/catalog/tables.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"

namespace tslive::copy {

/// The snapshot cannot be imported any more: who exported it is gone. Tables that are not complete need another one.
class SnapshotGone : public Error {
public:
    explicit SnapshotGone(std::string_view snapshot)
        : Error(Recovery::operator_action, fmt::format("the snapshot {} cannot be imported any more", snapshot),
                "Run again with --resume: tables that are not complete are copied under a new snapshot") {}
};

/// A session on the source that reads what a snapshot shows. It imports the snapshot once and stays in that
/// transaction, so that the snapshot's death does not end it (CASES B1). One owning thread.
///
/// Each part runs in a savepoint that is rolled back afterwards: that gives its table's lock back, so an ALTER TABLE of
/// the application waits for a part at most and not for the whole base copy (CASES A9).
class SourceSession {
public:
    /// @throws SnapshotGone  when the server does not know the snapshot
    [[nodiscard]] static SourceSession open(const pg::ConnInfo& source, std::string_view snapshot,
                                            std::stop_token stop) {
        auto connection = pg::Connection::open(source, "copy", std::move(stop));
        connection.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        try {
            connection.exec(fmt::format("SET TRANSACTION SNAPSHOT {}", pg::quote_literal(snapshot)));
        } catch (const pg::ServerError& error) {
            if (snapshot_gone(error.state())) throw SnapshotGone(snapshot);
            throw error.with_context(fmt::format("snapshot {}", snapshot));
        }
        return SourceSession(std::move(connection));
    }

    /// Whether a snapshot shows what the table's file holds. A table that was rewritten since (ALTER TABLE, TRUNCATE,
    /// compression) reads as empty or in part, without an error.
    enum class Sight { clear, rewritten, gone };

    /// Locks the table against rewriting until `end_part`, and says whether it can be read.
    /// @throws Error  operator_action when the table has another name by now
    Sight begin_part(const catalog::Table& table) {
        const auto name = table.name.quoted();
        const auto look = fmt::format(
            "SELECT c.relfilenode, pg_catalog.pg_relation_filenode(c.oid), c.oid IS NOT DISTINCT FROM "
            "pg_catalog.to_regclass({})::pg_catalog.oid FROM pg_catalog.pg_class c WHERE c.oid = {}",
            pg::quote_literal(name), table.id);
        savepoint();
        try {
            const auto seen = connection_.exec(fmt::format("LOCK TABLE ONLY {} IN ACCESS SHARE MODE;{}", name, look));
            if (!seen.empty() && seen.boolean(0, 2))
                return seen.at(0, 0) == seen.at(0, 1) ? Sight::clear : Sight::rewritten;
        } catch (const pg::ServerError& error) {
            if (!name_unknown(error.state()))
                throw error.with_context(fmt::format("table {} on the source", table.name));
        }
        end_part();
        savepoint();
        const auto file =
            connection_.exec(fmt::format("SELECT pg_catalog.pg_relation_filenode({}::pg_catalog.oid)", table.id));
        if (file.is_null(0, 0)) return Sight::gone;
        throw Error(Recovery::operator_action,
                    fmt::format("table {} has been renamed or moved on the source since the snapshot", table.name),
                    "Give it its name back and run again with --resume, or start the migration again");
    }

    /// Gives the part's lock back. Harmless after an error of the server.
    void end_part() {
        connection_.exec("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part");
        in_part_ = false;
    }

    /// After a failure: makes the session ready for the next part.
    /// @returns false when it is lost
    [[nodiscard]] bool recover() noexcept {
        try {
            if (connection_.in_transaction() && in_part_) end_part();
            return connection_.in_transaction();
        } catch (const std::exception&) {
            return false;
        }
    }

    [[nodiscard]] pg::Connection& connection() noexcept { return connection_; }

    [[nodiscard]] static bool snapshot_gone(pg::SqlState state) noexcept {
        // Unknown identifier before 16 and from 16 on, and a server process that has ended but left its file.
        return state == pg::SqlState{"22023"} || state == pg::sqlstate::undefined_object ||
               state == pg::sqlstate::object_not_in_prerequisite_state;
    }

private:
    explicit SourceSession(pg::Connection connection) : connection_(std::move(connection)) {}

    static bool name_unknown(pg::SqlState state) noexcept {
        return state == pg::sqlstate::undefined_table || state == pg::SqlState{"3F000"};
    }
    void savepoint() {
        connection_.exec("SAVEPOINT part");
        in_part_ = true;
    }

    pg::Connection connection_;
    bool in_part_ = false;
};

}  // namespace tslive::copy
