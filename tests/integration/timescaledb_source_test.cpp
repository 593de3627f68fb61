#include <future>
#include <thread>

#include "integration/support/migration.hpp"
#include "integration/support/timescale.hpp"
#include "tslive/migrate/source_watch.hpp"
#include "tslive/migrate/undo.hpp"
#include "tslive/state/store.hpp"
#include "tslive/timescale/installation.hpp"
#include "tslive/timescale/source_identities.hpp"
#include "tslive/timescale/source_jobs.hpp"
#include "tslive/timescale/source_settings.hpp"

namespace tslive::harness {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

[[nodiscard]] timescale::Release release_of(const Database& database) {
    auto connection = database.connect();
    return timescale::installation(connection)->release;
}

/// What is in one and not in the other, for people.
[[nodiscard]] std::vector<std::string> difference(const std::vector<std::string>& before,
                                                  const std::vector<std::string>& after) {
    std::vector<std::string> found;
    for (const auto& line : before)
        if (std::ranges::find(after, line) == after.end()) found.push_back("gone: " + line);
    for (const auto& line : after)
        if (std::ranges::find(before, line) == before.end()) found.push_back("new: " + line);
    return found;
}

/// A source with everything that has to be prepared, and its application.
class TimescaledbSource : public testing::Test {
protected:
    void SetUp() override {
        TSLIVE_NEEDS_TIMESCALEDB();
        migration.emplace(timescaledb_pair());
        create_timescaledb(source());
        if (!release_of(source()).replica_identity_of_hypertables())
            GTEST_SKIP() << "before 2.12 hypertables cannot be given a replica identity";
        if (release_of(source()).decompression_markers())
            migration->pair.source_server.configure("timescaledb.enable_decompression_logrep_markers=on");
        source().sql(R"sql(
            CREATE TABLE keyed (ts timestamptz NOT NULL, dev int NOT NULL, v float, PRIMARY KEY (ts, dev));
            CREATE TABLE "Bare %" (ts timestamptz NOT NULL, dev int, v float);
            CREATE TABLE "it's" (ts timestamptz NOT NULL, v float);
            CREATE TABLE plain (id int PRIMARY KEY, v int);
            CREATE TABLE no_key (id int, v int);)sql");
        source().sql(R"sql(
            SELECT create_hypertable('keyed', 'ts', chunk_time_interval => interval '1 day');
            SELECT create_hypertable('"Bare %"', 'ts', chunk_time_interval => interval '1 day');
            SELECT create_hypertable('"it''s"', 'ts', associated_schema_name => 'Own chunks', associated_table_prefix => 'own');
            CREATE TABLE "Own chunks".beside (id int); INSERT INTO "Own chunks".beside VALUES (1);
            INSERT INTO keyed SELECT t, d, d FROM generate_series('2024-01-01'::timestamptz, '2024-01-04', interval '1 hour') t, generate_series(1, 3) d;
            INSERT INTO "Bare %" SELECT * FROM keyed;
            INSERT INTO "it's" SELECT ts, v FROM keyed;
            INSERT INTO plain VALUES (1, 1);
            ALTER TABLE keyed SET (timescaledb.compress, timescaledb.compress_segmentby = 'dev');
            ALTER TABLE "Bare %" SET (timescaledb.compress, timescaledb.compress_segmentby = 'dev');
            SELECT compress_chunk(c) FROM show_chunks('keyed', older_than => '2024-01-03'::timestamptz) c;
            SELECT compress_chunk(c) FROM show_chunks('"Bare %"', older_than => '2024-01-03'::timestamptz) c;)sql");
        source().sql(
            "CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS SELECT time_bucket('1 hour', ts) AS "
            "hour, "
            "dev, avg(v) FROM keyed GROUP BY 1, 2 WITH NO DATA");
        source().sql("CALL refresh_continuous_aggregate('hourly', NULL, NULL)");
        source().sql(R"sql(
            SELECT add_compression_policy('keyed', interval '100 years');
            SELECT add_retention_policy('keyed', interval '1000 years');
            SELECT add_reorder_policy('"Bare %"', 'Bare %_ts_idx');
            SELECT add_continuous_aggregate_policy('hourly', NULL, interval '1 hour', interval '1 hour');
            CREATE PROCEDURE public.held(job_id int, config jsonb) LANGUAGE plpgsql AS 'BEGIN PERFORM pg_catalog.pg_advisory_lock_shared(4711); END';
            SELECT add_job('public.held', interval '1 day', initial_start => now() + interval '1 day');
            SELECT alter_job(add_job('public.held', interval '1 day', initial_start => now() + interval '1 day'), scheduled => false);)sql");
        eventually("every policy has run once, and will not soon again", [&] {
            return source().number(
                       "SELECT count(*) FROM _timescaledb_internal.bgw_job_stat WHERE job_id >= 1000 AND "
                       "last_finish > '-infinity' AND next_start > now() + interval '1 min'") == 4;
        });
    }

