#include "tslive/timescale/premade_chunks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tslive::timescale {
namespace {

using testing::ElementsAre;

TEST(PremadeChunks, lie_on_the_grid_on_both_sides_of_its_start) {
    const TimeGrid grid{.start = 100, .length = 10};
    EXPECT_EQ(grid.slice(100), 100);
    EXPECT_EQ(grid.slice(109), 100);
    EXPECT_EQ(grid.slice(110), 110);
    EXPECT_EQ(grid.slice(99), 90);
    EXPECT_EQ(grid.slice(90), 90);
    EXPECT_EQ(grid.slice(-1), -10);
    EXPECT_EQ(grid.slice(-10), -10);
}

TEST(PremadeChunks, fill_small_gaps_and_leave_large_ones) {
    const TimeGrid grid{.start = 0, .length = 10};
    EXPECT_THAT(slices_for(grid, {3, 4, 31}), ElementsAre(0, 10, 20, 30));
    EXPECT_THAT(slices_for(grid, {5, 5000, 5011}), ElementsAre(0, 5000, 5010));
    EXPECT_THAT(slices_for(grid, {}), ElementsAre());
    EXPECT_THAT(slices_for(grid, {0, 100}, 3), ElementsAre(0, 10, 20));
}

}  // namespace
}  // namespace tslive::timescale
