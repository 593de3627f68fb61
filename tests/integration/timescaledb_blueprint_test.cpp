// What TimescaleDB has in one database, made in another of the same or a newer release.

#include <algorithm>
#include <map>

#include <fmt/ranges.h>

#include "integration/support/timescale.hpp"
#include "tslive/timescale/blueprint_check.hpp"
#include "tslive/timescale/blueprint_make.hpp"
#include "tslive/timescale/blueprint_read.hpp"

namespace tslive::harness {
namespace {

/// What pg_dump's pre-data would bring, without what TimescaleDB makes of it.
constexpr std::string_view tables = R"sql(
CREATE SCHEMA "Chunks"; CREATE SCHEMA app;
GRANT USAGE, CREATE ON SCHEMA app TO xver_app; GRANT USAGE ON SCHEMA "Chunks" TO xver_app;
CREATE TABLE cond (ts timestamptz NOT NULL, dev int NOT NULL, temp float8, "Note" text);
CREATE TABLE app."Met" ("When" timestamp NOT NULL, "Dev" int NOT NULL, "a,b" text, v float8);
ALTER TABLE app."Met" OWNER TO xver_app;
CREATE TABLE days (d date NOT NULL, v int);
CREATE TABLE itab (n bigint NOT NULL, v int);
CREATE TABLE small (n smallint NOT NULL, v int);
CREATE TABLE two_times (ts timestamptz NOT NULL, seen timestamptz NOT NULL, place text NOT NULL);
CREATE TABLE doc (body jsonb NOT NULL, v int);
CREATE FUNCTION itab_now() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT coalesce(max(n), 0) FROM public.itab';
CREATE FUNCTION app.small_now() RETURNS smallint LANGUAGE sql STABLE AS 'SELECT 7::smallint';
CREATE FUNCTION app."Place hash"(anyelement) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT length($1::text)';
CREATE FUNCTION app.doc_time(jsonb) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
  $$SELECT to_timestamp(($1 ->> 't')::float8)$$;
CREATE PROCEDURE app.chore(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$;
CREATE FUNCTION app.chore_check(config jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$;
)sql";

constexpr std::string_view timescale_objects[] = {
    R"sql(
SELECT create_hypertable('cond', 'ts', 'dev', 4, chunk_time_interval => interval '1 day', create_default_indexes => false);
SELECT create_hypertable('app."Met"', 'When', chunk_time_interval => interval '36 hours', associated_schema_name => 'Chunks',
  associated_table_prefix => 'Pfx', create_default_indexes => false);
SELECT create_hypertable('days', 'd', chunk_time_interval => interval '30 days', create_default_indexes => false);
SELECT create_hypertable('itab', 'n', chunk_time_interval => 100, create_default_indexes => false);
SELECT create_hypertable('small', 'n', chunk_time_interval => 10, create_default_indexes => false);
SELECT create_hypertable('two_times', 'ts', create_default_indexes => false);
SELECT add_dimension('two_times', 'place', number_partitions => 3, partitioning_func => 'app."Place hash"');
SELECT add_dimension('two_times', 'seen', chunk_time_interval => interval '2 days');
SELECT create_hypertable('doc', 'body', chunk_time_interval => interval '1 day', time_partitioning_func => 'app.doc_time',
  create_default_indexes => false);
SELECT set_integer_now_func('itab', 'itab_now');
SELECT set_integer_now_func('small', 'app.small_now');
ALTER TABLE cond SET (timescaledb.compress, timescaledb.compress_segmentby = 'dev,"Note"', timescaledb.compress_orderby = 'ts ASC, temp');
ALTER TABLE cond SET (timescaledb.compress_chunk_time_interval = '4 days');
ALTER TABLE app."Met" SET (timescaledb.compress, timescaledb.compress_segmentby = '"a,b"', timescaledb.compress_orderby = '"When" DESC NULLS LAST');
ALTER TABLE days SET (timescaledb.compress);
ALTER TABLE itab SET (timescaledb.compress, timescaledb.compress_segmentby = '');
)sql",
    R"sql(CREATE MATERIALIZED VIEW cond_h WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT time_bucket('1 hour', ts) AS bucket, dev, avg(temp) AS a, count(*) AS n FROM cond GROUP BY 1, 2 WITH NO DATA)sql",
    R"sql(CREATE MATERIALIZED VIEW cond_d WITH (timescaledb.continuous, timescaledb.materialized_only = false,
  timescaledb.create_group_indexes = false) AS
SELECT time_bucket('1 day', bucket) AS day, dev, sum(n) AS n FROM cond_h GROUP BY 1, 2 WITH NO DATA)sql",
    R"sql(CREATE MATERIALIZED VIEW app."Met monthly" WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket('1 month', "When") AS bucket, "Dev", max(v) FILTER (WHERE v > 0) AS most FROM app."Met" GROUP BY 1, 2 WITH NO DATA)sql",
    R"sql(CREATE MATERIALIZED VIEW cond_berlin WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT time_bucket('1 day', ts, 'Europe/Berlin') AS bucket, count(*) AS n FROM cond GROUP BY 1 HAVING count(*) > 0 WITH NO DATA)sql",
    R"sql(CREATE MATERIALIZED VIEW itab_s WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket(50::bigint, n) AS bucket, sum(v) AS s FROM itab GROUP BY 1 WITH NO DATA)sql",
    R"sql(
ALTER MATERIALIZED VIEW app."Met monthly" OWNER TO xver_app;
ALTER MATERIALIZED VIEW cond_h RENAME COLUMN a TO average;
ALTER MATERIALIZED VIEW cond_d SET (timescaledb.compress);
ALTER MATERIALIZED VIEW cond_h SET (timescaledb.compress, timescaledb.compress_segmentby = 'dev');
CREATE INDEX cond_h_average ON cond_h (average DESC NULLS LAST) WHERE (n > 3);
DO $$ BEGIN EXECUTE (SELECT format('DROP INDEX _timescaledb_internal.%I', indexname) FROM pg_indexes WHERE indexdef LIKE '%(s DESC)'
  OR (indexdef LIKE '%(bucket DESC)' AND tablename LIKE '_materialized%') LIMIT 1); END $$;
SELECT set_chunk_time_interval(format('%I.%I', schema_name, table_name)::regclass, interval '3 days') FROM _timescaledb_catalog.hypertable
  WHERE id = (SELECT mat_hypertable_id FROM _timescaledb_catalog.continuous_agg WHERE user_view_name = 'cond_h');
CREATE INDEX cond_ts ON cond (ts);
SELECT add_retention_policy('cond', interval '10 years', schedule_interval => interval '7 hours');
SELECT add_retention_policy('small', 100::smallint, initial_start => '2031-01-01 03:00+00');
SELECT add_compression_policy('app."Met"', interval '10 years');
SELECT add_compression_policy('itab', 1000::bigint);
SELECT add_reorder_policy('cond', 'cond_ts');
SELECT add_continuous_aggregate_policy('cond_h', interval '20 years', interval '1 hour', interval '1 hour', initial_start => '2030-02-03 04:05+00',
  timezone => 'Europe/Berlin');
SELECT add_continuous_aggregate_policy('cond_d', NULL, interval '1 day', interval '1 day');
SELECT add_continuous_aggregate_policy('itab_s', 1000::bigint, 50::bigint, interval '1 day');
SELECT add_retention_policy('cond_d', interval '30 years');
SELECT delete_job(job_id) FROM (SELECT add_job('app.chore', '1 day', scheduled => false) AS job_id) x;
SELECT add_job('app.chore', interval '1 hour', config => '{"a": {"b": "it''s"}}', check_config => 'app.chore_check', scheduled => false,
  initial_start => '2030-01-01 00:00+00', timezone => 'Asia/Tokyo');
SELECT alter_job(add_job('app.chore', interval '2 hours', fixed_schedule => false, scheduled => false), max_retries => 3,
  max_runtime => interval '5 min', retry_period => interval '1 min');
DO $$ BEGIN EXECUTE format('UPDATE %s SET scheduled = false WHERE id >= 1000',
  coalesce(to_regclass('_timescaledb_catalog.bgw_job'), '_timescaledb_config.bgw_job')); END $$;
)sql",
    "SET ROLE xver_app; SELECT add_job('app.chore', interval '3 hours', scheduled => false)"};

