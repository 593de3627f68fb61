-- Large transactions: two side by side, one with a subtransaction that is rolled back, one rolled back as a whole.
-- from: 14
-- options: 'proto_version', '2', 'messages', 'true', 'streaming', 'on'
-- The generated column is not sent, but fills the server's memory: few rows are a large transaction.
CREATE EXTENSION dblink;
CREATE TABLE a (n int PRIMARY KEY, t text, filler text GENERATED ALWAYS AS (repeat('.', 1500)) STORED);
CREATE TABLE b (n int PRIMARY KEY, m text, filler text GENERATED ALWAYS AS (repeat('.', 1500)) STORED);
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE touched_in_savepoint (n int PRIMARY KEY, m mood, filler text GENERATED ALWAYS AS (repeat('.', 1500)) STORED);
CREATE TABLE small (n int PRIMARY KEY);
CREATE PUBLICATION golden FOR ALL TABLES;
SELECT pg_replication_origin_create('far_away');

-- changes
SELECT dblink_connect('other', format('host=%s port=%s dbname=%s user=postgres',
    current_setting('unix_socket_directories'), current_setting('port'), current_database()));
-- interleaved: other runs inside, and both commit
BEGIN;
INSERT INTO a SELECT n, 'x' FROM generate_series(1, 60) n;
SELECT dblink_exec('other', 'BEGIN');
SELECT dblink_exec('other', 'INSERT INTO b SELECT n, ''y'' FROM generate_series(1, 60) n');
SELECT * FROM dblink('other', 'SELECT pg_logical_emit_message(true, ''p'', ''in other'')') AS written(lsn pg_lsn);
INSERT INTO a SELECT n, 'z' FROM generate_series(61, 120) n;
SELECT dblink_exec('other', 'UPDATE b SET n = n + 1000 WHERE n <= 5');
SELECT dblink_exec('other', 'DELETE FROM b WHERE n BETWEEN 55 AND 60');
SELECT dblink_exec('other', 'COMMIT');
SELECT pg_logical_emit_message(true, 'p', 'in the first');
COMMIT;
INSERT INTO small VALUES (1);
-- While the server decodes, it notices that a (sub)transaction was rolled back later as soon as it looks into a catalog
-- for it, and streams no more of it; these two rows fill its caches, so that it does not look.
INSERT INTO touched_in_savepoint VALUES (0, 'sad');
INSERT INTO a VALUES (0, 'cached');
-- a subtransaction that was streamed is rolled back; as the first to touch the table, it carried the Relation message
BEGIN;
SAVEPOINT s;
INSERT INTO touched_in_savepoint SELECT n, 'sad' FROM generate_series(1, 90) n;
ROLLBACK TO SAVEPOINT s;
INSERT INTO touched_in_savepoint SELECT n, 'happy' FROM generate_series(1, 90) n;
TRUNCATE a;
COMMIT;
-- a whole transaction is rolled back after it was streamed
BEGIN;
INSERT INTO a SELECT n, 'never' FROM generate_series(1, 90) n;
ROLLBACK;
-- DDL in the middle of a streamed transaction
BEGIN;
INSERT INTO a SELECT n, 'x' FROM generate_series(2001, 2090) n;
ALTER TABLE a ADD COLUMN extra int;
INSERT INTO a (n, t, extra) SELECT n, 'x', n FROM generate_series(2601, 2610) n;
COMMIT;
-- of another origin
SELECT pg_replication_origin_session_setup('far_away');
BEGIN;
SELECT pg_replication_origin_xact_setup('AB/CDEF0123', '2024-01-01 00:00:00+00');
INSERT INTO b SELECT n, 'o' FROM generate_series(5001, 5090) n;
COMMIT;
SELECT pg_replication_origin_session_reset();
INSERT INTO small VALUES (2);
