#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "integration/harness/compare.hpp"

namespace tslive::random_workload {

namespace detail {

/// A line of a comparison that tells of a chunk which one side has: `chunk of app.t for {"ts": [10, 20]}: only on the source: there`.
struct LoneChunk {
    std::string hypertable;
    std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
    bool on_source = false;

    [[nodiscard]] bool lies_in(const LoneChunk& other) const {
        if (hypertable != other.hypertable || ranges.size() != other.ranges.size()) return false;
        for (std::size_t i = 0; i < ranges.size(); ++i)
            if (ranges[i].first < other.ranges[i].first || ranges[i].second > other.ranges[i].second) return false;
        return true;
    }
};

[[nodiscard]] inline std::optional<LoneChunk> lone_chunk(std::string_view line) {
    constexpr std::string_view head = "chunk of ", source = ": only on the source: there",
                               target = ": only on the target: there";
    const bool on_source = line.ends_with(source);
    const auto ranges_at = line.find(" for {");
    if (!line.starts_with(head) || ranges_at == std::string_view::npos || (!on_source && !line.ends_with(target)))
        return std::nullopt;
    LoneChunk chunk{std::string{line.substr(0, ranges_at)}, {}, on_source};
    // Names may have brackets as well, but no range follows them.
    for (auto at = line.find("\": [", ranges_at); at != std::string_view::npos; at = line.find("\": [", at + 1)) {
        const char* const end = line.data() + line.size();
        std::int64_t first = 0, last = 0;
        const auto [after_first, error] = std::from_chars(line.data() + at + 4, end, first);
        if (error != std::errc{} || end - after_first < 2) continue;
        if (std::from_chars(after_first + 2, end, last).ec == std::errc{}) chunk.ranges.emplace_back(first, last);
    }
    return chunk;
}

}  // namespace detail

/// Takes out the chunks that the source has merged: on the target, their rows are still in the chunks that it had, or has as many
/// chunks as rows need.
inline void forget_merged_chunks(harness::Diff& diff) {
    std::vector<std::optional<detail::LoneChunk>> chunks;
    for (const auto& line : diff.lines) chunks.push_back(detail::lone_chunk(line));
    std::vector<bool> explained(chunks.size());
    for (std::size_t s = 0; s < chunks.size(); ++s)
        for (std::size_t t = 0; t < chunks.size(); ++t)
            if (chunks[s] && chunks[t] && chunks[s]->on_source && !chunks[t]->on_source &&
                chunks[t]->lies_in(*chunks[s]))
                explained[s] = explained[t] = true;
    std::vector<std::string> left;
    for (std::size_t i = 0; i < chunks.size(); ++i)
        if (!explained[i]) left.push_back(std::move(diff.lines[i]));
    diff.lines = std::move(left);
}

}  // namespace tslive::random_workload