    Database& source() { return migration->pair.source; }
    Program& take_snapshot() { return migration->take_snapshot(); }
    void give_up() {
        migration->snapshot->signal(SIGINT);
        migration->snapshot->expect_exit(4);
    }
    void clean() { migration->pair.clean()->expect_exit(0); }

    [[nodiscard]] std::string jobs_table() { return std::string{release_of(source()).jobs()}; }
    [[nodiscard]] std::vector<std::string> scheduled() {
        return source().rows("SELECT proc_name FROM " + jobs_table() + " WHERE id >= 1000 AND scheduled ORDER BY id");
    }
    /// Everything that a preparation changes.
    [[nodiscard]] std::vector<std::string> all_that_may_change() {
        return source().rows(fmt::format(
            "SELECT 'job ' || j::text FROM {} j "
            "UNION ALL SELECT 'next start ' || job_id || ' ' || next_start FROM _timescaledb_internal.bgw_job_stat "
            "  WHERE job_id >= 1000 "
            "UNION ALL SELECT 'identity of ' || c.oid::regclass || ' ' || c.relreplident::text FROM pg_class c "
            "  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind IN ('r', 'p') AND relreplident <> 'd' "
            "  AND nspname NOT IN ('pg_catalog', 'information_schema') "
            "UNION ALL SELECT 'identity index ' || indexrelid::regclass FROM pg_index WHERE indisreplident "
            "UNION ALL SELECT 'settings ' || s::text FROM pg_db_role_setting s "
            "UNION ALL SELECT 'file ' || pg_read_file('postgresql.auto.conf') "
            "UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots "
            "UNION ALL SELECT 'publication ' || pubname FROM pg_publication ORDER BY 1",
            jobs_table()));
    }
    /// The watch over the source, as ts-migrate runs it.
    class Watch {
    public:
        explicit Watch(const Pair& pair) : store_(state::Store::open({pair.dir})) {
            options_.dir = pair.dir;
            options_.source = pair.source.uri();
            options_.target = pair.target.uri();
            thread_ = std::jthread([this](const std::stop_token& stop) {
                const migrate::Operator nobody{};
                const migrate::Context context{.options = options_,
                                               .ends = migrate::parse_ends(options_),
                                               .layout = {options_.dir},
                                               .store = store_,
                                               .user = nobody,
                                               .names = {store_.migration().id},
                                               .consistent_point = {},
                                               .skip_data = {}};
                try {
                    migrate::SourceWatch(context).run(stop);
                } catch (const std::exception& error) {
                    failure_.set_value(error.what());
                    return;
                }
                failure_.set_value("");
            });
        }
        /// @returns why it ended by itself; empty: it did not
        [[nodiscard]] std::string stop() {
            thread_.request_stop();
            return failure_.get_future().get();
        }
        [[nodiscard]] std::string wait_for_failure() {
            auto failure = failure_.get_future();
            if (failure.wait_for(patience) != std::future_status::ready) throw Failure("the watch goes on");
            return failure.get();
        }

