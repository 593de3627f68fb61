#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/ui/rate.hpp"
#include "tslive/ui/status.hpp"

namespace {

using namespace std::chrono_literals;
using namespace tslive::ui;
using testing::Not;
using testing::HasSubstr;

constexpr std::uint64_t mega = 1024 * 1024;
constexpr std::uint64_t giga = 1024 * mega;

TEST(CopyLine, says_tables_bytes_rate_and_time_left) {
    EXPECT_EQ(copy_line({.tables_done = 12,
                         .tables_total = 40,
                         .bytes_done = 3 * giga,
                         .bytes_total = 10 * giga,
                         .bytes_per_second = 64.0 * mega}),
              "Copied 12 of 40 tables, 3.0 GB of about 10.0 GB (30%), 64.0 MB/s, about 1m 52s left");
}

TEST(CopyLine, leaves_out_what_is_not_known) {
    const CopyStatus status{.tables_done = 0, .tables_total = 2, .bytes_done = 0, .bytes_total = 5 * mega};
    EXPECT_EQ(copy_line(status), "Copied 0 of 2 tables, 0 B of about 5.0 MB (0%)");
    auto stalled = status;
    stalled.bytes_per_second = 0;
    EXPECT_EQ(copy_line(stalled), "Copied 0 of 2 tables, 0 B of about 5.0 MB (0%), 0 B/s");
}

TEST(CopyLine, is_not_finished_before_every_table_is) {
    CopyStatus status{
        .tables_done = 1, .tables_total = 2, .bytes_done = 6 * mega, .bytes_total = 5 * mega, .bytes_per_second = 1.0};
    EXPECT_EQ(copy_line(status), "Copied 1 of 2 tables, 6.0 MB of about 6.0 MB (99%), 1 B/s");
    status.tables_done = 2;
    EXPECT_EQ(copy_line(status), "Copied 2 of 2 tables, 6.0 MB of about 6.0 MB (100%)");
}

TEST(CopyLine, a_database_without_tables_or_rows_is_no_division_by_zero) {
    EXPECT_EQ(copy_line({}), "Copied 0 of 0 tables, 0 B of about 0 B (100%)");
    EXPECT_EQ(copy_line({.tables_done = 0, .tables_total = 3}), "Copied 0 of 3 tables, 0 B of about 0 B (0%)");
}

ReplayStatus replaying() {
    return {.caught_up = false,
            .source_wal_rate = 5.0 * mega,
            .target_replay_rate = 15.0 * mega,
            .lag_bytes = 56 * mega,
            .lag_time = {}};
}

TEST(ReplayLine, says_when_it_will_complete) {
    EXPECT_EQ(replay_line(replaying()),
              "Live-replay will complete in 6s (source_wal_rate: 5.0 MB/s, target_replay_rate: 15.0 MB/s, replay_lag: "
              "56.0 MB)");
}

TEST(ReplayLine, says_that_the_target_has_caught_up) {
    auto status = replaying();
    status.caught_up = true;
    status.lag_bytes = 100;
    status.lag_time = 1s;
    EXPECT_EQ(replay_line(status),
              "Target has caught up with source (source_wal_rate: 5.0 MB/s, target_replay_rate: 15.0 MB/s, "
              "replay_lag: 100 B, 1s)");
}

TEST(ReplayLine, says_that_it_will_not_complete_when_the_source_is_faster) {
    auto status = replaying();
    status.target_replay_rate = 4.0 * mega;
    EXPECT_THAT(replay_line(status), HasSubstr("Live-replay will not complete: the target replays no faster than the "
                                               "source writes (source_wal_rate: 5.0 MB/s, "
                                               "target_replay_rate: 4.0 MB/s, replay_lag: 56.0 MB)"));
    status.target_replay_rate = *status.source_wal_rate + 1e-9;
    EXPECT_THAT(replay_line(status), HasSubstr("will not complete")) << "a thousand years are never";
    status.lag_bytes = 0;
    EXPECT_THAT(replay_line(status), HasSubstr("will complete in 0s"));
}

TEST(ReplayLine, promises_nothing_before_the_rates_are_measured) {
    auto status = replaying();
    status.target_replay_rate = std::nullopt;
    EXPECT_EQ(replay_line(status),
              "Live-replay has begun (source_wal_rate: 5.0 MB/s, target_replay_rate: unknown, replay_lag: 56.0 MB)");
}

Rate::TimePoint at(std::chrono::milliseconds time) { return Rate::TimePoint{} + time; }

TEST(Rate, is_unknown_until_two_samples_have_time_between_them) {
    Rate rate;
    EXPECT_EQ(rate.per_second(), std::nullopt);
    rate.sample(1000, at(5s));
    rate.sample(2000, at(5s));
    EXPECT_EQ(rate.per_second(), std::nullopt);
    rate.sample(3000, at(7s));
    EXPECT_DOUBLE_EQ(rate.per_second().value(), 1000.0);
}

TEST(Rate, stays_at_a_steady_rate_whatever_the_distance_of_the_samples) {
    Rate rate{10s};
    for (const int second : {0, 1, 5, 6, 60, 61})
        rate.sample(static_cast<std::uint64_t>(second) * 100, at(std::chrono::seconds{second}));
    EXPECT_DOUBLE_EQ(rate.per_second().value(), 100.0);
}

TEST(Rate, follows_a_change_within_its_memory) {
    Rate rate{10s};
    rate.sample(0, at(0s));
    rate.sample(1000, at(10s));
    rate.sample(1000, at(20s));  // stands still for one memory: 1/e of the old rate is left
    EXPECT_NEAR(rate.per_second().value(), 100 * 0.3679, 0.01);
    rate.sample(1000, at(1000s));
    EXPECT_LT(rate.per_second().value(), 1e-6);
}

TEST(Rate, a_total_that_begins_anew_is_no_negative_rate) {
    Rate rate;
    rate.sample(5000, at(0s));
    rate.sample(6000, at(1s));
    rate.sample(10, at(2s));
    EXPECT_DOUBLE_EQ(rate.per_second().value(), 1000.0);
    rate.sample(1010, at(3s));
    EXPECT_DOUBLE_EQ(rate.per_second().value(), 1000.0);
}

TEST(Rate, takes_positions_of_the_whole_range) {
    Rate rate;
    rate.sample(0xFFFFFFFF'00000000, at(0s));
    rate.sample(0xFFFFFFFF'00000064, at(1s));
    EXPECT_DOUBLE_EQ(rate.per_second().value(), 100.0);
}

}  // namespace
