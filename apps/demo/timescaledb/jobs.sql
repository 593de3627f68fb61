-- The jobs, one a line, without what they have done.
\pset format unaligned
\pset tuples_only on
SELECT job_id, application_name, schedule_interval, proc_schema, proc_name, owner, scheduled, config, hypertable_schema, hypertable_name
FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY job_id;
