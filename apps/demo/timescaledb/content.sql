-- What a continuous aggregate shows, as content.sql has tables.
\pset format unaligned
\pset fieldsep '\t'
\pset tuples_only on
SELECT 'plant.hourly', count(*), left(md5(sum(hashtextextended(h::text, 1)::numeric) || '/' || sum(hashtextextended(h::text, 2)::numeric)), 16)
    FROM plant.hourly h WHERE hour >= date_trunc('hour', timestamptz :'now') - interval '69 days';
