#include "tslive/copy/plan.hpp"

#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/copy/columns.hpp"

namespace tslive::copy {
namespace {

TableToCopy table_of(std::string name, std::int64_t bytes, std::int64_t blocks) {
    TableToCopy table;
    table.table.name = {"public", std::move(name)};
    table.table.bytes = bytes;
    table.table.heap_blocks = blocks;
    table.block_ranges = true;
    return table;
}

void expect_covers_everything(const std::vector<BlockRange>& ranges) {
    ASSERT_FALSE(ranges.empty());
    EXPECT_EQ(ranges.front().first, 0);
    EXPECT_FALSE(ranges.back().end);
    for (std::size_t i = 0; i + 1 < ranges.size(); ++i) {
        ASSERT_TRUE(ranges[i].end);
        EXPECT_EQ(*ranges[i].end, ranges[i + 1].first);
        EXPECT_LT(ranges[i].first, *ranges[i].end);
    }
}

TEST(Plan, ranges_leave_no_block_out_and_take_none_twice) {
    for (const std::int64_t blocks : {0, 1, 2, 7, 100, 131'072})
        for (const std::int64_t wanted : {1, 8192, 1 << 20, 1 << 30})
            expect_covers_everything(split_blocks(blocks * 8192, blocks, wanted));
    EXPECT_EQ(split_blocks(1 << 20, 0, 1).size(), 1U) << "no heap, whatever TOAST holds";
}

TEST(Plan, a_heap_of_the_largest_size_is_cut_without_overflow) {
    const std::int64_t blocks = 4'294'967'294;
    const auto ranges = split_blocks(blocks * 8192, blocks, std::int64_t{1} << 30);
    expect_covers_everything(ranges);
    EXPECT_EQ(ranges.size(), 32'768U);
}

TEST(Plan, toast_counts_so_that_few_blocks_with_large_values_are_cut_too) {
    EXPECT_EQ(split_blocks(std::int64_t{100} << 30, 1000, std::int64_t{1} << 30).size(), 100U);
}

TEST(Plan, only_tables_over_the_limit_are_cut) {
    const std::vector<TableToCopy> tables{table_of("small", 1 << 20, 128), table_of("at the limit", 1 << 24, 2048),
                                          table_of("large", (1 << 24) + 8192, 2049)};
    const auto ranges = split_tables(tables, 1 << 24, 2);
    EXPECT_THAT(ranges[0], testing::ElementsAre(BlockRange{}));
    EXPECT_THAT(ranges[1], testing::ElementsAre(BlockRange{}));
    EXPECT_GT(ranges[2].size(), 1U);
}

TEST(Plan, a_table_without_block_ranges_stays_whole) {
    auto table = table_of("columnar", 1 << 30, 1 << 17);
    table.block_ranges = false;
    EXPECT_THAT(split_tables(std::vector{table}, 1 << 20, 4)[0], testing::ElementsAre(BlockRange{}));
}

TEST(Plan, one_table_of_three_times_the_limit_keeps_all_workers_busy) {
    const auto ranges =
        split_tables(std::vector{table_of("t", std::int64_t{3} << 30, 3 << 17)}, std::int64_t{1} << 30, 8);
    EXPECT_GE(ranges[0].size(), 16U);
}

TEST(Plan, a_part_is_never_larger_than_the_limit_and_never_tiny) {
    EXPECT_EQ(part_bytes(std::int64_t{1} << 50, 1 << 30, 8), 1 << 30);
    EXPECT_EQ(part_bytes(0, 1 << 30, 8), (1 << 30) / 16);
    EXPECT_GE(part_bytes(0, 1, 0), 1);
}

TEST(Plan, predicates_are_half_open) {
    EXPECT_EQ(range_predicate({}), "");
    EXPECT_THAT(range_predicate({.first = 0, .end = 10}),
                testing::AllOf(testing::HasSubstr("'(0,0)'"), testing::HasSubstr("(pg_catalog.<) '(10,0)'")));
    EXPECT_THAT(range_predicate({.first = 10, .end = std::nullopt}),
                testing::AllOf(testing::HasSubstr("'(10,0)'"), testing::Not(testing::HasSubstr("<)"))));
}

TEST(Plan, a_marker_of_another_snapshot_or_range_is_another_marker) {
    const catalog::QualifiedName name{"a.b", "c\"d"};
    const std::set<std::string> keys{part_key(name, {1}, {}), part_key(name, {2}, {}), part_key(name, {1}, {0, 10}),
                                     part_key(name, {1}, {10, std::nullopt}), part_key({"a", "b.c\"d"}, {1}, {})};
    EXPECT_EQ(keys.size(), 5U);
}

TEST(Plan, the_largest_part_comes_first) {
    std::vector<Part> parts{{0, {}, 1, "a"}, {0, {}, 3, "b"}, {0, {}, 2, "d"}, {0, {}, 2, "c"}};
    sort_largest_first(parts);
    std::string order;
    for (const auto& part : parts) order += part.key;
    EXPECT_EQ(order, "bcda");
}

catalog::Column column(std::string name, std::uint32_t type, char generated = 0) {
    catalog::Column made;
    made.name = std::move(name);
    made.type = {type};
    made.generated = generated;
    return made;
}

const catalog::QualifiedName t{"public", "t"};

TEST(Columns, travel_by_name_in_the_order_of_the_source) {
    const auto columns = columns_to_copy(t, std::vector{column("id", 23), column("a\"b", 25)},
                                         std::vector{column("extra", 23), column("a\"b", 25), column("id", 23)});
    EXPECT_EQ(columns.list, R"("id", "a""b")");
    EXPECT_TRUE(columns.binary);
}

TEST(Columns, one_type_that_is_not_stable_makes_it_text) {
    EXPECT_FALSE(columns_to_copy(t, std::vector{column("id", 23), column("c", 2205)},
                                 std::vector{column("id", 23), column("c", 2205)})
                     .binary);
    EXPECT_FALSE(columns_to_copy(t, std::vector{column("id", 23)}, std::vector{column("id", 20)}).binary)
        << "int4 into int8";
}

TEST(Columns, generated_ones_stay_behind) {
    const auto columns = columns_to_copy(t, std::vector{column("id", 23), column("twice", 23, 's')},
                                         std::vector{column("id", 23), column("twice", 23, 's')});
    EXPECT_EQ(columns.list, R"("id")");
}

TEST(Columns, of_a_type_that_cannot_be_taken_as_it_is_are_read_by_an_expression) {
    const std::vector both{column("id", 23), column("c", 2205)};
    auto source = both;
    source[1].type_name = "s.odd";
    const auto columns = columns_to_copy(t, source, both, {{"s.odd", "nullif({0}, 'x')"}});
    EXPECT_EQ(columns.list, R"("id", "c")");
    EXPECT_EQ(copy_out_command(table_of("t", 0, 0), {}, columns),
              R"(COPY (SELECT "id", nullif("c", 'x') FROM ONLY "public"."t") TO STDOUT)");
    EXPECT_EQ(columns_to_copy(t, both, both, {{"s.odd", "nullif({0}, 'x')"}}).read, "");
}

TEST(Columns, what_the_target_cannot_hold_is_an_error_with_its_name) {
    const auto message = [](const std::vector<catalog::Column>& source,
                            const std::vector<catalog::Column>& target) -> std::string {
        try {
            static_cast<void>(columns_to_copy(t, source, target));
            return "accepted";
        } catch (const Error& error) {
            return error.what();
        }
    };
    EXPECT_THAT(message({column("id", 23), column("lost", 23)}, {column("id", 23)}), testing::HasSubstr("\"lost\""));
    EXPECT_THAT(message({column("id", 23)}, {column("id", 23, 's')}), testing::HasSubstr("generated on the target"));
    EXPECT_THAT(message({}, {column("id", 23)}), testing::HasSubstr("no columns on the source"));
}

TEST(Columns, commands_name_columns_only_when_there_are_some) {
    const auto whole = table_of("t", 0, 0);
    EXPECT_EQ(copy_out_command(whole, {}, {"\"id\"", true}), R"(COPY "public"."t" ("id") TO STDOUT (FORMAT binary))");
    EXPECT_EQ(copy_out_command(whole, {}, {}), R"(COPY "public"."t" TO STDOUT)");
    EXPECT_THAT(copy_out_command(whole, {1, 2}, {"\"id\"", false}),
                testing::StartsWith(R"(COPY (SELECT "id" FROM ONLY "public"."t" WHERE ctid)"));
    EXPECT_EQ(copy_in_command(whole.table.name, {"\"id\"", true}, Freeze::yes),
              R"(COPY "public"."t" ("id") FROM STDIN (FORMAT binary, FREEZE))");
    EXPECT_EQ(copy_in_command(whole.table.name, {}, Freeze::yes), R"(COPY "public"."t" FROM STDIN (FREEZE))");
    EXPECT_EQ(copy_in_command(whole.table.name, {}, Freeze::no), R"(COPY "public"."t" FROM STDIN)");
}

}  // namespace
}  // namespace tslive::copy
