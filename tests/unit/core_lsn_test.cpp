#include <gtest/gtest.h>

#include "tslive/core/lsn.hpp"

namespace tslive {
namespace {

TEST(Lsn, is_read_and_written_as_the_server_does) {
    for (const auto* text : {"0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF", "0/1"}) {
        const auto lsn = Lsn::parse(text);
        ASSERT_TRUE(lsn) << text;
        EXPECT_EQ(fmt::format("{}", *lsn), text);
    }
    EXPECT_EQ(Lsn::parse("16/b374d848")->value, 0x16B374D848U);
    EXPECT_EQ(fmt::format("{}", Lsn{0x100000000}), "1/0");
}

TEST(Lsn, nothing_else_is_read) {
    for (const auto* text :
         {"", "/", "1", "1/", "/1", "1/2/3", "1/ 2", "x/1", "123456789/0", "0/123456789", "-1/0", "0x1/0"})
        EXPECT_FALSE(Lsn::parse(text)) << text;
}

TEST(Lsn, zero_is_none) {
    EXPECT_FALSE(Lsn{}.valid());
    EXPECT_TRUE(Lsn{1}.valid());
}

TEST(Lsn, the_distance_is_never_negative) {
    EXPECT_EQ(bytes_between({10}, {25}), 15U);
    EXPECT_EQ(bytes_between({25}, {10}), 0U);
    EXPECT_EQ(bytes_between({}, {~std::uint64_t{0}}), ~std::uint64_t{0});
}

}  // namespace
}  // namespace tslive
