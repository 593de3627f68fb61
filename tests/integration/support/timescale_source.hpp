#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "integration/support/timescale.hpp"
#include "tslive/timescale/release.hpp"

namespace tslive::harness {

/// `CREATE EXTENSION timescaledb` in a schema of its own, and that schema in the database's search_path.
inline void create_timescaledb_in(const Database& database, std::string_view schema, std::string_view version) {
    database.sql(
        fmt::format("CREATE SCHEMA IF NOT EXISTS {0}; GRANT USAGE ON SCHEMA {0} TO PUBLIC; CREATE EXTENSION "
                    "timescaledb WITH SCHEMA {0} VERSION '{1}'; "
                    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, {0}', "
                    "current_database()); END $$",
                    pg::quote_identifier(schema), version));
}

/// One database with what TimescaleDB has to offer, all of it in use: hypertables of several kinds, compressed, partly compressed,
/// with policies; continuous aggregates on each other, in real time, compressed; what plain PostgreSQL builds upon these.
///
/// The source is made quiet, as a migration makes it: no job runs, materializations have replica identity FULL.
inline void load_timescaledb_zoo(const Database& database, const timescale::Release& release) {
    database.sql(R"(
        CREATE SCHEMA "Chunks";
        CREATE SCHEMA app;
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ts_app') THEN CREATE ROLE ts_app LOGIN; END IF;
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ts_reader') THEN CREATE ROLE ts_reader; END IF;
        END $$;
        GRANT USAGE, CREATE ON SCHEMA app TO ts_app;
        CREATE TABLE device (id int PRIMARY KEY, name text);
        INSERT INTO device SELECT i, 'device ' || i FROM generate_series(0, 7) i;

        CREATE TABLE cond (ts timestamptz NOT NULL, dev int NOT NULL REFERENCES device, gone text, temp float8,
            twice float8 GENERATED ALWAYS AS (temp * 2) STORED, seq bigserial, PRIMARY KEY (ts, dev));
        SELECT create_hypertable('cond', 'ts', 'dev', 4, chunk_time_interval => interval '1 day');
        CREATE INDEX cond_temp ON cond (temp) WHERE temp > 10;
        INSERT INTO cond (ts, dev, gone, temp) SELECT ts, dev, 'x', extract(epoch FROM ts)::int8 % 40 + dev
            FROM generate_series('2024-01-01'::timestamptz, '2024-01-03', '30 min') ts, generate_series(0, 5) dev;
        ALTER TABLE cond DROP COLUMN gone;
        INSERT INTO cond (ts, dev, temp) SELECT ts, dev, extract(epoch FROM ts)::int8 % 40 + dev
            FROM generate_series('2024-01-04'::timestamptz, '2024-01-05', '30 min') ts, generate_series(0, 5) dev;
        CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
        CREATE TRIGGER cond_noted BEFORE INSERT ON cond FOR EACH ROW EXECUTE FUNCTION noted();

        CREATE TABLE "Met" ("When" timestamptz NOT NULL, "Dev" int NOT NULL, v float8, note text);
        SELECT create_hypertable('"Met"', 'When', chunk_time_interval => interval '1 day',
            associated_schema_name => 'Chunks', associated_table_prefix => 'Pfx');
    )");
    if (release.replica_identity_of_hypertables()) database.sql("ALTER TABLE \"Met\" REPLICA IDENTITY FULL");
    database.sql(R"(
        ALTER TABLE "Met" SET (timescaledb.compress, timescaledb.compress_segmentby = '"Dev"',
            timescaledb.compress_orderby = '"When" DESC');
        INSERT INTO "Met" SELECT ts, dev, dev + 0.5, 'note ' || dev
            FROM generate_series('2024-02-01'::timestamptz, '2024-02-06 23:00', '1 hour') ts, generate_series(0, 4) dev;
        SELECT compress_chunk(c) FROM show_chunks('"Met"', older_than => '2024-02-06'::timestamptz) c;
        INSERT INTO "Met" SELECT '2024-02-02 00:30', dev, 9, 'late' FROM generate_series(0, 4) dev;

        CREATE TABLE itab (n bigint NOT NULL, v int, PRIMARY KEY (n));
        SELECT create_hypertable('itab', 'n', chunk_time_interval => 100);
        CREATE FUNCTION itab_now() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT coalesce(max(n), 0) FROM public.itab';
        SELECT set_integer_now_func('itab', 'itab_now');
        INSERT INTO itab SELECT n, n % 7 FROM generate_series(-150, 350) n;
        CREATE TABLE empty_one (ts timestamptz NOT NULL, v int);
        SELECT create_hypertable('empty_one', 'ts');
    )");
    database.sql(R"(
        CREATE MATERIALIZED VIEW cond_h WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
            SELECT time_bucket('1 hour', ts) AS bucket, dev, avg(temp) AS a, count(*) AS n FROM cond GROUP BY 1, 2 WITH NO DATA;
    )");
    database.sql(R"(
        CREATE MATERIALIZED VIEW cond_d WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
            SELECT time_bucket('1 day', bucket) AS day, dev, sum(n) AS n FROM cond_h GROUP BY 1, 2 WITH NO DATA;
    )");
    database.sql(R"(
        CREATE MATERIALIZED VIEW app."Met daily" WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
            SELECT time_bucket('1 day', "When") AS bucket, "Dev", max(v) AS most FROM "Met" GROUP BY 1, 2 WITH NO DATA;
    )");
    database.sql(R"(
        CREATE MATERIALIZED VIEW itab_s WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
            SELECT time_bucket(50::bigint, n) AS bucket, sum(v) AS s FROM itab GROUP BY 1 WITH NO DATA;
    )");
    if (release.replica_identity_of_hypertables())
        database.sql(R"(DO $$ DECLARE r record; BEGIN
            FOR r IN SELECT h.schema_name, h.table_name FROM _timescaledb_catalog.hypertable h
                WHERE table_name = 'empty_one' OR id IN (SELECT mat_hypertable_id FROM _timescaledb_catalog.continuous_agg)
            LOOP
                EXECUTE format('ALTER TABLE %I.%I REPLICA IDENTITY FULL', r.schema_name, r.table_name);
            END LOOP;
        END $$)");
    database.sql("CALL refresh_continuous_aggregate('cond_h', '2024-01-01', '2024-01-04')");
    database.sql("CALL refresh_continuous_aggregate('cond_d', '2024-01-01', '2024-01-03')");
    database.sql("CALL refresh_continuous_aggregate('app.\"Met daily\"', '2024-02-01', '2024-02-05')");
    database.sql("CALL refresh_continuous_aggregate('itab_s', -100, 200)");
    database.sql(R"(
        INSERT INTO cond (ts, dev, temp) SELECT '2024-01-02 00:10', dev, 99 FROM generate_series(0, 5) dev;
        INSERT INTO itab VALUES (-160, 5);
        ALTER MATERIALIZED VIEW app."Met daily" SET (timescaledb.compress = true);
        SELECT compress_chunk(c) FROM show_chunks('app."Met daily"') c;
        SELECT add_retention_policy('cond', interval '10 years');
        SELECT add_compression_policy('"Met"', interval '10 years');
        SELECT add_reorder_policy('cond', 'cond_ts_idx');
        SELECT add_continuous_aggregate_policy('cond_h', interval '20 years', interval '1 hour', interval '1 hour');
        CREATE PROCEDURE app.chore(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$;
        GRANT EXECUTE ON PROCEDURE app.chore TO ts_app;
        CREATE VIEW cond_view AS SELECT c.ts, d.name, c.temp FROM cond c JOIN device d ON d.id = c.dev;
        CREATE MATERIALIZED VIEW plain_mv AS SELECT name, count(*) AS n FROM cond_view GROUP BY 1;
        CREATE MATERIALIZED VIEW met_mv AS SELECT "Dev", count(*) AS n, sum(v) AS s FROM "Met" GROUP BY 1;
        CREATE UNIQUE INDEX met_mv_dev ON met_mv ("Dev");
        CREATE MATERIALIZED VIEW cagg_mv AS SELECT dev, sum(n) AS n FROM cond_h GROUP BY 1;
        GRANT SELECT ON cond, "Met", cond_h, cond_view TO ts_reader;
        GRANT INSERT ON cond TO ts_app;
        COMMENT ON TABLE cond IS 'conditions';
        SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000;
    )");  // one transaction: no job has run
    database.sql(
        "SET ROLE ts_app; SELECT alter_job(add_job('app.chore', interval '1 hour', config => '{\"a\": 1}'), "
        "scheduled => false)");
}

}  // namespace tslive::harness
