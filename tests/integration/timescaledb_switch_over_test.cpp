#include <cstdlib>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/timescale_compare.hpp"
#include "integration/support/timescale_source.hpp"
#include "tslive/timescale/invalidations.hpp"
#include "tslive/timescale/jobs.hpp"
#include "tslive/timescale/reconcile.hpp"
#include "tslive/timescale/restoring.hpp"

namespace tslive::harness {
namespace {

/// Two databases after a migration: alike, and with the same ids. What the source does then, and the stream does not carry, is to be
/// found by the steps of the switch-over, which are called here one by one.
class TimescaleSwitchOver : public ::testing::Test {
protected:
    void SetUp() override {
        TSLIVE_NEEDS_TIMESCALEDB();
        const char* chosen = std::getenv("TSLIVE_TIMESCALEDB");
        const std::string version = chosen == nullptr ? timescaledb_versions().back() : chosen;
        release = *timescale::Release::parse(version);
        migration.emplace(timescaledb_pair());
        create_timescaledb_in(source(), "Ts", version);
        load_timescaledb_zoo(source(), release);
        migration->run_to_the_end();
        there.emplace(pg::Connection::open(source().conninfo(), "test"));
        here.emplace(pg::Connection::open(target().conninfo(), "test"));
    }
    [[nodiscard]] Database& source() { return migration->pair.source; }
    [[nodiscard]] Database& target() { return migration->pair.target; }
    /// As the applier does: what the stream carries.
    void on_both(const std::string& sql) {
        source().sql(sql);
        target().sql("SET session_replication_role = replica;" + sql);
    }
    [[nodiscard]] std::string job(std::string_view application) {
        return source().value(
            fmt::format("SELECT job_id FROM timescaledb_information.jobs WHERE application_name ~ '{}'", application));
    }

