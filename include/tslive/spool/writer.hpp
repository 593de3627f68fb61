#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/spool/detail/format.hpp"
#include "tslive/spool/detail/segment_input.hpp"
#include "tslive/spool/detail/segment_list.hpp"
#include "tslive/spool/detail/zstd.hpp"
#include "tslive/spool/frontier.hpp"
#include "tslive/spool/record.hpp"
#include "tslive/spool/segment_file.hpp"

namespace tslive::spool {

/// Appends what comes out of the slot to segments in a directory, many records to one fsync (group commit).
///
/// Records gather in a block; a full one is compressed and written; sync() writes what is left and fsyncs. Only sync()
/// makes anything durable: the destructor drops what was not synced, and the source, which has no confirmation of it,
/// sends it again.
///
/// After a failed write or fsync the writer refuses all work (nobody knows what the disk holds). open() recovers: it
/// cuts what is incomplete; the records that did arrive after the newest boundary stay. So after open(), as after every
/// new connection to the source, append a `session` record at durable_boundary() first.
///
/// One owning thread, except where a function says otherwise. Every function may throw StateError.
template <SegmentFile File = PosixFile>
class Writer {
public:
    using Opener = std::function<File(const std::filesystem::path&)>;

    /// Makes the directory (0700) and its first segment, or takes up what is there, cutting a torn tail and logging how
    /// much.
    /// @param frontier     that of the writer before, when readers go on with it; none: a new one
    /// @throws StateError  another migration's segments, an unknown version, a missing segment, damage in what was
    ///                     durable
    [[nodiscard]] static Writer open(
        const std::filesystem::path& directory, const StreamId& stream, const Options& options = {},
        Opener opener = [](const std::filesystem::path& path) { return File(path); },
        std::shared_ptr<Frontier> frontier = {}) {
        Writer writer(directory, stream, options, std::move(opener), std::move(frontier));
        writer.prepare_directory();
        const auto names = detail::list_segments(directory);
        if (names.empty()) writer.create_segment(1, 0);
        else writer.resume(names);
        writer.publish();
        return writer;
    }

    /// Adds a record. A copy is made; a payload longer than a block goes to the file at once and costs no memory.
    /// @pre  payload.size() <= max_payload_bytes; `kind` is not context, which remember() makes
    void append(RecordKind kind, Lsn lsn, Bytes payload) {
        if (payload.size() > max_payload_bytes)
            throw StateError(path_.string(), fmt::format("a record of {} bytes at {} is longer than {}", payload.size(),
                                                         lsn, max_payload_bytes));
        if (kind == RecordKind::session) remembered_.clear();
        put(static_cast<std::uint8_t>(kind), lsn, payload);
    }

    /// Gives `payload` as a `context` record to readers that start in a later segment, until the next session record or
    /// a newer payload for `key`. The source sends a relation's description once a session, and retire_before() removes
    /// the segment that has it, but who starts reading in a later one needs it. Does not append it now.
    void remember(std::uint64_t key, Lsn lsn, Bytes payload) {
        auto& entry = remembered_[key];
        entry.lsn = lsn;
        entry.payload.assign(payload.begin(), payload.end());
    }

    /// No transaction is open here, streamed ones included, and everything that commits before `end` has been appended.
    /// An `end` that is not after the newest boundary does not move it.
    void boundary(Lsn end) {
        const auto newest = std::max(end, boundary_.newest);
        if (newest == boundary_.newest && !boundary_.transaction_open) return refuse_if_failed();
        put(detail::boundary_kind, newest, {});
    }

    /// Makes everything appended durable, then shows it to readers.
    /// @returns the newest boundary: everything before it is durable and may be confirmed to the source (law 1); none
    ///          (zero) when there is none yet
    Lsn sync() {
        refuse_if_failed();
        if (!block_.empty()) write_block();
        sync_file();
        return durable_boundary_;
    }

    /// Writes what has gathered, without making it durable, and gives the memory back until the next append().
    void rest() {
        refuse_if_failed();
        if (!block_.empty()) write_block();
        ByteBuffer().swap(block_);
        ByteBuffer().swap(frame_);
        compressor_.release();
    }

    /// What the last sync() returned; after open(), where streaming resumes. A slot that has confirmed more than this
    /// has lost data.
    [[nodiscard]] Lsn durable_boundary() const noexcept { return durable_boundary_; }

    /// For readers; any thread.
    [[nodiscard]] std::shared_ptr<Frontier> frontier() const noexcept { return frontier_; }
    [[nodiscard]] Frontier::End published() const { return frontier_->end(); }

    /// Of all segments; any thread.
    [[nodiscard]] std::uint64_t bytes_on_disk() const { return segments_->bytes(); }

