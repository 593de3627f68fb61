#pragma once

#include <cstdint>
#include <string_view>

#include "tslive/core/bytes.hpp"

namespace tslive::test {

/// Writes a pgoutput message by hand, field by field. An lvalue or temporary of it is a message (Bytes).
class Wire {
public:
    Wire() = default;
    explicit Wire(char type) { u8(static_cast<std::uint8_t>(type)); }

    Wire& u8(std::uint8_t value) { return put(value); }
    Wire& u16(std::uint16_t value) { return put(value); }
    Wire& u32(std::uint32_t value) { return put(value); }
    Wire& u64(std::uint64_t value) { return put(value); }
    Wire& character(char value) { return u8(static_cast<std::uint8_t>(value)); }
    Wire& raw(std::string_view bytes) {
        append(bytes_, as_bytes(bytes));
        return *this;
    }
    Wire& text(std::string_view text) { return raw(text).u8(0); }
    Wire& counted(std::string_view bytes) { return u32(static_cast<std::uint32_t>(bytes.size())).raw(bytes); }

    Wire& null() { return character('n'); }
    Wire& unchanged() { return character('u'); }
    Wire& text_value(std::string_view value) { return character('t').counted(value); }
    Wire& binary_value(std::string_view value) { return character('b').counted(value); }

    Wire& column(std::uint8_t flags, std::string_view name, std::uint32_t type, std::int32_t modifier = -1) {
        return u8(flags).text(name).u32(type).u32(static_cast<std::uint32_t>(modifier));
    }

    [[nodiscard]] Bytes bytes() const { return bytes_; }
    operator Bytes() const { return bytes_; }  // NOLINT(google-explicit-constructor): a Wire is a message

private:
    template <std::unsigned_integral T>
    Wire& put(T value) {
        append_be(bytes_, value);
        return *this;
    }

    ByteBuffer bytes_;
};

}  // namespace tslive::test
