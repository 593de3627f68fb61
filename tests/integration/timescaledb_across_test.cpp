// A migration to another release of TimescaleDB, from beginning to end, with changes meanwhile.

#include "integration/support/timescale_compare.hpp"
#include "integration/support/timescale_source.hpp"

namespace tslive::harness {
namespace {

/// Names of versions: of the source, of the target.
using Versions = std::pair<std::string, std::string>;

[[nodiscard]] std::vector<Versions> version_pairs() {
    auto all = timescaledb_versions();
    // Before, continuous aggregates could not be migrated at all.
    std::erase_if(all,
                  [](const auto& one) { return !timescale::Release::parse(one)->replica_identity_of_hypertables(); });
    if (all.empty()) return {{"none", "none"}};
    const char* chosen = std::getenv("TSLIVE_TIMESCALEDB");
    if (chosen != nullptr) return {{chosen, all.back()}};
    std::vector<Versions> pairs{{all.front(), all.back()}};
    if (all.size() > 2) pairs.push_back({all[all.size() / 2 - 1], all[all.size() / 2]});
    return pairs;
}

class TimescaleAcross : public ::testing::TestWithParam<Versions> {
protected:
    static constexpr auto flag = "--migrate-across-timescaledb-versions";

    void SetUp() override {
        TSLIVE_NEEDS_TIMESCALEDB();
        migration.emplace(timescaledb_pair());
        release.emplace(*timescale::Release::parse(GetParam().first));
        if (release->decompression_markers())
            migration->pair.source_server.configure("timescaledb.enable_decompression_logrep_markers = on");
        create_timescaledb_in(source(), "Ts", GetParam().first);
        load_timescaledb_zoo(source(), *release);
        create_timescaledb_in(target(), "Ts", GetParam().second);
        target().sql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET search_path', current_database()); END $$");
    }
    [[nodiscard]] Database& source() { return migration->pair.source; }
    [[nodiscard]] Database& target() { return migration->pair.target; }
    void begin() {
        migration->take_snapshot({"--yes", flag});
        migration->start({flag});
    }

    /// Rows of everything, and what users see of TimescaleDB that has no numbers in it.
    void expect_equal(CompareChunks chunks = CompareChunks::ranges_and_state) {
        EXPECT_TRUE(timescaledb_is_equal(
            source(), target(),
            {.chunks = chunks, .jobs = false, .cagg_catalogs = false, .information = false, .same_numbers = false}));
        for (const auto* query :
             {"SELECT hypertable_name, dimension_number, column_name, time_interval, integer_interval, num_partitions "
              "FROM timescaledb_information.dimensions WHERE hypertable_schema <> '_timescaledb_internal' ORDER BY 1, "
              "2",
              "SELECT view_schema, view_name, view_owner, materialized_only, compression_enabled FROM "
              "timescaledb_information.continuous_aggregates ORDER BY 1, 2",
              release->compression_markers()
                  ? "SELECT job_id, schedule_interval, proc_name, owner, scheduled, config - 'mat_hypertable_id' - "
                    "'hypertable_id' FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1"
                  : "SELECT job_id FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1"})
            EXPECT_EQ(source().rows(query), target().rows(query));
    }
    /// What is known about continuous aggregates, by their names.
    [[nodiscard]] static std::vector<std::string> stale(const Database& database) {
        const auto watermark = database.holds("SELECT to_regproc('_timescaledb_functions.cagg_watermark') IS NOT NULL")
                                   ? "_timescaledb_functions.cagg_watermark"
                                   : "_timescaledb_internal.cagg_watermark";
        return database.rows(fmt::format(
            "WITH names AS (SELECT h.id, coalesce(a.user_view_name, h.table_name) AS name FROM "
            "_timescaledb_catalog.hypertable h LEFT JOIN _timescaledb_catalog.continuous_agg a ON a.mat_hypertable_id "
            "= "
            "h.id) SELECT 'changes', name, lowest_modified_value, greatest_modified_value FROM names JOIN "
            "_timescaledb_catalog.continuous_aggs_hypertable_invalidation_log ON hypertable_id = id UNION ALL "
            "SELECT 'stale', name, lowest_modified_value, greatest_modified_value FROM names JOIN "
            "_timescaledb_catalog.continuous_aggs_materialization_invalidation_log ON materialization_id = id UNION "
            "ALL "
            "SELECT 'threshold', name, watermark, 0 FROM names JOIN "
            "_timescaledb_catalog.continuous_aggs_invalidation_threshold ON hypertable_id = id UNION ALL "
            "SELECT 'watermark', name, {}(id), 0 FROM names JOIN _timescaledb_catalog.continuous_agg ON "
            "mat_hypertable_id = id ORDER BY 1, 2, 3, 4",
            watermark));
    }

