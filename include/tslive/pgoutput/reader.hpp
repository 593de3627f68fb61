#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/pgoutput/messages.hpp"

namespace tslive::pgoutput {

/// Reads the fields of one message in wire order, and checks that each one is there.
///
/// Every failure is a DecodeError with the message's type and the offset of the field. Views that it returns point into
/// the message. One thread; cheap to make.
class Reader {
public:
    explicit Reader(Bytes message) noexcept : begin_(message.data()), at_(begin_), end_(begin_ + message.size()) {}

    [[nodiscard]] std::size_t offset() const noexcept { return static_cast<std::size_t>(at_ - begin_); }
    [[nodiscard]] std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - at_); }

    [[nodiscard]] std::uint8_t u8() { return integer<std::uint8_t>(); }
    [[nodiscard]] std::uint16_t u16() { return integer<std::uint16_t>(); }
    [[nodiscard]] std::uint32_t u32() { return integer<std::uint32_t>(); }
    [[nodiscard]] std::uint64_t u64() { return integer<std::uint64_t>(); }
    [[nodiscard]] std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
    [[nodiscard]] char character() { return static_cast<char>(u8()); }
    [[nodiscard]] Lsn lsn() { return {u64()}; }
    [[nodiscard]] ServerTime time() { return {static_cast<std::int64_t>(u64())}; }

    /// @throws DecodeError when it is 0, which is no transaction
    [[nodiscard]] Xid xid() {
        const Xid id{u32()};
        if (id.value == 0) [[unlikely]]
            fail_before(sizeof(std::uint32_t), "transaction id 0");
        return id;
    }

    /// A string that ends with a zero byte; the result is without it.
    [[nodiscard]] std::string_view text() {
        const void* const zero = remaining() == 0 ? nullptr : std::memchr(at_, 0, remaining());
        if (zero == nullptr) [[unlikely]]
            fail("the string has no end");
        const auto length = static_cast<std::size_t>(static_cast<const std::byte*>(zero) - at_);
        const std::string_view result(reinterpret_cast<const char*>(at_), length);
        at_ += length + 1;
        return result;
    }

    /// A length of four bytes, then so many bytes.
    [[nodiscard]] Bytes counted_bytes() {
        const std::uint32_t length = u32();
        if (length > remaining()) [[unlikely]]
            fail_before(sizeof length, fmt_length(length));  // a negative one is above 2^31
        const Bytes result(at_, length);
        at_ += length;
        return result;
    }

    /// Fails unless `bytes` more are there. Call it before memory is sized by a count that the message gives.
    void require(std::size_t bytes) const {
        if (remaining() < bytes) [[unlikely]]
            fail_short(bytes);
    }

    /// @throws DecodeError when bytes are left over
    void expect_end() const {
        if (at_ != end_) [[unlikely]]
            fail_trailing();
    }

    /// @throws DecodeError always: `problem` at the current offset
    [[noreturn, gnu::cold, gnu::noinline]] void fail(std::string_view problem) const { fail_before(0, problem); }

    /// As fail(), for the field of `bytes` that has just been read.
    [[noreturn, gnu::cold, gnu::noinline]] void fail_before(std::size_t bytes, std::string_view problem) const {
        const char type = begin_ == end_ ? '\0' : static_cast<char>(*begin_);
        const auto where = offset() - bytes;
        throw DecodeError(
            fmt::format("pgoutput {}: {} at offset {} of {} bytes", describe(type), problem, where, end_ - begin_),
            where, type);
    }

    /// `message Insert ('I')`, `message 0x07`.
    [[nodiscard]] static std::string describe(char type) {
        const auto known = name(MessageType{type});
        if (!known.empty()) return fmt::format("message {} ('{}')", known, type);
        if (type > ' ' && type < '\x7f') return fmt::format("message '{}'", type);
        return fmt::format("message 0x{:02x}", static_cast<unsigned char>(type));
    }

private:
    template <std::unsigned_integral T>
    [[nodiscard]] T integer() {
        require(sizeof(T));
        const T value = load_be<T>(at_);
        at_ += sizeof(T);
        return value;
    }

    [[gnu::cold, gnu::noinline]] std::string fmt_length(std::uint32_t length) const {
        return fmt::format("a length of {} with {} bytes left", static_cast<std::int32_t>(length), remaining());
    }
    [[noreturn, gnu::cold, gnu::noinline]] void fail_short(std::size_t bytes) const {
        fail(fmt::format("{} bytes expected, {} left", bytes, remaining()));
    }
    [[noreturn, gnu::cold, gnu::noinline]] void fail_trailing() const {
        fail(fmt::format("{} bytes left over", remaining()));
    }

    const std::byte* begin_;
    const std::byte* at_;
    const std::byte* end_;
};

}  // namespace tslive::pgoutput
