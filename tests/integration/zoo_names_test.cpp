// Names that break what pastes them, and shapes that break what counts columns, through whole migrations.
#include "integration/support/migration.hpp"

namespace tslive::harness {
namespace {

using testing::HasSubstr;
using testing::Not;

class ZooNames : public testing::TestWithParam<bool> {
protected:
    static constexpr std::string_view owner = "The \"Owner\", it's $1\\ é😀";
    /// Every row of every table is removed and comes back, some are changed, some get another key.
    static void change_everything(const Database& database) {
        database.sql(R"sql(SET session_replication_role = replica; DO $$ DECLARE t regclass; k name; v name; BEGIN
            FOR t, k, v IN SELECT c.oid, i.attname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     JOIN pg_index x ON x.indrelid = c.oid AND x.indisprimary JOIN pg_attribute i ON i.attrelid = c.oid AND i.attnum = x.indkey[0]
                     LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 2 AND a.atttypid = 'text'::regtype
                     WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND nspname !~ '^pg_|^information' LOOP
                EXECUTE format('CREATE TEMP TABLE again AS SELECT * FROM %s', t);
                EXECUTE format('DELETE FROM %s', t);
                EXECUTE format('INSERT INTO %s SELECT * FROM again', t);
                EXECUTE 'DROP TABLE again';
                IF v IS NOT NULL THEN EXECUTE format('UPDATE %s SET %I = %L WHERE %I = 1', t, v, E'new\n''"\\', k); END IF;
                EXECUTE format('UPDATE %s SET %I = 100 WHERE %2$I = 2', t, k);
            END LOOP; END $$)sql");
    }
};

TEST_P(ZooNames, odd_names_of_everything_are_only_names) {
    Migration migration({.database = "The db's \"name\", {0} $1\\ =é😀"});
    auto& pair = migration.pair;
    pair.source.sql(fmt::format(
        "CREATE ROLE {0} LOGIN REPLICATION; GRANT CREATE ON SCHEMA public TO {0}; GRANT CREATE ON DATABASE {1} TO {0}; "
        "CREATE ROLE {2}; ALTER ROLE {2} SET search_path = 'A b', \"C,\"\"d\"; GRANT {2} TO {0}",
        pg::quote_identifier(owner), pg::quote_identifier(pair.source.name()),
        pg::quote_identifier(std::string(21, 'x') + "表表表表表表表表表表表表表表")));
    const auto as_owner = pair.source.as(owner);
    as_owner.load_zoo({"names"});
    as_owner.sql(fmt::format(
        R"sql(CREATE SCHEMA "select"; CREATE TYPE "select"."table" AS ("from" int, "wh.ere" text); CREATE DOMAIN "select"."do""main" AS text;
        CREATE SEQUENCE "select"."se,q" START 7; SELECT nextval('"select"."se,q"');
        CREATE TABLE "select"."order" ("user" int PRIMARY KEY, "group" text, "r" "select"."table", "d" "select"."do""main"[], "ctid2" int);
        INSERT INTO "select"."order" SELECT i, 'g', ROW(i, '''"')::"select"."table", ARRAY['a'] FROM generate_series(1, 3) i;
        CREATE TABLE "select"."parts" ("k,ey" int PRIMARY KEY, v text) PARTITION BY RANGE ("k,ey");
        CREATE TABLE "select"."parts ""1""" PARTITION OF "select"."parts" FOR VALUES FROM (0) TO (1000);
        INSERT INTO "select"."parts" SELECT i, 'v' FROM generate_series(1, 40) i; GRANT SELECT ON "select"."order" TO {} WITH GRANT OPTION)sql",
        pg::quote_identifier(std::string(21, 'x') + "表表表表表表表表表表表表表表")));
    if (GetParam()) pair.source = as_owner;  // publications are lists then
    auto somebody = pair.source.connect("temporary");
    somebody.exec("CREATE TEMP TABLE \"MixedCase\" (id int PRIMARY KEY); INSERT INTO \"MixedCase\" VALUES (1)");

    migration.take_snapshot();
    migration.start();
    migration.wait_until_caught_up();
    change_everything(pair.source_server.database(pair.source.name()));
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

INSTANTIATE_TEST_SUITE_P(Roles, ZooNames, testing::Bool(),
                         [](const auto& of) { return of.param ? "by_their_owner" : "by_a_superuser"; });

TEST(ZooShapes, tables_of_odd_shapes_arrive) {
    Migration migration;
    const auto& source = migration.pair.source;
    std::string columns;
    for (int i = 1; i < 1600; ++i) columns += fmt::format(", c{} smallint", i);
    source.sql("CREATE TABLE wide (id int PRIMARY KEY" + columns + ")");
    source.sql(R"sql(INSERT INTO wide (id, c1, c800, c1599) SELECT i, i, NULL, 7 FROM generate_series(1, 50) i;
        CREATE TABLE nothing (); INSERT INTO nothing SELECT FROM generate_series(1, 5);
        CREATE TABLE nothing_left (a int, b text); INSERT INTO nothing_left VALUES (1, 'x'), (2, 'y'); ALTER TABLE nothing_left DROP a, DROP b; INSERT INTO nothing_left DEFAULT VALUES;
        CREATE TABLE gaps (gone1 int, id int PRIMARY KEY, gone2 text DEFAULT 'x', v text, gone3 int[], g int GENERATED ALWAYS AS (id * 2) STORED);
        INSERT INTO gaps VALUES (1, 1, 'a', 'b', '{1}'), (2, 2, NULL, NULL, NULL); ALTER TABLE gaps DROP gone1, DROP gone2, DROP gone3; ALTER TABLE gaps ADD late text DEFAULT 'late';
        CREATE TABLE computed_only (g int GENERATED ALWAYS AS (7) STORED); INSERT INTO computed_only SELECT FROM generate_series(1, 3);
        CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (PRIMARY KEY (id), w text) INHERITS (a); CREATE TABLE c (PRIMARY KEY (id), x text) INHERITS (b);
        CREATE TABLE other (y int); CREATE TABLE d (PRIMARY KEY (id)) INHERITS (c, other);
        INSERT INTO a VALUES (1, 'a'); INSERT INTO b VALUES (1, 'b', 'w'); INSERT INTO c VALUES (1, 'c', 'w', 'x'); INSERT INTO d VALUES (1, 'd', 'w', 'x', 1))sql");
    migration.take_snapshot();
    migration.start();
    migration.wait_until_caught_up();
    source.sql(
        R"sql(UPDATE wide SET c3 = 4, c1599 = NULL WHERE id < 40; UPDATE wide SET id = 100 WHERE id = 1; DELETE FROM wide WHERE id = 2;
        INSERT INTO wide (id, c1599) SELECT i, 9 FROM generate_series(200, 210) i; INSERT INTO wide (id, c2) SELECT i, 9 FROM generate_series(300, 350) i;
        INSERT INTO nothing SELECT FROM generate_series(1, 40); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing_left SELECT FROM generate_series(1, 3);
        INSERT INTO gaps (id, v) VALUES (3, 'c'); UPDATE gaps SET v = 'x', late = NULL; UPDATE gaps SET id = 10 WHERE id = 1; DELETE FROM gaps WHERE id = 2;
        INSERT INTO computed_only SELECT FROM generate_series(1, 40);
        UPDATE a SET v = v || '!'; INSERT INTO d VALUES (2, 'd2'); DELETE FROM ONLY b; UPDATE c SET id = 5 WHERE id = 1)sql");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

}  // namespace
}  // namespace tslive::harness
