#include <limits>
#include <optional>

#include <gtest/gtest.h>

#include "tslive/core/size.hpp"

namespace tslive {
namespace {

TEST(Size, is_read_with_the_units_of_postgresql_conf) {
    EXPECT_EQ(parse_size("0"), 0);
    EXPECT_EQ(parse_size("500"), 500);
    EXPECT_EQ(parse_size("500B"), 500);
    EXPECT_EQ(parse_size("64kB"), 64 << 10);
    EXPECT_EQ(parse_size("64 KB"), 64 << 10);
    EXPECT_EQ(parse_size("16m"), 16 << 20);
    EXPECT_EQ(parse_size("1GB"), 1 << 30);
    EXPECT_EQ(parse_size("2TB"), std::int64_t{2} << 40);
    EXPECT_EQ(parse_size("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
}

TEST(Size, what_is_none_or_too_large_is_nothing) {
    for (const auto* text : {"", "GB", "-1", "+1", "1.5GB", "1XB", "1GiB", "1 G B", "1kBs", "9223372036854775808",
                             "8388608TB", "1e3", " 1"})
        EXPECT_EQ(parse_size(text), std::nullopt) << text;
}

TEST(Size, is_shown_in_the_unit_that_fits) {
    EXPECT_EQ(format_size(0), "0 B");
    EXPECT_EQ(format_size(1023), "1023 B");
    EXPECT_EQ(format_size(1536), "1.5 kB");
    EXPECT_EQ(format_size(2.0 * (1 << 30)), "2.0 GB");
    EXPECT_EQ(format_size(3e18), "2664.5 PB");
}

TEST(Duration, is_shown_in_its_two_largest_units) {
    using std::chrono::seconds;
    EXPECT_EQ(format_duration(seconds{0}), "0s");
    EXPECT_EQ(format_duration(seconds{-5}), "0s");
    EXPECT_EQ(format_duration(seconds{59}), "59s");
    EXPECT_EQ(format_duration(seconds{306}), "5m 6s");
    EXPECT_EQ(format_duration(seconds{3600}), "1h 0m");
    EXPECT_EQ(format_duration(seconds{93'600}), "1d 2h");
}

}  // namespace
}  // namespace tslive
