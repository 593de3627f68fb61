#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace tslive {

/// Bytes that somebody else owns; valid as long as their owner says.
using Bytes = std::span<const std::byte>;
using ByteBuffer = std::vector<std::byte>;

[[nodiscard]] inline Bytes as_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(Bytes bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

namespace detail {
template <std::unsigned_integral T>
[[nodiscard]] constexpr T swap_bytes(T value) noexcept {
    if constexpr (sizeof(T) == 1) return value;
    else if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
    else if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
    else return __builtin_bswap64(value);
}
template <std::unsigned_integral T>
[[nodiscard]] constexpr T big_endian(T value) noexcept {
    return std::endian::native == std::endian::big ? value : swap_bytes(value);
}
template <std::unsigned_integral T>
[[nodiscard]] constexpr T little_endian(T value) noexcept {
    return std::endian::native == std::endian::little ? value : swap_bytes(value);
}
}  // namespace detail

/// Reads network byte order. @pre `at` points to at least sizeof(T) bytes
template <std::unsigned_integral T>
[[nodiscard]] T load_be(const std::byte* at) noexcept {
    T value;
    std::memcpy(&value, at, sizeof(T));
    return detail::big_endian(value);
}
/// Reads our files' byte order. @pre `at` points to at least sizeof(T) bytes
template <std::unsigned_integral T>
[[nodiscard]] T load_le(const std::byte* at) noexcept {
    T value;
    std::memcpy(&value, at, sizeof(T));
    return detail::little_endian(value);
}
template <std::unsigned_integral T>
void store_be(std::byte* at, T value) noexcept {
    value = detail::big_endian(value);
    std::memcpy(at, &value, sizeof(T));
}
template <std::unsigned_integral T>
void store_le(std::byte* at, T value) noexcept {
    value = detail::little_endian(value);
    std::memcpy(at, &value, sizeof(T));
}
template <std::unsigned_integral T>
void append_be(ByteBuffer& out, T value) {
    const auto at = out.size();
    out.resize(at + sizeof(T));
    store_be(out.data() + at, value);
}
template <std::unsigned_integral T>
void append_le(ByteBuffer& out, T value) {
    const auto at = out.size();
    out.resize(at + sizeof(T));
    store_le(out.data() + at, value);
}
inline void append(ByteBuffer& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

}  // namespace tslive