/// What a user can see, without the numbers that TimescaleDB gives.
[[nodiscard]] std::map<std::string, std::string> seen(const Database& database) {
    std::map<std::string, std::string> all;
    // By length, so that a name is not taken for one that it begins.
    const auto longer = [](const std::string& a, const std::string& b) {
        return a.size() != b.size() ? a.size() > b.size() : a < b;
    };
    std::map<std::string, std::string, decltype(longer)> names(longer);
    for (const auto& row :
         database.rows("SELECT h.table_name || '=' || format('mat of %I.%I', a.user_view_schema, a.user_view_name) || "
                       "'=' || h.id "
                       "FROM _timescaledb_catalog.continuous_agg a JOIN _timescaledb_catalog.hypertable h ON h.id = "
                       "a.mat_hypertable_id ORDER BY h.id DESC")) {
        const auto end = row.find('=');
        names[row.substr(0, end)] = row.substr(end + 1, row.rfind('=') - end - 1);
    }
    const auto add = [&](std::string_view kind, const std::string& query) {
        auto rows = database.rows(query);
        for (auto& row : rows)
            for (const auto& [table, name] : names)
                for (auto at = row.find(table); at != std::string::npos; at = row.find(table, at + name.size()))
                    row.replace(at, table.size(), name);
        std::ranges::sort(rows);
        all[std::string{kind}] = fmt::format("{}", fmt::join(rows, "\n"));
    };
    add("hypertables",
        "SELECT hypertable_schema, hypertable_name, owner, num_dimensions, compression_enabled FROM "
        "timescaledb_information.hypertables ORDER BY 1, 2");
    add("chunks to come",
        "SELECT schema_name, table_name, associated_schema_name, nullif(associated_table_prefix, '_hyper_' || id), "
        "num_dimensions FROM _timescaledb_catalog.hypertable WHERE compression_state <> 2 ORDER BY 1, 2");
    add("dimensions",
        "SELECT h.schema_name, h.table_name, d.column_name, d.column_type, d.num_slices, d.partitioning_func, "
        "d.interval_length, d.compress_interval_length, d.integer_now_func_schema, d.integer_now_func FROM "
        "_timescaledb_catalog.dimension d JOIN _timescaledb_catalog.hypertable h ON h.id = d.hypertable_id WHERE "
        "h.compression_state <> 2 ORDER BY 1, 2, d.id");
    add("compression",
        "SELECT * FROM timescaledb_information.compression_settings ORDER BY 1, 2, segmentby_column_index, "
        "orderby_column_index");
    add("continuous aggregates",
        "SELECT view_schema, view_name, view_owner, materialized_only, compression_enabled, view_definition, "
        "hypertable_schema, hypertable_name FROM timescaledb_information.continuous_aggregates ORDER BY 1, 2");
    add("indexes",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE tablename ~ '^_materialized' AND indexname !~ "
        "'^_compressed' ORDER BY 1, replace(indexname, tablename, ''), 3");
    add("owners",
        "SELECT a.user_view_name, c.relowner::regrole FROM _timescaledb_catalog.continuous_agg a JOIN "
        "_timescaledb_catalog.hypertable h ON h.id = a.mat_hypertable_id JOIN pg_class c ON c.relname = h.table_name "
        "ORDER BY 1");
    add("jobs",
        "SELECT job_id, regexp_replace(application_name, '^(Compression|Columnstore)', ''), schedule_interval, "
        "max_runtime, max_retries, retry_period, proc_name, owner, scheduled, fixed_schedule, config - 'hypertable_id' "
        "- 'mat_hypertable_id', initial_start, replace(check_schema, '_timescaledb_functions', "
        "'_timescaledb_internal'), check_name FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1");
    add("jobs' hypertables",
        "SELECT j.job_id, h.schema_name, h.table_name FROM timescaledb_information.jobs j JOIN "
        "_timescaledb_catalog.hypertable h ON h.id::text IN (j.config ->> 'hypertable_id', j.config ->> "
        "'mat_hypertable_id') WHERE j.job_id >= 1000 ORDER BY 1");
    return all;
}

