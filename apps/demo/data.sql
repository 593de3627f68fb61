-- :scale 1 makes about 250 MB. :part chooses what to load, so that two sessions can share the work.
\if :{?scale} \else \set scale 1 \endif
SELECT :'part' = 'readings' AS readings, :'part' = 'rest' AS rest \gset
\if :readings
INSERT INTO plant.readings
    SELECT date_trunc('hour', now()) - i * interval '5 seconds', i % 500, 20 + 10 * sin(i / 1000.0), (i % 3)::smallint
    FROM generate_series(1, (1500000 * :scale)::int) i;
ALTER TABLE plant.readings ADD PRIMARY KEY (sensor, at);
CREATE INDEX ON plant.readings USING brin (at);
\endif
\if :rest
INSERT INTO plant.sensors SELECT i, 'sensor ' || i, point(i % 25, i / 25), jsonb_build_object('unit', '°C', 'limit', i % 40) FROM generate_series(0, 499) i;
INSERT INTO plant.alarms SELECT now() - i * interval '1 minute', i % 500, 'above the limit' FROM generate_series(1, 5000) i;
INSERT INTO shop.customers (name, email, tags) SELECT 'Customer ' || i, 'c' || i || '@example.org', ARRAY['a,b', '"' || i || '"', NULL]
    FROM generate_series(1, (20000 * :scale)::int) i;
INSERT INTO shop.products SELECT i, 'Product ' || i, i % 500 + 0.99, 1000 FROM generate_series(1, 1000) i;
INSERT INTO shop.orders (customer, status, ordered)
    SELECT i % (20000 * :scale)::int + 1, (enum_range(NULL::shop.status))[i % 4 + 1], now() - i * interval '1 minute' FROM generate_series(1, (100000 * :scale)::int) i;
INSERT INTO shop.order_lines ("order", line, product, quantity, price)
    SELECT i, line, (i * line) % 1000 + 1, line, i % 500 + 0.99 FROM generate_series(1, (100000 * :scale)::int) i, generate_series(1, 3) line WHERE (i + line) % 4 > 0;
CREATE INDEX ON shop.orders (customer);
CREATE INDEX ON shop.orders (ordered) WHERE status = 'new';
INSERT INTO shop.stock_log SELECT i % 1000, i % 7 - 3, NULL FROM generate_series(1, 5000) i;
CREATE VIEW shop.open_orders AS SELECT * FROM shop.orders WHERE status = 'new';
CREATE MATERIALIZED VIEW shop.sales AS SELECT product, sum(quantity) AS sold FROM shop.order_lines GROUP BY product;
CREATE UNIQUE INDEX ON shop.sales (product);
-- Values of 4 to 60 kB that do not compress well.
INSERT INTO archive.documents
    SELECT md5('document ' || i)::uuid, 'Document ' || i, 1, (SELECT string_agg(md5(i || '/' || n), '') FROM generate_series(1, 100 + i % 13 * 100) n),
           CASE WHEN i % 5 = 0 THEN decode(repeat(md5('scan ' || i), 1000), 'hex') END, jsonb_build_object('pages', i % 90, 'words', to_jsonb(ARRAY['x', 'y', i::text]))
    FROM generate_series(1, (2000 * :scale)::int) i;
INSERT INTO "Odd ""names""; --"."Select, from {where}" SELECT 'key ' || i, i, E'back\\slash, ''quote'' and\nnew line ' || i FROM generate_series(1, 1000) i;
INSERT INTO "Odd ""names""; --"."semi;colon.dot" SELECT i / 10, 'o' || i FROM generate_series(1, 1000) i;
SELECT lo_from_bytea(815001, decode(repeat('00c0ffee', 5000), 'hex'));
\endif