    /// Removes the segments that no reader needs which starts from `applied_flushed` or later. The last one stays. Any
    /// thread (the applier calls it), while the writer lives.
    /// @param applied_flushed  origin progress that is *flushed* on the target: a crash there must not take it back
    void retire_before(Lsn applied_flushed) { segments_->retire_before(applied_flushed); }

private:
    struct Remembered {
        Lsn lsn;
        ByteBuffer payload;
    };

    Writer(std::filesystem::path directory, const StreamId& stream, const Options& options, Opener opener,
           std::shared_ptr<Frontier> frontier)
        : directory_(std::move(directory)), stream_(stream), segment_bytes_(options.segment_bytes),
          block_bytes_(std::clamp(options.block_bytes, detail::min_block_bytes, detail::max_block_bytes)),
          opener_(std::move(opener)), frontier_(frontier ? std::move(frontier) : std::make_shared<Frontier>()),
          compressor_(options.compression_level) {}

    void refuse_if_failed() const {
        if (failed_)
            throw StateError(path_.string(),
                             "an earlier write failed; the spool takes nothing more until it is opened again",
                             "Remove the cause that was reported with the failure, then resume.");
    }

    /// Runs what writes; after a failure nothing is written any more.
    template <typename Action>
    void guarded(Action action) {
        try {
            action();
        } catch (...) {
            failed_ = true;
            throw;
        }
    }

    void put(std::uint8_t kind, Lsn lsn, Bytes payload) {
        refuse_if_failed();
        if (frame_.empty()) {
            block_.reserve(block_bytes_);
            frame_.resize(detail::frame_header_bytes + detail::Compressor::bound(block_bytes_));
        }
        make_room(payload);
        // Here and not where a block is written: open transaction, boundary and remembered context are then exactly
        // those of the segment's first record.
        if (block_.empty() && written_ - floor_ >= segment_bytes_) rotate();
        store(kind, lsn, payload);
        boundary_.see(kind, lsn);
    }

    void make_room(Bytes payload) {
        if (!block_.empty() && block_.size() + detail::record_header_bytes + payload.size() > block_bytes_)
            write_block();
    }

    void store(std::uint8_t kind, Lsn lsn, Bytes payload) {
        make_room(payload);
        const auto at = block_.size();
        const auto first = std::min(payload.size(), block_bytes_ - at - detail::record_header_bytes);
        block_.resize(at + detail::record_header_bytes);
        detail::encode_record_header(block_.data() + at, kind, lsn, static_cast<std::uint32_t>(payload.size()));
        tslive::append(block_, payload.first(first));
        if (first == payload.size()) return;
        payload = payload.subspan(first);
        write_frame(block_, payload.size());
        block_.clear();
        while (!payload.empty()) {
            const auto part = payload.first(std::min(payload.size(), block_bytes_));
            payload = payload.subspan(part.size());
            write_frame(part, payload.size());
        }
    }

    void write_block() {
        write_frame(block_, 0);
        block_.clear();
    }

    void write_frame(Bytes raw, std::size_t remaining_bytes) {
        guarded([&] {
            const auto stored = compressor_.compress(raw, frame_.data() + detail::frame_header_bytes);
            const detail::FrameHeader header{.stored_bytes = static_cast<std::uint32_t>(stored),
                                             .raw_bytes = static_cast<std::uint32_t>(raw.size()),
                                             .synced_bytes = synced_,
                                             .remaining_bytes = static_cast<std::uint32_t>(remaining_bytes)};
            detail::encode(header, frame_.data(), seed_, written_);
            file_->append(Bytes(frame_).first(detail::frame_header_bytes + stored));
            written_ += detail::frame_header_bytes + stored;
            segments_->set_last_bytes(written_);
        });
    }

    /// @pre block_ is empty
    void sync_file() {
        if (written_ == synced_) return;
        guarded([&] { file_->sync(); });
        synced_ = written_;
        publish();
    }

    void publish() {
        durable_boundary_ = boundary_.newest;
        frontier_->publish({sequence_, synced_, durable_boundary_});
    }

    void rotate() {
        // The old segment first: recovery takes every segment but the last for durable.
        sync_file();
        create_segment(sequence_ + 1, written_);
        for (const auto& [key, entry] : remembered_)
            store(static_cast<std::uint8_t>(RecordKind::context), entry.lsn, entry.payload);
        floor_ = written_;
    }

