// Changes of a TimescaleDB source while they are replayed: chunks that come, go, are compressed and decompressed.

#include "integration/support/migration.hpp"
#include "integration/support/timescale.hpp"
#include "integration/support/timescale_compare.hpp"
#include "tslive/timescale/release.hpp"

namespace tslive::harness {
namespace {

/// Hypertables of each kind, each with ten days of rows, an hour apart, of five devices.
constexpr std::string_view hypertables = R"sql(
CREATE TABLE metrics (ts timestamptz NOT NULL, dev int NOT NULL, v float8, note text, PRIMARY KEY (ts, dev));
SELECT create_hypertable('metrics', 'ts', chunk_time_interval => interval '1 day');
CREATE TABLE spread (ts timestamptz NOT NULL, dev text NOT NULL, v int, UNIQUE (dev, ts));
SELECT create_hypertable('spread', 'ts', 'dev', 3, chunk_time_interval => interval '2 days');
ALTER TABLE spread REPLICA IDENTITY USING INDEX spread_dev_ts_key;
CREATE TABLE ticks (n bigint NOT NULL, v text);
SELECT create_hypertable('ticks', 'n', chunk_time_interval => 1000);
ALTER TABLE ticks REPLICA IDENTITY FULL;
CREATE TABLE plain (id int PRIMARY KEY, v text);
INSERT INTO metrics SELECT ts, dev, extract(epoch FROM ts)::bigint / 3600 + dev, repeat('x', dev * 3)
  FROM generate_series('2026-01-01 00:00+00'::timestamptz, '2026-01-10 23:00+00', '1 hour') ts, generate_series(1, 5) dev;
INSERT INTO spread SELECT ts, 'device ' || dev, dev FROM generate_series('2026-01-01 00:00+00'::timestamptz,
  '2026-01-10 23:00+00', '2 hours') ts, generate_series(1, 5) dev;
INSERT INTO ticks SELECT n, 'tick ' || n % 7 FROM generate_series(0, 9990, 10) n;
INSERT INTO ticks SELECT n, 'tick ' || n % 7 FROM generate_series(0, 9990, 100) n;
INSERT INTO plain SELECT i, 'row ' || i FROM generate_series(1, 100) i;
)sql";

constexpr std::string_view compression = R"sql(
ALTER TABLE metrics SET (timescaledb.compress, timescaledb.compress_segmentby = 'dev');
)sql";

class TimescaleDBReplay : public ::testing::Test {
protected:
    void SetUp() override {
        TSLIVE_NEEDS_TIMESCALEDB();
        migration.emplace(timescaledb_pair());
        create_timescaledb(source());
        source().sql("SET timezone = 'UTC'");
        source().sql(hypertables);
        const auto release = timescale::Release::parse(
            source().value("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"));
        can.emplace(*release);
    }
    void begin() {
        migration->take_snapshot();
        migration->start();
        migration->wait_until_caught_up();
    }
    void finish() {
        migration->switch_over();
        expect_equal();
    }
    void expect_equal(const TimescaleCompareOptions& options = {}) {
        EXPECT_TRUE(timescaledb_is_equal(source(), target(), options));
    }
    /// Also of a table without a key: a release that does not mark compression then refuses to be migrated.
    void allow_compression_without_key() {
        source().sql("ALTER TABLE ticks SET (timescaledb.compress, timescaledb.compress_orderby = 'n')");
    }
    Database& source() { return migration->pair.source; }
    Database& target() { return migration->pair.target; }

    std::optional<Migration> migration;
    std::optional<timescale::Release> can;
};

TEST_F(TimescaleDBReplay, brings_rows_of_old_and_new_chunks) {
    begin();
    source().sql(R"sql(
INSERT INTO metrics SELECT ts, dev, 0, 'new' FROM generate_series('2026-01-11 00:00+00'::timestamptz, '2026-01-14 23:00+00', '1 hour') ts,
  generate_series(1, 5) dev;
INSERT INTO metrics VALUES ('2025-12-01', 1, 1, 'late');
UPDATE metrics SET v = v + 1, note = 'changed' WHERE dev = 2;
UPDATE metrics SET dev = dev + 10 WHERE ts < '2026-01-02' OR ts >= '2026-01-13';
DELETE FROM metrics WHERE dev = 3 AND ts BETWEEN '2026-01-03' AND '2026-01-12';
INSERT INTO spread SELECT ts, 'device ' || dev, dev FROM generate_series('2026-01-11 00:00+00'::timestamptz, '2026-01-14 23:00+00', '2 hours') ts,
  generate_series(1, 8) dev;
UPDATE spread SET v = -v WHERE dev IN ('device 2', 'device 7');
DELETE FROM spread WHERE dev = 'device 4';
UPDATE ticks SET v = 'seven' WHERE n % 70 = 0;
DELETE FROM ticks WHERE ctid IN (SELECT min(ctid) FROM ticks WHERE n % 300 = 0 GROUP BY tableoid, n);
INSERT INTO ticks SELECT n, 'tick' FROM generate_series(20000, 22000) n;
DELETE FROM plain WHERE id < 50)sql");
    source().sql(
        "BEGIN; INSERT INTO metrics VALUES ('2026-02-01', 1, 1); SAVEPOINT a; INSERT INTO metrics VALUES "
        "('2026-02-02', 1, 1); ROLLBACK TO a; INSERT INTO metrics VALUES ('2026-02-02', 2, 2); UPDATE metrics "
        "SET v = 3 WHERE ts >= '2026-02-01'; COMMIT");
    finish();
}

