#pragma once

#include <string_view>

#include "tslive/core/bytes.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/pgoutput/detail/fields.hpp"
#include "tslive/pgoutput/messages.hpp"
#include "tslive/pgoutput/protocol.hpp"
#include "tslive/pgoutput/reader.hpp"

/// For those who need the boundaries of transactions and not the rows: the receiver, and the assembler of streamed
/// transactions. Stateless; all throw DecodeError.
namespace tslive::pgoutput {

/// The type of a message; its fields are not looked at.
/// @throws DecodeError for an empty message, a two-phase message (by its name) and an unknown one
[[nodiscard]] inline MessageType peek(Bytes message) {
    Reader in(message);
    return detail::read_message_type(in);
}

[[nodiscard]] inline Begin read_begin(Bytes message) {
    return detail::read_whole(message, MessageType::begin, detail::read_begin);
}
[[nodiscard]] inline Commit read_commit(Bytes message) {
    return detail::read_whole(message, MessageType::commit, detail::read_commit);
}
[[nodiscard]] inline StreamStart read_stream_start(Bytes message) {
    return detail::read_whole(message, MessageType::stream_start, detail::read_stream_start);
}
[[nodiscard]] inline StreamCommit read_stream_commit(Bytes message) {
    return detail::read_whole(message, MessageType::stream_commit, detail::read_stream_commit);
}
[[nodiscard]] inline StreamAbort read_stream_abort(Bytes message, Protocol protocol) {
    return detail::read_whole(message, MessageType::stream_abort,
                              [protocol](Reader& in) { return detail::read_stream_abort(in, protocol); });
}

namespace detail {
/// A Relation message up to the id, which comes first.
[[nodiscard]] inline RelationId begin_relation(Reader& in, bool streamed) {
    if (read_message_type(in) != MessageType::relation) in.fail_before(1, "Relation expected");
    if (streamed) static_cast<void>(in.xid());
    return {in.u32()};
}
}  // namespace detail

/// The relation that a Relation message describes.
/// @param streamed  whether the message came between Stream Start and Stream Stop
[[nodiscard]] inline RelationId described_relation(Bytes message, bool streamed) {
    Reader in(message);
    return detail::begin_relation(in, streamed);
}

/// What a Relation message says about the types of its columns: calls on_column(name, type) for each.
/// @param streamed  as above
template <typename OnColumn>
void read_column_types(Bytes message, bool streamed, OnColumn&& on_column) {
    Reader in(message);
    static_cast<void>(detail::begin_relation(in, streamed));
    static_cast<void>(in.text());
    static_cast<void>(in.text());
    static_cast<void>(in.character());
    for (auto left = in.u16(); left > 0; --left) {
        static_cast<void>(in.u8());
        const auto name = in.text();
        const TypeId type{in.u32()};
        static_cast<void>(in.i32());
        on_column(name, type);
    }
}

/// A message from inside a streamed block as it looks outside of one: without its transaction id.
[[nodiscard]] inline ByteBuffer without_streamed_xid(Bytes message) {
    Reader in(message);
    if (!detail::carries_streamed_xid(detail::read_message_type(in)))
        in.fail("no transaction id inside a streamed block");
    static_cast<void>(in.xid());
    ByteBuffer out(message.begin(), message.begin() + 1);
    append(out, message.subspan(1 + sizeof(std::uint32_t)));
    return out;
}

/// The (sub)transaction that a message inside a streamed block belongs to, and whose Stream Abort makes it void.
/// @pre the message came between Stream Start and Stream Stop
/// @throws DecodeError for a message that carries no transaction id (Origin and all that stand outside of blocks)
[[nodiscard]] inline Xid streamed_xid(Bytes message) {
    Reader in(message);
    if (!detail::carries_streamed_xid(detail::read_message_type(in)))
        in.fail("no transaction id inside a streamed block");
    return in.xid();
}

}  // namespace tslive::pgoutput
