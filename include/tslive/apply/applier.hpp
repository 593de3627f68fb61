#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "tslive/apply/batcher.hpp"
#include "tslive/apply/executor.hpp"
#include "tslive/apply/lock_watch.hpp"
#include "tslive/apply/origin.hpp"
#include "tslive/apply/target_tables.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/retry.hpp"
#include "tslive/pgoutput/decode.hpp"
#include "tslive/spool/frontier.hpp"
#include "tslive/spool/reader.hpp"

namespace tslive::apply {

struct ApplierOptions {
    pg::ConnInfo target;
    std::string origin;  ///< name of origin and helper schema
    Lsn start;           ///< the consistent point: where an origin that does not exist yet begins
    std::filesystem::path spool;
    spool::StreamId stream;
    std::shared_ptr<spool::Frontier> frontier;
    SourceKnowledge knowledge;
    BatchLimits limits;
    pg::RetryBudget retry;
    std::chrono::milliseconds lock_watch{5'000};  ///< waits for a lock that take longer are said, with who holds it
    std::function<void(Lsn)>
        on_flushed;  ///< progress that the target's disk has: the spool may forget what is before it
};

/// What the applier has done, for status lines.
struct ApplierStatus {
    Lsn applied;  ///< end of the last transaction that is committed on the target
    Lsn covered;  ///< everything that commits before it is on the target; passes `applied` when the source is idle
    BatchCounts counts;
    std::uint64_t missing_rows = 0;
    std::chrono::system_clock::time_point last_commit_time;  ///< of the last applied transaction, at the source
};

/// Drains the spool into the target, through every loss of connection, until an end position is applied.
///
/// States of a session: read progress -> open the spool there -> (gather -> commit)* . Whatever fails, the next session
/// begins with the
/// origin's progress (law 2), so that nothing is lost or applied twice. What the target refuses as a set is tried once
/// more row by row,
/// which either works or names the row.
/// run() belongs to one thread; end_at() and status() may be called from any.
class Applier {
public:
    enum class Outcome { reached_end, stopped };

    explicit Applier(ApplierOptions options) : options_(std::move(options)) {}

    /// @throws Error  (operator_action) when a change cannot be applied; nothing after it is applied
    Outcome run(std::stop_token stop);
    /// Everything that commits before `end` is to be applied, and nothing that begins after it was; then run() returns.
    void end_at(Lsn end) { end_.store(end.value); }
    [[nodiscard]] ApplierStatus status() const;

private:
    struct Session;

    /// How a session goes on after a record.
    enum class Step {
        next,
        again,  ///< a new session is needed, which will pass over a transaction that turned out to be void
        end,    ///< the end position is applied
    };

    Step run_session(Waiter& waiter);
    Step drain(Session& session, Waiter& waiter);
    Step take(Session& session, const spool::Record& record, const spool::Position& at, Waiter& waiter);
    Step take_message(Session& session, const spool::Record& record, const spool::Position& at);
    Step take_streamed(Session& session, const spool::Record& record, Waiter& waiter);
    [[nodiscard]] bool ends_before(Session& session, Lsn commit_lsn);
    Step transaction_complete(Session& session);
    Step idle(Session& session);
    void commit(Session& session);
    void commit_quiet(Session& session);
    [[nodiscard]] Lsn end() const { return {end_.load()}; }
    void publish(Session& session);
    void remember_failure(const Session& session);

    static constexpr std::chrono::seconds flush_interval{5};

    ApplierOptions options_;
    std::atomic<std::uint64_t> end_{0};
    std::set<spool::Position>
        void_;                      // beginnings of transactions that a broken connection left incomplete in the spool
    Lsn row_by_row_until_;          // sets were refused: up to here each change is applied by itself
    bool refused_as_sets_ = false;  // by the session that has just ended
    BatchCounts counts_before_;     // of earlier sessions
    std::uint64_t missing_before_ = 0;
    bool progressed_ = false;

    mutable std::mutex status_mutex_;
    ApplierStatus status_;
};

}  // namespace tslive::apply

#include "tslive/apply/impl/applier.ipp"
