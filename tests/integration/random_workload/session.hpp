#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "integration/harness/database.hpp"
#include "integration/random_workload/chance.hpp"
#include "integration/random_workload/phases.hpp"
#include "integration/random_workload/statements.hpp"
#include "tslive/pg/error.hpp"

namespace tslive::random_workload {

struct RowCounts {
    std::int64_t inserted = 0, updated = 0, deleted = 0, truncates = 0;

    RowCounts& operator+=(const RowCounts& other) {
        inserted += other.inserted;
        updated += other.updated;
        deleted += other.deleted;
        truncates += other.truncates;
        return *this;
    }
    /// From the server's word on a statement: `INSERT 0 3`, `MERGE 5` (taken as updates).
    void add(const pg::Result& result) {
        const auto tag = result.command_tag();
        const auto rows = result.command_rows().value_or(0);
        if (tag.starts_with("INSERT")) inserted += rows;
        else if (tag.starts_with("UPDATE") || tag.starts_with("MERGE")) updated += rows;
        else if (tag.starts_with("DELETE")) deleted += rows;
        else if (tag.starts_with("TRUNCATE")) ++truncates;
    }
};

/// What all sessions of a run have done, and how far they may go. Any thread may call.
class Tally {
public:
    /// Transactions may begin until there are this many.
    void allow(std::int64_t transactions) { allowed_ = transactions; }
    [[nodiscard]] std::int64_t allowed() const { return allowed_; }
    [[nodiscard]] bool begin_one() {
        auto begun = begun_.load();
        while (begun < allowed_)
            if (begun_.compare_exchange_weak(begun, begun + 1)) return true;
        return false;
    }
    [[nodiscard]] std::int64_t begun() const { return begun_; }

    void committed(const RowCounts& rows) {
        const std::scoped_lock lock(mutex_);
        ++committed_;
        rows_ += rows;
    }
    void rolled_back() {
        const std::scoped_lock lock(mutex_);
        ++rolled_back_;
    }
    /// Chunks may be gone, or be what others have already made of them.
    void chunks_come_and_go() { chunks_come_and_go_ = true; }
    /// A statement failed. Syntax and unknown names are the generator's own mistakes, whose text is kept.
    void refused(const pg::ServerError& error, const std::string& sql) {
        const std::scoped_lock lock(mutex_);
        const auto state = fmt::format("{}", error.state());
        if (++refused_[state] <= 3) refusals_.push_back(fmt::format("{}\n    {}", error.what(), sql));
        const bool of_a_chunk =
            chunks_come_and_go_ && (error.state() == pg::SqlState{"42P01"} || error.state() == pg::SqlState{"42710"});
        if (error.state().code_class() == "42" && !of_a_chunk && mistakes_.size() < 5)
            mistakes_.push_back(fmt::format("{}\n    {}", error.what(), sql));
    }

    /// A session cannot go on.
    void failed(const Error& error) {
        const std::scoped_lock lock(mutex_);
        mistakes_.push_back(fmt::format("a session ended: {}", error.what()));
    }

    struct Numbers {
        std::int64_t committed = 0, rolled_back = 0;
        RowCounts rows = {};
        std::map<std::string, std::int64_t> refused = {};
        std::vector<std::string> mistakes = {};
        std::vector<std::string> refusals = {};  ///< some of each kind
    };
    [[nodiscard]] Numbers numbers() const {
        const std::scoped_lock lock(mutex_);
        return {committed_, rolled_back_, rows_, refused_, mistakes_, refusals_};
    }

private:
    std::atomic<std::int64_t> allowed_ = 0, begun_ = 0;
    mutable std::mutex mutex_;
    bool chunks_come_and_go_ = false;
    std::int64_t committed_ = 0, rolled_back_ = 0;
    RowCounts rows_;
    std::map<std::string, std::int64_t> refused_;  // SQLSTATE -> how often
    std::vector<std::string> mistakes_, refusals_;
};

/// One client of the source: runs transactions that its number and the run's seed decide, until stopped. Statements that the server
/// refuses roll back to the last savepoint, or all; a server that goes away is connected to again.
class Session {
public:
    Session(harness::Database database, const Schema& schema, const Chance& chance, StatementLimits limits, int number,
            Tally& tally, Phases& phases)
        : database_(std::move(database)),
          maker_(schema, chance.branch("session", static_cast<std::uint64_t>(number)), limits),
          chance_(chance.branch("manners", static_cast<std::uint64_t>(number))), number_(number), tally_(tally),
          phases_(phases), thread_([this](const std::stop_token& stop) { run(stop); }) {}

