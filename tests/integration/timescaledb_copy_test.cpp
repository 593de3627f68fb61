#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <string_view>

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

/// A migration from a source that has everything in use.
class TimescaleCopy : public ::testing::Test {
protected:
    void SetUp() override {
        TSLIVE_NEEDS_TIMESCALEDB();
        prepare(chosen_version());
    }
    void prepare(const std::string& wanted) {
        version = wanted;
        release = *timescale::Release::parse(version);
        if (!release.replica_identity_of_hypertables())
            GTEST_SKIP() << "TimescaleDB " << version
                         << " cannot give hypertables of continuous aggregates an identity";
        auto options = timescaledb_pair();
        if (release.decompression_markers())
            options.source.settings.emplace_back("timescaledb.enable_decompression_logrep_markers=on");
        migration.emplace(std::move(options));
        create_timescaledb_in(source(), "Ts", version);
        load_timescaledb_zoo(source(), release);
    }
    [[nodiscard]] Database& source() { return migration->pair.source; }
    [[nodiscard]] Database& target() { return migration->pair.target; }

    /// What each database has for itself; and tables without columns, which some releases do not let anybody read.
    [[nodiscard]] std::set<std::string> not_compared() {
        std::set<std::string> names;
        for (const auto& row : source().rows("SELECT format('\"%s\".\"%s\"', schema_name, table_name) FROM "
                                             "_timescaledb_catalog.hypertable WHERE compression_state = 2"))
            names.insert(row);
        // Bloom filters over an enum are emptied.
        for (const auto& row : source().rows(
                 "SELECT DISTINCT format('\"%s\".\"%s\"', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON "
                 "n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = 'r' AND "
                 "a.atttypid = "
                 "to_regtype('_timescaledb_internal.bloom1')"))
            names.insert(row);
        for (const auto* name : {"bgw_job_stat", "bgw_job_stat_history", "job_errors"})
            names.insert(pg::qualified("_timescaledb_internal", name));
        names.insert(pg::qualified("_timescaledb_catalog", "metadata"));
        return names;
    }
    /// What the base copy is responsible for; the rest comes with the switch-over.
    [[nodiscard]] testing::AssertionResult rows_are_equal() {
        return timescaledb_is_equal(source(), target(),
                                    {.schema = false,
                                     .sequences = false,
                                     .chunks = CompareChunks::no,
                                     .jobs = false,
                                     .cagg_catalogs = false,
                                     .information = false});
    }
    [[nodiscard]] std::string restoring() {
        return target().value(
            "SELECT current_setting('timescaledb.restoring', true) || (SELECT coalesce(string_agg("
            "setconfig::text, ''), '') FROM pg_db_role_setting WHERE setconfig::text ~ 'restoring')");
    }

    std::string version;
    timescale::Release release{0, 0, 0};
    std::optional<Migration> migration;
};

class TimescaleCopyOf : public TimescaleCopy, public ::testing::WithParamInterface<const char*> {
protected:
    void SetUp() override {
        if (std::ranges::find(timescaledb_versions(), GetParam()) == timescaledb_versions().end())
            GTEST_SKIP() << "TimescaleDB " << GetParam() << " is not installed for the test servers";
        if (const char* chosen = std::getenv("TSLIVE_TIMESCALEDB");
            chosen != nullptr && chosen != std::string_view{GetParam()})
            GTEST_SKIP() << "$TSLIVE_TIMESCALEDB asks for " << chosen;
        prepare(GetParam());
    }
};