class TimescaleDBBlueprint : public ::testing::Test {
protected:
    void SetUp() override {
        TSLIVE_NEEDS_TIMESCALEDB();
        server.emplace(timescaledb_server());
        server->sql("postgres", "CREATE ROLE xver_app LOGIN");
    }
    [[nodiscard]] Database make_database(const std::string& name, const std::string& version) const {
        auto database = server->create_database(name);
        database.sql("CREATE SCHEMA \"Ts\"; GRANT USAGE ON SCHEMA \"Ts\" TO PUBLIC");
        database.sql(fmt::format("CREATE EXTENSION timescaledb WITH SCHEMA \"Ts\" VERSION '{}'", version));
        database.sql(
            fmt::format("ALTER DATABASE {} SET search_path = public, \"Ts\"; ALTER DATABASE {} SET "
                        "client_min_messages = error",
                        pg::quote_identifier(name), pg::quote_identifier(name)));
        database.sql(tables);
        return database;
    }
    [[nodiscard]] static timescale::Blueprint read(const Database& database) {
        auto session = pg::Connection::open(database.conninfo(), "blueprint");
        return timescale::read_blueprint(session, *timescale::installation(session));
    }
    static void make(const Database& database, const timescale::Blueprint& print) {
        auto session = pg::Connection::open(database.conninfo(), "blueprint");
        const auto installation = *timescale::installation(session);
        pg::Transaction transaction(session);
        timescale::make_hypertables(session, print, installation);
        timescale::make_aggregates(session, print, installation);
        session.exec("CREATE INDEX cond_ts ON public.cond (ts)");
        timescale::make_materialization_indexes(session, print);
        timescale::set_compression(session, print, installation);
        timescale::make_jobs(session, print, installation);
        transaction.commit();
    }
    [[nodiscard]] static std::vector<std::string> objections(const Database& database) {
        auto session = pg::Connection::open(database.conninfo(), "blueprint");
        return timescale::objections(session, *timescale::installation(session), std::nullopt);
    }

