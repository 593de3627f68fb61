-- What later versions treat in another way than earlier ones. PostgreSQL 12 and later; run as a superuser.
CREATE SCHEMA versions;
SET search_path = versions, pg_catalog;

-- Partitions take part in their parent's identity from 17 on.
CREATE TABLE identified (id bigint GENERATED ALWAYS AS IDENTITY, kind int, v text, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
CREATE TABLE identified_1 PARTITION OF identified FOR VALUES IN (1);
CREATE TABLE identified_rest PARTITION OF identified DEFAULT;
INSERT INTO identified (kind, v) SELECT i % 3, 'v' || i FROM generate_series(1, 30) i;

-- NOT NULL is a constraint with a name from 18 on, and may be inherited.
CREATE TABLE not_null_parent (id int PRIMARY KEY, v text NOT NULL, w text);
CREATE TABLE not_null_child (CONSTRAINT not_null_child_id_not_null CHECK (id > 0), PRIMARY KEY (id)) INHERITS (not_null_parent);
ALTER TABLE not_null_child ALTER w SET NOT NULL;
INSERT INTO not_null_child VALUES (1, 'v', 'w');

-- Row triggers of partitioned tables: their copies on partitions are marked internal before 15.
CREATE TABLE noted (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO versions.noted VALUES (TG_TABLE_NAME || ' ' || TG_OP); RETURN NEW; END $$;
CREATE TRIGGER noted AFTER INSERT OR UPDATE ON identified FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE identified ENABLE ALWAYS TRIGGER noted;

-- A foreign key to a partitioned table is one of several rows in pg_constraint, and of other ones in each version.
CREATE TABLE refers (id int PRIMARY KEY, target bigint, kind int, FOREIGN KEY (target, kind) REFERENCES identified ON DELETE CASCADE);
INSERT INTO refers SELECT i, id, kind FROM (SELECT row_number() OVER (ORDER BY id) AS i, id, kind FROM identified LIMIT 10) f;

-- Who may do what in public changed in 15; that an owner may do a little less, in 14 and 17.
GRANT CREATE ON SCHEMA public TO pg_monitor;
GRANT ALL ON refers TO pg_read_all_settings;
CREATE ROLE versions_group;
CREATE ROLE versions_member IN ROLE versions_group;
ALTER TABLE noted OWNER TO versions_group;
GRANT CREATE ON SCHEMA versions TO versions_group;
ALTER DEFAULT PRIVILEGES IN SCHEMA versions GRANT SELECT ON TABLES TO versions_member;

-- Words that later versions reserve, as names.
CREATE FUNCTION "system_user"(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
CREATE TABLE "json_table" (id int PRIMARY KEY, "normalize" text DEFAULT "system_user"('x'), "merge_action" int, "json_exists" text, "any_value" int);
INSERT INTO "json_table" SELECT i, 'n', i, 'e', i FROM generate_series(1, 10) i;
CREATE VIEW "json_value" AS SELECT t.id, t."normalize", count(*) OVER (PARTITION BY t."merge_action") AS "json_scalar" FROM "json_table" t;

-- An extension whose newest version differs; the target makes its own.
CREATE EXTENSION hstore SCHEMA versions;
CREATE TABLE pairs (id int PRIMARY KEY, v hstore);
INSERT INTO pairs SELECT i, hstore('k"' || i, NULL) FROM generate_series(1, 10) i;
RESET search_path;
