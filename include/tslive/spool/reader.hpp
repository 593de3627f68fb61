#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/spool/detail/format.hpp"
#include "tslive/spool/detail/segment_input.hpp"
#include "tslive/spool/detail/segment_list.hpp"
#include "tslive/spool/frontier.hpp"
#include "tslive/spool/record.hpp"

namespace tslive::spool {

/// Reads a spool's records in order. Sees nothing that is not durable. Holds one block in memory: at most the longest
/// record.
///
/// One owning thread, its own or the writer's. Every function may throw StateError, which names the file, the offset
/// and what to do.
class Reader {
public:
    /// Starts at the last segment that begins with no transaction open at a boundary of at most `from`: every
    /// transaction that commits after `from` is still to come, whole, and some that commit before it may come as well.
    /// @param frontier     the writer's. None: what is on disk now (another program's spool; a torn tail is left out)
    /// @param from         origin progress, or the consistent point
    /// @throws StateError  no segment reaches back that far
    Reader(std::filesystem::path directory, const StreamId& stream, std::shared_ptr<Frontier> frontier, Lsn from)
        : directory_(std::move(directory)), stream_(stream),
          listener_(frontier ? std::move(frontier) : disk_frontier(directory_, stream)), input_(find_start(from)),
          start_segment_(input_.header().sequence) {}

    /// @returns nothing when nothing more is published now
    [[nodiscard]] std::optional<Record> next() {
        for (;;) {
            if (at_ >= block_.size()) {
                if (!load_next_block()) return std::nullopt;
                continue;
            }
            const auto record = take();
            if (record.kind == detail::boundary_kind) continue;
            const auto kind = static_cast<RecordKind>(record.kind);
            if (kind == RecordKind::context && input_.header().sequence != start_segment_) continue;
            return Record{kind, record.lsn, record.payload};
        }
    }

    /// Waits until next() can have a record. A stop request, a wake() and the timeout end it, too.
    /// @returns whether there is more; what is there may be of no interest to next(), which then says so
    bool wait(Waiter& waiter, std::chrono::milliseconds timeout) {
        return at_ < block_.size() || listener_.wait_past(input_.header().sequence, next_block_, waiter, timeout);
    }

    /// Of the record that next() returns next. Cheap.
    [[nodiscard]] Position position() const noexcept {
        if (at_ < block_.size()) return {input_.header().sequence, block_offset_, record_};
        return {input_.header().sequence, next_block_, 0};
    }

    /// Goes to where position() was. Within the current block that is a walk over its records, else the block is read
    /// again.
    /// @pre `to` came from position() of a reader of this spool, and its segment was not retired
    void seek(const Position& to) {
        if (to == position()) return;
        if (to.segment != input_.header().sequence) open_segment(to.segment);
        if (to.offset != block_offset_ || block_.empty()) {
            forget_block(to.offset);
            if (to.record == 0) return;
            if (!load_next_block() || block_offset_ != to.offset)
                throw input_.damage(to.offset, "there is no block to go back to");
        }
        at_ = 0;
        record_ = 0;
        while (record_ < to.record && at_ < block_.size()) static_cast<void>(take());
    }

private:
    static std::shared_ptr<Frontier> disk_frontier(const std::filesystem::path& directory, const StreamId& stream) {
        auto frontier = std::make_shared<Frontier>();
        if (const auto names = detail::list_segments(directory); !names.empty()) {
            detail::SegmentInput last(names.back().path, stream);
            const auto found = detail::recover(last);
            frontier->publish({last.header().sequence, found.end, found.boundary.newest});
        }
        return frontier;
    }

    [[nodiscard]] detail::SegmentInput find_start(Lsn from) const {
        const auto names = detail::list_segments(directory_);
        for (auto name = names.rbegin(); name != names.rend(); ++name) {
            if (name->start_boundary > from) continue;
            detail::SegmentInput input(name->path, stream_);
            if (!input.header().transaction_open) return input;
        }
        if (names.empty())
            throw StateError(directory_.string(), "there is no segment here", std::string(detail::damage_remedy));
        throw StateError(
            directory_.string(),
            fmt::format("the oldest segment begins at {}, changes are needed from {}", names.front().start_boundary,
                        from),
            "Segments were removed, or the target is an older copy of itself. Put the segments back if there is "
            "a copy; otherwise remove this migration with ts-clean and begin a new one.");
    }

    /// @pre at_ is in the block
    detail::StoredRecord take() {
        const auto record = detail::read_record(block_, at_);
        if (!record)
            throw input_.damage(block_offset_, fmt::format("a record at byte {} of the block cannot be read", at_));
        at_ = record->end;
        ++record_;
        return *record;
    }

    bool load_next_block() {
        for (;;) {
            const auto end = listener_.frontier().end();
            const auto sequence = input_.header().sequence;
            if (sequence > end.segment) return false;
            const auto limit = sequence == end.segment ? end.offset : input_.file_bytes();
            if (next_block_ < limit) {
                load_block(limit);
                return true;
            }
            if (sequence == end.segment) return false;
            open_segment(sequence + 1);
        }
    }

    void load_block(std::uint64_t limit) {
        const auto offset = next_block_;
        forget_block(offset);
        const auto read = input_.read_block(offset, limit, block_);
        if (!read.broken.empty()) {
            block_.clear();
            throw input_.damage(read.broken_at, read.broken);
        }
        next_block_ = read.end;
    }

    void forget_block(std::uint64_t next) {
        block_.clear();
        at_ = 0;
        record_ = 0;
        block_offset_ = next_block_ = next;
    }

    void open_segment(std::uint64_t sequence) {
        for (const auto& name : detail::list_segments(directory_)) {
            if (name.sequence != sequence) continue;
            detail::SegmentInput next(name.path, stream_);
            const auto& here = input_.header();
            if (sequence == here.sequence + 1) input_.check_size(next.header().previous_bytes);
            input_ = std::move(next);
            forget_block(detail::segment_header_bytes);
            return;
        }
        throw StateError(directory_.string(), fmt::format("segment {:x} is missing, or was retired", sequence),
                         std::string(detail::damage_remedy));
    }

    std::filesystem::path directory_;
    StreamId stream_;
    Frontier::Listener listener_;
    detail::SegmentInput input_;
    std::uint64_t start_segment_;
    ByteBuffer block_;
    std::size_t at_ = 0;                                         ///< of the next record, in block_
    std::uint32_t record_ = 0;                                   ///< index of the next record, in block_
    std::uint64_t block_offset_ = detail::segment_header_bytes;  ///< of block_, in the segment
    std::uint64_t next_block_ = detail::segment_header_bytes;
};

}  // namespace tslive::spool
