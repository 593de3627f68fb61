#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace tslive {

/// A position in the source's write-ahead log: a byte offset since the cluster was made. Zero is "none".
/// Source: PostgreSQL documentation, "pg_lsn Type".
struct Lsn {
    std::uint64_t value = 0;

    friend constexpr auto operator<=>(const Lsn&, const Lsn&) = default;
    [[nodiscard]] constexpr bool valid() const noexcept { return value != 0; }

    /// Reads the server's text form, two hexadecimal halves such as `16/B374D848`.
    [[nodiscard]] static constexpr std::optional<Lsn> parse(std::string_view text) noexcept {
        const auto slash = text.find('/');
        if (slash == std::string_view::npos) return std::nullopt;
        const auto high = half(text.substr(0, slash));
        const auto low = half(text.substr(slash + 1));
        if (!high || !low) return std::nullopt;
        return Lsn{(std::uint64_t{*high} << 32) | *low};
    }

private:
    static constexpr std::optional<std::uint32_t> half(std::string_view digits) noexcept {
        if (digits.empty() || digits.size() > 8) return std::nullopt;
        std::uint32_t value = 0;
        for (const char c : digits) {
            std::uint32_t digit = 0;
            if (c >= '0' && c <= '9') digit = static_cast<std::uint32_t>(c - '0');
            else if (c >= 'a' && c <= 'f') digit = static_cast<std::uint32_t>(c - 'a') + 10;
            else if (c >= 'A' && c <= 'F') digit = static_cast<std::uint32_t>(c - 'A') + 10;
            else return std::nullopt;
            value = (value << 4) | digit;
        }
        return value;
    }
};

/// Bytes from `from` to `to`; zero when `to` is not ahead.
[[nodiscard]] constexpr std::uint64_t bytes_between(Lsn from, Lsn to) noexcept {
    return to > from ? to.value - from.value : 0;
}

}  // namespace tslive

template <>
struct fmt::formatter<tslive::Lsn> {
    constexpr auto parse(format_parse_context& context) { return context.begin(); }
    auto format(tslive::Lsn lsn, format_context& context) const {
        return fmt::format_to(context.out(), "{:X}/{:X}", lsn.value >> 32, lsn.value & 0xFFFFFFFFU);
    }
};