    std::optional<Migration> migration;
    std::optional<timescale::Release> release;
};

INSTANTIATE_TEST_SUITE_P(Releases, TimescaleAcross, ::testing::ValuesIn(version_pairs()), [](const auto& pair) {
    auto name = pair.param.first + "_to_" + pair.param.second;
    std::ranges::replace(name, '.', '_');
    return name;
});

TEST_P(TimescaleAcross, brings_what_the_source_has) {
    // Policies that are on, and one that is not.
    source().sql(
        "SELECT alter_job(job_id, scheduled => true) FROM timescaledb_information.jobs WHERE proc_name IN "
        "('policy_retention', 'chore')");
    begin();
    migration->wait_until_caught_up();
    EXPECT_EQ(target().number("SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000"), 0);
    migration->switch_over();
    expect_equal();
    EXPECT_EQ(target().rows("SELECT proc_name FROM timescaledb_information.jobs WHERE job_id >= 1000 AND scheduled "
                            "ORDER BY 1"),
              (std::vector<std::string>{"chore", "policy_retention"}));
}

TEST_P(TimescaleAcross, follows_changes_while_it_runs) {
    begin();
    migration->wait_until_caught_up();
    source().sql(R"sql(
INSERT INTO cond (ts, dev, temp) SELECT ts, dev, 1 FROM generate_series('2024-01-03'::timestamptz, '2024-01-12', '7 hours') ts,
  generate_series(0, 7) dev ON CONFLICT DO NOTHING;
UPDATE cond SET temp = temp + 1 WHERE dev = 3 AND ts >= '2024-01-02';
DELETE FROM cond WHERE dev = 4 AND ts > '2024-01-04';
INSERT INTO "Met" SELECT ts, 9, 1, 'new' FROM generate_series('2024-01-30'::timestamptz, '2024-02-10', '5 hours') ts;
UPDATE "Met" SET v = -1 WHERE "Dev" = 2;
DELETE FROM "Met" WHERE note = 'late' AND "Dev" = 1;
INSERT INTO itab SELECT n, 1 FROM generate_series(400, 900) n;
DELETE FROM itab WHERE n BETWEEN 20 AND 60;
INSERT INTO empty_one VALUES ('2024-05-05', 1);
UPDATE device SET name = 'changed' WHERE id = 2;
)sql");
    source().sql("CALL refresh_continuous_aggregate('cond_h', '2024-01-02', '2024-01-06')");
    source().sql("CALL refresh_continuous_aggregate('cond_d', '2024-01-02', '2024-01-06')");
    if (release->compression_markers())
        source().sql(
            "SELECT compress_chunk(c, true) FROM show_chunks('\"Met\"', newer_than => '2024-02-05'::timestamptz) c");
    source().sql("SELECT drop_chunks('cond', older_than => '2024-01-02'::timestamptz)");
    source().sql("SELECT drop_chunks('\"Met\"', older_than => '2024-02-02'::timestamptz)");
    migration->switch_over();
    expect_equal(CompareChunks::ranges);
    // What is stale on the source is stale on the target, and nothing else.
    EXPECT_EQ(stale(source()), stale(target()));
    // Not the past whose chunks are gone: of that, releases make different things.
    for (auto* database : {&source(), &target()})
        for (const auto* window : {"'cond_h', '2024-01-02', '2024-03-01'", "'cond_d', '2024-01-02', '2024-03-01'",
                                   "'app.\"Met daily\"', '2024-02-02', '2024-03-01'", "'itab_s', -50, 1000"})
            database->sql(fmt::format("CALL refresh_continuous_aggregate({})", window));
    expect_equal(CompareChunks::ranges);
    EXPECT_GT(target().number("SELECT count(*) FROM cond_h WHERE bucket < '2024-01-02'"), 0);
}

TEST_P(TimescaleAcross, goes_on_after_kills) {
    begin();
    for (const auto* step : {"pre-data section restored", "continuous aggregates made", "chunks made",
                             "post-data section", "chunks compressed", "Target has caught up"}) {
        migration->migrate->wait_for_line(step);
        migration->migrate->kill_9();
        migration->resume();
    }
    migration->wait_until_caught_up();
    migration->switch_over();
    expect_equal();
}

TEST_P(TimescaleAcross, copies_again_what_is_compressed_or_decompressed_meanwhile) {
    if (!release->compression_markers()) GTEST_SKIP() << "nobody may compress by hand where that leaves no marks";
    // The largest table is copied first, and stands still until the gate opens.
    source().sql(Gate::sql());
    source().sql(
        "CREATE TABLE first_one (id int PRIMARY KEY, t text, CHECK (public.gate(id, 1))); ALTER TABLE first_one ALTER "
        "t "
        "SET STORAGE PLAIN; INSERT INTO first_one SELECT i, repeat('x', 2000) FROM generate_series(1, 1500) i");
    Gate gate(target(), 1);
    migration->take_snapshot({"--yes", flag});
    migration->start({flag, "--table-jobs", "1"});
    gate.wait_until_reached();
    source().sql("SELECT decompress_chunk(c) FROM show_chunks('\"Met\"', older_than => '2024-02-03'::timestamptz) c");
    source().sql("SELECT compress_chunk(c) FROM show_chunks('\"Met\"', newer_than => '2024-02-06'::timestamptz) c");
    source().sql("UPDATE \"Met\" SET v = 77 WHERE \"Dev\" = 3 AND \"When\" < '2024-02-04'");
    gate.open();
    migration->wait_until_caught_up();
    EXPECT_THAT(migration->migrate->output(), testing::HasSubstr("was rewritten on the source since the snapshot"));
    migration->switch_over();
    for (auto* database : {&source(), &target()}) database->sql("REFRESH MATERIALIZED VIEW met_mv");
    expect_equal(CompareChunks::ranges);
}

}  // namespace
}  // namespace tslive::harness
