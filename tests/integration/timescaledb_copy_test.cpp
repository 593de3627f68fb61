#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/timescale_compare.hpp"
#include "integration/support/timescale_source.hpp"

namespace tslive::harness {
namespace {

[[nodiscard]] std::string chosen_version() {
    const char* chosen = std::getenv("TSLIVE_TIMESCALEDB");
    return chosen == nullptr ? timescaledb_versions().back() : chosen;
}

TEST(TimescaleCompare, TellsWhatDiffersAndNothingElse) {
    TSLIVE_NEEDS_TIMESCALEDB();
    Pair pair(timescaledb_pair());
    const auto version = chosen_version();
    for (const auto* database : {&pair.source, &pair.target}) {
        create_timescaledb_in(*database, "Ts", version);
        load_timescaledb_zoo(*database, *timescale::Release::parse(version));
    }
    // Stamps of the two moments at which the databases were made.
    TimescaleCompareOptions options{.jobs = false};
    ASSERT_TRUE(timescaledb_is_equal(pair.source, pair.target, options));

    pair.target.sql("DELETE FROM cond WHERE ts = '2024-01-02 00:30' AND dev = 3");
    auto said = compare_timescaledb(pair.source, pair.target, options).report();
    EXPECT_THAT(said, testing::HasSubstr("\"public\".\"cond\""));

    pair.target.sql("SELECT drop_chunks('itab', older_than => 0)");
    said = compare_timescaledb(pair.source, pair.target, options).report();
    EXPECT_THAT(said, testing::HasSubstr("chunk of public.itab"));
}

}  // namespace
}  // namespace tslive::harness
