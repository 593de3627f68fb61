#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/lsn.hpp"

namespace tslive::spool {

/// Which migration a spool belongs to; a segment of another one is refused.
using StreamId = std::array<std::byte, 16>;

/// Values out of range are moved to the nearest one that works.
struct Options {
    std::uint64_t segment_bytes = std::uint64_t{256} << 20;  ///< on disk; the block after begins a new one
    std::size_t block_bytes = std::size_t{256} << 10;        ///< compressed and written together; 64 B to 16 MiB
    int compression_level = 1;                               ///< zstd's, negative ones included
};

/// The longest payload: PostgreSQL cannot build a longer message (MaxAllocSize is 1 GiB - 1).
inline constexpr std::uint64_t max_payload_bytes = std::uint64_t{1} << 30;

enum class RecordKind : std::uint8_t {
    /// One pgoutput message as received; lsn is the WAL start of its XLogData.
    message = 1,
    /// START_REPLICATION was (re)issued at lsn: what is incomplete before it is void, the relation cache begins empty.
    session = 2,
    /// Nothing that commits before lsn is still to come (a keepalive while no transaction is open).
    progress = 3,
    /// What Writer::remember() was given. Only a reader that starts in a later segment gets it, before all else.
    context = 4,
    /// A transaction that was streamed while it ran has committed: a StreamedTransaction, which says where its messages
    /// are. lsn is the end of its commit.
    streamed = 6,
};

struct Record {
    RecordKind kind;
    Lsn lsn;
    Bytes payload;  ///< valid until the reader's next next() or seek()
};

/// A record's place in the spool. Later records have greater positions; valid until the segment is retired.
struct Position {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;  ///< of the block, in bytes from the beginning of the segment
    std::uint32_t record = 0;  ///< index in the block

    friend constexpr auto operator<=>(const Position&, const Position&) = default;
};

}  // namespace tslive::spool

template <>
struct fmt::formatter<tslive::spool::Position> {
    constexpr auto parse(format_parse_context& context) { return context.begin(); }
    auto format(const tslive::spool::Position& at, format_context& context) const {
        return fmt::format_to(context.out(), "segment {:x}, offset {}, record {}", at.segment, at.offset, at.record);
    }
};
