#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/spool/detail/format.hpp"
#include "tslive/spool/segment_file.hpp"

namespace tslive::spool::detail {

inline constexpr std::string_view segment_suffix = ".segment";
inline constexpr std::string_view unfinished_suffix = ".segment.new";

/// A segment as its file's name tells it.
struct SegmentName {
    std::uint64_t sequence = 0;
    Lsn start_boundary;
    std::filesystem::path path;
};

[[nodiscard]] inline std::optional<SegmentName> parse_segment_name(const std::filesystem::path& path) {
    const auto name = path.filename().string();
    if (name.size() != 33 + segment_suffix.size() || !name.ends_with(segment_suffix) || name[16] != '-')
        return std::nullopt;
    SegmentName result;
    result.path = path;
    const auto number = [&](std::size_t at, std::uint64_t& out) {
        const auto* const begin = name.data() + at;
        return std::from_chars(begin, begin + 16, out, 16).ptr == begin + 16;
    };
    if (!number(0, result.sequence) || !number(17, result.start_boundary.value)) return std::nullopt;
    return result;
}

/// The segments in a directory, in order. Other files are left alone, but one that ends like a segment must have a
/// segment's name. A reader may call it while the writer adds and removes files.
/// @throws StateError
[[nodiscard]] inline std::vector<SegmentName> list_segments(const std::filesystem::path& directory) {
    std::vector<SegmentName> result;
    std::error_code code;
    for (std::filesystem::directory_iterator entry(directory, code), end; !code && entry != end;
         entry.increment(code)) {
        if (!entry->path().filename().string().ends_with(segment_suffix)) continue;
        auto name = parse_segment_name(entry->path());
        if (!name)
            throw StateError(entry->path().string(), "this is not a segment's name", "Rename or remove the file.");
        result.push_back(std::move(*name));
    }
    if (code) throw file_error(directory.string(), "cannot list it", code.value());
    std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
    return result;
}

/// The segments of a spool and their sizes. Any thread may call any of its functions.
class SegmentList {
public:
    struct Entry {
        SegmentHeader header;
        std::filesystem::path path;
        std::uint64_t bytes = 0;
    };

    void add(Entry entry) {
        const std::scoped_lock lock(mutex_);
        entries_.push_back(std::move(entry));
    }
    void set_last_bytes(std::uint64_t bytes) {
        const std::scoped_lock lock(mutex_);
        entries_.back().bytes = bytes;
    }
    [[nodiscard]] std::uint64_t bytes() const {
        const std::scoped_lock lock(mutex_);
        std::uint64_t sum = 0;
        for (const auto& entry : entries_) sum += entry.bytes;
        return sum;
    }

    /// Removes every segment that has a later one which begins with no transaction open at a boundary of at most `lsn`.
    /// @throws StateError  when a file cannot be removed; calling again is harmless
    void retire_before(Lsn lsn) {
        const std::scoped_lock one_at_a_time(retire_mutex_);
        // Oldest first, each one durably: a gap in the sequence after a power cut would look like loss.
        for (const auto& path : retirable(lsn)) {
            std::error_code code;
            std::filesystem::remove(path, code);
            if (code) throw file_error(path.string(), "cannot remove it", code.value());
            sync_directory(path.parent_path());
            const std::scoped_lock lock(mutex_);
            entries_.pop_front();
        }
    }

private:
    [[nodiscard]] std::vector<std::filesystem::path> retirable(Lsn lsn) const {
        std::vector<std::filesystem::path> result;
        if (!lsn.valid()) return result;
        const std::scoped_lock lock(mutex_);
        auto keep = entries_.size();
        while (keep > 0 &&
               (entries_[keep - 1].header.transaction_open || entries_[keep - 1].header.start_boundary > lsn))
            --keep;
        for (std::size_t i = 0; i + 1 < keep; ++i) result.push_back(entries_[i].path);
        return result;
    }

    mutable std::mutex mutex_;
    std::mutex retire_mutex_;
    std::deque<Entry> entries_;
};

}  // namespace tslive::spool::detail
