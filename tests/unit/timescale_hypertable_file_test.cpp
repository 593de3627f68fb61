#include "tslive/timescale/hypertable_file.hpp"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tslive::timescale {
namespace {

using testing::HasSubstr;

std::string refusal(std::string_view text) {
    try {
        static_cast<void>(parse_hypertables("h.txt", text));
    } catch (const Error& error) {
        EXPECT_FALSE(error.remedy().empty()) << error.what();
        return error.what();
    }
    return "nothing was refused";
}

TEST(HypertableFile, has_one_directive_a_line) {
    const auto specs = parse_hypertables("h.txt",
                                         "# two of them\r\n"
                                         "hypertable Public.Conditions\r\n"
                                         "   time TS\n"
                                         "\tchunk_interval  1 day 12 hours \n"
                                         "space device 4\n"
                                         "  space \"Site\"  2\n"
                                         "\n"
                                         "  segmentby device, \"Site\"\n"
                                         "  orderby ts desc nulls last, \"a,b\", x ASC\n"
                                         "  compress_after 7 days\n"
                                         "  retention 90 days\n"
                                         "hypertable \"Odd Schema\".\"a \"\"b\"\".c\"\n"
                                         "  time \"Tick\"\n"
                                         "  integer_now public.now_tick");
    ASSERT_EQ(specs.size(), 2U);
    const auto& first = specs[0];
    EXPECT_EQ(first.table, (catalog::QualifiedName{"public", "conditions"}));
    EXPECT_EQ(first.line, 2);
    EXPECT_EQ(first.chunk_interval, "1 day 12 hours");
    EXPECT_THAT(first.dimensions(), testing::ElementsAre("ts", "device", "Site"));
    EXPECT_EQ(first.space[1].partitions, 2);
    EXPECT_THAT(first.segment_by, testing::ElementsAre("device", "Site"));
    ASSERT_EQ(first.order_by.size(), 3U);
    EXPECT_EQ(first.order_by[0].direction, " DESC NULLS LAST");
    EXPECT_EQ(first.order_by[1].column, "a,b");
    EXPECT_EQ(first.order_by[1].direction, "");
    EXPECT_EQ(first.order_by[2].direction, " ASC");
    EXPECT_EQ(first.compress_after, "7 days");
    EXPECT_EQ(first.retention, "90 days");
    EXPECT_TRUE(first.compressed());
    const auto& second = specs[1];
    EXPECT_EQ(second.table, (catalog::QualifiedName{"Odd Schema", "a \"b\".c"}));
    EXPECT_EQ(second.time, "Tick");
    EXPECT_EQ(second.integer_now, (catalog::QualifiedName{"public", "now_tick"}));
    EXPECT_FALSE(second.has_policies());
}

TEST(HypertableFile, may_be_empty) {
    EXPECT_TRUE(parse_hypertables("h.txt", "").empty());
    EXPECT_TRUE(parse_hypertables("h.txt", "\n  # nothing\n").empty());
}

TEST(HypertableFile, says_in_which_line_it_is_wrong) {
    EXPECT_THAT(refusal("\ntime ts"), HasSubstr("h.txt, line 2: 'time' stands before the first 'hypertable' line"));
    EXPECT_THAT(refusal("hypertable conditions"), HasSubstr("line 1: 'hypertable' needs the name of a table"));
    EXPECT_THAT(refusal("hypertable public.a b"), HasSubstr("'hypertable' needs the name of a table"));
    EXPECT_THAT(refusal("hypertable \"public.a"), HasSubstr("'hypertable' needs the name of a table"));
    EXPECT_THAT(refusal("hypertable a.b\n\nhypertable a.c\ntime ts"), HasSubstr("line 1: a.b has no 'time' line"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\nhypertable a.b"),
                HasSubstr("line 3: a.b was named in line 1 already"));
    EXPECT_THAT(refusal("hypertable a.b\ntime"), HasSubstr("line 2: 'time' without a value"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\ntime u"), HasSubstr("line 3: a second 'time' line for a.b"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t u"), HasSubstr("one column is needed"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\nspace d"), HasSubstr("'space' needs a column and a number"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\nspace d 0"), HasSubstr("'space' needs a column and a number"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\nspace d 99999"), HasSubstr("'space' needs a column and a number"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\nspace d 4x"), HasSubstr("'space' needs a column and a number"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\nsegmentby a b"), HasSubstr("'b' is too much"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\nsegmentby a,"), HasSubstr("'segmentby' needs columns"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\norderby a DOWN"), HasSubstr("'down' is no order"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\norderby a NULLS"), HasSubstr("NULLS is followed by"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\nretain 3 days"), HasSubstr("line 3: 'retain' is not known"));
    EXPECT_THAT(refusal("hypertable a.b\ntime t\ninteger_now f"), HasSubstr("'integer_now' needs the name"));
}

}  // namespace
}  // namespace tslive::timescale
