#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "tslive/apply/change.hpp"
#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"

/// Rows in the forms that the target takes them in.
namespace tslive::apply::encode {

/// A value's bytes; an exception for what cannot be written: binary is never asked for, and an absent value has none.
[[nodiscard]] inline Bytes text_of(const Value& value) {
    if (value.kind != ValueKind::text) [[unlikely]]
        throw Error(Recovery::operator_action,
                    fmt::format("a value of kind '{}' stands where text is needed", static_cast<char>(value.kind)));
    return value.data;
}

/// A one-dimensional `text[]` in binary form: the values of one column of many rows.
/// Source: PostgreSQL's array_recv: dimensions, null flag, element type, length and lower bound, then length and bytes
/// an element.
class TextArray {
public:
    /// Begins anew; keeps the memory.
    void begin(std::size_t rows) {
        constexpr std::uint32_t text_type = 25;
        bytes_.clear();
        append_be(bytes_, std::uint32_t{1});
        append_be(bytes_, std::uint32_t{1});
        append_be(bytes_, text_type);
        append_be(bytes_, static_cast<std::uint32_t>(rows));
        append_be(bytes_, std::uint32_t{1});
    }
    void add(const Value& value) {
        if (value.kind == ValueKind::null) return append_be(bytes_, std::numeric_limits<std::uint32_t>::max());
        const auto text = text_of(value);
        append_be(bytes_, static_cast<std::uint32_t>(text.size()));
        append(bytes_, text);
    }
    [[nodiscard]] Bytes bytes() const noexcept { return bytes_; }

private:
    ByteBuffer bytes_;
};

/// One value in COPY's text format, without separator.
/// Source: PostgreSQL documentation, COPY, "Text Format".
inline void copy_value(ByteBuffer& out, const Value& value) {
    if (value.kind == ValueKind::null) return append(out, as_bytes("\\N"));
    const auto text = as_text(text_of(value));
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        char letter = text[at];
        switch (letter) {
            case '\\': break;
            case '\n': letter = 'n'; break;
            case '\r': letter = 'r'; break;
            case '\t': letter = 't'; break;
            default: continue;
        }
        append(out, as_bytes(text.substr(done, at - done)));
        out.push_back(std::byte{'\\'});
        out.push_back(static_cast<std::byte>(letter));
        done = at + 1;
    }
    append(out, as_bytes(text.substr(done)));
}

inline void copy_row(ByteBuffer& out, const TargetTable& table, Row row) {
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        if (i > 0) out.push_back(std::byte{'\t'});
        copy_value(out, row[table.columns[i].source_index]);
    }
    out.push_back(std::byte{'\n'});
}

}  // namespace tslive::apply::encode
