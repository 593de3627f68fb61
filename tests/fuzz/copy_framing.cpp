// Rows on their way into a COPY, and blocks on their way through the relay.
//
// Whatever the values are, the text that apply::encode writes is read back as the same rows by a reader that follows
// the server's rules and nothing else; and so are its arrays, and its rows in binary form. Whatever the blocks and the faults are, the relay's sink
// ends with all bytes of a source that finished, or it was aborted.
//
// The first byte chooses: even: rows (see Rows), odd: a relay's script (see Script).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/apply/binary_rows.hpp"
#include "tslive/apply/encode.hpp"
#include "tslive/copy/relay.hpp"
#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"

namespace {

using namespace tslive;
using apply::Value;
using apply::ValueKind;

void expect(bool holds) {
    if (!holds) std::abort();
}

/// Takes the input apart; an exhausted one gives zeros and empty pieces.
class Input {
public:
    explicit Input(Bytes bytes) : rest_(bytes) {}

    [[nodiscard]] bool empty() const { return rest_.empty(); }
    std::uint8_t byte() {
        if (rest_.empty()) return 0;
        const auto value = std::to_integer<std::uint8_t>(rest_[0]);
        rest_ = rest_.subspan(1);
        return value;
    }
    Bytes piece(std::size_t length) {
        const auto taken = rest_.first(std::min(length, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }

private:
    Bytes rest_;
};

using Field = std::optional<std::string>;  // nothing: NULL
using Fields = std::vector<Field>;

Value value_of(const Field& field) { return field ? Value{ValueKind::text, as_bytes(*field)} : Value{}; }

/// COPY's text format, as the server reads it: lines, then columns, then what the backslashes mean.
/// Source: PostgreSQL documentation, COPY, "Text Format".
class CopyTextReader {
public:
    explicit CopyTextReader(std::string_view text) : rest_(text) {}

    /// Nothing at the end. A line that is not ended, or that ends the data, is a fault of the writer.
    std::optional<Fields> line(std::size_t columns) {
        if (rest_.empty()) return std::nullopt;
        std::size_t end = 0;
        while (end < rest_.size() && rest_[end] != '\n') end += rest_[end] == '\\' ? 2 : 1;
        expect(end < rest_.size());
        const auto line = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        expect(line != "\\.");
        expect(line.find('\r') == std::string_view::npos);
        if (columns == 0) {  // such a table has empty lines
            expect(line.empty());
            return Fields{};
        }
        Fields fields;
        for (std::size_t start = 0; start <= line.size();) {
            auto stop = start;
            while (stop < line.size() && line[stop] != '\t') stop += line[stop] == '\\' ? 2 : 1;
            expect(stop <= line.size());
            fields.push_back(field(line.substr(start, stop - start)));
            start = stop + 1;
        }
        return fields;
    }

private:
    static Field field(std::string_view raw) {
        if (raw == "\\N") return std::nullopt;
        std::string value;
        for (std::size_t at = 0; at < raw.size(); ++at) {
            if (raw[at] != '\\') {
                value += raw[at];
                continue;
            }
            switch (raw[++at]) {
                case 'n': value += '\n'; break;
                case 'r': value += '\r'; break;
                case 't': value += '\t'; break;
                case '\\': value += '\\'; break;
                default:
                    std::abort();  // the server gives other letters and digits a meaning too; we have no use for it
            }
        }
        return value;
    }

    std::string_view rest_;
};

/// Numbers and values in network byte order, as the server's receive functions read them.
class BinaryReader {
public:
    explicit BinaryReader(Bytes bytes) : in_(bytes) {}

    [[nodiscard]] bool empty() const { return in_.empty(); }
    template <typename T>
    T number() {
        const auto bytes = in_.piece(sizeof(T));
        expect(bytes.size() == sizeof(T));
        return load_be<T>(bytes.data());
    }
    Field value() {
        const auto length = number<std::uint32_t>();
        if (length == 0xffffffffU) return std::nullopt;
        const auto bytes = in_.piece(length);
        expect(bytes.size() == length);
        return std::string(as_text(bytes));
    }
    Bytes piece(std::size_t length) { return in_.piece(length); }

private:
    Input in_;
};

/// array_recv, up to the elements. @returns their number
std::size_t begin_array(BinaryReader& in, std::uint32_t type) {
    expect(in.number<std::uint32_t>() == 1);  // dimensions
    expect(in.number<std::uint32_t>() <= 1);  // has nulls
    expect(in.number<std::uint32_t>() == type);
    const auto count = in.number<std::uint32_t>();
    expect(in.number<std::uint32_t>() == 1);  // the first subscript
    return count;
}

/// `columns, for each column its place among the source's`, then rows, each a value a column of the source: a length of
/// one byte (255: NULL; 254: two bytes of length follow) and so many bytes.
struct Rows {
    apply::TargetTable table;
    std::size_t width = 0;
    std::vector<Fields> rows;

    explicit Rows(Input in) {
        const std::size_t columns = in.byte() % 17;
        table.columns.resize(columns);
        for (auto& column : table.columns) {
            column.source_index = in.byte() % 32;
            width = std::max(width, column.source_index + 1);
        }
        while (!in.empty() && rows.size() < 1000) {
            auto& row = rows.emplace_back(width);
            for (auto& field : row) {
                std::size_t length = in.byte();
                if (length == 255) continue;
                if (length == 254) length = std::size_t{in.byte()} * 256 + in.byte();
                field = std::string(as_text(in.piece(length)));
            }
            if (width == 0) static_cast<void>(in.byte());
        }
    }

    /// What the target's columns get.
    [[nodiscard]] Fields wanted(const Fields& row) const {
        Fields fields;
        for (const auto& column : table.columns) fields.push_back(row[column.source_index]);
        return fields;
    }
};

void check_copy_text(const Rows& input) {
    ByteBuffer text;
    for (const auto& row : input.rows) {
        std::vector<Value> values;
        for (const auto& field : row) values.push_back(value_of(field));
        apply::encode::copy_row(text, input.table, values);
    }
    CopyTextReader reader(as_text(text));
    for (const auto& row : input.rows) expect(reader.line(input.table.columns.size()) == input.wanted(row));
    expect(!reader.line(input.table.columns.size()));
}

void check_arrays(const Rows& input) {
    constexpr std::uint32_t text = 25;
    apply::encode::TextArray array;
    for (std::size_t column = 0; column < input.width; ++column) {
        array.begin(input.rows.size());
        for (const auto& row : input.rows) array.add(value_of(row[column]));
        BinaryReader in(array.bytes());
        expect(begin_array(in, text) == input.rows.size());
        for (const auto& row : input.rows) expect(in.value() == row[column]);
        expect(in.empty());
    }
}

Value binary_value_of(const Field& field) { return field ? Value{ValueKind::binary, as_bytes(*field)} : Value{}; }

void check_binary_copy(const Rows& input) {
    ByteBuffer out;
    apply::encode::begin_binary_copy(out);
    for (const auto& row : input.rows) {
        std::vector<Value> values;
        for (const auto& field : row) values.push_back(binary_value_of(field));
        apply::encode::binary_copy_row(out, input.table, values);
    }
    apply::encode::end_binary_copy(out);
    BinaryReader in(out);
    expect(as_text(in.piece(11)) == std::string_view("PGCOPY\n\377\r\n\0", 11));
    expect(in.number<std::uint32_t>() == 0);  // flags
    expect(in.number<std::uint32_t>() == 0);  // length of what more the header has
    for (const auto& row : input.rows) {
        expect(in.number<std::uint16_t>() == input.table.columns.size());
        for (const auto& wanted : input.wanted(row)) expect(in.value() == wanted);
    }
    expect(in.number<std::uint16_t>() == 0xffff);
    expect(in.empty());
}

/// The table's row type has a column that nobody sends between those of the table.
void check_row_array(Rows input) {
    constexpr std::uint32_t row_type = 16'500;
    auto& type = input.table.row_type.emplace();
    type.id = {row_type};
    for (std::uint32_t i = 0; i < input.table.columns.size(); ++i) {
        type.columns.push_back({.type = {100 + i}, .index = input.table.columns.size() - 1 - i});
        type.columns.push_back({.type = {200 + i}, .index = std::nullopt});
    }
    apply::encode::RowArray array;
    array.begin(input.table, input.rows.size());
    for (const auto& row : input.rows) {
        const auto wanted = input.wanted(row);
        array.add([&](std::size_t column) { return binary_value_of(wanted[column]); });
    }
    BinaryReader in(array.bytes());
    expect(begin_array(in, row_type) == input.rows.size());
    for (const auto& row : input.rows) {
        const auto wanted = input.wanted(row);
        const auto record = in.value();
        expect(record.has_value());
        BinaryReader columns(as_bytes(*record));
        expect(columns.number<std::uint32_t>() == type.columns.size());
        for (const auto& column : type.columns) {
            expect(columns.number<std::uint32_t>() == column.type.value);
            expect(columns.value() == (column.index ? wanted[*column.index] : std::nullopt));
        }
        expect(columns.empty());
    }
    expect(in.empty());
}

struct Broken {};  // what a fault throws

/// A relay's world: `block size, the sink's fault, the count's fault`, then what each read of the source gives: a length
/// (255: the source breaks here; the last bit: nothing more comes after it) and so many bytes.
struct Script {
    explicit Script(Input bytes) : in(bytes) {
        block_bytes = in.byte() + std::size_t{1};
        writes_left = in.byte();
        count_is_off = in.byte() % 4 == 1;
    }

    Input in;
    std::size_t block_bytes;
    std::size_t writes_left;  // 255: no fault
    bool count_is_off;
    std::string given;
};

struct Source {
    Script* script;
    bool ended = false;

    bool read(ByteBuffer& out, std::size_t enough_bytes) {
        expect(!ended && enough_bytes == script->block_bytes);
        const auto length = script->in.byte();
        if (length == 255) throw Broken{};
        const auto piece = script->in.piece(length);
        append(out, piece);
        script->given += as_text(piece);
        ended = script->in.empty() || length % 2 == 1;
        return !ended;
    }
    std::int64_t finish() {
        expect(ended);
        return std::ranges::count(script->given, '\n');
    }
};

struct Sink {
    Script* script;
    std::string taken = {};
    bool finished = false;
    bool aborted = false;

    void write(Bytes data) {
        expect(!finished && !aborted && !data.empty());
        if (script->writes_left != 255 && script->writes_left-- == 0) throw Broken{};
        taken += as_text(data);
    }
    std::int64_t finish() {
        expect(!finished && !aborted);
        finished = true;
        return std::ranges::count(taken, '\n') + (script->count_is_off ? 1 : 0);
    }
    void abort(std::string_view reason) {
        expect(!finished && !aborted && !reason.empty());
        aborted = true;
    }
};

void check_relay(Input input) {
    Script script(input);
    Source source{&script};
    Sink sink{&script};
    std::size_t reported = 0;
    try {
        const auto rows = copy::relay(
            source, sink, "a part", [&](std::size_t bytes) { reported += bytes; }, script.block_bytes);
        expect(sink.finished && sink.taken == script.given && !script.count_is_off);
        expect(rows == std::ranges::count(script.given, '\n'));
    } catch (const Broken&) {
        expect(sink.aborted && !sink.finished);
    } catch (const Error& error) {
        expect(script.count_is_off && sink.finished && error.recovery() == Recovery::operator_action);
    }
    expect(reported == sink.taken.size() && script.given.starts_with(sink.taken));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Input input(Bytes(reinterpret_cast<const std::byte*>(data + 1), size - 1));
    if (data[0] % 2 == 0) {
        const Rows rows(input);
        check_copy_text(rows);
        check_arrays(rows);
        check_binary_copy(rows);
        check_row_array(rows);
    } else {
        check_relay(input);
    }
    return 0;
}