TEST_F(TimescaleDBReplay, finds_chunks_made_after_the_snapshot_again_after_a_kill) {
    begin();
    source().sql(
        "INSERT INTO metrics SELECT ts, 1, 1 FROM generate_series('2026-03-01 00:00+00'::timestamptz, "
        "'2026-03-09 23:00+00', '1 hour') ts");
    // The names of the chunks to come differ from here on.
    migration->wait_until_caught_up();
    eventually("the new rows are there",
               [&] { return target().number("SELECT count(*) FROM metrics WHERE ts >= '2026-03-01'") == 216; });
    migration->migrate->kill_9();
    source().sql(
        "UPDATE metrics SET v = 2 WHERE ts >= '2026-03-01'; DELETE FROM metrics WHERE ts >= '2026-03-09'; "
        "INSERT INTO metrics SELECT ts, 1, 1 FROM generate_series('2026-04-01 00:00+00'::timestamptz, "
        "'2026-04-03 23:00+00', '1 hour') ts; UPDATE metrics SET note = 'after' WHERE ts >= '2026-04-02'");
    migration->resume();
    migration->wait_until_caught_up();
    finish();
}

TEST_F(TimescaleDBReplay, does_not_take_compression_for_changes) {
    if (!can->compression_markers()) GTEST_SKIP() << "this release of TimescaleDB does not mark compression in the WAL";
    source().sql(compression);
    allow_compression_without_key();
    source().sql("SELECT compress_chunk(c) FROM show_chunks('metrics', older_than => '2026-01-04'::timestamptz) c");
    begin();
    source().sql("SELECT compress_chunk(c) FROM show_chunks('metrics', newer_than => '2026-01-05'::timestamptz) c");
    source().sql("SELECT decompress_chunk(c) FROM show_chunks('metrics', older_than => '2026-01-03'::timestamptz) c");
    source().sql("SELECT compress_chunk(c) FROM show_chunks('ticks', older_than => 5000) c");
    source().sql(
        "INSERT INTO metrics VALUES ('2026-01-06 00:30', 1, 1), ('2026-01-03 00:30', 1, 1), ('2026-01-01 00:30', 1, "
        "1)");
    source().sql("UPDATE metrics SET v = 7 WHERE dev = 4 AND ts < '2026-01-08'");
    source().sql("DELETE FROM metrics WHERE ts IN ('2026-01-03 05:00', '2026-01-07 05:00', '2026-01-01 05:00')");
    source().sql("UPDATE metrics SET dev = 77 WHERE ts = '2026-01-03 06:00' AND dev = 1");
    source().sql(
        "INSERT INTO metrics VALUES ('2026-01-06 00:00', 1, 1), ('2026-01-03 00:00', 1, 1) ON CONFLICT (ts, dev) "
        "DO UPDATE SET v = 99");
    source().sql("UPDATE ticks SET v = 'changed' WHERE n BETWEEN 1000 AND 1500");
    source().sql("DELETE FROM ticks WHERE n = 2000");
    source().sql(
        "SELECT compress_chunk(c, true) FROM show_chunks('metrics', newer_than => '2026-01-05'::timestamptz) c");
    source().sql("DELETE FROM metrics WHERE dev = 5");
    source().sql("DELETE FROM metrics WHERE dev = 1 AND ts >= '2026-01-07' AND ts < '2026-01-08'");
    finish();
}

