#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/migrate/subtransactions.hpp"
#include "tslive/pgoutput/peek.hpp"
#include "tslive/pgoutput/protocol.hpp"
#include "tslive/spool/streamed_writer.hpp"
#include "tslive/spool/writer.hpp"

namespace tslive::migrate {

/// Says which of these subtransactions the source rolled back. All are of one transaction, whose commit ends at `end`.
using AskRolledBack = std::function<std::vector<Xid>(std::span<const Xid> subtransactions, Lsn end)>;

/// Puts each message of a replication session where it belongs: into the main spool, which is in commit order, or, while
/// its transaction is still running, into a spool of that transaction. No connection; waits for the answer to `ask`
/// only. One thread.
///
///     outside --Begin--> in a transaction --Commit--> outside              everything to the main spool
///     outside --Stream Start--> in a block --Stream Stop--> outside        everything to the block's transaction
///     outside --Stream Commit--> outside       a record of where the transaction is, and the relations it told
///     outside --Stream Abort--> outside        the transaction, or a subtransaction of it, is void
///
/// Not every rollback of a subtransaction is told: the server forgets it when it had the changes on its disk before it
/// sent them. So before a commit counts the source is asked about each subtransaction that no Stream Abort came for.
///
/// The server takes a relation for told once the transaction that told it has committed, and from a rollback of any of
/// its subtransactions on for untold. Who passes over a streamed transaction has to know them as well, and later the
/// transaction's spool is gone: so they stand in the main spool behind its record.
/// Source: PostgreSQL documentation, "Logical Streaming Replication Protocol"; the server's pgoutput.c.
template <spool::SegmentFile File = spool::PosixFile>
class Intake {
public:
    Intake(spool::Writer<File>& main, spool::StreamedWriter<File>& streamed, pgoutput::Protocol protocol,
           AskRolledBack ask)
        : main_(&main), streamed_(&streamed), protocol_(protocol), ask_(std::move(ask)) {}

    /// The source begins to send, from `start` on: everything that did not commit before it comes again.
    void session_begins(Lsn start) {
        transaction_open_ = false;
        block_.reset();
        open_.clear();
        streamed_->forget_open();
        main_->append(spool::RecordKind::session, start, {});
    }

    /// @returns      bytes that the main spool has to sync on their account
    /// @throws       StateError when the disk does not take it, DecodeError for what the protocol does not have, and what
    ///               `ask` throws: the session is at its end then
    std::size_t take(Lsn lsn, Bytes message) {
        const auto type = pgoutput::peek(message);
        if (block_) return take_streamed(type, lsn, message);
        switch (type) {
            case pgoutput::MessageType::stream_start: return begin_block(lsn, message);
            case pgoutput::MessageType::stream_commit: return commit_streamed(message);
            case pgoutput::MessageType::stream_abort: return roll_back_streamed(message);
            default: return take_ordinary(type, lsn, message);
        }
    }

    /// Of the main spool. A transaction in progress that is streamed does not count: it commits later than all that came.
    [[nodiscard]] bool transaction_open() const noexcept { return transaction_open_; }

    [[nodiscard]] bool inside_block() const noexcept { return block_.has_value(); }

private:
    struct Told {
        Lsn lsn;
        ByteBuffer message;  ///< as outside of a block
    };
    /// A transaction in progress of which something has come.
    struct Open {
        std::map<RelationId, Told> told;
        Subtransactions subtransactions;
    };

    std::size_t take_ordinary(pgoutput::MessageType type, Lsn lsn, Bytes message) {
        using pgoutput::MessageType;
        if (type == MessageType::stream_stop) throw DecodeError("no streamed block is open", 0, 'E');
        main_->append(spool::RecordKind::message, lsn, message);
        if (type == MessageType::begin) transaction_open_ = true;
        if (type == MessageType::commit) {
            transaction_open_ = false;
            main_->boundary(pgoutput::read_commit(message).end_lsn);
        }
        if (type == MessageType::relation)
            main_->remember(pgoutput::described_relation(message, false).value, lsn, message);
        return message.size();
    }

    std::size_t begin_block(Lsn lsn, Bytes message) {
        if (transaction_open_) throw DecodeError("a streamed block begins inside a transaction", 0, 'S');
        const auto start = pgoutput::read_stream_start(message);
        if (start.first_segment == streamed_->knows(start.xid))
            throw DecodeError(fmt::format("a block of transaction {} {}", start.xid,
                                          start.first_segment ? "says that it is the first, and is not"
                                                              : "came before its first block"),
                              0, 'S');
        block_ = start.xid;
        streamed_->begin_block(start.xid);
        streamed_->append(lsn, message);
        return 0;
    }

    std::size_t take_streamed(pgoutput::MessageType type, Lsn lsn, Bytes message) {
        using pgoutput::MessageType;
        // Refused before it is kept: once the commit is confirmed, nobody can send it again.
        std::optional<Xid> xid;
        if (type != MessageType::stream_stop && type != MessageType::origin) xid = pgoutput::streamed_xid(message);
        streamed_->append(lsn, message);
        if (xid && *xid != *block_) open_[*block_].subtransactions.add(*xid);
        if (type == MessageType::stream_stop) {
            streamed_->end_block();
            block_.reset();
        }
        if (type == MessageType::relation)
            open_[*block_].told.insert_or_assign(pgoutput::described_relation(message, true),
                                                 Told{lsn, pgoutput::without_streamed_xid(message)});
        return 0;
    }

    std::size_t commit_streamed(Bytes message) {
        const auto commit = pgoutput::read_stream_commit(message);
        if (!streamed_->knows(commit.xid))
            throw DecodeError(fmt::format("transaction {} commits, and nothing of it came before", commit.xid), 0, 'c');
        auto& open = open_[commit.xid];
        find_what_was_not_told(commit, open);
        auto transaction = streamed_->commit(commit.xid, commit.end_lsn);
        append(transaction.commit, message);
        const auto record = encode(transaction);
        main_->append(spool::RecordKind::streamed, commit.end_lsn, record);
        auto bytes = record.size();
        for (const auto& [relation, told] : open.told) {
            main_->append(spool::RecordKind::message, told.lsn, told.message);
            main_->remember(relation.value, told.lsn, told.message);
            bytes += told.message.size();
        }
        open_.erase(commit.xid);
        main_->boundary(commit.end_lsn);
        return bytes;
    }

    void find_what_was_not_told(const pgoutput::StreamCommit& commit, Open& open) {
        const auto in_doubt = open.subtransactions.others();
        if (in_doubt.empty()) return;
        for (const auto xid : ask_(in_doubt, commit.end_lsn)) {
            log::debug("subtransaction {} of transaction {} was rolled back, which the source did not tell", xid,
                       commit.xid);
            streamed_->roll_back(commit.xid, xid);
        }
    }

    std::size_t roll_back_streamed(Bytes message) {
        const auto rolled_back = pgoutput::read_stream_abort(message, protocol_);
        streamed_->roll_back(rolled_back.xid, rolled_back.subxid);
        if (const auto open = open_.find(rolled_back.xid); open != open_.end()) {
            open->second.told.clear();
            open->second.subtransactions.rolled_back(rolled_back.subxid);
            if (rolled_back.xid == rolled_back.subxid) open_.erase(open);
        }
        return 0;
    }

    spool::Writer<File>* main_;
    spool::StreamedWriter<File>* streamed_;
    pgoutput::Protocol protocol_;
    AskRolledBack ask_;
    bool transaction_open_ = false;
    std::optional<Xid> block_;
    std::map<Xid, Open> open_;
};

}  // namespace tslive::migrate
