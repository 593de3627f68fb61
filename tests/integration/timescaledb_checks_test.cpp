#include "integration/support/timescale.hpp"
#include "tslive/checks/run.hpp"
#include "tslive/timescale/checks.hpp"

namespace tslive::harness {
namespace {

using checks::Finding;
using checks::Weight;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

MATCHER_P2(Says, weight, text, "") {
    *result_listener << fmt::format("{}", arg);
    return arg.weight == weight && arg.text.find(text) != std::string::npos &&
           (weight < Weight::warning || !arg.remedy.empty());
}

/// Databases of their own for each test, on servers that all share.
class TimescaledbChecks : public testing::Test {
protected:
    static void SetUpTestSuite() {
        if (timescaledb_versions().empty()) return;
        source_server = std::make_unique<TestServer>(timescaledb_server());
        target_server = std::make_unique<TestServer>(timescaledb_server());
        for (auto* server : {source_server.get(), target_server.get()})
            server->sql("postgres", "CREATE ROLE humble LOGIN REPLICATION");
    }
    static void TearDownTestSuite() {
        source_server.reset();
        target_server.reset();
    }
    void SetUp() override {
        TSLIVE_NEEDS_TIMESCALEDB();
        static int count = 0;
        const auto name = fmt::format("checks{}", ++count);
        source = source_server->create_database(name);
        target = target_server->create_database(name);
        create_timescaledb(source);
        source.sql("CREATE TABLE keyed (ts timestamptz PRIMARY KEY, v float)");
        source.sql("SELECT create_hypertable('keyed', 'ts')");
        source.sql("INSERT INTO keyed VALUES ('2024-01-01', 1)");
        auto connection = source.connect();
        release = timescale::installation(connection)->release;
    }
    std::vector<Finding> all() {
        options.source = source.conninfo();
        options.target = target.conninfo();
        options.further_checks = [](auto&&... with) { timescale::add_findings(with...); };
        options.leave_out = timescale::leave_out_pieces;
        return checks::run(options);
    }
    Finding find(std::string_view check) {
        for (auto& finding : all())
            if (finding.check == check) return finding;
        return {std::string{check}, Weight::passed, "no such check was run", {}};
    }
    void compress(std::string_view table) {
        source.sql(fmt::format("ALTER TABLE {} SET (timescaledb.compress)", table));
    }
    [[nodiscard]] std::string name() const { return pg::quote_identifier(source.name()); }

