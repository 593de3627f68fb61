#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/spool/record.hpp"

/// The bytes of a segment. All numbers are little-endian.
///
///     segment   = header, frame...
///     header    = magic[8], version u32, flags u32, stream[16], sequence u64, start_boundary u64, previous_bytes u64,
///                 checksum u64
///     frame     = stored_bytes u32, raw_bytes u32, synced_bytes u64, remaining_bytes u32, checksum u64,
///                 zstd frame with checksum
///     block     = record..., what the frames of one block hold together
///     record    = kind u8, lsn u64, length u32, payload[length]
///
/// A block is one frame, except for a record that is longer than a block: its block holds nothing else and is cut into
/// frames, each of which says how many bytes of the block come after it. A frame's checksum is seeded with the
/// segment's and with the frame's offset, so that a frame is good in one place only.
///
/// `synced_bytes` says how much of the segment was durable when the frame was written. It tells a torn tail from
/// damage: where a frame is broken and a later one knows it to have been durable, the disk lost what the source may
/// have forgotten. `previous_bytes` is the size of the segment before, so that a segment that lost its end is found,
/// too.
namespace tslive::spool::detail {

inline constexpr std::array<std::byte, 8> magic{std::byte{'T'}, std::byte{'S'}, std::byte{'L'}, std::byte{'S'},
                                                std::byte{'P'}, std::byte{'O'}, std::byte{'O'}, std::byte{'L'}};
inline constexpr std::uint32_t segment_version = 1;
inline constexpr std::size_t segment_header_bytes = 64;
inline constexpr std::size_t frame_header_bytes = 28;
inline constexpr std::size_t record_header_bytes = 13;
inline constexpr std::size_t min_block_bytes = 64;
inline constexpr std::size_t max_block_bytes = std::size_t{16} << 20;
inline constexpr std::uint8_t boundary_kind = 5;  ///< a record that readers do not see: Writer::boundary()
inline constexpr std::uint8_t last_kind = static_cast<std::uint8_t>(RecordKind::streamed);
inline constexpr std::string_view damage_remedy =
    "The file is damaged. Put back a good copy if there is one; otherwise remove this migration with ts-clean and "
    "begin a new one.";

/// FNV-1a, 64 bits. Finds every change of a single byte; the payload has zstd's checksum.
/// Source: http://www.isthe.com/chongo/tech/comp/fnv/
[[nodiscard]] inline std::uint64_t checksum(Bytes bytes, std::uint64_t seed = 0xcbf29ce484222325U) noexcept {
    for (const auto byte : bytes) seed = (seed ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3U;
    return seed;
}

struct SegmentHeader {
    StreamId stream{};
    std::uint64_t sequence = 0;
    Lsn start_boundary;             ///< newest boundary before the segment
    bool transaction_open = false;  ///< whether a transaction that began in an earlier segment may go on in this one
    std::uint64_t previous_bytes = 0;
    std::uint64_t seed = 0;  ///< the header's checksum; set by encode and decode

    [[nodiscard]] std::string file_name() const {
        return fmt::format("{:016x}-{:016x}.segment", sequence, start_boundary.value);
    }
};

inline std::array<std::byte, segment_header_bytes> encode(SegmentHeader& header) {
    std::array<std::byte, segment_header_bytes> out{};
    std::copy(magic.begin(), magic.end(), out.begin());
    store_le(&out[8], segment_version);
    store_le(&out[12], std::uint32_t{header.transaction_open});
    std::copy(header.stream.begin(), header.stream.end(), &out[16]);
    store_le(&out[32], header.sequence);
    store_le(&out[40], header.start_boundary.value);
    store_le(&out[48], header.previous_bytes);
    header.seed = checksum(Bytes{out}.first(56));
    store_le(&out[56], header.seed);
    return out;
}

/// @throws StateError  naming `path`
[[nodiscard]] inline SegmentHeader decode_header(Bytes in, const StreamId& stream, const std::string& path) {
    if (in.size() < segment_header_bytes || !std::equal(magic.begin(), magic.end(), in.begin()))
        throw StateError(path, "at offset 0: this is not the beginning of a spool segment", std::string(damage_remedy));
    if (const auto version = load_le<std::uint32_t>(&in[8]); version != segment_version)
        throw StateError(
            path, fmt::format("at offset 8: segment version {}, this program knows {}", version, segment_version),
            "Use the release of ts-live that began this migration.");
    SegmentHeader header;
    const auto flags = load_le<std::uint32_t>(&in[12]);
    std::copy_n(&in[16], header.stream.size(), header.stream.begin());
    header.sequence = load_le<std::uint64_t>(&in[32]);
    header.start_boundary = {load_le<std::uint64_t>(&in[40])};
    header.transaction_open = flags == 1;
    header.previous_bytes = load_le<std::uint64_t>(&in[48]);
    header.seed = load_le<std::uint64_t>(&in[56]);
    if (header.seed != checksum(in.first(56)) || flags > 1)
        throw StateError(path, "at offset 0: the segment's header is broken", std::string(damage_remedy));
    if (header.stream != stream)
        throw StateError(path, "at offset 16: this segment belongs to another migration",
                         "Use the directory of the migration that made it, or remove the file.");
    if (std::filesystem::path(path).filename() != header.file_name())
        throw StateError(path, fmt::format("at offset 32: its header says that its name is {}", header.file_name()),
                         "Give the file its name back.");
    return header;
}

struct FrameHeader {
    std::uint32_t stored_bytes = 0;     ///< of the zstd frame that follows
    std::uint32_t raw_bytes = 0;        ///< what it decompresses to
    std::uint64_t synced_bytes = 0;     ///< of the segment, when this was written
    std::uint32_t remaining_bytes = 0;  ///< of the block, in the frames after this one
};

[[nodiscard]] inline std::uint64_t frame_checksum(Bytes fields, std::uint64_t seed, std::uint64_t offset) noexcept {
    return checksum(fields, (seed ^ offset) * 0x100000001b3U);
}

inline void encode(const FrameHeader& header, std::byte* out, std::uint64_t seed, std::uint64_t offset) noexcept {
    store_le(out, header.stored_bytes);
    store_le(out + 4, header.raw_bytes);
    store_le(out + 8, header.synced_bytes);
    store_le(out + 16, header.remaining_bytes);
    store_le(out + 20, frame_checksum({out, 20}, seed, offset));
}

/// @pre      `in` has frame_header_bytes
/// @returns  nothing when this is no frame of this segment at this offset, or none that a Writer makes
[[nodiscard]] inline std::optional<FrameHeader> decode_frame_header(Bytes in, std::uint64_t seed,
                                                                    std::uint64_t offset) noexcept {
    const FrameHeader header{.stored_bytes = load_le<std::uint32_t>(&in[0]),
                             .raw_bytes = load_le<std::uint32_t>(&in[4]),
                             .synced_bytes = load_le<std::uint64_t>(&in[8]),
                             .remaining_bytes = load_le<std::uint32_t>(&in[16])};
    if (load_le<std::uint64_t>(&in[20]) != frame_checksum(in.first(20), seed, offset)) return std::nullopt;
    const bool possible = header.raw_bytes > 0 && header.raw_bytes <= max_block_bytes && header.stored_bytes > 0 &&
                          header.stored_bytes <= 2 * max_block_bytes && header.synced_bytes <= offset &&
                          header.remaining_bytes <= max_payload_bytes;
    return possible ? std::optional(header) : std::nullopt;
}

inline void encode_record_header(std::byte* out, std::uint8_t kind, Lsn lsn, std::uint32_t length) noexcept {
    *out = std::byte{kind};
    store_le(out + 1, lsn.value);
    store_le(out + 9, length);
}

struct StoredRecord {
    std::uint8_t kind;
    Lsn lsn;
    Bytes payload;
    std::size_t end;  ///< where the next record of the block begins
};

/// @returns nothing when no record can be read at `at`
[[nodiscard]] inline std::optional<StoredRecord> read_record(Bytes block, std::size_t at) noexcept {
    if (at > block.size() || block.size() - at < record_header_bytes) return std::nullopt;
    const auto kind = std::to_integer<std::uint8_t>(block[at]);
    const auto length = load_le<std::uint32_t>(&block[at + 9]);
    const auto begin = at + record_header_bytes;
    if (kind < 1 || kind > last_kind || length > block.size() - begin) return std::nullopt;
    return StoredRecord{kind, {load_le<std::uint64_t>(&block[at + 1])}, block.subspan(begin, length), begin + length};
}

/// Follows which boundary is the newest and whether a transaction is open after it. The writer and the recovery use the
/// same.
struct BoundaryTracker {
    Lsn newest;
    bool transaction_open = false;

    void see(std::uint8_t kind, Lsn lsn) noexcept {
        if (kind == boundary_kind) {
            newest = std::max(newest, lsn);
            transaction_open = false;
        } else if (kind == static_cast<std::uint8_t>(RecordKind::message) ||
                   kind == static_cast<std::uint8_t>(RecordKind::streamed)) {
            transaction_open = true;
        } else if (kind == static_cast<std::uint8_t>(RecordKind::session) && lsn <= newest) {
            transaction_open = false;  // what is incomplete is void, and all that commits after `newest` is sent again
        }
    }
};

}  // namespace tslive::spool::detail
