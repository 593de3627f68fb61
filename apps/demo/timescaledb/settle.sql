-- Before two databases are compared: no job runs any more, and each has done what it would do next.
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_namespace WHERE nspname = '_timescaledb_functions') THEN PERFORM _timescaledb_functions.stop_background_workers();
    ELSE PERFORM _timescaledb_internal.stop_background_workers(); END IF;
END $$;
SELECT drop_chunks('plant.readings', older_than => timestamptz :'now' - interval '79 days') \g /dev/null
CALL refresh_continuous_aggregate('plant.hourly', timestamptz :'now' - interval '70 days', :'now');