TEST_P(TimescaleCopyOf, ADatabaseThatNobodyChangesArrivesAsItIs) {
    migration->run_to_the_end({"--refresh-matviews"});
    EXPECT_TRUE(timescaledb_is_equal(source(), target(), {.chunks = CompareChunks::ranges_and_state}));
    // Table by table, chunks and TimescaleDB's own included: no chunk was made since the snapshot, so they have the same names.
    EXPECT_TRUE(migration->is_equal({.skip_tables = not_compared()}));
    EXPECT_THAT(migration->migrate->output(), testing::Not(testing::ContainsRegex("WARNING: ([^r]|r[^o])")));
    EXPECT_EQ(restoring(), "off");
    // Each chunk that a foreign key refers to has a part in it, which no dump tells.
    const auto keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = to_regclass('remark')";
    EXPECT_EQ(target().number(keys), source().number(keys));
    // What keeps hashes of an enum's values must not keep the source's.
    for (const auto* mood : {"fine", "bad", "worse"}) {
        const auto query = fmt::format("SELECT count(*) FROM plain_time WHERE mood = '{}'", mood);
        EXPECT_EQ(target().number(query), source().number(query)) << mood;
    }
}
INSTANTIATE_TEST_SUITE_P(Releases, TimescaleCopyOf,
                         ::testing::Values("2.10.3", "2.15.3", "2.19.3", "2.22.1", "2.25.2", "2.27.2", "2.28.3"),
                         [](const auto& one) {
                             std::string name = one.param;
                             std::ranges::replace(name, '.', '_');
                             return name;
                         });

/// The migration stands before TimescaleDB's catalog while one lives, and so between the dump and the copy of rows.
class BeforeCatalog {
public:
    explicit BeforeCatalog(const Database& target) : target_(target), holder_(target.connect("gate")) {
        // Nobody else looks into this one.
        holder_.exec("BEGIN; LOCK TABLE _timescaledb_catalog.compression_chunk_size IN ACCESS EXCLUSIVE MODE");
    }
    void wait_until_reached() const {
        eventually("somebody waits for TimescaleDB's catalog", [this] {
            return target_.holds(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = "
                "'_timescaledb_catalog.compression_chunk_size'::regclass AND pid IN (SELECT pid FROM "
                "pg_stat_activity WHERE application_name ~ '^ts-live'))");
        });
    }
    void open() { holder_.exec("ROLLBACK"); }

private:
    Database target_;
    pg::Connection holder_;
};

/// With a target that has the extension already, empty, so that there is a place to stop at.
class TimescaleCopyInterrupted : public TimescaleCopy {
protected:
    void SetUp() override {
        TimescaleCopy::SetUp();
        if (!IsSkipped()) create_timescaledb_in(target(), "Ts", version);
    }
};

TEST_F(TimescaleCopyInterrupted, ChunksThatAreDroppedCompressedOrDecompressedMeanwhile) {
    BeforeCatalog gate(target());
    migration->take_snapshot();
    auto& migrate = migration->start();
    gate.wait_until_reached();
    source().sql("SELECT drop_chunks('itab', older_than => 0)");
    source().sql("SELECT decompress_chunk(c) FROM show_chunks('\"Met\"', older_than => '2024-02-04'::timestamptz) c");
    source().sql("SELECT compress_chunk(c) FROM show_chunks('\"Met\"', newer_than => '2024-02-06'::timestamptz) c");
    gate.open();
    migrate.wait_for_line("The base copy is complete");
    EXPECT_THAT(migrate.output(),
                testing::ContainsRegex("WARNING: .*_hyper_4_.*dropped on the source since the snapshot"));
    EXPECT_TRUE(rows_are_equal());
    target().sql("SELECT decompress_chunk(c, true) FROM show_chunks('\"Met\"') c");
    EXPECT_TRUE(rows_are_equal());
}

