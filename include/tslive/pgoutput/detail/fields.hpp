#pragma once

#include <string_view>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/pgoutput/messages.hpp"
#include "tslive/pgoutput/protocol.hpp"
#include "tslive/pgoutput/reader.hpp"

/// Messages of a fixed shape, from behind their type byte to their last field. The caller checks the end.
namespace tslive::pgoutput::detail {

/// The documentation's name of a message that only two-phase decoding produces; empty for others.
[[nodiscard]] constexpr std::string_view two_phase_name(char type) noexcept {
    switch (type) {
        case 'b': return "Begin Prepare";
        case 'P': return "Prepare";
        case 'K': return "Commit Prepared";
        case 'r': return "Rollback Prepared";
        case 'p': return "Stream Prepare";
        default: return {};
    }
}

[[noreturn, gnu::cold, gnu::noinline]] inline void reject_message_type(const Reader& in, char type) {
    const auto prepared = two_phase_name(type);
    if (prepared.empty()) in.fail_before(1, "unknown message type");
    in.fail_before(1, fmt::format("{} belongs to two-phase decoding, which was not asked for", prepared));
}

[[nodiscard]] inline MessageType read_message_type(Reader& in) {
    const char type = in.character();
    if (name(MessageType{type}).empty()) [[unlikely]]
        reject_message_type(in, type);
    return MessageType{type};
}

[[noreturn, gnu::cold, gnu::noinline]] inline void reject_flags(const Reader& in, unsigned flags) {
    in.fail_before(1, fmt::format("unknown flags 0x{:02x}", flags));
}

/// @param known  mask of the bits that have a meaning
[[nodiscard]] inline std::uint8_t read_flags(Reader& in, std::uint8_t known) {
    const auto flags = in.u8();
    if ((flags & ~known) != 0) [[unlikely]]
        reject_flags(in, flags);
    return flags;
}

/// The position of a commit, which is never 0.
[[nodiscard]] inline Lsn read_position(Reader& in) {
    const auto lsn = in.lsn();
    if (!lsn.valid()) [[unlikely]]
        in.fail_before(sizeof lsn.value, "LSN 0/0");
    return lsn;
}

[[nodiscard]] inline Begin read_begin(Reader& in) {
    return {
        .final_lsn = read_position(in), .commit_time = in.time(), .xid = in.xid()};  // braces evaluate left to right
}

[[nodiscard]] inline Commit read_commit(Reader& in) {
    return {.flags = read_flags(in, 0),
            .commit_lsn = read_position(in),
            .end_lsn = read_position(in),
            .commit_time = in.time()};
}

[[nodiscard]] inline Origin read_origin(Reader& in) { return {.commit_lsn = in.lsn(), .name = in.text()}; }

[[nodiscard]] inline StreamStart read_stream_start(Reader& in) {
    return {.xid = in.xid(), .first_segment = read_flags(in, 1) == 1};
}

[[nodiscard]] inline StreamCommit read_stream_commit(Reader& in) {
    return {.xid = in.xid(),
            .flags = read_flags(in, 0),
            .commit_lsn = read_position(in),
            .end_lsn = read_position(in),
            .commit_time = in.time()};
}

[[nodiscard]] inline StreamAbort read_stream_abort(Reader& in, Protocol protocol) {
    StreamAbort abort{.xid = in.xid(), .subxid = in.xid(), .abort_lsn = {}, .abort_time = {}};
    if (protocol.streaming == Streaming::parallel) {
        abort.abort_lsn = in.lsn();  // 0 when no abort was written: the server crashed, and found out on its restart
        abort.abort_time = in.time();
    }
    return abort;
}

[[nodiscard]] inline LogicalMessage read_logical_message(Reader& in) {
    return {
        .transactional = read_flags(in, 1) == 1, .lsn = in.lsn(), .prefix = in.text(), .content = in.counted_bytes()};
}

/// A schema name; the wire abbreviates pg_catalog to an empty string.
[[nodiscard]] inline std::string_view read_schema(Reader& in) {
    const auto schema = in.text();
    return schema.empty() ? std::string_view("pg_catalog") : schema;
}

[[nodiscard]] inline Type read_type(Reader& in) {
    return {.id = {in.u32()}, .schema = read_schema(in), .name = in.text()};
}

/// Messages that begin with a transaction id when they stand inside a streamed block.
[[nodiscard]] constexpr bool carries_streamed_xid(MessageType type) noexcept {
    switch (type) {
        case MessageType::relation:
        case MessageType::type:
        case MessageType::insert:
        case MessageType::update:
        case MessageType::delete_row:
        case MessageType::truncate:
        case MessageType::logical_message: return true;
        default: return false;
    }
}

/// One whole message of a type that the caller knows.
template <typename Read>
[[nodiscard]] auto read_whole(Bytes message, MessageType expected, Read read) {
    Reader in(message);
    if (read_message_type(in) != expected) in.fail_before(1, fmt::format("{} expected", expected));
    const auto result = read(in);
    in.expect_end();
    return result;
}

}  // namespace tslive::pgoutput::detail
