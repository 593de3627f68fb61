#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace tslive {

/// Reads `500`, `64kB`, `16MB`, `1GB`, `2TB` (powers of 1024, as in postgresql.conf; case does not matter, the B may be left out).
/// @returns bytes, or nothing when it is no size or passes 2^63
[[nodiscard]] inline std::optional<std::int64_t> parse_size(std::string_view text) {
    std::int64_t number = 0;
    std::size_t at = 0;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
        const int digit = text[at++] - '0';
        if (number > (std::numeric_limits<std::int64_t>::max() - digit) / 10) return std::nullopt;
        number = number * 10 + digit;
    }
    if (at == 0) return std::nullopt;
    while (at < text.size() && text[at] == ' ') ++at;
    std::string unit;
    for (const char c : text.substr(at)) unit += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (unit.size() == 2 && unit[1] == 'b') unit.pop_back();
    constexpr std::string_view units = "kmgt";
    if (unit.empty() || unit == "b") return number;
    const auto power = units.find(unit[0]);
    if (unit.size() != 1 || power == std::string_view::npos) return std::nullopt;
    const std::int64_t factor = std::int64_t{1} << (10 * (power + 1));
    if (number > std::numeric_limits<std::int64_t>::max() / factor) return std::nullopt;
    return number * factor;
}

/// `17 B`, `1.5 kB`, `2.0 GB`.
[[nodiscard]] inline std::string format_size(double bytes) {
    constexpr std::array units{"B", "kB", "MB", "GB", "TB", "PB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < units.size()) {
        bytes /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

/// `1d 2h`, `3h 4m`, `5m 6s`, `7s`: the two largest units that say something.
[[nodiscard]] inline std::string format_duration(std::chrono::seconds time) {
    const auto total = time.count() < 0 ? 0 : time.count();
    const auto days = total / 86400, hours = total / 3600 % 24, minutes = total / 60 % 60, seconds = total % 60;
    if (days > 0) return fmt::format("{}d {}h", days, hours);
    if (hours > 0) return fmt::format("{}h {}m", hours, minutes);
    if (minutes > 0) return fmt::format("{}m {}s", minutes, seconds);
    return fmt::format("{}s", seconds);
}

}  // namespace tslive
