#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include <fmt/format.h>

#include "tslive/apply/change.hpp"
#include "tslive/apply/target_table.hpp"
#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"

/// Rows whose values came in binary form, in the forms that the target takes them in. The bytes of a value are the
/// source's: its type is one whose send and receive functions agree between the versions (catalog/binary_types.hpp).
namespace tslive::apply::encode {

inline constexpr auto null_length = std::numeric_limits<std::uint32_t>::max();

/// A value that may stand in a row of binary ones, with its length before it.
inline void append_binary_value(ByteBuffer& out, const Value& value) {
    if (value.kind == ValueKind::text) [[unlikely]]
        throw Error(Recovery::operator_action, "a value in text form stands among values in binary form");
    if (value.kind != ValueKind::binary) return append_be(out, null_length);
    append_be(out, static_cast<std::uint32_t>(value.data.size()));
    append(out, value.data);
}

/// A one-dimensional array of a table's row type, in binary form: all columns of many rows in one parameter, whatever
/// their types are (a column of arrays could not be a column of an array).
/// Source: PostgreSQL's array_recv and record_recv: a row is its number of columns, then type, length and bytes of each
/// column that was not dropped.
class RowArray {
public:
    /// Begins anew; keeps the memory. @pre table.row_type
    void begin(const TargetTable& table, std::size_t rows) {
        table_ = &table;
        bytes_.clear();
        append_be(bytes_, std::uint32_t{1});
        append_be(bytes_, std::uint32_t{0});
        append_be(bytes_, table.row_type->id.value);
        append_be(bytes_, static_cast<std::uint32_t>(rows));
        append_be(bytes_, std::uint32_t{1});
    }
    /// @param value_of  gives the value for an index in TargetTable::columns; what did not arrive is written as NULL
    template <typename ValueOf>
    void add(ValueOf&& value_of) {
        const auto length_at = bytes_.size();
        append_be(bytes_, std::uint32_t{0});
        append_be(bytes_, static_cast<std::uint32_t>(table_->row_type->columns.size()));
        for (const auto& column : table_->row_type->columns) {
            append_be(bytes_, column.type.value);
            if (column.index) append_binary_value(bytes_, value_of(*column.index));
            else append_be(bytes_, null_length);
        }
        store_be(bytes_.data() + length_at,
                 static_cast<std::uint32_t>(bytes_.size() - length_at - sizeof(std::uint32_t)));
    }
    [[nodiscard]] Bytes bytes() const noexcept { return bytes_; }

private:
    const TargetTable* table_ = nullptr;
    ByteBuffer bytes_;
};

/// Source: PostgreSQL documentation, COPY, "Binary Format".
inline void begin_binary_copy(ByteBuffer& out) {
    append(out, as_bytes(std::string_view{"PGCOPY\n\377\r\n\0", 11}));
    append_be(out, std::uint32_t{0});
    append_be(out, std::uint32_t{0});
}
inline void binary_copy_row(ByteBuffer& out, const TargetTable& table, Row row) {
    append_be(out, static_cast<std::uint16_t>(table.columns.size()));
    for (const auto& column : table.columns) append_binary_value(out, row[column.source_index]);
}
inline void end_binary_copy(ByteBuffer& out) { append_be(out, std::numeric_limits<std::uint16_t>::max()); }

/// A value for a message to people: as text where that is simple, else its bytes.
[[nodiscard]] inline std::string shown(const Value& value, TypeId type) {
    if (value.kind != ValueKind::binary) return std::string{as_text(value.data)};
    constexpr std::uint32_t int8 = 20, int2 = 21, int4 = 23, text = 25, bpchar = 1042, varchar = 1043;
    const auto size = value.data.size();
    if (type.value == int8 && size == 8)
        return fmt::format("{}", static_cast<std::int64_t>(load_be<std::uint64_t>(value.data.data())));
    if (type.value == int4 && size == 4)
        return fmt::format("{}", static_cast<std::int32_t>(load_be<std::uint32_t>(value.data.data())));
    if (type.value == int2 && size == 2)
        return fmt::format("{}", static_cast<std::int16_t>(load_be<std::uint16_t>(value.data.data())));
    if (type.value == text || type.value == bpchar || type.value == varchar) return std::string{as_text(value.data)};
    std::string out = "\\x";
    for (const auto byte : value.data) out += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    return out;
}

}  // namespace tslive::apply::encode
