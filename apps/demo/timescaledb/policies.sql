-- After the data: most of it compressed, a continuous aggregate over all of it, and policies that have something to do every few seconds.
ALTER TABLE plant.readings SET (timescaledb.compress, timescaledb.compress_segmentby = 'sensor', timescaledb.compress_orderby = 'at DESC');
SELECT count(compress_chunk(c)) AS "chunks compressed" FROM show_chunks('plant.readings', older_than => interval '20 days') c;
CREATE MATERIALIZED VIEW plant.hourly WITH (timescaledb.continuous) AS
    SELECT time_bucket('1 hour', at) AS hour, sensor, min(value) AS least, max(value) AS most, sum(quality) AS quality, count(*) AS readings FROM plant.readings GROUP BY 1, 2 WITH NO DATA;
CALL refresh_continuous_aggregate('plant.hourly', NULL, now() - interval '1 day');
SELECT add_continuous_aggregate_policy('plant.hourly', interval '30 days', interval '1 hour', interval '3 seconds'),
       add_compression_policy('plant.readings', interval '10 days'),
       add_retention_policy('plant.readings', interval '80 days') \g /dev/null
SELECT alter_job(job_id, schedule_interval => interval '4 seconds') FROM timescaledb_information.jobs
    WHERE proc_name IN ('policy_compression', 'policy_retention') \g /dev/null
CREATE PROCEDURE plant.count_alarms(job_id int, config jsonb) LANGUAGE sql AS
    $$ INSERT INTO plant.alarms (text) SELECT 'counted ' || count(*) FROM plant.alarms $$;
SELECT alter_job(add_job('plant.count_alarms', interval '1 day', config => '{"by": "the user"}'), scheduled => false) \g /dev/null
