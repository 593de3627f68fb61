#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/timescale/release.hpp"

namespace tslive::timescale {
namespace {

TEST(Release, is_read_from_an_extension_version) {
    EXPECT_EQ(Release::parse("2.19.3"), (Release{2, 19, 3}));
    EXPECT_EQ(Release::parse("2.20.0-dev"), (Release{2, 20, 0}));
    for (const auto* bad : {"", "2", "2.19", "2.19.", "x.1.2", "2-19-3"})
        EXPECT_EQ(Release::parse(bad), std::nullopt) << bad;
}

TEST(Release, compares_by_number) {
    EXPECT_LT((Release{2, 9, 0}), (Release{2, 10, 0}));
    EXPECT_FALSE((Release{2, 9, 9}.known()));
    EXPECT_TRUE((Release{2, 10, 0}.known()));
    EXPECT_TRUE((Release{2, 28, 3}.known()));
    EXPECT_FALSE((Release{2, 29, 0}.known()));
    EXPECT_FALSE((Release{3, 0, 0}.known()));
}

}  // namespace
}  // namespace tslive::timescale