    private:
        migrate::MigrateOptions options_;
        state::Store store_;
        std::promise<std::string> failure_;
        std::jthread thread_;
    };
    /// Messages of a kind in transactions that change `plain`, too.
    [[nodiscard]] std::int64_t changes_in_slot(std::string_view letter) {
        return source().number(fmt::format(
            "WITH sent AS (SELECT xid::text AS xid, data FROM pg_logical_slot_peek_binary_changes('tslive_{0}', NULL, "
            "NULL, 'proto_version', '1', 'publication_names', 'tslive_{0}_all,tslive_{0}_identity')) "
            "SELECT count(*) FROM sent WHERE substr(data, 1, 1) = '{1}'::bytea AND xid IN (SELECT xid FROM sent WHERE "
            "data::text LIKE '%' || encode('plain', 'hex') || '%')",
            migration->id(), letter));
    }
    [[nodiscard]] bool works(std::string_view statement) {
        try {
            source().sql(statement);
            return true;
        } catch (const pg::ServerError&) {
            return false;
        }
    }
    [[nodiscard]] std::string setting(std::string_view name) {
        auto session = source().connect();
        session.exec("SELECT count(*) FROM keyed");
        return session.exec("SELECT current_setting($1, true)", pg::Params{}.text(name)).text(0, 0);
    }
    /// Every kind of statement, on every kind of table.
    void run_the_application() {
        for (
            const auto statement :
            {R"(INSERT INTO "Bare %" VALUES ('2024-02-01', 1, 1), ('2024-01-01 00:30', 1, 1))",
             R"(UPDATE "Bare %" SET v = 3 WHERE ts = '2024-02-01')",
             R"(DELETE FROM "Bare %" WHERE ts = '2024-02-01')",
             R"(UPDATE "Bare %" SET v = 3 WHERE ts = '2024-01-01 05:00')",
             R"(DELETE FROM "Bare %" WHERE dev = 2)",
             "INSERT INTO keyed VALUES ('2024-02-01', 1, 1)",
             "INSERT INTO keyed SELECT '2024-01-01 00:30', max(dev) + 1, 1 FROM keyed",
             "UPDATE keyed SET v = 3 WHERE ts = '2024-02-01'",
             "DELETE FROM keyed WHERE ts = '2024-02-01'",
             "UPDATE keyed SET v = 3 WHERE ts = '2024-01-01 05:00'",
             "DELETE FROM keyed WHERE dev = 2",
             "INSERT INTO keyed VALUES ('2024-01-01 05:00', 1, 1) ON CONFLICT DO NOTHING",
             R"(UPDATE "it's" SET v = 3 WHERE ts = '2024-01-01 05:00')",
             R"(DELETE FROM "it's" WHERE ts = '2024-01-01 06:00')",
             R"(UPDATE "Own chunks".beside SET id = 2)",
             "UPDATE plain SET v = v + 1",
             "INSERT INTO no_key VALUES (1, 1)",
             "UPDATE no_key SET v = 2",
             "DELETE FROM no_key",
             "CALL refresh_continuous_aggregate('hourly', NULL, NULL)",
             "SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('keyed') c",
             R"(SELECT decompress_chunk(c, if_compressed => true) FROM show_chunks('"Bare %"') c)",
             R"(SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('"Bare %"', older_than => '2024-01-03'::timestamptz) c)",
             "UPDATE keyed SET v = 9 WHERE ts = '2024-01-01 07:00'",
             R"(SELECT drop_chunks('"Bare %"', newer_than => '2024-01-20'::timestamptz))",
             "DELETE FROM _timescaledb_internal.bgw_policy_chunk_stats WHERE job_id = 1",
             "CALL refresh_continuous_aggregate('hourly', NULL, NULL)"})
            EXPECT_NO_THROW(source().sql(statement)) << statement;
    }

