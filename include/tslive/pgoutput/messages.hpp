#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/clock.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/lsn.hpp"

/// What PostgreSQL's output plugin `pgoutput` sends, decoded.
///
/// Every view (Bytes, string_view, span) points into the message or into the decoder: it is valid during the visitor's
/// call only. Text is in the encoding that the connection asked for.
/// Source: PostgreSQL documentation, "Logical Replication Message Formats" (protocol versions 1 to 4).
namespace tslive::pgoutput {

/// The first byte of a message. Two-phase messages are missing on purpose: we never ask for them.
enum class MessageType : char {
    begin = 'B',
    commit = 'C',
    origin = 'O',
    relation = 'R',
    type = 'Y',
    insert = 'I',
    update = 'U',
    delete_row = 'D',
    truncate = 'T',
    logical_message = 'M',
    stream_start = 'S',
    stream_stop = 'E',
    stream_commit = 'c',
    stream_abort = 'A',
};

/// The documentation's name of a message; empty for a byte that is none of ours.
[[nodiscard]] constexpr std::string_view name(MessageType type) noexcept {
    switch (type) {
        case MessageType::begin: return "Begin";
        case MessageType::commit: return "Commit";
        case MessageType::origin: return "Origin";
        case MessageType::relation: return "Relation";
        case MessageType::type: return "Type";
        case MessageType::insert: return "Insert";
        case MessageType::update: return "Update";
        case MessageType::delete_row: return "Delete";
        case MessageType::truncate: return "Truncate";
        case MessageType::logical_message: return "Message";
        case MessageType::stream_start: return "Stream Start";
        case MessageType::stream_stop: return "Stream Stop";
        case MessageType::stream_commit: return "Stream Commit";
        case MessageType::stream_abort: return "Stream Abort";
    }
    return {};
}

enum class ValueKind : char {
    null = 'n',
    unchanged_toast = 'u',  ///< stored out of line and not touched by the UPDATE: not sent, leave it alone
    text = 't',             ///< output of the type's output function
    binary = 'b',           ///< output of the type's send function; only when `binary` was asked for
};

struct Value {
    ValueKind kind = ValueKind::null;
    Bytes data;  ///< empty for null and unchanged_toast
};

/// The published columns of a row, in the order of its Relation message.
using Row = std::span<const Value>;

/// What an UPDATE or DELETE tells about the row before it.
enum class OldRow : char {
    none = '\0',  ///< the identity did not change: find the row by the new row's key columns
    key = 'K',    ///< the columns of the replica identity; all others are null
    full = 'O',   ///< all columns (REPLICA IDENTITY FULL)
};

/// pg_class.relreplident
enum class ReplicaIdentity : char { primary_key = 'd', nothing = 'n', full = 'f', index = 'i' };

struct Begin {
    Lsn final_lsn;  ///< where the commit record starts (Commit::commit_lsn); the cursor is Commit::end_lsn
    ServerTime commit_time;
    Xid xid;
};

struct Commit {
    std::uint8_t flags = 0;  ///< none is defined: always 0
    Lsn commit_lsn;
    Lsn end_lsn;  ///< first position after the transaction
    ServerTime commit_time;
};

/// The transaction (or, inside a streamed block, its part) came to the source by replication.
struct Origin {
    Lsn commit_lsn;  ///< on the server where it began; 0 inside a streamed block
    std::string_view name;
};

struct RelationColumn {
    bool key = false;  ///< part of the replica identity; with REPLICA IDENTITY FULL all are
    std::string_view name;
    TypeId type;
    std::int32_t type_modifier = -1;
};

/// Sent before the first change of a relation, and again after it may have changed.
struct Relation {
    RelationId id;
    std::string_view schema;  ///< `pg_catalog` where the wire has its abbreviation, an empty string
    std::string_view name;
    ReplicaIdentity replica_identity = ReplicaIdentity::primary_key;
    std::span<const RelationColumn> columns;  ///< published columns only; may be empty
};

/// Sent before the Relation that uses a type which is not built in.
struct Type {
    TypeId id;
    std::string_view schema;  ///< of the base type, when `id` is a domain; `pg_catalog` as in Relation
    std::string_view name;
};

struct Insert {
    RelationId relation;
    Row new_row;
};

struct Update {
    RelationId relation;
    OldRow old_kind = OldRow::none;
    Row old_row;  ///< empty when old_kind is none
    Row new_row;
};

struct Delete {
    RelationId relation;
    OldRow old_kind = OldRow::key;  ///< never none
    Row old_row;
};

/// One TRUNCATE statement; relations that CASCADE reached and that are published are listed too.
struct Truncate {
    bool cascade = false;
    bool restart_identity = false;
    std::span<const RelationId> relations;  ///< at least one
};

/// Written by pg_logical_emit_message(). A transactional one belongs to the transaction around it; another one arrives
/// when it was written, outside of every transaction.
struct LogicalMessage {
    bool transactional = false;
    Lsn lsn;
    std::string_view prefix;
    Bytes content;
};

/// Opens a streamed block: a part of a transaction that is still running.
struct StreamStart {
    Xid xid;                     ///< of the top-level transaction
    bool first_segment = false;  ///< the first block of this transaction
};

struct StreamStop {};

struct StreamCommit {
    Xid xid;
    std::uint8_t flags = 0;  ///< none is defined: always 0
    Lsn commit_lsn;
    Lsn end_lsn;
    ServerTime commit_time;
};

/// Everything streamed under `subxid` is void; everything of the transaction when it equals `xid`.
///
/// That includes Relation and Type messages: the server sends them again before it needs them (tests/golden, case
/// streaming).
struct StreamAbort {
    Xid xid;
    Xid subxid;
    Lsn abort_lsn;          ///< 0 unless streaming = parallel, and then for what a crash of the server ended
    ServerTime abort_time;  ///< as abort_lsn
};

}  // namespace tslive::pgoutput

template <>
struct fmt::formatter<tslive::pgoutput::MessageType> : fmt::formatter<std::string_view> {
    auto format(tslive::pgoutput::MessageType type, format_context& context) const {
        return formatter<std::string_view>::format(name(type), context);
    }
};
