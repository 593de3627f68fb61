#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "tslive/pgoutput/messages.hpp"
#include "tslive/pgoutput/reader.hpp"

namespace tslive::pgoutput::detail {

/// Memory for the elements of one message, which grows to the largest one seen and is then used again.
template <typename T>
class Scratch {
public:
    [[nodiscard]] std::span<T> first(std::size_t count) {
        if (count > elements_.size()) [[unlikely]]
            grow(count);
        return {elements_.data(), count};
    }

private:
    [[gnu::cold, gnu::noinline]] void grow(std::size_t count) {
        elements_.resize(std::max(count, 2 * elements_.size()));
    }

    std::vector<T> elements_;
};

[[noreturn, gnu::cold, gnu::noinline]] inline void reject_value_kind(const Reader& in, char kind) {
    in.fail_before(1, fmt::format("unknown kind of column value 0x{:02x}", static_cast<unsigned char>(kind)));
}

inline void read_value(Reader& in, Value& value) {
    const char kind = in.character();
    value.kind = ValueKind{kind};
    switch (value.kind) {
        case ValueKind::text:
        case ValueKind::binary: value.data = in.counted_bytes(); return;
        case ValueKind::null:
        case ValueKind::unchanged_toast: value.data = {}; return;
    }
    reject_value_kind(in, kind);
}

/// TupleData. The result is valid until `scratch` is used again.
[[nodiscard]] inline Row read_row(Reader& in, Scratch<Value>& scratch) {
    const std::size_t count = in.u16();
    in.require(count);  // a value has at least its kind
    const auto values = scratch.first(count);
    for (Value& value : values) read_value(in, value);
    return values;
}

[[noreturn, gnu::cold, gnu::noinline]] inline void reject_row_marker(const Reader& in, char marker) {
    in.fail_before(1, fmt::format("unexpected row marker 0x{:02x}", static_cast<unsigned char>(marker)));
}

[[nodiscard]] inline Row read_new_row(Reader& in, Scratch<Value>& scratch) {
    if (const char marker = in.character(); marker != 'N') [[unlikely]]
        reject_row_marker(in, marker);
    return read_row(in, scratch);
}

}  // namespace tslive::pgoutput::detail
