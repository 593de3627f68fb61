-- After schema.sql: the readings in a hypertable instead of partitions.
CREATE EXTENSION timescaledb;
DROP TABLE plant.readings;
CREATE TABLE plant.readings (at timestamptz NOT NULL, sensor int NOT NULL, value double precision, quality smallint NOT NULL DEFAULT 0);
SELECT create_hypertable('plant.readings', 'at', chunk_time_interval => interval '1 day', create_default_indexes => false) \g /dev/null
