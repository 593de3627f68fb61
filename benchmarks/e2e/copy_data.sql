-- About :mb megabytes in tables of different kinds, each with a primary key and a second index.
SET synchronous_commit = off;
CREATE TABLE devices (id int PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO devices SELECT i, 'device ' || i FROM generate_series(0, 999) i;
CREATE TABLE narrow (id bigint, device int NOT NULL, at timestamptz NOT NULL, value double precision, note text);
INSERT INTO narrow SELECT i, i % 1000, '2024-01-01 UTC'::timestamptz + i * interval '1 s', i / 3.0, 'note ' || i FROM generate_series(1, :mb * 4000) i;
ALTER TABLE narrow ADD PRIMARY KEY (id);
CREATE INDEX ON narrow (device, at);
ALTER TABLE narrow ADD FOREIGN KEY (device) REFERENCES devices;
CREATE TABLE mixed (id int, a text, b numeric, c jsonb, d uuid, e timestamp, f bytea);
INSERT INTO mixed SELECT i, 'text, with "quotes" and \ ' || i, i * 1.0001, jsonb_build_object('number', i, 'list', to_jsonb(ARRAY[i, i + 1])), md5(i::text)::uuid,
                         '2024-01-01'::timestamp + i * interval '1 min', decode(md5(i::text), 'hex')
    FROM generate_series(1, :mb * 900) i;
ALTER TABLE mixed ADD PRIMARY KEY (id);
CREATE INDEX ON mixed (d);
CREATE TABLE large (id int, body text);
INSERT INTO large SELECT i, (SELECT string_agg(md5(i || ' ' || n), '') FROM generate_series(1, 300) n) FROM generate_series(1, :mb * 15) i;
ALTER TABLE large ADD PRIMARY KEY (id);
VACUUM ANALYZE;
