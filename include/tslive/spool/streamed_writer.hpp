#pragma once

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/ids.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/spool/record.hpp"
#include "tslive/spool/segment_file.hpp"
#include "tslive/spool/streamed.hpp"
#include "tslive/spool/writer.hpp"

namespace tslive::spool {

/// Keeps transactions in progress apart, each in a spool of its own, until they commit or roll back.
///
/// Only one block is open at a time; between blocks a transaction holds a file and no buffers, so that memory does not
/// grow with the number of them. What is here is promised to nobody before commit() has returned: the source sends a
/// transaction again whose commit was not confirmed.
///
/// One owning thread, except where a function says otherwise. Every function may throw StateError.
template <SegmentFile File = PosixFile>
class StreamedWriter {
public:
    using Opener = typename Writer<File>::Opener;

    /// Finds what has committed; what has not is void and removed.
    StreamedWriter(
        const std::filesystem::path& spool, const StreamId& stream, const Options& options = {},
        Opener opener = [](const std::filesystem::path& path) { return File(path); })
        : folder_(streamed_folder(spool)), stream_(stream), options_(options), opener_(std::move(opener)) {
        std::error_code code;
        if (!std::filesystem::exists(folder_, code)) return;
        std::vector<std::filesystem::path> unfinished;
        for (std::filesystem::directory_iterator entry(folder_, code), end; !code && entry != end;
             entry.increment(code)) {
            const auto name = entry->path().filename().string();
            if (name.starts_with(open_prefix)) unfinished.push_back(entry->path());
            if (const auto at = end_of(name); at.valid())
                committed_.push_back({at, entry->path(), bytes_in(entry->path())});
        }
        if (code) throw detail::file_error(folder_.string(), "cannot list it", code.value());
        for (const auto& path : unfinished) remove(path);
    }

    /// A new session with the source: it sends everything again that has not committed.
    void forget_open() {
        current_ = nullptr;
        for (auto& [xid, transaction] : open_) discard(transaction);
        open_.clear();
        open_bytes_ = 0;
    }

    /// What append() takes from now on belongs to `xid`.
    void begin_block(Xid xid) {
        const auto known = open_.find(xid);
        current_ = known != open_.end() ? &known->second : &open_.emplace(xid, make(xid)).first->second;
    }
    void append(Lsn lsn, Bytes message) {
        auto& writer = current_->writer;
        writer.append(RecordKind::message, lsn, message);
        current_->unsynced_bytes += message.size();
        if (current_->unsynced_bytes < most_unsynced_bytes) return;
        // A commit must not have to wait until the disk has taken gigabytes.
        writer.sync();
        current_->unsynced_bytes = 0;
    }
    void end_block() {
        current_->writer.rest();
        open_bytes_ = open_bytes_ - current_->bytes + current_->writer.bytes_on_disk();
        current_->bytes = current_->writer.bytes_on_disk();
        current_ = nullptr;
    }

    [[nodiscard]] bool knows(Xid xid) const { return open_.contains(xid); }
    /// Everything of it, or of one of its subtransactions, is void. Harmless for one that is not known.
    void roll_back(Xid xid, Xid subtransaction) {
        const auto known = open_.find(xid);
        if (known == open_.end()) return;
        if (xid != subtransaction) return known->second.void_subtransactions.push_back(subtransaction);
        open_bytes_ -= known->second.bytes;
        discard(known->second);
        open_.erase(known);
    }

    /// Makes it durable. @pre knows(xid), no block is open
    /// @returns  what a `streamed` record is to hold, but for the Stream Commit message
    [[nodiscard]] StreamedTransaction commit(Xid xid, Lsn end) {
        const auto known = open_.find(xid);
        auto& transaction = known->second;
        transaction.writer.sync();
        const auto whole = transaction.writer.published();
        StreamedTransaction result{.end = end,
                                   .copy = 0,
                                   .last_segment = whole.segment,
                                   .last_offset = whole.offset,
                                   .void_subtransactions = std::move(transaction.void_subtransactions),
                                   .commit = {}};
        while (std::filesystem::exists(folder_ / result.folder())) ++result.copy;
        const auto path = folder_ / result.folder();
        std::error_code code;
        std::filesystem::rename(transaction.path, path, code);
        if (code) throw detail::file_error(transaction.path.string(), "cannot rename it", code.value());
        detail::sync_directory(folder_);
        const auto bytes = transaction.writer.bytes_on_disk();
        open_bytes_ -= transaction.bytes;
        open_.erase(known);
        const std::scoped_lock lock(mutex_);
        committed_.push_back({end, path, bytes});
        return result;
    }

