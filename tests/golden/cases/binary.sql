-- Values in the form of their types' send functions.
-- from: 14
-- options: 'proto_version', '2', 'messages', 'true', 'binary', 'true'
CREATE TABLE typed (id bigint PRIMARY KEY, small smallint, ratio double precision, amount numeric, yes bool,
    word text, code uuid, at timestamptz, day date, wait interval, address inet, doc jsonb,
    list int[], bits bit(5), raw bytea, low macaddr8);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE composed (id int PRIMARY KEY, twin pair, lsn pg_lsn, path tid, acl aclitem);
CREATE PUBLICATION golden FOR TABLE typed, composed;

-- changes
SET TimeZone = 'UTC';
INSERT INTO typed VALUES (1, -2, 'NaN', 12345.678, true, 'wörd', '6ba7b810-9dad-11d1-80b4-00c04fd430c8',
    '2024-02-29 12:00:00+00', '1999-12-31', '1 mon -3 days 04:05:06', '10.1.2.3/8', '{"k": 1}', '{1,NULL}', B'10101',
    '\x00ff', '08:00:2b:01:02:03:04:05');
INSERT INTO typed (id) VALUES (-1);
UPDATE typed SET id = 2, word = NULL WHERE id = 1;
INSERT INTO composed VALUES (1, ROW(1, 'x'), '16/B374D848', '(0,1)', 'postgres=r/postgres');
DELETE FROM typed;
