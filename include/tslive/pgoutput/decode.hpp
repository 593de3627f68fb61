#pragma once

#include <concepts>
#include <optional>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pgoutput/detail/fields.hpp"
#include "tslive/pgoutput/detail/row_reader.hpp"
#include "tslive/pgoutput/messages.hpp"
#include "tslive/pgoutput/protocol.hpp"
#include "tslive/pgoutput/reader.hpp"

namespace tslive::pgoutput {

/// Who receives the decoded messages: called once a message, on the thread that decodes, after the whole message has
/// been checked.
///
/// What it is given is valid during the call only. `streamed` is the (sub)transaction of a message inside a streamed
/// block, and nothing outside of one. What it throws passes through decode() unchanged, and the message counts as
/// decoded.
/// Production: apply's assembler. Tests: a renderer, a counter, a thrower.
template <typename V>
concept Visitor = requires(V& visitor, std::optional<Xid> streamed, const Begin& begin, const Commit& commit,
                           const Origin& origin, const Relation& relation, const Type& type, const Insert& insert,
                           const Update& update, const Delete& delete_row, const Truncate& truncate,
                           const LogicalMessage& message, const StreamStart& stream_start,
                           const StreamStop& stream_stop, const StreamCommit& stream_commit,
                           const StreamAbort& stream_abort) {
    visitor.on(begin);
    visitor.on(commit);
    visitor.on(origin);
    visitor.on(relation, streamed);
    visitor.on(type, streamed);
    visitor.on(insert, streamed);
    visitor.on(update, streamed);
    visitor.on(delete_row, streamed);
    visitor.on(truncate, streamed);
    visitor.on(message, streamed);
    visitor.on(stream_start);
    visitor.on(stream_stop);
    visitor.on(stream_commit);
    visitor.on(stream_abort);
};

/// Decodes the messages of one replication session, in their order.
///
/// Its states, because the same byte sequence means different things in them:
///
///     outside --Stream Start--> inside a streamed block --Stream Stop--> outside
///
/// Inside a block changes carry a transaction id, and no transaction begins or ends. Everything else, such as which
/// relations are known, is the visitor's. Memory is that of the widest row seen, never of values. One thread.
class Decoder {
public:
    /// @throws DecodeError for a protocol that we do not know
    explicit Decoder(Protocol protocol) : protocol_(protocol) { protocol.check(); }

    /// Checks one message to its last byte, then hands it to the visitor.
    /// @throws DecodeError whatever is wrong with the bytes, and nothing else of its own; the state is then as before
    template <Visitor V>
    void decode(Bytes message, V& visitor);

    /// The server started from anew (START_REPLICATION): no block is open.
    void reset() noexcept { inside_block_ = false; }

    [[nodiscard]] bool inside_block() const noexcept { return inside_block_; }
    [[nodiscard]] Protocol protocol() const noexcept { return protocol_; }

private:
    [[nodiscard]] std::optional<Xid> streamed(Reader& in) const {
        return inside_block_ ? std::optional(in.xid()) : std::nullopt;
    }
    void expect_outside(const Reader& in) const {
        if (inside_block_) [[unlikely]]
            in.fail_before(1, "not allowed inside a streamed block");
    }
    void expect_streaming(const Reader& in) const {
        if (protocol_.streaming == Streaming::off) [[unlikely]]
            in.fail_before(1, "streaming was not asked for");
    }

    [[nodiscard]] Relation read_relation(Reader& in);
    [[nodiscard]] Insert read_insert(Reader& in);
    [[nodiscard]] Update read_update(Reader& in);
    [[nodiscard]] Delete read_delete(Reader& in);
    [[nodiscard]] Truncate read_truncate(Reader& in);

    Protocol protocol_;
    bool inside_block_ = false;
    detail::Scratch<Value> old_values_;
    detail::Scratch<Value> new_values_;
    detail::Scratch<RelationColumn> columns_;
    detail::Scratch<RelationId> relations_;
};

}  // namespace tslive::pgoutput

#include "tslive/pgoutput/impl/decode.ipp"
