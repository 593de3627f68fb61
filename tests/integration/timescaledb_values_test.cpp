// Values of compressed rows that are not in the compressed rows.

#include <optional>

#include <gtest/gtest.h>

#include "integration/support/migration.hpp"
#include "integration/support/timescale.hpp"
#include "integration/support/timescale_compare.hpp"
#include "tslive/timescale/release.hpp"

namespace tslive::harness {
namespace {

class TimescaleDBValues : public ::testing::Test {
protected:
    void SetUp() override {
        TSLIVE_NEEDS_TIMESCALEDB();
        migration.emplace(timescaledb_pair());
        create_timescaledb(source());
        source().sql(R"sql(
CREATE TYPE mood AS ENUM ('good', 'it''s, "bad"');
CREATE TABLE metrics (ts timestamptz NOT NULL, dev int NOT NULL, v float8, PRIMARY KEY (ts, dev));
SELECT create_hypertable('metrics', 'ts', chunk_time_interval => interval '1 day');
ALTER TABLE metrics SET (timescaledb.compress, timescaledb.compress_segmentby = 'dev');
INSERT INTO metrics SELECT ts, dev, CASE WHEN dev > 1 THEN dev END
  FROM generate_series('2026-01-01 00:00+00'::timestamptz, '2026-01-05 23:00+00', '1 hour') ts, generate_series(1, 3) dev)sql");
    }
    void compress(std::string_view until) {
        source().sql(fmt::format(
            "SELECT compress_chunk(c) FROM show_chunks('metrics', older_than => '{}'::timestamptz) c", until));
    }
    Database& source() { return migration->pair.source; }
    Database& target() { return migration->pair.target; }

    std::optional<Migration> migration;
};

TEST_F(TimescaleDBValues, of_columns_that_came_with_a_default_after_compression) {
    compress("2026-01-03");
    source().sql(R"sql(
ALTER TABLE metrics ADD COLUMN n int DEFAULT 7, ADD COLUMN label varchar(20) DEFAULT E'it''s \\ "a" {b,NULL}' NOT NULL,
  ADD COLUMN list text[] DEFAULT '{"a,b",NULL,"{c}"}', ADD COLUMN since timestamptz DEFAULT '2020-02-29 12:00+05:45',
  ADD COLUMN price numeric(10,2) DEFAULT 1.5, ADD COLUMN feeling public.mood DEFAULT 'it''s, "bad"', ADD COLUMN nothing int)sql");
    compress("2026-01-05");
    source().sql("ALTER TABLE metrics ALTER n SET DEFAULT 8");
    source().sql("INSERT INTO metrics (ts, dev) VALUES ('2026-01-01 00:30', 1), ('2026-01-05 00:30', 1)");
    const auto rows_on = [](const Database& database, std::string_view n) {
        return database.number(fmt::format("SELECT count(*) FROM metrics WHERE n = {} AND list[2] IS NULL", n));
    };
    ASSERT_EQ(rows_on(source(), "7"), 5 * 24 * 3);
    migration->take_snapshot();
    migration->start();
    migration->wait_until_caught_up();
    EXPECT_EQ(rows_on(target(), "7"), 5 * 24 * 3);
    source().sql("DELETE FROM metrics WHERE ts = '2026-01-01 05:00' AND n = 7");
    migration->switch_over();
    EXPECT_EQ(rows_on(target(), "7"), rows_on(source(), "7"));
    EXPECT_TRUE(timescaledb_is_equal(source(), target()));
    // And so they stay.
    for (const auto* database : {&source(), &target()})
        database->sql(
            "SELECT decompress_chunk(c) FROM show_chunks('metrics', older_than => '2026-01-05'::timestamptz) c");
    EXPECT_TRUE(timescaledb_is_equal(source(), target()));
}

TEST_F(TimescaleDBValues, are_not_guessed_where_a_release_cannot_say_null) {
    const auto release =
        timescale::Release::parse(source().value("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"));
    if (release->reads_null_compression()) GTEST_SKIP() << "this release reads what it writes for NULL";
    compress("2026-01-03");
    source().sql("ALTER TABLE metrics ADD COLUMN n int DEFAULT 7");
    source().sql("UPDATE metrics SET n = NULL WHERE dev = 1");
    compress("2026-01-03");
    migration->take_snapshot();
    migration->start().expect_exit(3);
    EXPECT_TRUE(migration->migrate->has_said("column \"n\" of chunk")) << migration->migrate->output();
}

TEST_F(TimescaleDBValues, of_columns_that_are_null_in_all_rows_of_a_batch) {
    compress("2026-01-04");
    migration->run_to_the_end();
    EXPECT_EQ(target().number("SELECT count(*) FROM metrics WHERE v IS NULL"), 5 * 24);
    EXPECT_TRUE(timescaledb_is_equal(source(), target()));
}

}  // namespace
}  // namespace tslive::harness
