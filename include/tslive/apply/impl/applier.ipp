#pragma once

#include <fmt/format.h>

#include "tslive/core/log.hpp"
#include "tslive/pgoutput/peek.hpp"
#include "tslive/spool/streamed.hpp"

namespace tslive::apply {

/// One connection to the target, and what was gathered on it.
struct Applier::Session {
    pg::Connection target;
    pg::Connection catalog;
    Origin origin;
    TargetTables tables;
    Executor executor;
    Batcher<Executor> batcher;
    pgoutput::Decoder decoder;
    spool::Reader reader;
    LockWatch lock_watch;
    std::optional<spool::Position> begun_at;  ///< of the Begin of the open transaction
    bool passing_void = false;
    Lsn quiet_until;  ///< nothing that commits before it is still to come
    std::chrono::steady_clock::time_point flushed_at = std::chrono::steady_clock::now();

    Session(const ApplierOptions& options, const std::stop_token& stop)
        : target(pg::Connection::open(options.target, "apply", stop)),
          catalog(pg::Connection::open(options.target, "apply catalog", stop)),
          origin(target, options.origin, options.start), tables(catalog, options.knowledge),
          executor(target, origin, tables), batcher(executor, options.limits), decoder(pgoutput::every_version),
          reader(options.spool, options.stream, options.frontier, origin.progress()),
          lock_watch(options.target, target.backend_pid(), options.lock_watch) {
        batcher.start_after(origin.progress());
    }
};

inline ApplierStatus Applier::status() const {
    const std::scoped_lock lock(status_mutex_);
    return status_;
}

inline Applier::Outcome Applier::run(std::stop_token stop) {
    Waiter waiter(stop);
    pg::Backoff backoff(options_.retry);
    for (;;) {
        try {
            progressed_ = refused_as_sets_ = false;
            if (run_session(waiter) == Step::end) return Outcome::reached_end;
        } catch (const Stopped&) {
            return Outcome::stopped;
        } catch (const Error& error) {
            if (progressed_) backoff.succeeded();
            const bool refused = error.recovery() == Recovery::operator_action;
            if (refused && !refused_as_sets_) throw;
            if (refused) log::debug("a batch was refused as sets and is applied row by row: {}", error.what());
            else backoff.failed("applying changes", error, waiter);
        }
    }
}

inline Applier::Step Applier::run_session(Waiter& waiter) {
    Session session(options_, waiter.token());
    log::debug("applying after {}", session.batcher.applied());
    if (row_by_row_until_ > session.batcher.applied()) {
        session.batcher.set_mode(Batcher<Executor>::Mode::row_by_row);
        session.tables.seek_through_tables(true);
    } else {
        row_by_row_until_ = {};
    }
    publish(session);
    const auto close = [&] {
        session.batcher.rollback();
        counts_before_ = status().counts;
        missing_before_ = status().missing_rows;
        if (!session.executor.broken()) session.origin.release();
    };
    try {
        const auto step = drain(session, waiter);
        close();
        return step;
    } catch (const Error& error) {
        if (error.recovery() == Recovery::operator_action) remember_failure(session);
        close();
        throw;
    }
}

inline void Applier::remember_failure(const Session& session) {
    using Mode = Batcher<Executor>::Mode;
    const auto& batcher = session.batcher;
    if (batcher.mode() == Mode::row_by_row || batcher.newest() <= batcher.applied()) return;
    refused_as_sets_ = true;
    row_by_row_until_ = batcher.newest();
}

inline Applier::Step Applier::drain(Session& session, Waiter& waiter) {
    for (;;) {
        waiter.throw_if_stopped();
        const auto at = session.reader.position();
        const auto record = session.reader.next();
        const auto step = record ? take(session, *record, at, waiter) : idle(session);
        if (step != Step::next) return step;
        if (!record) static_cast<void>(session.reader.wait(waiter, std::chrono::milliseconds{500}));
    }
}

inline Applier::Step Applier::take(Session& session, const spool::Record& record, const spool::Position& at,
                                   Waiter& waiter) {
    switch (record.kind) {
        case spool::RecordKind::session:
            session.passing_void = false;
            session.decoder.reset();
            if (!session.batcher.session_begins()) return Step::next;
            log::debug("a transaction was cut off with the connection to the source; it comes again after {}",
                       record.lsn);
            void_.insert(session.begun_at.value());
            return Step::again;
        case spool::RecordKind::progress:
            if (!session.batcher.in_transaction()) session.quiet_until = std::max(session.quiet_until, record.lsn);
            return Step::next;
        case spool::RecordKind::context: session.decoder.decode(record.payload, session.batcher); return Step::next;
        case spool::RecordKind::message: return take_message(session, record, at);
        case spool::RecordKind::streamed: return take_streamed(session, record, waiter);
    }
    throw Error(Recovery::operator_action,
                fmt::format("the spool holds a record of unknown kind {}", static_cast<int>(record.kind)));
}

/// Whether the transaction that commits at `commit_lsn` comes after the end; then all before it is applied. So it is when
/// this transaction has been refused: the operator may alter the target before it is tried again.
inline bool Applier::ends_before(Session& session, Lsn commit_lsn) {
    if (row_by_row_until_.valid() && commit_lsn >= row_by_row_until_) commit(session);
    if (!end().valid() || commit_lsn < end()) return false;
    session.quiet_until = std::max(session.quiet_until, end());  // the stream is in commit order
    commit_quiet(session);
    return true;
}

inline Applier::Step Applier::take_message(Session& session, const spool::Record& record, const spool::Position& at) {
    const auto type = pgoutput::peek(record.payload);
    if (type == pgoutput::MessageType::begin) {
        session.begun_at = at;
        session.passing_void = void_.contains(at);
        if (ends_before(session, pgoutput::read_begin(record.payload).final_lsn)) return Step::end;
    }
    // The relations that a void transaction told are told again; the server's new session knows nothing of the old one.
    if (session.passing_void) return Step::next;
    session.decoder.decode(record.payload, session.batcher);
    return type == pgoutput::MessageType::commit ? transaction_complete(session) : Step::next;
}

/// The same as if the source had sent the transaction when it committed. The relations it told stand behind the record:
/// one that is passed over need not be there any more.
inline Applier::Step Applier::take_streamed(Session& session, const spool::Record& record, Waiter& waiter) {
    const auto transaction = spool::decode_streamed(record.payload, options_.spool);
    const auto commit = pgoutput::read_stream_commit(transaction.commit);
    if (ends_before(session, commit.commit_lsn)) return Step::end;
    session.batcher.on(pgoutput::Begin{commit.commit_lsn, commit.commit_time, commit.xid});
    if (!session.batcher.passing_over()) {
        const std::set<Xid> rolled_back(transaction.void_subtransactions.begin(),
                                        transaction.void_subtransactions.end());
        auto messages = spool::open_streamed(options_.spool, options_.stream, transaction);
        while (const auto message = messages.next()) {
            waiter.throw_if_stopped();
            const auto type = pgoutput::peek(message->payload);
            // A relation is told for the rest of the transaction, too, when the source forgot to tell of the rollback; and
            // when it did not, it is told again.
            const bool always = type == pgoutput::MessageType::stream_start ||
                                type == pgoutput::MessageType::stream_stop || type == pgoutput::MessageType::origin ||
                                type == pgoutput::MessageType::relation;
            if (!always && rolled_back.contains(pgoutput::streamed_xid(message->payload))) continue;
            session.decoder.decode(message->payload, session.batcher);
        }
        if (session.decoder.inside_block())
            throw Error(Recovery::operator_action,
                        fmt::format("streamed transaction {}, which commits at {}, ends inside a block", commit.xid,
                                    commit.commit_lsn));
    }
    session.batcher.on(pgoutput::Commit{0, commit.commit_lsn, commit.end_lsn, commit.commit_time});
    return transaction_complete(session);
}

inline Applier::Step Applier::transaction_complete(Session& session) {
    const bool at_end = end().valid() && session.batcher.complete() >= end();
    if (at_end || session.batcher.full()) commit(session);
    return at_end ? Step::end : Step::next;
}

inline void Applier::commit(Session& session) {
    if (session.batcher.pending()) {
        session.batcher.commit();
        progressed_ = true;
        if (row_by_row_until_.valid() && session.batcher.applied() >= row_by_row_until_) {
            row_by_row_until_ = {};
            session.batcher.set_mode(Batcher<Executor>::Mode::sets);
            session.tables.seek_through_tables(false);
            session.batcher.forget_tables();
        }
    }
    publish(session);
    if (std::chrono::steady_clock::now() - session.flushed_at < flush_interval) return;
    session.flushed_at = std::chrono::steady_clock::now();
    const auto flushed = session.executor.flushed_progress();
    if (options_.on_flushed) options_.on_flushed(flushed);
}

/// Makes the target say that everything before `quiet_until` is applied, though there may have been nothing.
inline void Applier::commit_quiet(Session& session) {
    if (session.batcher.pending()) commit(session);
    if (session.quiet_until > session.batcher.applied()) {
        session.executor.commit(session.quiet_until, ServerTime::from(std::chrono::system_clock::now()));
        session.batcher.start_after(session.quiet_until);
    }
    commit(session);
}

inline Applier::Step Applier::idle(Session& session) {
    if (session.batcher.in_transaction()) return Step::next;
    const bool at_end = end().valid() && std::max(session.quiet_until, session.batcher.complete()) >= end();
    // What is known to be empty is worth a transaction only now and then: it lets the spool forget, and a resume begin
    // late.
    const bool due = std::chrono::steady_clock::now() - session.flushed_at >= flush_interval;
    if (due || at_end) commit_quiet(session);
    else commit(session);
    return at_end ? Step::end : Step::next;
}

inline void Applier::publish(Session& session) {
    auto counts = session.batcher.counts();
    counts.transactions += counts_before_.transactions;
    counts.inserts += counts_before_.inserts;
    counts.updates += counts_before_.updates;
    counts.deletes += counts_before_.deletes;
    counts.truncates += counts_before_.truncates;
    counts.left_out += counts_before_.left_out;
    counts.batches += counts_before_.batches;
    const std::scoped_lock lock(status_mutex_);
    status_.applied = session.batcher.applied();
    status_.covered = std::max(session.batcher.applied(), session.batcher.pending() ? Lsn{} : session.quiet_until);
    status_.counts = counts;
    if (const auto time = session.batcher.applied_time()) status_.last_commit_time = time->to_system();
    status_.missing_rows = missing_before_ + session.executor.missing_rows();
}

}  // namespace tslive::apply
