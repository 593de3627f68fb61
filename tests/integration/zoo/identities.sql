-- Every way a row can be told from another, or cannot. Deterministic; PostgreSQL 12 and later (built with ICU).
CREATE SCHEMA zoo_identities;
SET search_path = zoo_identities, pg_catalog;

-- Usable: UPDATE and DELETE may be published.
CREATE TABLE by_primary_key (id int PRIMARY KEY, v text, large text);
CREATE TABLE by_two_columns (a int, b text, v text, large text, PRIMARY KEY (b, a));
CREATE TABLE by_key_with_include (id int, v text, large text, PRIMARY KEY (id) INCLUDE (v));
CREATE TABLE by_index (id int, code text NOT NULL, v text, large text);
CREATE UNIQUE INDEX by_index_code ON by_index (code);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_code;
CREATE TABLE by_index_beside_key (id int PRIMARY KEY, a int NOT NULL, b int NOT NULL, v text, large text, UNIQUE (a, b));
ALTER TABLE by_index_beside_key REPLICA IDENTITY USING INDEX by_index_beside_key_a_b_key;
CREATE TABLE full_with_key (id int PRIMARY KEY, v text, large text);
ALTER TABLE full_with_key REPLICA IDENTITY FULL;
CREATE TABLE full_without_key (id int, v text, large text);
ALTER TABLE full_without_key REPLICA IDENTITY FULL;
CREATE TABLE full_and_unique_nullable (id int UNIQUE, v text, large text);
ALTER TABLE full_and_unique_nullable REPLICA IDENTITY FULL;
CREATE TABLE identity_always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, large text);

INSERT INTO by_primary_key SELECT i, 'v' || i, repeat(md5(i::text), 200) FROM generate_series(1, 20) i;
INSERT INTO by_two_columns SELECT i % 4, 'b' || i, 'v' || i, repeat(md5(i::text), 200) FROM generate_series(1, 20) i;
INSERT INTO by_key_with_include SELECT i, 'v' || i, repeat(md5(i::text), 200) FROM generate_series(1, 20) i;
INSERT INTO by_index SELECT i % 3, 'code' || i, 'v' || i, repeat(md5(i::text), 200) FROM generate_series(1, 20) i;
INSERT INTO by_index_beside_key SELECT i, i / 4, i % 4, 'v' || i, repeat(md5(i::text), 200) FROM generate_series(1, 20) i;
INSERT INTO full_with_key SELECT i, 'v' || i, repeat(md5(i::text), 200) FROM generate_series(1, 20) i;
INSERT INTO full_without_key SELECT i, 'v' || i, repeat(md5(i::text), 200) FROM generate_series(1, 20) i;
INSERT INTO full_and_unique_nullable SELECT nullif(i, i / 2 * 2), 'v' || i, repeat(md5(i::text), 200) FROM generate_series(1, 20) i;
INSERT INTO identity_always (v, large) SELECT 'v' || i, repeat(md5(i::text), 200) FROM generate_series(1, 20) i;

-- FULL where rows are hard to find again.
CREATE TABLE full_duplicates (a int, b text);
INSERT INTO full_duplicates SELECT i % 3, CASE i % 2 WHEN 0 THEN 'even' END FROM generate_series(1, 30) i;
CREATE TABLE full_all_null (a int, b text);
INSERT INTO full_all_null SELECT NULL, NULL FROM generate_series(1, 4);
CREATE TABLE full_no_equality (j json, x xml, p point, b box, ja json[]);
INSERT INTO full_no_equality VALUES ('{"a":1}', '<a/>', '(1,2)', '(1,1),(0,0)', '{}'), ('{"a": 1}', '<a></a>', '(2,1)', '(1,1),(0,0)', ARRAY['1'::json, NULL]), (NULL, NULL, NULL, NULL, NULL);
CREATE TABLE full_equal_yet_different (f8 double precision, f4 real, n numeric, c char(5), i interval);
INSERT INTO full_equal_yet_different VALUES ('-0', '-0', 1.0, 'a', '1 day'), ('0', '0', 1.00, 'a ', '24:00:00'), ('NaN', 'NaN', 'NaN', '', '30 days'), (0.1, 0.1, 1, NULL, '1 mon');
CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE full_nondeterministic (t text COLLATE ignoring_case);
INSERT INTO full_nondeterministic VALUES ('same'), ('SAME'), ('Same'), ('other');
CREATE TABLE key_nondeterministic (t text COLLATE ignoring_case PRIMARY KEY, v int);
INSERT INTO key_nondeterministic VALUES ('one', 1), ('TWO', 2);
CREATE TABLE full_generated (id int, doubled int GENERATED ALWAYS AS (id * 2) STORED, v text);
INSERT INTO full_generated (id, v) SELECT i, 'v' FROM generate_series(1, 10) i;
CREATE TABLE full_no_columns ();
INSERT INTO full_no_columns SELECT FROM generate_series(1, 3);
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['full_duplicates', 'full_all_null', 'full_no_equality', 'full_equal_yet_different', 'full_nondeterministic', 'full_generated', 'full_no_columns'] LOOP
        EXECUTE format('ALTER TABLE %I REPLICA IDENTITY FULL', name);
    END LOOP;
END $$;

-- Not usable: published for UPDATE, these would make the application's statements fail.
CREATE TABLE without_any (id int, v text);
CREATE TABLE unique_not_null_only (id int NOT NULL UNIQUE, v text);
CREATE TABLE unique_nullable_only (id int UNIQUE, v text);
CREATE TABLE unique_partial_only (id int NOT NULL, v text);
CREATE UNIQUE INDEX ON unique_partial_only (id) WHERE id > 0;
CREATE TABLE unique_expression_only (id int NOT NULL, v text NOT NULL);
CREATE UNIQUE INDEX ON unique_expression_only (lower(v));
CREATE TABLE deferrable_key (id int PRIMARY KEY DEFERRABLE, v text);
CREATE TABLE identity_nothing (id int PRIMARY KEY, v text);
ALTER TABLE identity_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE index_was_dropped (id int NOT NULL, v text);
CREATE UNIQUE INDEX dropped_later ON index_was_dropped (id);
ALTER TABLE index_was_dropped REPLICA IDENTITY USING INDEX dropped_later;
DROP INDEX dropped_later;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['without_any', 'unique_not_null_only', 'unique_nullable_only', 'unique_partial_only', 'unique_expression_only', 'deferrable_key', 'identity_nothing', 'index_was_dropped'] LOOP
        EXECUTE format('INSERT INTO %I SELECT i, ''v'' || i FROM generate_series(1, 10) i', name);
    END LOOP;
END $$;

-- Keys that a batch must take care of: a second unique key, one that is deferrable, one with NULLs.
CREATE TABLE swaps (id int PRIMARY KEY, place int NOT NULL UNIQUE, late_place int UNIQUE DEFERRABLE, maybe int UNIQUE);
INSERT INTO swaps SELECT i, i, i, nullif(i % 5, 0) + i * 10 FROM generate_series(1, 20) i;
CREATE TABLE excluded (id int PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&));
INSERT INTO excluded SELECT i, int4range(i * 10, i * 10 + 10) FROM generate_series(1, 10) i;

RESET search_path;
