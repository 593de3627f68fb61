#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/spool/detail/format.hpp"
#include "tslive/spool/detail/zstd.hpp"
#include "tslive/spool/segment_file.hpp"

namespace tslive::spool::detail {

/// Reads one segment: its header when opened, then blocks. Knows what is broken, not what that means. One thread.
class SegmentInput {
public:
    /// What read_block found. `broken` is empty when the block is good.
    struct BlockRead {
        std::uint64_t end = 0;        ///< where the next block begins
        std::uint64_t broken_at = 0;  ///< offset of the frame that cannot be read
        std::string_view broken{};    ///< why
    };

    /// @throws StateError  when it cannot be opened or is not a segment of `stream`
    SegmentInput(const std::filesystem::path& path, const StreamId& stream)
        : path_(path.string()), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        if (!descriptor_) throw file_error(path_, "cannot open", errno);
        header_ = decode_header(view(0, segment_header_bytes, segment_header_bytes), stream, path_);
    }

    [[nodiscard]] const SegmentHeader& header() const noexcept { return header_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    [[nodiscard]] std::uint64_t file_bytes() const {
        struct stat status {};
        if (::fstat(descriptor_.get(), &status) != 0) throw file_error(path_, "cannot ask for its size", errno);
        return static_cast<std::uint64_t>(status.st_size);
    }

    /// Reads the block at `offset` into `block`, looking at nothing from `limit` on.
    /// @throws StateError  when the system cannot read; what is read and wrong is in the result
    [[nodiscard]] BlockRead read_block(std::uint64_t offset, std::uint64_t limit, ByteBuffer& block) {
        if (block.capacity() > 2 * max_block_bytes) ByteBuffer().swap(block);  // after a giant row
        block.clear();
        std::uint32_t expected = 0;
        for (;;) {
            const auto fields = view(offset, frame_header_bytes, limit);
            if (fields.empty()) return {.broken_at = offset, .broken = "the file ends inside a block's header"};
            const auto header = decode_frame_header(fields, header_.seed, offset);
            if (!header) return {.broken_at = offset, .broken = "the block's header is broken"};
            if (!block.empty() && header->raw_bytes + std::uint64_t{header->remaining_bytes} != expected)
                return {.broken_at = offset, .broken = "a long record's parts do not fit together"};
            const auto stored = view(offset + frame_header_bytes, header->stored_bytes, limit);
            if (stored.empty()) return {.broken_at = offset, .broken = "the file ends inside a block"};
            const auto begin = block.size();
            if (begin == 0) block.reserve(std::size_t{header->raw_bytes} + header->remaining_bytes);
            block.resize(begin + header->raw_bytes);
            if (!decompressor_.decompress(stored, block.data() + begin, header->raw_bytes))
                return {.broken_at = offset, .broken = "the block's checksum is wrong"};
            offset += frame_header_bytes + header->stored_bytes;
            expected = header->remaining_bytes;
            if (expected == 0) return {.end = offset};
        }
    }

    /// Whether a later frame, good by its checksum, says that `offset` was durable when it was written.
    [[nodiscard]] bool known_durable(std::uint64_t offset, std::uint64_t limit) {
        constexpr std::array zstd_magic{std::byte{0x28}, std::byte{0xB5}, std::byte{0x2F}, std::byte{0xFD}};
        for (auto at = offset + 1; at + frame_header_bytes < limit;) {
            const auto part =
                view(at, static_cast<std::size_t>(std::min<std::uint64_t>(limit - at, read_ahead_bytes)), limit);
            if (part.size() < frame_header_bytes + zstd_magic.size()) return false;
            const auto found =
                std::search(part.begin() + frame_header_bytes, part.end(), zstd_magic.begin(), zstd_magic.end());
            if (found == part.end()) {
                at += part.size() - frame_header_bytes - (zstd_magic.size() - 1);
                continue;
            }
            const auto begin = static_cast<std::size_t>(found - part.begin()) - frame_header_bytes;
            const auto header = decode_frame_header(part.subspan(begin, frame_header_bytes), header_.seed, at + begin);
            if (header && header->synced_bytes > offset) return true;
            at += begin + 1;
        }
        return false;
    }

    /// @param known_bytes  what the next segment says
    /// @throws StateError  when this finished segment has another size
    void check_size(std::uint64_t known_bytes) const {
        if (const auto bytes = file_bytes(); bytes != known_bytes)
            throw damage(bytes, fmt::format("the file ends here, its successor knows {} bytes", known_bytes));
    }

    [[nodiscard]] StateError damage(std::uint64_t offset, std::string_view reason) const {
        return {path_, fmt::format("at offset {}: {}", offset, reason), std::string(damage_remedy)};
    }

private:
    static constexpr std::size_t read_ahead_bytes = std::size_t{64} << 10;

    /// `count` bytes at `offset`; empty when the file or `limit` ends before. Valid until the next call.
    /// What is below `limit` never changes, so it may be read ahead.
    Bytes view(std::uint64_t offset, std::size_t count, std::uint64_t limit) {
        if (offset > limit || limit - offset < count) return {};
        if (offset < window_offset_ || offset + count > window_offset_ + window_.size()) {
            fill(offset,
                 std::max(count, static_cast<std::size_t>(std::min<std::uint64_t>(limit - offset, read_ahead_bytes))));
            if (window_.size() < count) return {};
        }
        return Bytes(window_).subspan(static_cast<std::size_t>(offset - window_offset_), count);
    }

    void fill(std::uint64_t offset, std::size_t count) {
        window_.resize(count);
        window_offset_ = offset;
        std::size_t done = 0;
        while (done < count) {
            const auto got =
                ::pread(descriptor_.get(), window_.data() + done, count - done, static_cast<off_t>(offset + done));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) {
                window_.clear();
                throw file_error(path_, fmt::format("cannot read {} bytes at offset {}", count, offset), errno);
            }
            if (got == 0) break;
            done += static_cast<std::size_t>(got);
        }
        window_.resize(done);
    }

    std::string path_;
    Descriptor descriptor_;
    ByteBuffer window_;
    std::uint64_t window_offset_ = 0;
    SegmentHeader header_;
    Decompressor decompressor_;
};

/// What a segment that may have been written to when everything stopped still holds.
struct Recovered {
    std::uint64_t end = 0;  ///< what follows it is a torn tail
    BoundaryTracker boundary;
    std::string_view reason{};  ///< why the tail does not count; empty when there is none
};

/// Reads a last segment through. A tail that does not decode was never synced (nothing of it was confirmed or shown to
/// a reader); it is found by the first block that is broken, provided that no later block proves that one to have been
/// durable.
/// @throws StateError  when durable bytes are damaged
[[nodiscard]] inline Recovered recover(SegmentInput& input) {
    Recovered result{.end = segment_header_bytes,
                     .boundary = {input.header().start_boundary, input.header().transaction_open}};
    const auto limit = input.file_bytes();
    ByteBuffer block;
    while (result.end < limit) {
        const auto read = input.read_block(result.end, limit, block);
        if (!read.broken.empty()) {
            if (input.known_durable(read.broken_at, limit)) throw input.damage(read.broken_at, read.broken);
            result.reason = read.broken;
            break;
        }
        for (std::size_t at = 0; at < block.size();) {
            const auto record = read_record(block, at);
            if (!record)
                throw input.damage(result.end, fmt::format("a record at byte {} of the block cannot be read", at));
            result.boundary.see(record->kind, record->lsn);
            at = record->end;
        }
        result.end = read.end;
    }
    return result;
}

}  // namespace tslive::spool::detail
