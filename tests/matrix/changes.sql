-- Changes of all kinds to every table of the zoo, for round `$round`. PostgreSQL 12 and later. What a constraint refuses is rolled back
-- to a savepoint, as applications do it.

-- Each table by what its identity allows (from 18 on, FULL is none where a column is generated): new rows with large and ordinary values, other values, other keys, rows that go.
DO $$
DECLARE
    t record;
    statement text;
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    FOR t IN
        SELECT c.oid::regclass AS name, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.attname <> 'id') AS others,
            bool_or(a.attname = 'id' AND a.atttypid IN ('int4'::regtype, 'int8'::regtype) AND a.attidentity = '') AS has_id,
            bool_or(a.attname = 'v' AND a.atttypid = 'text'::regtype) AS has_v,
            c.relreplident = 'f' AND NOT (current_setting('server_version_num')::int >= 180000 AND EXISTS (SELECT FROM pg_attribute g
                WHERE g.attrelid = c.oid AND g.attgenerated <> '')) OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
                AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)) AS identified
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
        WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relname <> 'large'
            AND (n.nspname ~ '^(zoo|Zoo|a$|a\.b$|tslive$|versions$)' OR n.nspname = 'public') GROUP BY c.oid, c.relreplident ORDER BY 1
    LOOP
        FOREACH statement IN ARRAY ARRAY[
            CASE WHEN t.has_id THEN format('INSERT INTO %1$s (id%2$s) SELECT id + 1000 * $round%2$s FROM ONLY %1$s WHERE id BETWEEN -1000 AND 999 LIMIT 20',
                t.name, ', ' || t.others)
                ELSE format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM ONLY %1$s LIMIT 3', t.name, t.others) END,
            CASE WHEN t.has_id THEN format('INSERT INTO %1$s (id) VALUES (-$round)', t.name) END,
            CASE WHEN t.has_v AND t.identified THEN format('UPDATE %1$s SET v = v || ''!'' WHERE ctid IN (SELECT ctid FROM ONLY %1$s LIMIT 4)', t.name) END,
            CASE WHEN t.has_id AND t.identified THEN format('UPDATE %1$s SET id = id + 5000 * $round WHERE id = (SELECT max(id) FROM ONLY %1$s WHERE id < 5000)', t.name) END,
            CASE WHEN t.identified THEN format('DELETE FROM ONLY %1$s WHERE ctid = (SELECT ctid FROM ONLY %1$s LIMIT 1)', t.name) END]
        LOOP
            CONTINUE WHEN statement IS NULL;
            BEGIN
                EXECUTE statement;
            EXCEPTION
                WHEN integrity_constraint_violation OR numeric_value_out_of_range OR generated_always THEN NULL;
            END;
        END LOOP;
    END LOOP;
END $$;

-- Rows that go from partition to partition, a value that leaves TOAST alone, swaps, sequences.
UPDATE zoo_partitions.sales SET region = CASE region WHEN 'north' THEN 'west' ELSE 'north' END, customer = customer + 100000 * $round WHERE customer = 3 AND region <> 'east';
UPDATE zoo_partitions.shuffled SET id = (id + 100) % 200 WHERE id % 14 = 0;
DELETE FROM zoo_partitions.readings WHERE sensor = 2 AND value < 5 * $round;
UPDATE zoo_tables.toasted SET small = small + 1 WHERE id % 2 = 0;
UPDATE zoo_identities.swaps SET late_place = 21 - late_place WHERE late_place BETWEEN 1 AND 20;
INSERT INTO versions.identified (kind, v) SELECT i, 'late' FROM generate_series(1, 3) i;
UPDATE versions.identified SET kind = 2 WHERE kind = 1 AND id > 12;
UPDATE versions.pairs SET v = v OPERATOR(versions.||) versions.hstore('round', '$round') WHERE id < 5;
SELECT nextval('zoo_tables.never_used'), nextval('zoo_tables.downwards'), setval('zoo_tables.used_once', 1000 * $round);

-- One transaction that takes things back, one that empties tables, one that is prepared first.
BEGIN;
INSERT INTO zoo_types.numbers (id, n) VALUES (90000 + $round, 'NaN');
SAVEPOINT one;
UPDATE zoo_types.numbers SET n = 1;
DELETE FROM zoo_types.texts;
ROLLBACK TO one;
UPDATE zoo_types.numbers SET i8 = $round WHERE id = 1;
COMMIT;
BEGIN;
INSERT INTO zoo_tables.options_set SELECT generate_series(70000, 70100);
TRUNCATE zoo_tables.options_set, zoo_tables.empty_table;
INSERT INTO zoo_tables.options_set SELECT generate_series(80000, 80000 + $round);
COMMIT;
BEGIN;
INSERT INTO zoo_tables.tree VALUES (100 * $round, 1), (100 * $round + 1, 100 * $round);
PREPARE TRANSACTION 'prepared $round';
COMMIT PREPARED 'prepared $round';
REFRESH MATERIALIZED VIEW zoo_tables.z_first;
REFRESH MATERIALIZED VIEW zoo_tables.a_second;
REFRESH MATERIALIZED VIEW "Zoo ""of"".names"."mat ""view";