TEST_F(TimescaleDBReplay, finds_rows_without_a_key_beside_compressed_chunks) {
    if (!can->compression_markers()) GTEST_SKIP() << "no changes of compressed chunks before 2.16";
    source().sql(compression);
    allow_compression_without_key();
    source().sql("SELECT compress_chunk(c) FROM show_chunks('ticks', older_than => 3000) c");
    begin();
    if (source().number("SELECT count(*) FROM pg_proc WHERE proname = 'merge_chunks'") > 0)
        source().sql(
            "DO $$ DECLARE two regclass[]; BEGIN SELECT array_agg(c) INTO two FROM show_chunks('ticks', newer_than => "
            "5000, older_than => 7000) c; EXECUTE format('CALL merge_chunks(%L::regclass[])', two); END $$");
    source().sql(
        "UPDATE ticks SET v = 'one of two' WHERE ctid = (SELECT min(ctid) FROM ticks WHERE n = 5500 AND tableoid = "
        "(SELECT tableoid FROM ticks WHERE n = 5500 LIMIT 1)) AND n = 5500");
    source().sql("DELETE FROM ticks WHERE n = 6500");
    migration->switch_over();
    expect_equal({.chunks = CompareChunks::no});
}

TEST_F(TimescaleDBReplay, follows_chunks_that_are_dropped) {
    begin();
    source().sql("SELECT drop_chunks('metrics', older_than => '2026-01-04'::timestamptz)");
    // In the same ranges, with keys that were there.
    source().sql(
        "INSERT INTO metrics SELECT ts, dev, -1, 'again' FROM generate_series('2026-01-02 00:00+00'::timestamptz, "
        "'2026-01-03 23:00+00', '1 hour') ts, generate_series(1, 2) dev");
    source().sql("SELECT drop_chunks('ticks', older_than => 3000)");
    source().sql("INSERT INTO ticks VALUES (1000, 'one')");
    source().sql(
        "BEGIN; INSERT INTO ticks VALUES (50000, 'short'); SELECT drop_chunks('ticks', newer_than => 40000); COMMIT");
    source().sql("SELECT drop_chunks('spread', older_than => '2026-01-03'::timestamptz)");
    finish();
}

TEST_F(TimescaleDBReplay, empties_what_the_source_empties) {
    source().sql(compression);
    source().sql("SELECT compress_chunk(c) FROM show_chunks('metrics', older_than => '2026-01-04'::timestamptz) c");
    begin();
    const auto truncate = [&](std::string_view point) {
        source().sql(
            fmt::format("DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || c FROM show_chunks('metrics', newer_than => "
                        "'{0}'::timestamptz, older_than => '{0}'::timestamptz + interval '1 day') c); END $$",
                        point));
    };
    truncate("2026-01-06");  // not compressed
    truncate("2026-01-02");  // compressed
    source().sql("INSERT INTO metrics VALUES ('2026-01-02 01:00', 1, 1), ('2026-01-06 01:00', 1, 1)");
    source().sql("TRUNCATE spread; INSERT INTO spread VALUES ('2026-01-02', 'device 1', 1)");
    source().sql(
        "BEGIN; INSERT INTO ticks VALUES (1, 'gone'); TRUNCATE ticks, plain; INSERT INTO ticks VALUES (1, 'here'); "
        "COMMIT");
    finish();
}

TEST_F(TimescaleDBReplay, stops_before_half_a_truncate) {
    source().sql(compression);
    source().sql("SELECT compress_chunk(c) FROM show_chunks('metrics', older_than => '2026-01-04'::timestamptz) c");
    source().sql("INSERT INTO metrics VALUES ('2026-01-02 01:30', 1, 1)");
    begin();
    source().sql(
        "DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || c FROM show_chunks('metrics', newer_than => "
        "'2026-01-02'::timestamptz, "
        "older_than => '2026-01-03'::timestamptz) c); END $$");
    migration->migrate->expect_exit(3);
    EXPECT_THAT(migration->migrate->output(), testing::HasSubstr("TimescaleDB then removes the compressed ones only"));
    EXPECT_EQ(target().number("SELECT count(*) FROM metrics WHERE ts >= '2026-01-02' AND ts < '2026-01-03'"), 121);
}

TEST_F(TimescaleDBReplay, stops_before_a_truncate_that_comes_by_a_foreign_key) {
    source().sql(
        "CREATE TABLE kind (dev int PRIMARY KEY); INSERT INTO kind SELECT generate_series(1, 9); "
        "ALTER TABLE metrics ADD FOREIGN KEY (dev) REFERENCES kind");
    source().sql(compression);
    source().sql("SELECT compress_chunk(c) FROM show_chunks('metrics', older_than => '2026-01-04'::timestamptz) c");
    begin();
    source().sql("TRUNCATE kind CASCADE");
    migration->migrate->expect_exit(3);
    EXPECT_THAT(migration->migrate->output(), testing::HasSubstr("TimescaleDB leaves their rows on the source"));
    EXPECT_EQ(target().number("SELECT count(*) FROM metrics"), 1200);
}

