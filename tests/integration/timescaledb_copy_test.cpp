#include <cstdlib>
#include <optional>
#include <set>
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

class TimescaleCopy : public ::testing::Test {
protected:
    void SetUp() override {
        TSLIVE_NEEDS_TIMESCALEDB();
        version = chosen_version();
        migration.emplace(timescaledb_pair());
        create_timescaledb_in(source(), "Ts", version);
        load_timescaledb_zoo(source(), *timescale::Release::parse(version));
    }
    [[nodiscard]] Database& source() { return migration->pair.source; }
    [[nodiscard]] Database& target() { return migration->pair.target; }

    /// What each database has for itself; and tables without columns, which some releases do not let anybody read.
    [[nodiscard]] std::set<std::string> not_compared() {
        std::set<std::string> names;
        for (const auto& row : source().rows("SELECT format('\"%s\".\"%s\"', schema_name, table_name) FROM "
                                             "_timescaledb_catalog.hypertable WHERE compression_state = 2"))
            names.insert(row);
        for (const auto* name : {"bgw_job_stat", "bgw_job_stat_history", "job_errors"})
            names.insert(pg::qualified("_timescaledb_internal", name));
        names.insert(pg::qualified("_timescaledb_catalog", "metadata"));
        return names;
    }

    std::string version;
    std::optional<Migration> migration;
};

TEST_F(TimescaleCopy, ADatabaseThatNobodyChangesArrivesAsItIs) {
    migration->run_to_the_end({"--refresh-matviews"});
    EXPECT_TRUE(timescaledb_is_equal(source(), target(), {.chunks = CompareChunks::ranges_and_state}));
    // Table by table, chunks and TimescaleDB's own included: no chunk was made since the snapshot, so they have the same names.
    EXPECT_TRUE(migration->is_equal({.skip_tables = not_compared()}));
    EXPECT_THAT(migration->migrate->output(), testing::Not(testing::ContainsRegex("WARNING: ([^r]|r[^o])")));
}

}  // namespace
}  // namespace tslive::harness