    /// Any thread.
    [[nodiscard]] std::uint64_t bytes_on_disk() const {
        const std::scoped_lock lock(mutex_);
        std::uint64_t sum = open_bytes_;
        for (const auto& transaction : committed_) sum += transaction.bytes;
        return sum;
    }

    /// Removes the transactions that are on the target's disk: those whose commit ends at `applied_flushed` or before.
    /// Any thread, while no reader has one of them open.
    void retire_before(Lsn applied_flushed) {
        std::vector<Committed> gone;
        {
            const std::scoped_lock lock(mutex_);
            const auto kept =
                std::stable_partition(committed_.begin(), committed_.end(),
                                      [&](const Committed& transaction) { return transaction.end > applied_flushed; });
            gone.assign(std::make_move_iterator(kept), std::make_move_iterator(committed_.end()));
            committed_.erase(kept, committed_.end());
        }
        for (const auto& transaction : gone) remove(transaction.path);
    }

private:
    static constexpr std::string_view open_prefix = "open-";
    static constexpr std::size_t most_unsynced_bytes = std::size_t{8} << 20;

    struct Open {
        std::filesystem::path path;
        Writer<File> writer;
        std::size_t unsynced_bytes = 0;
        std::uint64_t bytes = 0;  ///< on disk, as of its last block
        std::vector<Xid> void_subtransactions{};
    };
    struct Committed {
        Lsn end;
        std::filesystem::path path;
        std::uint64_t bytes = 0;
    };

    /// Where the commit ends of the transaction that has a folder of this name; zero for other names.
    static Lsn end_of(std::string_view name) {
        Lsn end;
        constexpr std::size_t digits = 16;
        if (name.size() != digits + 1 + 8 || name[digits] != '-') return {};
        const auto parsed = std::from_chars(name.data(), name.data() + digits, end.value, 16);
        return parsed.ptr == name.data() + digits ? end : Lsn{};
    }

    static std::uint64_t bytes_in(const std::filesystem::path& folder) {
        std::uint64_t sum = 0;
        for (const auto& name : detail::list_segments(folder)) {
            std::error_code code;
            sum += std::filesystem::file_size(name.path, code);
            if (code) throw detail::file_error(name.path.string(), "cannot ask for its size", code.value());
        }
        return sum;
    }

    static void remove(const std::filesystem::path& folder) {
        std::error_code code;
        std::filesystem::remove_all(folder, code);
        if (code) throw detail::file_error(folder.string(), "cannot remove it", code.value());
    }

    void discard(Open& transaction) { remove(transaction.path); }

    [[nodiscard]] Open make(Xid xid) {
        std::error_code code;
        if (std::filesystem::create_directory(folder_, code)) {
            std::filesystem::permissions(folder_, std::filesystem::perms::owner_all, code);
            if (!code) detail::sync_directory(folder_.parent_path());
        }
        if (code) throw detail::file_error(folder_.string(), "cannot make the directory", code.value());
        auto path = folder_ / fmt::format("{}{:08x}", open_prefix, xid.value);
        remove(path);  // of a session before, whose removal was interrupted
        auto writer = Writer<File>::open(path, stream_, options_, opener_);
        return {std::move(path), std::move(writer)};
    }

    std::filesystem::path folder_;
    StreamId stream_;
    Options options_;
    Opener opener_;
    std::map<Xid, Open> open_;
    Open* current_ = nullptr;
    std::atomic<std::uint64_t> open_bytes_{0};

    mutable std::mutex mutex_;
    std::vector<Committed> committed_;
};

}  // namespace tslive::spool