TEST_F(TimescaleDBReplay, changes_one_of_several_rows_that_are_the_same) {
    if (!can->compression_markers()) GTEST_SKIP() << "this release of TimescaleDB does not mark compression in the WAL";
    allow_compression_without_key();
    source().sql("SELECT compress_chunk(c) FROM show_chunks('ticks', older_than => 5000) c");
    begin();
    source().sql("SELECT decompress_chunk(c) FROM show_chunks('ticks', older_than => 2000) c");
    // One of two that are the same: in a chunk that never was compressed, and in two that still are on the target.
    const auto one_of = [&](int n, std::string_view change) {
        source().sql(
            fmt::format("DO $$ DECLARE c regclass = (SELECT show_chunks('ticks', older_than => {0} / 1000 * 1000 + "
                        "1000, newer_than => {0} "
                        "/ 1000 * 1000)); BEGIN EXECUTE format('{1} WHERE ctid = (SELECT min(ctid) FROM ONLY %1$s "
                        "WHERE n = {0})', c); "
                        "END $$",
                        n, change));
    };
    one_of(9000, "DELETE FROM ONLY %1$s");
    one_of(1000, "DELETE FROM ONLY %1$s");
    one_of(500, "UPDATE ONLY %1$s SET v = ''one of two''");
    finish();
    EXPECT_EQ(target().rows("SELECT n, count(*) FROM ticks WHERE n IN (500, 1000, 1100, 9000) GROUP BY 1 ORDER BY 1"),
              (std::vector<std::string>{"500|2", "1000|1", "1100|2", "9000|1"}));
}

TEST_F(TimescaleDBReplay, follows_continuous_aggregates) {
    source().sql(
        R"sql(CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
  SELECT time_bucket('6 hours', ts) AS bucket, dev, sum(v) AS total, count(*) AS n FROM metrics GROUP BY 1, 2 WITH NO DATA)sql");
    source().sql(
        R"sql(CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
  SELECT time_bucket('1 day', bucket) AS day, sum(total) AS total, sum(n) AS n FROM hourly GROUP BY 1 WITH NO DATA)sql");
    source().sql("CALL refresh_continuous_aggregate('hourly', NULL, '2026-01-06')");
    source().sql("CALL refresh_continuous_aggregate('daily', NULL, '2026-01-05')");
    begin();
    source().sql("UPDATE metrics SET v = v * 2 WHERE dev = 1");
    source().sql(
        "INSERT INTO metrics SELECT ts, 9, 1 FROM generate_series('2026-01-01 00:30+00'::timestamptz, '2026-01-15 "
        "00:00+00', '1 hour') ts");
    source().sql("CALL refresh_continuous_aggregate('hourly', '2026-01-01', '2026-01-04')");
    source().sql("CALL refresh_continuous_aggregate('daily', '2026-01-01', '2026-01-04')");
    source().sql("DELETE FROM metrics WHERE dev = 9 AND ts < '2026-01-02'");
    source().sql("SELECT drop_chunks('metrics', older_than => '2026-01-02'::timestamptz)");
    finish();
    // What was stale on the source is known to be stale on the target.
    for (auto* database : {&source(), &target()}) {
        database->sql("CALL refresh_continuous_aggregate('hourly', '2026-01-02', '2026-01-20')");
        database->sql("CALL refresh_continuous_aggregate('daily', '2026-01-02', '2026-01-20')");
    }
    expect_equal();
}

TEST_F(TimescaleDBReplay, keeps_the_rows_of_chunks_that_are_merged) {
    if (source().number("SELECT count(*) FROM pg_proc WHERE proname = 'merge_chunks'") == 0)
        GTEST_SKIP() << "this release of TimescaleDB cannot merge chunks";
    begin();
    source().sql(
        "DO $$ DECLARE chunks regclass[]; BEGIN SELECT array_agg(c) INTO chunks FROM show_chunks('metrics', older_than "
        "=> "
        "'2026-01-03'::timestamptz) c; CALL merge_chunks(chunks); END $$");
    source().sql(
        "UPDATE metrics SET v = 5 WHERE ts < '2026-01-04'; DELETE FROM metrics WHERE ts IN ('2026-01-01 03:00', "
        "'2026-01-02 03:00')");
    source().sql("INSERT INTO metrics VALUES ('2026-01-02 00:30', 1, 1)");
    migration->switch_over();
    expect_equal({.chunks = CompareChunks::no});
}

}  // namespace
}  // namespace tslive::harness
