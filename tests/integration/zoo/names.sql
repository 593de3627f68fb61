-- Names that break tools which paste them. Deterministic; PostgreSQL 12 and later.
CREATE SCHEMA "Zoo ""of"".names";
CREATE SCHEMA "zoo;--";
CREATE SCHEMA "tslive";
SET search_path = "Zoo ""of"".names", pg_catalog;

CREATE TYPE "En,um{}" AS ENUM ('', ' ', 'a''b', '{x}', 'c,d', '"q"', E'back\\slash', E'new\nline');
CREATE FUNCTION "fu.nc ""tion"(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';

DO $do$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'MixedCase', 'with space', ' leading and trailing ', 'dot.ted', 'com,ma', 'semi;colon', 'quo"te', '""', 'apo''strophe', E'back\\slash', E'new\nline',
        E'tab\t', 'per%cent%s%n', '$1', '$$', '{}', '{0}', 'brack[et]', '--dashes', '/* slashes */', 'select', 'table', 'user', 'null', 'NULL', '1digit', '_',
        'ünï-cödé', '表', '😀', repeat('x', 63), repeat('é', 31), repeat('表', 21), 'int', 'pg_class', 'PUBLIC', 'ctid_', '_hyper_1_1_chunk', '\N', '\.',
        'a=b', 'a&b|c', '*', '?', '#', '!', '`cmd`', '$(cmd)', 'ı', 'new', 'excluded', 'x', 'row', 'the row'] LOOP
        EXECUTE format('CREATE TABLE %I (%I int PRIMARY KEY, %I text DEFAULT %L, "En,um" "En,um{}", UNIQUE (%2$I, %3$I))',
                       name, name, 'v ' || left(name, 20), name);
        EXECUTE format('INSERT INTO %I SELECT i, %L || i, NULL FROM generate_series(1, 3) i', name, name);
        EXECUTE format('INSERT INTO %I VALUES (4, NULL, %L), (5, '''', %L)', name, E'back\\slash', E'new\nline');
    END LOOP;
END $do$;

-- One name, several schemas; and names that differ in case or in a blank only.
CREATE TABLE public."twin" (id int PRIMARY KEY, v text);
CREATE TABLE "twin" (id int PRIMARY KEY, v text);
CREATE TABLE "Twin" (id int PRIMARY KEY, v text);
CREATE TABLE "twin " (id int PRIMARY KEY, v text);
CREATE TABLE "zoo;--"."twin" (id int PRIMARY KEY, v text);
CREATE TABLE "tslive"."twin" (id int PRIMARY KEY, v text);
INSERT INTO public.twin VALUES (1, 'public');
INSERT INTO "twin" VALUES (1, 'names');
INSERT INTO "Twin" VALUES (1, 'names, upper case');
INSERT INTO "twin " VALUES (1, 'names, with a blank');
INSERT INTO "zoo;--"."twin" VALUES (1, 'dashes');
INSERT INTO "tslive"."twin" VALUES (1, 'tslive');
-- Joined with a dot, without quotes, these two read the same.
CREATE SCHEMA "a.b";
CREATE SCHEMA "a";
CREATE TABLE "a.b"."c" (id int PRIMARY KEY);
CREATE TABLE "a"."b.c" (id int PRIMARY KEY);
INSERT INTO "a.b"."c" VALUES (1);
INSERT INTO "a"."b.c" VALUES (2), (3);

CREATE SEQUENCE "Seq ""uence;";
SELECT nextval('"Seq ""uence;"') FROM generate_series(1, 7);
CREATE TABLE "Parent ""table" (id int CONSTRAINT "pri ""mary;" PRIMARY KEY DEFAULT nextval('"Seq ""uence;"'), "co""l" int CONSTRAINT "che'ck" CHECK ("co""l" > 0));
INSERT INTO "Parent ""table" ("co""l") VALUES (1), (2), (3);
CREATE TABLE "Child.table" ("re f" int CONSTRAINT "for;eign" REFERENCES "Parent ""table", "fu nc" int GENERATED ALWAYS AS ("fu.nc ""tion"(5)) STORED);
INSERT INTO "Child.table" VALUES (8), (9);
CREATE INDEX "in""dex; DROP TABLE x" ON "Child.table" ("fu.nc ""tion"("re f"));
CREATE VIEW "vi;ew" AS SELECT "co""l" AS "o'dd" FROM "Parent ""table";
CREATE MATERIALIZED VIEW "mat ""view" AS SELECT count(*) AS "cou,nt" FROM "Parent ""table";
ALTER TABLE "Child.table" REPLICA IDENTITY FULL;
CREATE UNIQUE INDEX "uni que" ON "twin" (v);
ALTER TABLE "twin" ALTER v SET NOT NULL, REPLICA IDENTITY USING INDEX "uni que";

RESET search_path;
