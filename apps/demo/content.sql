-- What a database holds, one line for each thing: name, size, content. Partitions count in their table; ours is left out.
\pset format unaligned
\pset fieldsep '\t'
\pset tuples_only on
SET search_path = '';
SELECT format('SELECT %L, count(*), left(md5(sum(hashtextextended("ts-live: the row"::text, 1)::numeric) || ''/'' || sum(hashtextextended("ts-live: the row"::text, 2)::numeric)), 16) FROM %I.%I AS "ts-live: the row"',
              format('%I.%I', n.nspname, c.relname), n.nspname, c.relname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND n.nspname !~ '^(pg_|tslive_|_timescaledb_)' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname \gexec
SELECT format('SELECT %L, 1, last_value || CASE WHEN is_called THEN '' called'' ELSE '''' END FROM %I.%I', format('%I.%I', n.nspname, c.relname), n.nspname, c.relname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND n.nspname !~ '^(pg_|tslive_|_timescaledb_)'
ORDER BY n.nspname, c.relname \gexec
SELECT 'large object ' || oid, 1, left(md5(lo_get(oid)), 16) FROM pg_catalog.pg_largeobject_metadata ORDER BY oid;