    static inline std::unique_ptr<TestServer> source_server, target_server;
    Database source{pg::ConnInfo{}}, target{pg::ConnInfo{}};
    timescale::Release release{0, 0, 0};
    checks::Options options;
};

TEST_F(TimescaledbChecks, pass_for_good_ends_and_leave_nothing_behind) {
    std::vector<std::string> names;
    for (const auto& finding : all()) {
        EXPECT_LE(finding.weight, Weight::note) << fmt::format("{}", finding);
        if (finding.check.starts_with("timescaledb.")) names.push_back(finding.check);
    }
    EXPECT_THAT(names, testing::SizeIs(21));
    EXPECT_EQ(source.number("SELECT count(*) FROM pg_publication"), 0);
    EXPECT_EQ(target.number("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'"), 0);
    create_timescaledb(target);
    EXPECT_THAT(find("timescaledb.version"), Says(Weight::passed, "both databases have TimescaleDB"));
    EXPECT_LE(checks::worst(all()), Weight::note);
}

TEST_F(TimescaledbChecks, are_not_run_where_there_is_no_timescaledb) {
    source = source_server->database();
    EXPECT_THAT(find("timescaledb.release"), Says(Weight::passed, "does not use TimescaleDB"));
    EXPECT_THAT(find("timescaledb.jobs"), Says(Weight::passed, "no such check was run"));
}

TEST_F(TimescaledbChecks, find_another_version_on_the_target) {
    for (const auto& version : timescaledb_versions())
        if (version != release.text()) {
            create_timescaledb(target, version);
            EXPECT_THAT(find("timescaledb.version"),
                        Says(Weight::fatal, fmt::format("TimescaleDB {} and the target {}", release.text(), version)));
            EXPECT_THAT(find("timescaledb.version").remedy, HasSubstr("--migrate-across-timescaledb-versions"));
            return;
        }
    GTEST_SKIP() << "only one version is installed";
}

TEST_F(TimescaledbChecks, find_a_target_without_the_library) {
    const TestServer plain;
    target = plain.database();
    EXPECT_THAT(find("timescaledb.library"), Says(Weight::fatal, "not loaded on the target's server"));
}

TEST_F(TimescaledbChecks, find_a_license_that_lacks_features) {
    target_server->configure("timescaledb.license=apache");
    EXPECT_THAT(find("timescaledb.license"), Says(Weight::passed, "has what the source uses"));
    compress("keyed");
    EXPECT_THAT(find("timescaledb.license"),
                Says(Weight::fatal, "apache on the target, and the source uses compression"));
    target_server->configure("timescaledb.license=timescale");
    EXPECT_THAT(find("timescaledb.license"), Says(Weight::passed, ""));
}

TEST_F(TimescaledbChecks, find_a_target_role_that_is_no_superuser) {
    target = target.as("humble");
    EXPECT_THAT(find("timescaledb.superuser"), Says(Weight::fatal, "role humble is no superuser"));
}

TEST_F(TimescaledbChecks, find_a_restore_that_did_not_end) {
    target.sql(fmt::format("ALTER DATABASE {} SET timescaledb.restoring = 'on'", name()));
    EXPECT_THAT(find("timescaledb.restoring"), Says(Weight::fatal, "target, for the database"));
    target.sql(fmt::format("ALTER DATABASE {} RESET timescaledb.restoring", name()));
    source.sql(fmt::format("ALTER ROLE humble IN DATABASE {} SET timescaledb.restoring = 'on'", name()));
    EXPECT_THAT(find("timescaledb.restoring"), Says(Weight::fatal, "source, for role humble in this database"));
}

TEST_F(TimescaledbChecks, find_too_few_background_workers) {
    const TestServer few(timescaledb_server({"timescaledb.max_background_workers=7"}));
    target = few.database();
    EXPECT_THAT(find("timescaledb.background_workers"),
                Says(Weight::warning, "is 7 on the target and 8 on the source"));
    const TestServer tight(timescaledb_server({"max_worker_processes=12", "max_parallel_workers=8"}));
    target = tight.database();
    EXPECT_THAT(find("timescaledb.background_workers"), Says(Weight::warning, "has no room for 8"));
}

TEST_F(TimescaledbChecks, find_hypertables_on_the_target) {
    create_timescaledb(target);
    target.sql("CREATE TABLE theirs (ts timestamptz NOT NULL)");
    target.sql("SELECT create_hypertable('theirs', 'ts')");
    EXPECT_THAT(find("timescaledb.empty_target"), Says(Weight::fatal, "1 hypertables: public.theirs"));
    options.resuming = true;
    EXPECT_THAT(find("timescaledb.empty_target"), Says(Weight::passed, "resumes"));
}

TEST_F(TimescaledbChecks, find_markers_that_are_off) {
    if (!release.compression_markers()) GTEST_SKIP() << "no such markers before 2.16";
    source_server->configure("timescaledb.enable_compression_wal_markers=off");
    EXPECT_THAT(find("timescaledb.compression_markers"), Says(Weight::fatal, "enable_compression_wal_markers is off"));
    source_server->configure("timescaledb.enable_compression_wal_markers=on");
    EXPECT_THAT(find("timescaledb.compression_markers"), Says(Weight::passed, ""));
}

TEST_F(TimescaledbChecks, find_compression_that_is_not_marked) {
    if (release.compression_markers()) GTEST_SKIP() << "marked from 2.16 on";
    EXPECT_THAT(find("timescaledb.compression_markers"), Says(Weight::passed, "no hypertable has compression"));
    compress("keyed");
    EXPECT_THAT(find("timescaledb.compression_markers"), Says(Weight::warning, "nor change rows of compressed chunks"));
    source.sql("CREATE TABLE bare (ts timestamptz NOT NULL)");
    source.sql("SELECT create_hypertable('bare', 'ts')");
    compress("bare");
    EXPECT_THAT(find("timescaledb.compression_markers"),
                Says(Weight::fatal, "double without being noticed: public.bare"));
    if (!release.decompression_markers()) return;
    source_server->configure("timescaledb.enable_decompression_logrep_markers=on");
    EXPECT_THAT(find("timescaledb.compression_markers"), Says(Weight::warning, "nobody may run compress_chunk()"));
    EXPECT_THAT(find("timescaledb.compression_markers").text, Not(HasSubstr("nor change rows")));
    source_server->configure("timescaledb.enable_decompression_logrep_markers=off");
}

TEST_F(TimescaledbChecks, find_settings_that_would_override_ours) {
    if (!release.direct_batch_delete()) GTEST_SKIP() << "no such settings before 2.17";
    source.sql(fmt::format("ALTER DATABASE {} SET timescaledb.enable_compressed_direct_batch_delete = off", name()));
    EXPECT_THAT(find("timescaledb.settings"), Says(Weight::passed, ""));
    source.sql(
        fmt::format("ALTER ROLE humble IN DATABASE {} SET timescaledb.enable_compressed_direct_batch_delete = on; "
                    "ALTER DATABASE {} SET timescaledb.enable_delete_after_compression = 0",
                    name(), name()));
    const auto finding = find("timescaledb.settings");
    EXPECT_THAT(finding, Says(Weight::fatal, "batch_delete = on for role humble in this database: a DELETE of whole"));
    EXPECT_THAT(finding, Says(Weight::fatal, "delete_after_compression = 0 for the database"));
    const auto remedy = finding.remedy.substr(0, finding.remedy.find("; then let"));
    source.sql(remedy);
    EXPECT_THAT(find("timescaledb.settings"), Says(Weight::passed, ""));
}

TEST_F(TimescaledbChecks, find_rows_that_would_be_compressed_directly) {
    if (!release.direct_compress()) GTEST_SKIP() << "no direct compression before 2.21";
    source.sql(
        fmt::format("ALTER ROLE humble IN DATABASE {} SET timescaledb.enable_direct_compress_copy = on", name()));
    EXPECT_THAT(find("timescaledb.direct_compress"),
                Says(Weight::fatal, "enable_direct_compress_copy is on for role humble in this database"));
    source.sql(fmt::format("ALTER ROLE humble IN DATABASE {} RESET timescaledb.enable_direct_compress_copy", name()));
    source_server->configure("timescaledb.enable_direct_compress_copy=on");
    EXPECT_THAT(find("timescaledb.direct_compress"), Says(Weight::fatal, "is on in a new session"));
    source_server->configure("timescaledb.enable_direct_compress_copy=off");
    EXPECT_THAT(find("timescaledb.direct_compress"), Says(Weight::passed, ""));
}

TEST_F(TimescaledbChecks, find_chunks_that_are_elsewhere) {
    source.sql("UPDATE _timescaledb_catalog.chunk SET osm_chunk = true");
    EXPECT_THAT(find("timescaledb.chunks"),
                Says(Weight::fatal, "tiered chunks: _timescaledb_internal._hyper_1_1_chunk"));
    source.sql("UPDATE _timescaledb_catalog.chunk SET osm_chunk = false");
    source.sql(
        "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;"
        "CREATE FOREIGN TABLE away (ts timestamptz NOT NULL, v float) SERVER files OPTIONS (filename '/dev/null');"
        "SET timescaledb.restoring = on; ALTER FOREIGN TABLE away INHERIT keyed");
    EXPECT_THAT(find("timescaledb.chunks"), Says(Weight::fatal, "foreign tables: public.away"));
}

TEST_F(TimescaledbChecks, find_distributed_hypertables) {
    if (release.compression_markers()) GTEST_SKIP() << "there are none from 2.14 on";
    if (source.number("SELECT count(*) FROM pg_attribute WHERE attrelid = '_timescaledb_catalog.hypertable'::regclass "
                      "AND attname = 'replication_factor'") == 0)
        GTEST_SKIP() << "there are none in this release";
    source.sql("UPDATE _timescaledb_catalog.hypertable SET replication_factor = 1");
    EXPECT_THAT(find("timescaledb.chunks"), Says(Weight::fatal, "distributed hypertables: public.keyed"));
}

TEST_F(TimescaledbChecks, find_continuous_aggregates_of_the_old_form) {
    if (release.chunk_auto_publication()) GTEST_SKIP() << "there are none from 2.25 on";
    source.sql(
        "CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS SELECT time_bucket('1 day', ts) AS day, "
        "avg(v) FROM keyed GROUP BY 1 WITH NO DATA");
    EXPECT_THAT(find("timescaledb.continuous_aggregates"), Says(Weight::passed, "finalized"));
    source.sql("UPDATE _timescaledb_catalog.continuous_agg SET finalized = false");
    EXPECT_THAT(find("timescaledb.continuous_aggregates"), Says(Weight::fatal, "not finalized: public.daily"));
}

TEST_F(TimescaledbChecks, name_what_is_given_an_identity) {
    EXPECT_THAT(find("timescaledb.replica_identity"), Says(Weight::passed, "every hypertable"));
    source.sql(
        "CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS SELECT time_bucket('1 day', ts) AS day, "
        "avg(v) FROM keyed GROUP BY 1 WITH NO DATA");
    if (!release.replica_identity_of_hypertables()) {
        EXPECT_THAT(find("timescaledb.replica_identity"), Says(Weight::fatal, "cannot give them one"));
        return;
    }
    EXPECT_THAT(find("timescaledb.replica_identity"), Says(Weight::note, "1 continuous aggregates"));
    source.sql("CREATE TABLE bare (ts timestamptz NOT NULL)");
    source.sql("SELECT create_hypertable('bare', 'ts'); INSERT INTO bare VALUES ('2024-01-01')");
    EXPECT_THAT(find("timescaledb.replica_identity"), Says(Weight::warning, "1 hypertables, or tables in schemas"));
    EXPECT_THAT(find("source.replica_identity"), Says(Weight::passed, ""));
}

TEST_F(TimescaledbChecks, name_the_jobs_that_are_switched_off) {
    source.sql("SELECT add_retention_policy('keyed', interval '1000 years')");
    EXPECT_THAT(find("timescaledb.jobs"), Says(Weight::note, "1 jobs are switched off"));
}

TEST_F(TimescaledbChecks, find_owners_of_jobs_that_are_missing) {
    source.sql(
        "CREATE ROLE only_here LOGIN; CREATE PROCEDURE public.work(job_id int, config jsonb) LANGUAGE plpgsql AS "
        "'BEGIN "
        "END'");
    source.sql("SET ROLE only_here; SELECT add_job('public.work', interval '1 day')");
    EXPECT_THAT(find("timescaledb.job_owners"), Says(Weight::passed, "are copied"));
    options.skip_roles = true;
    EXPECT_THAT(find("timescaledb.job_owners"), Says(Weight::fatal, "lacks owners of jobs: only_here"));
    target.sql("CREATE ROLE only_here");
    EXPECT_THAT(find("timescaledb.job_owners"), Says(Weight::passed, ""));
}

TEST_F(TimescaledbChecks, find_a_source_role_that_may_not_publish_chunks_to_come) {
    source = source.as("humble");
    EXPECT_THAT(find("timescaledb.publication"), Says(Weight::fatal, "would lose every chunk"));
}

TEST_F(TimescaledbChecks, find_a_source_role_that_may_not_see_sessions) {
    source = source.as("humble");
    EXPECT_THAT(find("timescaledb.sessions"), Says(Weight::fatal, "role humble may not see"));
    source_server->sql("postgres", "GRANT pg_read_all_stats TO humble");
    EXPECT_THAT(find("timescaledb.sessions"), Says(Weight::passed, ""));
    source_server->sql("postgres", "REVOKE pg_read_all_stats FROM humble");
}

TEST_F(TimescaledbChecks, say_that_new_hypertables_are_refused_meanwhile) {
    EXPECT_EQ(find("timescaledb.new_hypertables").weight,
              release.refuses_published_hypertables() ? Weight::note : Weight::passed);
}

TEST_F(TimescaledbChecks, find_that_timescaledb_is_to_be_left_out) {
    options.skip_extensions = {"timescaledb"};
    EXPECT_THAT(find("timescaledb.skipped_extensions"), Says(Weight::fatal, "to be left out"));
    options.skip_extensions = {};
    options.skip_all_extensions = true;
    EXPECT_THAT(find("timescaledb.skipped_extensions"), Says(Weight::passed, ""));
    EXPECT_THAT(find("source.skipped_extensions"), Says(Weight::passed, ""));
}

}  // namespace
}  // namespace tslive::harness
