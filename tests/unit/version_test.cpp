#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tslive/core/version.hpp"

TEST(Version, the_text_and_the_macros_and_the_package_agree) {
    EXPECT_EQ(tslive::version,
              fmt::format("{}.{}.{}", TSLIVE_VERSION_MAJOR, TSLIVE_VERSION_MINOR, TSLIVE_VERSION_PATCH));
    EXPECT_EQ(tslive::version, TSLIVE_CMAKE_VERSION);
}