    std::optional<Migration> migration;
};

TEST_F(TimescaledbSource, works_as_before_and_is_left_as_it_was) {
    const auto before = all_that_may_change();
    ASSERT_THAT(scheduled(), testing::SizeIs(5));
    take_snapshot();
    EXPECT_THAT(scheduled(), ElementsAre("policy_refresh_continuous_aggregate"));
    const auto release = release_of(source());
    EXPECT_EQ(setting("timescaledb.enable_compressed_direct_batch_delete"), release.direct_batch_delete() ? "off" : "");
    EXPECT_EQ(setting("timescaledb.enable_delete_after_compression"), release.delete_after_compression() ? "on" : "");
    EXPECT_EQ(source().number(
                  "SELECT count(*) FROM pg_publication_tables WHERE pubname LIKE 'tslive%_identity' AND schemaname = "
                  "'_timescaledb_catalog' AND tablename NOT IN ('hypertable', 'chunk', 'dimension_slice', "
                  "'chunk_constraint')"),
              0);
    EXPECT_EQ(source().number("SELECT count(*) FROM pg_publication_tables WHERE pubname LIKE 'tslive%_identity' AND "
                              "schemaname = '_timescaledb_catalog'"),
              release.chunk_constraints() ? 4 : 3);
    EXPECT_LT(source().number("SELECT count(*) FROM pg_publication_rel"), 15);
    run_the_application();
    give_up();
    clean();
    EXPECT_THAT(difference(before, all_that_may_change()), IsEmpty());
    run_the_application();
}

TEST_F(TimescaledbSource, sends_changes_of_old_and_new_chunks_to_the_slot) {
    take_snapshot();
    source().sql(R"(INSERT INTO "Bare %" VALUES ('2024-03-01', 1, 1))");
    source().sql(
        R"(UPDATE "Bare %" SET v = 2 WHERE ts = '2024-03-01'; DELETE FROM "Bare %" WHERE ts = '2024-01-04 00:00';)"
        "UPDATE keyed SET v = 5 WHERE ts = '2024-01-04 00:00' AND dev = 1;"
        R"(UPDATE "it's" SET v = 3 WHERE ts = '2024-01-03 05:00'; DELETE FROM no_key; UPDATE plain SET v = 7)");
    EXPECT_EQ(changes_in_slot("U"), 1 + 1 + 3 + 1);
    EXPECT_EQ(changes_in_slot("D"), 3);
}

TEST_F(TimescaledbSource, names_each_row_of_a_compressed_batch_that_is_deleted) {
    take_snapshot();
    const auto rows = source().count("keyed WHERE dev = 2");
    source().sql("DELETE FROM keyed WHERE dev = 2; UPDATE plain SET v = 7");
    EXPECT_EQ(changes_in_slot("D"), rows);
}

TEST_F(TimescaledbSource, a_killed_ts_snapshot_leaves_what_ts_clean_takes_back) {
    const auto before = all_that_may_change();
    std::vector<std::string> moments{"is switched off on the source", "Reorder Policy [1002] is switched off",
                                     "is given REPLICA IDENTITY",     "\"it's\" is given REPLICA IDENTITY",
                                     "Creating the replication slot", "Snapshot ID created successfully."};
    if (release_of(source()).direct_batch_delete())
        moments.emplace_back("enable_delete_after_compression is set to on");
    for (const auto& moment : moments) {
        auto snapshot = migration->pair.snapshot({"--yes"});
        snapshot->wait_for_line(moment);
        snapshot->kill_9();
        snapshot->wait_exit();
        clean();
        EXPECT_THAT(difference(before, all_that_may_change()), IsEmpty()) << moment;
    }
}

TEST_F(TimescaledbSource, asks_before_it_touches_what_users_made) {
    const auto before = all_that_may_change();
    auto snapshot = migration->pair.snapshot({});
    snapshot->wait_for_line("to continue");
    for (const auto table :
         {"       - public.\"Bare %\"", "       - public.\"it's\"", "       - \"Own chunks\".beside"})
        EXPECT_THAT(snapshot->output(), HasSubstr(table));
    for (const auto table :
         {"       - public.keyed", "       - public.plain", "_materialized_hypertable", "       - public.no_key"})
        EXPECT_THAT(snapshot->output(), Not(HasSubstr(table)));
    EXPECT_THAT(difference(before, all_that_may_change()), IsEmpty());
    snapshot->signal(SIGINT);
    snapshot->expect_exit(4);
    EXPECT_THAT(difference(before, all_that_may_change()), IsEmpty());
    expect_untouched(migration->pair);
}

TEST_F(TimescaledbSource, waits_for_jobs_that_run_already) {
    auto gate = source().connect("gate");
    gate.exec("SELECT pg_advisory_lock(4711)");
    source().sql("SELECT alter_job(id, next_start => now()) FROM " + jobs_table() +
                 " WHERE proc_name = 'held' AND scheduled");
    const auto running = [&] {
        return source().holds(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted)");
    };
    eventually("the job runs", running);
    const auto jobs = source().rows("SELECT id, scheduled FROM " + jobs_table() + " ORDER BY id");
    auto snapshot = migration->pair.snapshot({"--yes"});
    snapshot->wait_for_line("Waiting for a job");
    EXPECT_THAT(ours_on_source(source()), IsEmpty());
    eventually("the others are off", [&] { return scheduled().size() == 2; });
    EXPECT_THAT(scheduled(), Contains("held")) << "the scheduler would end it";
    snapshot->signal(SIGTERM);
    snapshot->expect_exit(4);
    EXPECT_EQ(source().rows("SELECT id, scheduled FROM " + jobs_table() + " ORDER BY id"), jobs);
    EXPECT_TRUE(running()) << "it was not ended";

    snapshot = migration->pair.snapshot({"--yes"});
    snapshot->wait_for_line("Waiting for ");
    gate.exec("SELECT pg_advisory_unlock_all()");
    snapshot->wait_for_line("Snapshot ID created successfully.");
}

TEST_F(TimescaledbSource, waits_for_statements_that_began_under_other_settings) {
    if (!release_of(source()).direct_batch_delete()) GTEST_SKIP() << "no such settings before 2.17";
    auto gate = source().connect("gate");
    gate.exec("SELECT pg_advisory_lock(4712)");
    auto busy = source().connect("busy");
    busy.start("DO 'BEGIN PERFORM pg_advisory_lock_shared(4712); DELETE FROM keyed WHERE dev = 3; END'");
    eventually("the statement waits", [&] {
        return source().holds(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712 AND NOT granted)");
    });
    auto snapshot = migration->pair.snapshot({"--yes"});
    snapshot->wait_for_line(fmt::format("among them process {} of user postgres", busy.backend_pid()));
    EXPECT_THAT(ours_on_source(source()), IsEmpty());
    gate.exec("SELECT pg_advisory_unlock_all()");
    while (!busy.poll_result(std::chrono::milliseconds{100})) {
    }
    snapshot->wait_for_line("Snapshot ID created successfully.");
    EXPECT_EQ(busy.exec("SHOW timescaledb.enable_compressed_direct_batch_delete").text(0, 0), "off");
}

TEST_F(TimescaledbSource, waits_for_a_lock_without_keeping_others_waiting) {
    auto reader = source().connect("reader");
    reader.exec("BEGIN; SELECT count(*) FROM hourly");
    auto snapshot = migration->pair.snapshot({"--yes"});
    snapshot->wait_for_line(fmt::format("a lock that process {} of user postgres holds", reader.backend_pid()));
    source().sql("SELECT count(*) FROM hourly");
    reader.exec("COMMIT");
    snapshot->wait_for_line("Snapshot ID created successfully.");
}

TEST_F(TimescaledbSource, gets_its_jobs_back_when_the_rows_are_read) {
    const auto jobs = "SELECT j::text FROM " + jobs_table() + " j ORDER BY 1";
    const auto before = source().rows(jobs);
    take_snapshot();
    auto store = state::Store::open({migration->pair.dir});
    auto connection = source().connect();
    EXPECT_NE(source().rows(jobs), before);
    timescale::resume_jobs(store, connection);
    EXPECT_EQ(source().rows(jobs) == before, release_of(source()).compression_markers())
        << "without marks recompressing could not be told from deleting";
    source().sql("SELECT alter_job(id, scheduled => false) FROM " + jobs_table() +
                 " WHERE proc_name = 'policy_retention'");
    const auto by_hand = source().rows(jobs);
    timescale::resume_jobs(store, connection);
    if (release_of(source()).compression_markers()) {
        EXPECT_EQ(setting("timescaledb.enable_delete_after_compression"), "off");
        EXPECT_EQ(source().rows(jobs), by_hand) << "each is switched on once";
        give_up();
        clean();
        EXPECT_EQ(source().rows(jobs), by_hand);
    }
}

TEST_F(TimescaledbSource, a_whole_migration_leaves_it_as_it_was) {
    const auto before = all_that_may_change();
    const auto jobs = scheduled();
    take_snapshot();
    EXPECT_NE(scheduled(), jobs);
    migration->start();
    migration->wait_until_caught_up();
    EXPECT_EQ(scheduled() == jobs, release_of(source()).compression_markers()) << "the rows are read";
    run_the_application();
    migration->switch_over();
    clean();
    EXPECT_THAT(difference(before, all_that_may_change()), IsEmpty());
}

TEST_F(TimescaledbSource, a_hypertable_that_loses_its_key_is_given_an_identity_by_the_watch) {
    const auto before = all_that_may_change();
    take_snapshot();
    Watch watch(migration->pair);
    source().sql("ALTER TABLE keyed DROP CONSTRAINT keyed_pkey");
    eventually("changes of it work again",
               [&] { return works("UPDATE keyed SET v = 1 WHERE ts = '2024-01-04 00:00'"); });
    source().sql("CREATE TABLE \"Own chunks\".later (id int); INSERT INTO \"Own chunks\".later VALUES (1)");
    eventually("those of a new table in a schema of chunks, too",
               [&] { return works("UPDATE \"Own chunks\".later SET id = 2"); });
    if (!release_of(source()).refuses_published_hypertables()) {
        source().sql(
            "CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS SELECT time_bucket('1 day', ts) AS "
            "day, avg(v) FROM keyed GROUP BY 1 WITH NO DATA");
        eventually("and the refresh of a new continuous aggregate",
                   [&] { return works("CALL refresh_continuous_aggregate('daily', NULL, NULL)"); });
    }
    EXPECT_EQ(watch.stop(), "");
    run_the_application();
    give_up();
    clean();
    EXPECT_THAT(difference(before, all_that_may_change()), IsEmpty());
}

TEST_F(TimescaledbSource, a_chunk_that_leaves_the_published_schemas_stops_the_migration) {
    source().sql("CREATE SCHEMA elsewhere");
    take_snapshot();
    Watch watch(migration->pair);
    source().sql("ALTER TABLE _timescaledb_internal._hyper_1_1_chunk SET SCHEMA elsewhere");
    EXPECT_THAT(watch.wait_for_failure(),
                HasSubstr("elsewhere._hyper_1_1_chunk is a chunk in a schema that had none when the migration began"));
}

TEST_F(TimescaledbSource, without_alter_system_waits_until_sessions_have_reconnected) {
    const auto needed = timescale::needed_settings(release_of(source()));
    if (needed.empty()) GTEST_SKIP() << "no settings are needed before 2.16";
    const auto before = all_that_may_change();
    take_snapshot();  // for a journal
    give_up();
    clean();
    source().sql("CREATE ROLE keeper LOGIN; GRANT pg_read_all_stats TO keeper");
    source().sql(fmt::format("ALTER DATABASE {} OWNER TO keeper", pg::quote_identifier(source().name())));
    auto store = state::Store::create({migration->pair.dir}, {.id = "00000000",
                                                              .source = {},
                                                              .target = {},
                                                              .slot = "tslive_00000000",
                                                              .consistent_point = {},
                                                              .created_at = {}});
    auto old = std::make_optional(source().connect("old"));
    const auto keeper = source().as("keeper");
    std::promise<void> waits;
    log::add_sink([&waits, said = false](const log::Line& line) mutable {
        if (said || line.text.find("Let it reconnect") == std::string_view::npos) return;
        said = true;
        waits.set_value();
    });
    auto done = std::async(std::launch::async, [&] {
        auto connection = pg::Connection::open(keeper.conninfo(), "settings test");
        Waiter waiter;
        timescale::set_needed_settings(needed, keeper.conninfo(), store, connection, waiter);
    });
    waits.get_future().get();
    EXPECT_EQ(setting(needed.back().name), needed.back().value);
    EXPECT_EQ(done.wait_for(std::chrono::seconds{0}), std::future_status::timeout);
    old.reset();
    done.get();
    log::clear_sinks();
    auto connection = pg::Connection::open(keeper.conninfo(), "settings test");
    EXPECT_THAT(migrate::undo_all(store, state::Side::source, connection), IsEmpty());
    EXPECT_THAT(difference(before, all_that_may_change()), IsEmpty());
}

/// Where hypertables cannot be given an identity, those with keys are enough.
TEST(TimescaledbSourceOfOld, with_keys_alone_is_prepared) {
    TSLIVE_NEEDS_TIMESCALEDB();
    Migration migration(timescaledb_pair());
    auto& source = migration.pair.source;
    create_timescaledb(source);
    if (release_of(source).replica_identity_of_hypertables()) GTEST_SKIP() << "2.12 and later can";
    source.sql("CREATE TABLE keyed (ts timestamptz PRIMARY KEY, v float)");
    source.sql("SELECT create_hypertable('keyed', 'ts')");
    source.sql(
        "INSERT INTO keyed VALUES ('2024-01-01', 1); SELECT add_retention_policy('keyed', interval '1000 years')");
    migration.take_snapshot();
    source.sql("INSERT INTO keyed VALUES ('2024-02-01', 1)");
    source.sql("UPDATE keyed SET v = 2");
    source.sql("DELETE FROM keyed");
    migration.snapshot->kill_9();
    migration.pair.clean()->expect_exit(0);

    source.sql("CREATE TABLE bare (ts timestamptz NOT NULL)");
    source.sql("SELECT create_hypertable('bare', 'ts')");
    expect_outcome(migration.pair.snapshot({"--yes"}), 3, {"cannot give them one", "public.bare"});
    expect_untouched(migration.pair);
}

}  // namespace
}  // namespace tslive::harness