    /// A segment gets its name when its header is durable, so one without a header is damaged and not just young.
    void create_segment(std::uint64_t sequence, std::uint64_t previous_bytes) {
        guarded([&] {
            detail::SegmentHeader header{.stream = stream_,
                                         .sequence = sequence,
                                         .start_boundary = boundary_.newest,
                                         .transaction_open = boundary_.transaction_open,
                                         .previous_bytes = previous_bytes};
            const auto encoded = detail::encode(header);
            const auto path = directory_ / header.file_name();
            const auto unfinished = std::filesystem::path(path.string() + ".new");
            {
                File file = opener_(unfinished);
                file.append(encoded);
                file.sync();
            }
            std::error_code code;
            std::filesystem::rename(unfinished, path, code);
            if (code) throw detail::file_error(unfinished.string(), "cannot rename it", code.value());
            detail::sync_directory(directory_);
            begin_file(header, path, detail::segment_header_bytes);
        });
    }

    void begin_file(const detail::SegmentHeader& header, const std::filesystem::path& path, std::uint64_t bytes) {
        file_.emplace(opener_(path));
        path_ = path;
        sequence_ = header.sequence;
        seed_ = header.seed;
        written_ = synced_ = bytes;
        floor_ = detail::segment_header_bytes;
        segments_->add({header, path, bytes});
    }

    void prepare_directory() const {
        std::error_code code;
        if (std::filesystem::create_directories(directory_, code)) {
            std::filesystem::permissions(directory_, std::filesystem::perms::owner_all, code);
            if (!code && directory_.has_parent_path()) detail::sync_directory(directory_.parent_path());
        }
        if (code) throw detail::file_error(directory_.string(), "cannot make the directory", code.value());
        std::vector<std::filesystem::path> unfinished;
        for (std::filesystem::directory_iterator entry(directory_, code), end; !code && entry != end;
             entry.increment(code))
            if (entry->path().filename().string().ends_with(detail::unfinished_suffix))
                unfinished.push_back(entry->path());
        for (const auto& path : unfinished)
            if (!code) std::filesystem::remove(path, code);
        if (code) throw detail::file_error(directory_.string(), "cannot remove an unfinished segment", code.value());
    }

    void resume(const std::vector<detail::SegmentName>& names) {
        for (std::size_t i = 0; i < names.size(); ++i) {
            detail::SegmentInput input(names[i].path, stream_);
            if (i > 0 && names[i].sequence != names[i - 1].sequence + 1)
                throw StateError(
                    names[i].path.string(),
                    fmt::format("the segment before it is missing; there is only {}", names[i - 1].path.string()),
                    std::string(detail::damage_remedy));
            if (i > 0) detail::SegmentInput(names[i - 1].path, stream_).check_size(input.header().previous_bytes);
            if (i + 1 == names.size()) resume_last(names[i].path, input);
            else segments_->add({input.header(), names[i].path, input.file_bytes()});
        }
    }

    void resume_last(const std::filesystem::path& path, detail::SegmentInput& input) {
        const auto found = detail::recover(input);
        const auto published = frontier_->end();
        if (published.past(input.header().sequence, found.end))
            throw input.damage(found.end, fmt::format("{} bytes were durable", published.offset));
        const auto bytes = input.file_bytes();
        if (bytes > found.end) {
            log::warning("{}: cut {} bytes after offset {}, which were never confirmed to the source ({})",
                         path.string(), bytes - found.end, found.end, found.reason);
            detail::cut_file(path, found.end);
        }
        boundary_ = found.boundary;
        begin_file(input.header(), path, found.end);
        // What a killed program wrote may be in the system's cache only, and durable_boundary() is about to promise it.
        guarded([&] { file_->sync(); });
        detail::sync_directory(directory_);
    }

    std::filesystem::path directory_;
    StreamId stream_;
    std::uint64_t segment_bytes_;
    std::size_t block_bytes_;
    Opener opener_;
    std::shared_ptr<Frontier> frontier_;
    std::unique_ptr<detail::SegmentList> segments_ = std::make_unique<detail::SegmentList>();
    detail::Compressor compressor_;

    std::optional<File> file_;
    std::filesystem::path path_;
    std::uint64_t sequence_ = 0;
    std::uint64_t seed_ = 0;
    std::uint64_t written_ = 0;  ///< bytes of the segment
    std::uint64_t synced_ = 0;   ///< of them, durable ones
    std::uint64_t floor_ = 0;    ///< of them, header and repeated context: they do not count towards segment_bytes_
    ByteBuffer block_;           ///< records that were not written yet
    ByteBuffer frame_;           ///< room to compress into
    std::map<std::uint64_t, Remembered> remembered_;

    detail::BoundaryTracker boundary_;
    Lsn durable_boundary_;
    bool failed_ = false;
};

}  // namespace tslive::spool