    /// Ends after the transaction under way, and leaves no prepared one.
    void stop() {
        thread_.request_stop();
        if (thread_.joinable()) thread_.join();
    }

private:
    void run(const std::stop_token& stop) {
        const auto settings = fmt::format(
            "SET lock_timeout = '1s'; SET statement_timeout = '30s'; SET client_min_messages = error; SET "
            "deadlock_timeout = '50ms'; SET synchronous_commit = {}",
            chance_.pick({"on", "on", "off", "local"}));
        const auto pause = std::chrono::microseconds{chance_.pick({0, 0, 300, 3000})};
        while (true) {
            try {
                auto connection = database_.connect("writer");
                connection.exec(settings);
                end_prepared(connection);
                // Settings that a migration makes for the source's database reach new sessions.
                bool connected_since = phases_.now() >= Phase::copying;
                while (!stop.stop_requested()) {
                    if (!tally_.begin_one()) {
                        std::this_thread::sleep_for(std::chrono::milliseconds{2});
                        continue;
                    }
                    auto script = maker_.transaction();
                    const Phases::Visit visit{phases_};
                    if ((visit.phase() >= Phase::copying) != connected_since) {
                        connection = database_.connect("writer");
                        connection.exec(settings);
                        connected_since = !connected_since;
                    }
                    run_transaction(connection, script, visit.phase());
                    std::this_thread::sleep_for(pause);
                }
                return;
            } catch (const Error& error) {
                if (error.recovery() == Recovery::operator_action) return tally_.failed(error);
                std::this_thread::sleep_for(std::chrono::milliseconds{20});
            }
        }
    }

    [[nodiscard]] std::string prepared_name() const { return fmt::format("'random {}'", number_); }

    /// What an earlier connection left.
    void end_prepared(pg::Connection& connection) {
        if (!connection.exec(fmt::format("SELECT FROM pg_prepared_xacts WHERE gid = {}", prepared_name())).empty())
            connection.exec("ROLLBACK PREPARED " + prepared_name());
    }

    void run_transaction(pg::Connection& connection, const Script& script, Phase phase) {
        std::vector<std::pair<std::string, RowCounts>> savepoints;
        RowCounts rows;
        if (!script.begin.empty()) connection.exec(script.begin);
        for (const auto& statement : script.statements) {
            // After a failure its savepoint is gone, or was never made.
            const auto known = [&] {
                return std::any_of(savepoints.begin(), savepoints.end(),
                                   [&](const auto& one) { return one.first == statement.savepoint; });
            };
            if ((statement.kind == Statement::Kind::release || statement.kind == Statement::Kind::rollback_to) &&
                !known())
                continue;
            if (!may_run(statement.when, phase)) continue;
            if (!run_statement(connection, statement, rows)) {
                if (savepoints.empty()) return give_up(connection, script);
                connection.exec("ROLLBACK TO SAVEPOINT " + savepoints.back().first);
                rows = savepoints.back().second;
                continue;
            }
            if (statement.kind == Statement::Kind::savepoint) savepoints.emplace_back(statement.savepoint, rows);
            if (statement.kind == Statement::Kind::release || statement.kind == Statement::Kind::rollback_to) {
                while (savepoints.back().first != statement.savepoint) savepoints.pop_back();
                if (statement.kind == Statement::Kind::rollback_to) rows = savepoints.back().second;
                else savepoints.pop_back();
            }
        }
        finish(connection, script, rows);
    }

    bool run_statement(pg::Connection& connection, const Statement& statement, RowCounts& rows) {
        try {
            rows.add(connection.exec(statement.sql));
            return true;
        } catch (const pg::ServerError& error) {
            if (error.recovery() == Recovery::reconnect) throw;
            tally_.refused(error, statement.sql);
            return false;
        }
    }

    void give_up(pg::Connection& connection, const Script& script) {
        if (!script.begin.empty()) connection.exec("ROLLBACK");
        tally_.rolled_back();
    }

    void finish(pg::Connection& connection, const Script& script, const RowCounts& rows) {
        if (script.begin.empty()) return tally_.committed(rows);
        const bool prepared =
            script.end == Script::End::commit_prepared || script.end == Script::End::rollback_prepared;
        const bool commits = script.end == Script::End::commit || script.end == Script::End::commit_prepared;
        const auto end = prepared ? "PREPARE TRANSACTION " + prepared_name() : commits ? "COMMIT" : "ROLLBACK";
        try {
            connection.exec(end);
            if (prepared) {
                std::this_thread::sleep_for(std::chrono::milliseconds{chance_.skewed(0, 100)});
                connection.exec(fmt::format("{} PREPARED {}", commits ? "COMMIT" : "ROLLBACK", prepared_name()));
            }
        } catch (const pg::ServerError& error) {  // a deferred constraint, a serialization failure
            if (error.recovery() == Recovery::reconnect) throw;
            tally_.refused(error, end);
            return tally_.rolled_back();
        }
        if (commits) tally_.committed(rows);
        else tally_.rolled_back();
    }

    harness::Database database_;
    StatementMaker maker_;
    Chance chance_;
    int number_;
    Tally& tally_;
    Phases& phases_;
    std::jthread thread_;  // last: it uses the others
};

}  // namespace tslive::random_workload