TEST_F(TimescaleCopyInterrupted, ALostSnapshotLosesNoHalfOfAChunk) {
    BeforeCatalog gate(target());
    migration->take_snapshot();
    migration->start();
    gate.wait_until_reached();
    // Of one chunk the rows that are not compressed have to wait, of another those that are.
    const auto name_of = [&](std::string_view alias, std::string_view status) {
        return source().value(fmt::format(
            "SELECT format('%I.%I', {0}.schema_name, {0}.table_name) FROM _timescaledb_catalog.chunk c JOIN "
            "_timescaledb_catalog.chunk k ON k.id = c.compressed_chunk_id WHERE c.schema_name = 'Chunks' AND c.status "
            "{1} ORDER BY c.id LIMIT 1",
            alias, status));
    };
    auto holder = target().connect("holder");
    holder.exec(
        fmt::format("BEGIN; LOCK TABLE {}, {} IN ACCESS EXCLUSIVE MODE", name_of("c", "= 9"), name_of("k", "= 1")));
    const auto schema = migration->helper_schema();
    gate.open();
    eventually("all parts but two are on the target", [&] {
        return target().holds(
            fmt::format("SELECT count(*) > 10 AND count(*) - count(rows) = 2 FROM {0}.part_plan LEFT JOIN "
                        "{0}.part_done USING (part)",
                        schema));
    });
    migration->migrate->kill_9();
    migration->snapshot->kill_9();
    holder.exec("ROLLBACK");
    source().sql("SELECT decompress_chunk(c) FROM show_chunks('\"Met\"', older_than => '2024-02-04'::timestamptz) c");

    auto& migrate = migration->resume();
    migrate.wait_for_line("The base copy is complete");
    EXPECT_THAT(migrate.output(), testing::HasSubstr("new snapshot at"));
    EXPECT_TRUE(rows_are_equal());
    target().sql("SELECT decompress_chunk(c, true) FROM show_chunks('\"Met\"') c");
    EXPECT_TRUE(rows_are_equal());
}

TEST_F(TimescaleCopy, KilledAgainAndAgainItEndsTheSame) {
    migration->take_snapshot();
    migration->start();
    for (const auto* line : {"created on the target", "pre-data section restored"}) {
        migration->migrate->wait_for_line(line);
        migration->migrate->kill_9();
        migration->resume();
    }
    migration->migrate->kill_9();
    {
        BeforeCatalog gate(target());
        migration->resume();
        gate.wait_until_reached();
        migration->migrate->kill_9();
        gate.open();
    }
    migration->resume();
    for (const auto* line :
         {"TimescaleDB's catalog copied", "post-data section restored", "The base copy is complete"}) {
        migration->migrate->wait_for_line(line);
        migration->migrate->kill_9();
        migration->resume();
    }
    migration->wait_until_caught_up();
    migration->switch_over();
    EXPECT_EQ(restoring(), "off");
    EXPECT_TRUE(timescaledb_is_equal(source(), target(), {.chunks = CompareChunks::ranges_and_state}));
    EXPECT_TRUE(migration->is_equal({.skip_tables = not_compared()}));
}

TEST_F(TimescaleCopyInterrupted, GivenUpItLeavesNoTargetInRestoringMode) {
    BeforeCatalog gate(target());
    migration->take_snapshot();
    migration->start();
    gate.wait_until_reached();
    migration->migrate->kill_9();
    migration->snapshot->kill_9();
    gate.open();
    EXPECT_THAT(restoring(), testing::HasSubstr("restoring=on"));
    migration->pair.clean()->expect_exit(0);
    EXPECT_EQ(restoring(), "off");
    EXPECT_THAT(ours_on_target(target()), testing::IsEmpty());
}

TEST_F(TimescaleCopy, ATargetThatUsesTimescaleDbAlreadyIsRefused) {
    create_timescaledb_in(target(), "Ts", version);
    target().sql("CREATE TABLE mine (ts timestamptz NOT NULL); SELECT create_hypertable('mine', 'ts')");
    expect_outcome(migration->pair.snapshot({"--yes"}), 3, {"timescaledb.empty_target", "public.mine"});
    EXPECT_EQ(restoring(), "off");
}

TEST_F(TimescaleCopy, AnotherVersionOnTheTargetIsRefused) {
    const auto& versions = timescaledb_versions();
    const auto other = std::ranges::find_if(versions, [&](const std::string& one) { return one != version; });
    if (other == versions.end()) GTEST_SKIP() << "TimescaleDB is installed in one version only";
    create_timescaledb_in(target(), "Ts", *other);
    expect_outcome(migration->pair.snapshot({"--yes"}), 3, {"timescaledb.version", *other, version});
}

}  // namespace
}  // namespace tslive::harness
