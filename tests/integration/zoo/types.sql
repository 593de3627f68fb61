-- Values of every built-in kind of type, at their edges, with NULLs; then each kind as a key. Deterministic; PostgreSQL 12 and later.
CREATE SCHEMA zoo_types;
SET search_path = zoo_types, pg_catalog;
SET timezone = 'UTC';

CREATE TYPE color AS ENUM ('red', 'green', 'it''s, "blue"');
CREATE TYPE point3 AS (x double precision, y double precision, label text);
CREATE TYPE nested AS (p point3, all_points point3[], c color);
CREATE DOMAIN email AS text CHECK (VALUE ~ '@');
CREATE DOMAIN int_list AS int[] CHECK (array_length(VALUE, 1) < 10);
CREATE TYPE float_range AS RANGE (subtype = float8, subtype_diff = float8mi);

CREATE TABLE numbers (id int PRIMARY KEY, i2 smallint, i4 int, i8 bigint, n numeric, n2 numeric(30, 10), f4 real, f8 double precision, m money, o oid, b boolean);
INSERT INTO numbers VALUES
    (1, -32768, -2147483648, -9223372036854775808, 'NaN', -99999999999999999999.9999999999, '-Infinity', '-Infinity', '-92233720368547758.08', 0, true),
    (2, 32767, 2147483647, 9223372036854775807, 1e131, 0.0000000001, 'Infinity', 'Infinity', '92233720368547758.07', 4294967295, false),
    (3, 0, 0, 0, 0.000, 0, '-0', '-0', 0, 1, NULL), (4, 1, 1, 1, 1.10, 1.1, 'NaN', 'NaN', 1.5, 2, true),
    (5, 1, 1, 9007199254740993, 12345678901234567890123456789012345678901234567890.123456789, 3, 1.17549435e-38, 2.2250738585072014e-308, 3, 3, false),
    (6, 1, 1, 1, 1e-1000, 3, 0.1, 0.1, 3, 3, false), (7, 1, 1, 1, -0.5, 3, 3.4028235e38, 1.7976931348623157e308, 3, 3, false),
    (8, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE texts (id int PRIMARY KEY, t text, vc varchar(20), c char(8), n name, ch "char", by bytea, c_collation text COLLATE "C");
INSERT INTO texts VALUES
    (1, '', '', '', '', '', '', ''), (2, 'null', 'NULL', 'null', 'null', 'n', '\x00', '\N'), (3, E'\\N', E'\\.', 'pad', 'na me', 'ä', '\x5c4e', E'\\'),
    (4, E'line\nfeed', E'cr\rlf\r\n', 'x ', 'y', '\', '\x0a0d09', E'tab\tend'), (5, '''quoted''', '"double"', E'\x01', 'z', '''', '\xdeadbeef', '"'),
    (6, 'ünï 表 😀', '表', '😀', '表', '0', '\xffffffff', E'e\u0301'), (7, repeat('long ', 3000), NULL, NULL, NULL, NULL, decode(repeat('00ff5c', 4000), 'hex'), NULL),
    (8, E'\\x41', 'a,b', '{}', 'c', ',', '\x2c', '(a,b)'), (9, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE times (id int PRIMARY KEY, d date, t time, tz timetz, ts timestamp, tstz timestamptz, i interval, t0 time(0), ts3 timestamp(3));
INSERT INTO times VALUES
    (1, '4713-11-24 BC', '00:00:00', '00:00:00+15:59', '4713-11-24 00:00:00 BC', '4713-11-24 00:00:00+00 BC', '-178000000 years', '23:59:59', '2000-01-01 00:00:00.123'),
    (2, '5874897-12-31', '24:00:00', '24:00:00-15:59', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '178000000 years', '00:00', '1969-12-31 23:59:59.999'),
    (3, 'infinity', '12:34:56.789012', '12:34:56.789012+05:45', 'infinity', 'infinity', '1 year 2 mons -3 days 04:05:06.000007', '12:00', 'infinity'),
    (4, '-infinity', NULL, NULL, '-infinity', '-infinity', '-1 mon +1 day -00:00:00.000001', NULL, '-infinity'),
    (5, '2024-03-31', '02:30', '02:30+02', '2024-03-31 02:30', '2024-03-31 02:30+02', '00:00:00', NULL, NULL), (6, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE structures (id int PRIMARY KEY, j json, jb jsonb, x xml, a int[], a2 int[][], ta text[], ea color[], pa point3[], jba jsonb[], il int_list);
INSERT INTO structures VALUES
    (1, '{"b":1,  "a":[1,2 ,3],"a":null}', '{"b":1,"a":[1,2,3]}', '<a>text &amp; more</a>', '{}', '{}', '{}', '{}', '{}', '{}', '{1,2}'),
    (2, 'null', 'null', '<?xml version="1.0"?><a/>', '{1,NULL,3}', '{{1,2},{3,4}}', '{"",NULL,"NULL","a,b","{c}","d\"e","f\\g"," h "}', '{red,"it''s, \"blue\""}',
        ARRAY[(1, 2, 'a,b')::point3, NULL, (NULL, 'NaN', '"q"')::point3], ARRAY['{"k":"v"}', NULL, '"s"']::jsonb[], NULL),
    (3, '"\u00e4 \\ \" \u20ac"', '{"k": 1.000000000000000000001e-10, "n": 100000000000000000000000}', 'no element', '[0:2]={7,8,9}', '[-1:0][5:5]={{1},{2}}', '{x}', NULL, NULL, NULL, '{9}'),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE geometry (id int PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, c circle);
INSERT INTO geometry VALUES
    (1, '(0,0)', '{1,2,3}', '[(0,0),(1,1)]', '(2,2),(1,1)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(0,0),1>'),
    (2, '(-0,1e300)', '{0,1,-5}', '[(1e-300,0.1),(0.2,0.3)]', '(0.1,0.2),(-1,-2)', '((0,0),(1,1),(2,0))', '((0.1,0.2))', '<(1.5,-2.5),0>'),
    (3, '(NaN,Infinity)', NULL, NULL, NULL, NULL, NULL, NULL), (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE networks (id int PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8, u uuid, b bit(5), vb varbit, ts tsvector, tq tsquery, lsn pg_lsn, r regclass, ro regtype);
INSERT INTO networks VALUES
    (1, '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '00000000-0000-0000-0000-000000000000', '10101', '', 'a:1A fat:2B,4C cat:5D', 'fat & (rat | !cat)', '0/0',
        'pg_catalog.pg_class', 'pg_catalog.int4'),
    (2, '::1/128', '2001:db8::/32', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '00000', '1010101010101', '''it''''s'':1 ''a b''', 'super:*AB <-> star', 'FFFFFFFF/FFFFFFFF',
        NULL, 'zoo_types.color'),
    (3, '192.168.1.5/24', '0.0.0.0/0', NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL), (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE ranges (id int PRIMARY KEY, r4 int4range, r8 int8range, rn numrange, rd daterange, rt tsrange, rtz tstzrange, rf float_range, ra int4range[]);
INSERT INTO ranges VALUES
    (1, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', '{}'),
    (2, '[1,10)', '(,5]', '[1.1,2.2)', '[2020-01-01,2020-12-31]', '[2020-01-01,infinity]', '[,2020-01-01 00:00+00)', '[0.1,1e300)', '{"[1,2)",empty,NULL}'),
    (3, '(,)', '[-9223372036854775808,)', '(,)', '[,)', '(,)', '(,)', '(NaN,)', NULL), (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
DO $$ BEGIN  -- multiranges came with 14
    IF current_setting('server_version_num')::int >= 140000 THEN
        EXECUTE 'CREATE TABLE multiranges (id int PRIMARY KEY, m4 int4multirange, md datemultirange, mf float_multirange)';
        EXECUTE $q$INSERT INTO multiranges VALUES (1, '{}', '{}', '{}'), (2, '{[1,3),[5,7)}', '{[2020-01-01,2020-02-01),[2021-01-01,)}', '{[0.1,0.2]}'), (3, NULL, NULL, NULL)$q$;
    END IF;
END $$;

CREATE TABLE user_types (id int PRIMARY KEY, c color, p point3, n nested, e email, row_of numbers);
INSERT INTO user_types VALUES
    (1, 'red', (1, 2, 'l'), ((1, 2, 'in "quotes", (and) more'), ARRAY[(3, 4, NULL)::point3], 'green'), 'a@b', (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, true)),
    (2, 'it''s, "blue"', (NULL, NULL, ''), (NULL, '{}', NULL), '@', NULL), (3, NULL, NULL, NULL, NULL, NULL);

-- Each kind of type as a primary key: what UPDATE and DELETE are found by.
DO $$
DECLARE
    kind text;
    expression text;
BEGIN
    FOR kind, expression IN VALUES
        ('smallint', 'i'), ('bigint', 'i * 1000000007::bigint'), ('numeric', 'i / 7.0::numeric'), ('real', 'i / 7.0'), ('double precision', 'i / 7.0'),
        ('text', '''k'''' '' || i'), ('varchar(30)', '''k '' || i'), ('char(10)', '''k '' || i'), ('"char"', 'chr(64 + i)'), ('name', '''n'' || i'),
        ('bytea', 'decode(md5(i::text), ''hex'')'), ('uuid', 'md5(i::text)::uuid'), ('date', '''2020-01-01''::date + i'), ('time', '''00:00''::time + i * interval ''1 minute'''),
        ('timetz', '''00:00+01''::timetz + i * interval ''1 minute'''), ('timestamp', '''2020-01-01''::timestamp + i * interval ''1.000001 s'''),
        ('timestamptz', '''2020-01-01 UTC''::timestamptz + i * interval ''1.000001 s'''), ('interval', 'i * interval ''1 day 1 s'''), ('inet', '''10.0.0.0''::inet + i'),
        ('macaddr', '(''08:00:2b:01:02:'' || lpad(to_hex(i), 2, ''0''))::macaddr'), ('bit(8)', 'i::bit(8)'), ('varbit', 'i::bit(8)::varbit'), ('jsonb', 'jsonb_build_object(''k'', i)'),
        ('int[]', 'ARRAY[i, NULL, -i]'), ('text[]', 'ARRAY[''a,'' || i, ''"'']'), ('int4range', 'int4range(i, i + 10)'), ('oid', 'i::oid'), ('pg_lsn', '''0/0''::pg_lsn + i::numeric'),
        ('money', 'i::money'), ('zoo_types.point3', 'ROW(i, -i, ''p'')::zoo_types.point3'), ('zoo_types.email', '(''m@'' || i)::zoo_types.email'), ('tsvector', '(''w'' || i)::tsvector') LOOP
        CONTINUE WHEN kind = 'pg_lsn' AND current_setting('server_version_num')::int < 140000;  -- pg_lsn + numeric came with 14
        EXECUTE format('CREATE TABLE %I (id %s PRIMARY KEY, v text)', 'key ' || kind, kind);
        EXECUTE format('INSERT INTO %I SELECT %s, ''v '' || i FROM generate_series(1, 20) i', 'key ' || kind, expression);
    END LOOP;
END $$;
CREATE TABLE "key enum" (id color PRIMARY KEY, v text);
INSERT INTO "key enum" SELECT c, 'v' FROM unnest(enum_range(NULL::color)) c;
CREATE TABLE "key boolean" (id boolean PRIMARY KEY, v text);
INSERT INTO "key boolean" VALUES (true, 't'), (false, 'f');
CREATE TABLE "key of many" (a int, b text, c timestamptz, d uuid, v text, PRIMARY KEY (d, b, a, c));
INSERT INTO "key of many" SELECT i % 3, 'b' || i % 4, '2020-01-01 UTC'::timestamptz + i * interval '1 day', md5((i % 5)::text)::uuid, 'v' || i FROM generate_series(1, 30) i;

RESET timezone;
RESET search_path;
