-- Streamed transactions as a parallel apply would have them: an abort tells its position and time.
-- from: 16
-- options: 'proto_version', '4', 'messages', 'true', 'streaming', 'parallel'
-- The generated column is not sent, but fills the server's memory: few rows are a large transaction.
CREATE TABLE a (n int PRIMARY KEY, filler text GENERATED ALWAYS AS (repeat('.', 1500)) STORED);
CREATE PUBLICATION golden FOR ALL TABLES;

-- changes
INSERT INTO a VALUES (0);
BEGIN;
INSERT INTO a SELECT n FROM generate_series(1, 60) n;
SAVEPOINT s;
INSERT INTO a SELECT n FROM generate_series(101, 160) n;
ROLLBACK TO SAVEPOINT s;
INSERT INTO a VALUES (200);
COMMIT;
BEGIN;
INSERT INTO a SELECT n FROM generate_series(301, 390) n;
ROLLBACK;
INSERT INTO a VALUES (400);