    std::optional<TestServer> server;
};

TEST_F(TimescaleDBBlueprint, is_the_same_on_every_newer_release) {
    const auto& versions = timescaledb_versions();
    int number = 0;
    for (std::size_t from = 0; from < versions.size(); ++from) {
        SCOPED_TRACE("from " + versions[from]);
        const auto source = make_database("source_" + versions[from], versions[from]);
        for (const auto statements : timescale_objects) source.sql(statements);
        EXPECT_THAT(objections(source), testing::IsEmpty());
        const auto print = read(source);
        const auto expected = seen(source);
        // Each to itself, to the next and to the newest.
        std::set<std::size_t> targets{from, std::min(from + 1, versions.size() - 1), versions.size() - 1};
        for (const auto to : targets) {
            SCOPED_TRACE("to " + versions[to]);
            const auto target = make_database(fmt::format("target_{}", ++number), versions[to]);
            make(target, print);
            const auto made = seen(target);
            for (const auto& [kind, rows] : expected) EXPECT_EQ(rows, made.at(kind)) << kind;
            server->sql("postgres", "DROP DATABASE " + target.name() + " WITH (FORCE)");
        }
    }
}

TEST_F(TimescaleDBBlueprint, names_what_cannot_be_carried) {
    const auto& oldest = timescaledb_versions().front();
    if (timescale::Release::parse(oldest)->jobs() != "_timescaledb_config.bgw_job")
        GTEST_SKIP() << "no version before 2.25 is installed, whose catalog this test bends";
    const auto source = make_database("source", oldest);
    for (const auto statements : timescale_objects) source.sql(statements);
    source.sql("INSERT INTO cond VALUES ('2024-01-01', 1, 1)");
    source.sql("DO $$ BEGIN EXECUTE format('CREATE VIEW of_a_chunk AS SELECT * FROM %s', show_chunks('cond')); END $$");
    source.sql(
        "DO $$ BEGIN EXECUTE (SELECT format('CREATE VIEW of_rows AS SELECT * FROM %I.%I', h.schema_name, h.table_name) "
        "FROM _timescaledb_catalog.hypertable h WHERE table_name LIKE '_materialized%' LIMIT 1); END $$");
    source.sql(R"sql(UPDATE _timescaledb_catalog.chunk SET osm_chunk = true;
        UPDATE _timescaledb_catalog.continuous_agg SET finalized = false WHERE user_view_name = 'itab_s';
        UPDATE _timescaledb_config.bgw_job SET proc_name = 'policy_of_tomorrow' WHERE id = 1001;
        UPDATE _timescaledb_catalog.dimension SET partitioning_func = 'unknown_hash' WHERE column_name = 'dev')sql");
    const auto found = objections(source);
    EXPECT_THAT(found, testing::UnorderedElementsAre(
                           testing::HasSubstr("hypertable public.cond has tiered chunks"),
                           testing::HasSubstr("hypertable public.cond is partitioned by a function"),
                           testing::HasSubstr("continuous aggregate public.itab_s has the form of before 2.7"),
                           testing::HasSubstr("job 1001 (Retention Policy [1001]) is a policy of a kind"),
                           testing::HasSubstr("view public.of_a_chunk reads a table of TimescaleDB's own"),
                           testing::HasSubstr("view public.of_rows reads a table of TimescaleDB's own")));
}

TEST_F(TimescaleDBBlueprint, does_not_go_to_an_older_release_or_another_schema) {
    const auto& versions = timescaledb_versions();
    if (versions.size() < 2) GTEST_SKIP() << "only one version of TimescaleDB is installed";
    const auto source = make_database("source", versions.back());
    auto target = server->create_database("target");
    target.sql(fmt::format("CREATE EXTENSION timescaledb VERSION '{}'", versions.front()));
    auto session = pg::Connection::open(source.conninfo(), "blueprint");
    auto there = pg::Connection::open(target.conninfo(), "blueprint");
    EXPECT_THAT(timescale::objections(session, *timescale::installation(session), timescale::installation(there)),
                testing::UnorderedElementsAre(
                    testing::HasSubstr("is older than the source's"),
                    testing::HasSubstr("in the schema public on the target and in Ts on the source")));
}

}  // namespace
}  // namespace tslive::harness