    timescale::Release release{0, 0, 0};
    std::optional<Migration> migration;
    std::optional<pg::Connection> there, here;
};

TEST_F(TimescaleSwitchOver, JobsAreWhatTheyAreOnTheSourceAtThatMoment) {
    EXPECT_EQ(target().number("SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000 AND scheduled"),
              0);
    const auto chore = job("User-Defined"), retention = job("^Retention"), reorder = job("Reorder");
    source().sql(
        fmt::format("SELECT alter_job({}, scheduled => true, schedule_interval => '2 hours', max_retries => 7, "
                    "next_start => '2999-01-01 12:00')",
                    chore));
    source().sql(
        fmt::format("SELECT alter_job({}, config => config || '{{\"drop_after\": \"20 years\"}}') FROM "
                    "timescaledb_information.jobs WHERE job_id = {}",
                    retention, retention));
    source().sql(fmt::format("UPDATE {} SET owner = 'postgres' WHERE id = {}", release.jobs(), chore));
    source().sql(fmt::format("SELECT delete_job({})", reorder));
    const auto later = source().value("SELECT add_job('app.chore', '1 hour', scheduled => false)");

    const auto report = timescale::take_over_jobs(*there, *here, release);
    EXPECT_EQ(report.switched_on, 1);
    EXPECT_THAT(report.only_on_source, testing::ElementsAre(testing::HasSubstr("[" + later + "]")));
    EXPECT_THAT(report.only_on_target, testing::ElementsAre(testing::HasSubstr("[" + reorder + "]")));
    EXPECT_TRUE(timescaledb_is_equal(source(), target(), {.skip_objects = {"job " + later, "job " + reorder}}));

    timescale::restart_scheduler(*here, *timescale::installation(*here));
    EXPECT_TRUE(timescale::ensure_scheduler(*here, *timescale::installation(*here)));
    EXPECT_EQ(target().value("SELECT next_start FROM timescaledb_information.jobs WHERE job_id = " + chore),
              source().value("SELECT next_start FROM timescaledb_information.jobs WHERE job_id = " + chore));
    // Once more makes no difference.
    EXPECT_EQ(timescale::take_over_jobs(*there, *here, release).switched_on, 1);
}

TEST_F(TimescaleSwitchOver, WhatIsStaleOnTheSourceIsRefreshedOnTheTarget) {
    on_both("INSERT INTO cond (ts, dev, temp) VALUES ('2024-01-02 00:20', 3, 500)");
    on_both("INSERT INTO \"Met\" VALUES ('2024-02-03 00:20', 3, 500, 'late')");
    source().sql("CALL refresh_continuous_aggregate('itab_s', 200, 250)");
    const std::string materialization = source().value(
        "SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) FROM "
        "timescaledb_information.continuous_aggregates WHERE view_name = 'itab_s'");
    for (const auto& row :
         source().rows(fmt::format("SELECT bucket || ',' || s FROM {} WHERE bucket >= 200", materialization)))
        target().sql(
            fmt::format("SET session_replication_role = replica; INSERT INTO {} VALUES ({})", materialization, row));
    on_both("DELETE FROM itab WHERE n = 10");
    EXPECT_GT(timescale::replace_invalidations(*there, *here), 0);
    const auto catalogs = TimescaleCompareOptions{.information = false};
    const auto difference = compare_timescaledb(source(), target(), catalogs).report();
    EXPECT_THAT(difference, testing::Not(testing::HasSubstr("catalog"))) << difference;
    // Compressed continuous aggregates cannot be refreshed where compressed rows cannot be changed.
    if (!release.dml_on_compressed())
        on_both("SELECT decompress_chunk(c, true) FROM show_chunks('app.\"Met daily\"') c");
    for (const auto* database : {&source(), &target()})
        for (const auto* cagg : {"cond_h", "cond_d", "app.\"Met daily\"", "itab_s"})
            database->sql(fmt::format("CALL refresh_continuous_aggregate('{}', NULL, NULL)", cagg));
    EXPECT_TRUE(timescaledb_is_equal(source(), target(), {.cagg_catalogs = false}));
}

TEST_F(TimescaleSwitchOver, AContinuousAggregateThatTheTargetLacksIsNamed) {
    migration->pair.clean()->expect_exit(0);  // from 2.20 on no hypertable is made of a table that is published
    source().sql(
        "CREATE MATERIALIZED VIEW later WITH (timescaledb.continuous) AS SELECT time_bucket('1 hour', ts) AS b, "
        "count(*) FROM cond GROUP BY 1 WITH NO DATA");
    try {
        timescale::replace_invalidations(*there, *here);
        FAIL() << "nobody missed it";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("continuous aggregate public.later"));
    }
}

TEST_F(TimescaleSwitchOver, RangesThatTheSourceHasDroppedGo) {
    source().sql("SELECT drop_chunks('cond', older_than => '2024-01-02'::timestamptz)");
    source().sql("SELECT drop_chunks('\"Met\"', older_than => '2024-02-03'::timestamptz)");
    source().sql("SELECT drop_chunks('itab', newer_than => 300)");
    source().sql("SELECT set_chunk_time_interval('itab', 50)");
    source().sql("INSERT INTO itab SELECT n, n % 7 FROM generate_series(300, 349) n");  // as the target has them
    // Some releases go on with the ranges that there were.
    const bool smaller = source().holds(
        "SELECT NOT EXISTS (SELECT FROM timescaledb_information.chunks WHERE hypertable_name = 'itab' AND "
        "range_start_integer <= 350 AND range_end_integer > 350)");
    if (!smaller) source().sql("INSERT INTO itab VALUES (350, 0)");

    const auto report = timescale::reconcile_ranges(*there, *here, release);
    EXPECT_THAT(report.dropped, testing::Contains(testing::HasSubstr("\"Met\"")));
    EXPECT_EQ(report.deleted_rows, smaller ? 1 : 0);  // 350: it was in the range of a chunk that is smaller now
    EXPECT_THAT(report.unclear, testing::IsEmpty());
    EXPECT_THAT(report.only_on_source, testing::IsEmpty());
    const TimescaleCompareOptions rows{.schema = false,
                                       .sequences = false,
                                       .chunks = CompareChunks::no,
                                       .jobs = false,
                                       .cagg_catalogs = false,
                                       .information = false};
    EXPECT_TRUE(timescaledb_is_equal(source(), target(), rows));
    const auto again = timescale::reconcile_ranges(*there, *here, release);
    EXPECT_THAT(again.dropped, testing::IsEmpty());
    EXPECT_EQ(again.deleted_rows, 0);

    source().sql("INSERT INTO itab VALUES (1000, 1)");
    EXPECT_THAT(timescale::reconcile_ranges(*there, *here, release).only_on_source,
                testing::ElementsAre(testing::HasSubstr("public.itab")));
}

}  // namespace
}  // namespace tslive::harness
