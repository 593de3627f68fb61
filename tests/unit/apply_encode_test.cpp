// Arena, COPY text and arrays: the bytes that go to the target.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tslive/apply/arena.hpp"
#include "tslive/apply/encode.hpp"

namespace tslive::apply {
namespace {

Value text(std::string_view value) { return {ValueKind::text, as_bytes(value)}; }

std::string copied(const Value& value) {
    ByteBuffer out;
    encode::copy_value(out, value);
    return std::string{as_text(out)};
}

TEST(Arena, keeps_what_was_copied_while_it_grows) {
    Arena arena;
    std::vector<Bytes> copies;
    for (int i = 0; i < 3000; ++i) {
        const auto original = std::string(1000, static_cast<char>('a' + i % 26));
        copies.push_back(arena.copy(as_bytes(original)));
    }
    EXPECT_EQ(arena.used(), 3'000'000U);
    for (int i = 0; i < 3000; ++i)
        ASSERT_EQ(as_text(copies[static_cast<std::size_t>(i)]), std::string(1000, static_cast<char>('a' + i % 26)));
}

TEST(Arena, takes_what_is_larger_than_a_block_and_gives_it_back) {
    Arena arena;
    const std::string large(5U << 20, 'x');
    const auto small = arena.copy(as_bytes(std::string_view{"small"}));
    EXPECT_EQ(as_text(arena.copy(as_bytes(large))), large);
    EXPECT_EQ(as_text(small), "small");
    EXPECT_TRUE(arena.copy({}).empty());
    arena.reset();
    EXPECT_EQ(arena.used(), 0U);
    EXPECT_EQ(as_text(arena.copy(as_bytes(std::string_view{"again"}))), "again");
}

TEST(Arena, aligns_arrays) {
    Arena arena;
    for (std::size_t i = 0; i < 100; ++i) {
        static_cast<void>(arena.copy(as_bytes(std::string(i, 'x'))));
        const auto values = arena.array<Value>(3);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(values.data()) % alignof(Value), 0U);
        EXPECT_EQ(values[2].kind, ValueKind::null);
    }
    EXPECT_TRUE(arena.array<Value>(0).empty());
}

TEST(CopyText, what_has_a_meaning_is_escaped) {
    EXPECT_EQ(copied(text("plain, \"quoted\" 'text' ünï")), "plain, \"quoted\" 'text' ünï");
    EXPECT_EQ(copied(text("a\\b\tc\nd\re")), "a\\\\b\\tc\\nd\\re");
    EXPECT_EQ(copied(text("\\.")), "\\\\.");
    EXPECT_EQ(copied(text("\\N")), "\\\\N");
    EXPECT_EQ(copied(text("\\")), "\\\\");
    EXPECT_EQ(copied(text("\n\n")), "\\n\\n");
    EXPECT_EQ(copied(text("\b\f\v\x01\x7f")), "\b\f\v\x01\x7f");
}

TEST(CopyText, null_and_empty_differ) {
    EXPECT_EQ(copied({ValueKind::null, {}}), "\\N");
    EXPECT_EQ(copied(text("")), "");
    EXPECT_EQ(copied(text("NULL")), "NULL");
}

TEST(CopyText, a_row_has_the_targets_columns_in_their_order) {
    TargetTable table;
    table.columns = {{.source_index = 2, .name = "c", .type_name = "text"},
                     {.source_index = 0, .name = "a", .type_name = "text"}};
    const std::vector<Value> row{text("first"), text("not there"), {ValueKind::null, {}}};
    ByteBuffer out;
    encode::copy_row(out, table, row);
    encode::copy_row(out, table, row);
    EXPECT_EQ(as_text(out), "\\N\tfirst\n\\N\tfirst\n");
}

TEST(Encode, a_value_that_did_not_come_is_never_written) {
    ByteBuffer out;
    EXPECT_THROW(encode::copy_value(out, {ValueKind::unchanged_toast, {}}), Error);
    EXPECT_THROW(encode::copy_value(out, {ValueKind::binary, as_bytes(std::string_view{"x"})}), Error);
    encode::TextArray array;
    array.begin(1);
    EXPECT_THROW(array.add({ValueKind::unchanged_toast, {}}), Error);
}

TEST(TextArray, is_what_array_recv_reads) {
    encode::TextArray array;
    array.begin(7);
    array.add(text("void"));
    array.begin(3);
    array.add(text("ab"));
    array.add({ValueKind::null, {}});
    array.add(text(""));
    const std::string expected(
        "\0\0\0\1"
        "\0\0\0\1"
        "\0\0\0\x19"
        "\0\0\0\3"
        "\0\0\0\1"
        "\0\0\0\2ab"
        "\xff\xff\xff\xff"
        "\0\0\0\0",
        34);
    EXPECT_EQ(as_text(array.bytes()), expected);
}

}  // namespace
}  // namespace tslive::apply
