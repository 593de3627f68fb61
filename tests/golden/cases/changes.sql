-- Every kind of change that protocol version 1 knows, as text.
-- options: 'proto_version', '1', 'messages', 'true'
CREATE SCHEMA "Odd ""name";
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE DOMAIN short_text AS varchar(10);
CREATE TABLE plain (id int PRIMARY KEY, name text, feeling mood, tag short_text, amount numeric(12, 3),
    at timestamptz, data bytea);
CREATE TABLE "Odd ""name"."Wide Täble" (a int, "b c" text, PRIMARY KEY (a, "b c"));
CREATE TABLE full_identity (a int, b text);
ALTER TABLE full_identity REPLICA IDENTITY FULL;
CREATE TABLE index_identity (a int NOT NULL, b text NOT NULL, c text);
CREATE UNIQUE INDEX index_identity_b ON index_identity (b);
ALTER TABLE index_identity REPLICA IDENTITY USING INDEX index_identity_b;
CREATE TABLE generated (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED, c int);
CREATE TABLE toasted (id int PRIMARY KEY, big text, n int);
ALTER TABLE toasted ALTER big SET STORAGE EXTERNAL;
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id serial PRIMARY KEY, parent int REFERENCES parent);
CREATE TABLE part (k int, v text, PRIMARY KEY (k)) PARTITION BY RANGE (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20);
SELECT CASE WHEN current_setting('server_version_num')::int < 130000 THEN 'part_1, part_2' ELSE 'part' END AS part \gset
CREATE PUBLICATION golden FOR TABLE plain, "Odd ""name"."Wide Täble", full_identity, index_identity, generated, toasted,
    parent, child, :part;
SELECT pg_replication_origin_create('elsewhere');

-- changes
SET TimeZone = 'UTC';
SET bytea_output = 'hex';
INSERT INTO plain VALUES (1, 'one', 'happy', 'x', 1.500, '2024-02-29 12:00:00+00', '\x00ff'),
    (2, '', NULL, NULL, 'NaN', 'infinity', '');
INSERT INTO plain (id, name) VALUES (3, E'tab\there, newline\nthere, back\\slash, ünïcode, 😀');
UPDATE plain SET name = 'eins' WHERE id = 1;
UPDATE plain SET id = 20 WHERE id = 2;
DELETE FROM plain WHERE id = 3;
BEGIN;
INSERT INTO "Odd ""name"."Wide Täble" VALUES (1, 'x');
UPDATE "Odd ""name"."Wide Täble" SET "b c" = 'y';
SAVEPOINT kept;
INSERT INTO full_identity VALUES (1, NULL), (2, 'b');
SAVEPOINT dropped;
INSERT INTO full_identity VALUES (3, 'never');
ROLLBACK TO SAVEPOINT dropped;
UPDATE full_identity SET b = 'B' WHERE a = 2;
DELETE FROM full_identity WHERE a = 1;
COMMIT;
INSERT INTO index_identity VALUES (1, 'k', 'c');
UPDATE index_identity SET c = 'cc';
UPDATE index_identity SET b = 'kk';
DELETE FROM index_identity;
INSERT INTO generated (a, c) VALUES (1, 5);
INSERT INTO toasted VALUES (1, repeat('t', 2100), 1);
UPDATE toasted SET n = 2;
UPDATE toasted SET id = 2;
DELETE FROM toasted;
INSERT INTO parent VALUES (1);
INSERT INTO child (parent) VALUES (1);
TRUNCATE child;
TRUNCATE parent CASCADE;
TRUNCATE parent, child RESTART IDENTITY;
INSERT INTO part VALUES (1, 'low'), (11, 'high');
UPDATE part SET k = 12 WHERE k = 1;
TRUNCATE part;
SELECT pg_logical_emit_message(false, 'note', 'outside of every transaction');
BEGIN;
SELECT pg_logical_emit_message(true, 'note', 'inside');
SELECT pg_logical_emit_message(true, '', '\x00fe'::bytea);
INSERT INTO plain (id) VALUES (4);
COMMIT;
ALTER TABLE plain DROP COLUMN data, ADD COLUMN extra varchar(5) DEFAULT 'd';
INSERT INTO plain (id) VALUES (5);
ALTER TABLE plain RENAME TO plainer;
ALTER TABLE plainer REPLICA IDENTITY FULL;
UPDATE plainer SET extra = NULL WHERE id = 5;
SELECT pg_replication_origin_session_setup('elsewhere');
BEGIN;
SELECT pg_replication_origin_xact_setup('AB/CDEF0123', '2024-01-01 00:00:00+00');
DELETE FROM plainer WHERE id = 5;
COMMIT;
SELECT pg_replication_origin_session_reset();
BEGIN;
INSERT INTO plainer (id) VALUES (6);
PREPARE TRANSACTION 'arrives at its COMMIT PREPARED, as an ordinary one';
INSERT INTO plainer (id) VALUES (7);
COMMIT PREPARED 'arrives at its COMMIT PREPARED, as an ordinary one';
