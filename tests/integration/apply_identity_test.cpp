// How rows are found on the target: each replica identity, each kind of value that is hard to compare.
#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

using testing::HasSubstr;

class ApplyIdentity : public ApplyTest {};

TEST_F(ApplyIdentity, inserts_updates_and_deletes_reach_the_target) {
    everywhere(
        "CREATE TABLE t (id int PRIMARY KEY, v text, n numeric); INSERT INTO t SELECT i, 'v' || i, i / 3.0 FROM "
        "generate_series(1, 50) i");
    start();
    source.sql("INSERT INTO t VALUES (100, 'new', NULL)");
    source.sql("UPDATE t SET v = 'changed' WHERE id = 3");
    source.sql("UPDATE t SET n = NULL, v = NULL WHERE id BETWEEN 10 AND 20");
    source.sql("DELETE FROM t WHERE id IN (1, 2, 100)");
    source.sql(
        "BEGIN; INSERT INTO t VALUES (1, 'again', 1); UPDATE t SET v = 'twice' WHERE id = 1; DELETE FROM t WHERE id = "
        "5; COMMIT");
    source.sql("BEGIN; DELETE FROM t; ROLLBACK");
    source.sql("BEGIN; DELETE FROM t WHERE id = 7; SAVEPOINT s; DELETE FROM t WHERE id = 8; ROLLBACK TO s; COMMIT");
    apply_and_compare();
}

TEST_F(ApplyIdentity, every_replica_identity_of_the_zoo_is_followed) {
    for (const auto& database : {source, target, single}) database.load_zoo({"identities"});
    start();
    for (const auto* table :
         {"by_primary_key", "by_two_columns", "by_key_with_include", "by_index", "by_index_beside_key", "full_with_key",
          "full_without_key", "full_and_unique_nullable", "identity_always"}) {
        source.sql(fmt::format(
            "SET search_path = zoo_identities; UPDATE {0} SET v = v || ' changed' WHERE right(v, 1) = '3'", table));
        source.sql(fmt::format(
            "SET search_path = zoo_identities; UPDATE {0} SET large = 'short' WHERE right(v, 1) = '4'", table));
        source.sql(fmt::format(
            "SET search_path = zoo_identities; UPDATE {0} SET v = NULL, large = NULL WHERE right(v, 1) = '5'", table));
        source.sql(fmt::format("SET search_path = zoo_identities; DELETE FROM {0} WHERE right(v, 1) = '6'", table));
    }
    apply_and_compare();
}

TEST_F(ApplyIdentity, of_identical_rows_exactly_one_is_hit) {
    everywhere(
        "CREATE TABLE t (a int, b text); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t SELECT i % 3, nullif(i % "
        "2, 0)::text "
        "FROM generate_series(1, 30) i; INSERT INTO t SELECT NULL, NULL FROM generate_series(1, 4)");
    start();
    source.sql("DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE a = 1 AND b IS NULL)");
    source.sql("UPDATE t SET b = 'one of them' WHERE ctid = (SELECT max(ctid) FROM t WHERE a = 2)");
    source.sql("UPDATE t SET a = 7 WHERE ctid = (SELECT max(ctid) FROM t WHERE a IS NULL)");
    source.sql("DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t WHERE a IS NULL)");
    source.sql(
        "BEGIN; UPDATE t SET a = a WHERE a = 0; INSERT INTO t SELECT 9, 'x' FROM generate_series(1, 40); "
        "DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t WHERE a = 9); COMMIT");
    apply_and_compare();
    EXPECT_EQ(target.count("t"), 71);
}

TEST_F(ApplyIdentity, types_without_equality_are_found_under_full) {
    everywhere(
        "CREATE TYPE pair AS (j json, p point); CREATE TABLE t (n int, j json, x xml, p point, b box, ja json[], pair "
        "pair); "
        "ALTER TABLE t REPLICA IDENTITY FULL; "
        "INSERT INTO t VALUES (1, '{\"a\":1}', '<a/>', '(1,2)', '(1,1),(0,0)', '{}', ROW('1', '(0,0)')), (2, '{\"a\": "
        "1}', '<a></a>', '(2,1)', "
        "'(1,1),(0,0)', ARRAY['1'::json, NULL], NULL), (3, NULL, NULL, NULL, NULL, NULL, ROW(NULL, NULL))");
    start();
    source.sql("UPDATE t SET n = n + 10");
    source.sql("UPDATE t SET j = '[]', p = NULL WHERE n = 11");
    source.sql("DELETE FROM t WHERE n = 12");
    source.sql("UPDATE t SET pair = NULL WHERE n = 13");
    apply_and_compare();
}

TEST_F(ApplyIdentity, equal_values_that_differ_are_told_apart_under_full) {
    everywhere(
        "CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false); "
        "CREATE TABLE t (f8 double precision, f4 real, n numeric, c char(5), i interval, w text COLLATE ignoring_case, "
        "done bool); "
        "ALTER TABLE t REPLICA IDENTITY FULL; "
        "INSERT INTO t VALUES ('-0', '-0', 1.0, 'a', '1 day', 'same'), ('0', '0', 1.00, 'a ', '24:00:00', 'SAME'), "
        "('NaN', 'NaN', 'NaN', '', '30 days', 'Same'), (0.1, 0.1, 1, NULL, '1 mon', ''), (1e-300, 1.17549435e-38, "
        "1e-20, 'b', NULL, NULL)");
    start();
    source.sql("UPDATE t SET done = true WHERE f8::text = '-0'");
    source.sql("UPDATE t SET done = false WHERE w COLLATE \"C\" = 'SAME'");
    source.sql("DELETE FROM t WHERE f8 = 'NaN'");
    source.sql("UPDATE t SET f8 = 0.3 WHERE f8 = 0.1");
    source.sql("UPDATE t SET i = '1 day' WHERE i IS NULL");
    apply_and_compare();
}

TEST_F(ApplyIdentity, an_update_that_changes_nothing_is_harmless) {
    everywhere(
        "CREATE TABLE f (a int, b text); ALTER TABLE f REPLICA IDENTITY FULL; INSERT INTO f VALUES (1, 'x'), (1, 'x'); "
        "CREATE TABLE k (id int PRIMARY KEY); INSERT INTO k VALUES (1); "
        "CREATE TABLE g (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); INSERT INTO g DEFAULT VALUES; "
        "CREATE TABLE l (doc text); ALTER TABLE l ALTER doc SET STORAGE EXTERNAL; ALTER TABLE l REPLICA IDENTITY FULL; "
        "INSERT INTO l VALUES (repeat('x', 9000)); CREATE TABLE e (); ALTER TABLE e REPLICA IDENTITY FULL; "
        "INSERT INTO e DEFAULT VALUES; INSERT INTO e DEFAULT VALUES");
    start();
    source.sql("UPDATE f SET a = a; UPDATE k SET id = id; UPDATE g SET id = DEFAULT WHERE false");
    source.sql("UPDATE l SET doc = doc");
    source.sql("INSERT INTO e DEFAULT VALUES; DELETE FROM e WHERE ctid = '(0,1)'");
    apply_and_compare();
    EXPECT_EQ(target.count("e"), 2);
}

TEST_F(ApplyIdentity, a_table_without_identity_gets_inserts_and_truncates) {
    everywhere(
        "CREATE TABLE n (a int); CREATE TABLE u (a int UNIQUE); CREATE TABLE x (a int PRIMARY KEY); ALTER TABLE x "
        "REPLICA IDENTITY NOTHING");
    start();
    source.sql(
        "INSERT INTO n SELECT generate_series(1, 100); INSERT INTO u VALUES (1), (NULL), (NULL); INSERT INTO x VALUES "
        "(1)");
    source.sql("INSERT INTO n VALUES (NULL)");
    apply_and_compare();
    // Law 10: the source goes on to take UPDATE and DELETE; they do not come.
    source.sql(
        "UPDATE u SET a = 5 WHERE a = 1; DELETE FROM x; UPDATE n SET a = 0; TRUNCATE n; TRUNCATE u; INSERT INTO n "
        "VALUES (3)");
    ASSERT_NO_THROW(apply_both());
    expect_same("SELECT a FROM n");
    expect_same("SELECT a FROM u");
    EXPECT_EQ(target.count("x"), 1);
}

TEST_F(ApplyIdentity, keys_change_and_swap) {
    everywhere(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 100) i; "
        "CREATE TABLE two (a int, b text, v int, PRIMARY KEY (a, b)); INSERT INTO two SELECT i, 'b', i FROM "
        "generate_series(1, 10) i");
    start();
    source.sql("UPDATE t SET id = 1000 WHERE id = 1");
    source.sql(
        "BEGIN; UPDATE t SET id = -2 WHERE id = 2; UPDATE t SET id = 2 WHERE id = 3; UPDATE t SET id = 3 WHERE id = "
        "-2; COMMIT");
    source.sql(
        "BEGIN; UPDATE t SET v = 'a' WHERE id = 4; UPDATE t SET id = 2000, v = 'b' WHERE id = 4; UPDATE t SET v = 'c' "
        "WHERE id = 2000; "
        "INSERT INTO t VALUES (4, 'new four'); DELETE FROM t WHERE id = 2000; COMMIT");
    source.sql("BEGIN; INSERT INTO t VALUES (3000, 'x'); UPDATE t SET id = 3001 WHERE id = 3000; COMMIT");
    source.sql(
        "UPDATE two SET b = 'c' WHERE a = 3; UPDATE two SET a = 30 WHERE a = 4; UPDATE two SET v = 0 WHERE a = 30");
    apply_and_compare();
}

TEST_F(ApplyIdentity, all_keys_shift_where_the_constraint_is_deferrable) {
    everywhere(
        "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v text); ALTER TABLE t REPLICA IDENTITY FULL; "
        "INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 50) i; "
        "CREATE TABLE s (id int PRIMARY KEY, place int UNIQUE DEFERRABLE); INSERT INTO s SELECT i, i FROM "
        "generate_series(1, 50) i");
    start();
    source.sql("UPDATE t SET id = id + 1");
    source.sql("UPDATE s SET place = place + 1");
    source.sql(
        "BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE t SET id = 7 WHERE id = 8; UPDATE t SET id = 8 WHERE v = 'v6'; "
        "COMMIT");
    apply_and_compare();
}

TEST_F(ApplyIdentity, secondary_unique_values_swap_within_a_transaction) {
    everywhere(
        "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v text); INSERT INTO t SELECT i, i, 'v' FROM "
        "generate_series(1, 50) i; "
        "CREATE EXTENSION btree_gist; CREATE TABLE x (id int PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH "
        "&&)); "
        "INSERT INTO x VALUES (1, '[1,5)'), (2, '[5,9)')");
    start();
    source.sql(
        "BEGIN; UPDATE t SET u = NULL WHERE id = 1; UPDATE t SET u = 1 WHERE id = 2; UPDATE t SET u = 2 WHERE id = 1; "
        "COMMIT");
    source.sql("BEGIN; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (300, 3, 'takes it over'); COMMIT");
    source.sql(
        "BEGIN; UPDATE t SET u = 400 WHERE id = 4; INSERT INTO t VALUES (401, 4, 'x'); UPDATE t SET u = 500 WHERE id = "
        "401; "
        "UPDATE t SET u = 4 WHERE id = 4; COMMIT");
    source.sql(
        "BEGIN; UPDATE x SET r = 'empty' WHERE id = 1; UPDATE x SET r = '[1,5)' WHERE id = 2; UPDATE x SET r = '[5,9)' "
        "WHERE id = 1; COMMIT");
    apply_and_compare();
    source.sql("UPDATE t SET v = 'afterwards'");
    apply_and_compare();
}

TEST_F(ApplyIdentity, keys_of_every_type_are_found) {
    for (const auto& database : {source, target, single}) database.load_zoo({"types"});
    everywhere(
        "CREATE EXTENSION citext; CREATE TABLE c (k citext PRIMARY KEY, v int); INSERT INTO c VALUES ('One', 1), "
        "('TWO', 2), ('three', 3); "
        "CREATE TABLE r (k regclass PRIMARY KEY, v int); INSERT INTO r VALUES ('pg_class', 1), (4000000000::oid, 2), "
        "(0::oid, 3)");
    start();
    source.sql(R"sql(DO $$ DECLARE t text; BEGIN
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'zoo_types' AND tablename LIKE 'key %' LOOP
            EXECUTE format('UPDATE zoo_types.%I SET v = v || ''x''', t);
            EXECUTE format('DELETE FROM zoo_types.%I WHERE ctid IN (SELECT ctid FROM zoo_types.%1$I LIMIT 1)', t);
        END LOOP; END $$)sql");
    source.sql(R"sql(DO $$ DECLARE t text; c text; BEGIN
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'zoo_types' AND tablename NOT LIKE 'key %' LOOP
            EXECUTE format('CREATE TEMP TABLE again AS SELECT * FROM zoo_types.%I', t);
            EXECUTE format('DELETE FROM zoo_types.%I', t);
            EXECUTE format('INSERT INTO zoo_types.%I SELECT * FROM again', t);
            EXECUTE 'DROP TABLE again';
            FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = format('zoo_types.%I', t)::regclass AND attnum > 0 AND attname <> 'id' LOOP
                EXECUTE format('UPDATE zoo_types.%I SET %I = NULL WHERE id = 1', t, c);
            END LOOP;
        END LOOP; END $$)sql");
    source.sql(
        "UPDATE c SET v = 10 WHERE k = 'one'; UPDATE c SET k = 'two' WHERE k = 'TWO'; DELETE FROM c WHERE k = 'THREE'; "
        "INSERT INTO c VALUES ('THREE', 4)");
    source.sql("UPDATE r SET v = v + 1; DELETE FROM r WHERE k = 0");
    apply_and_compare();
}

}  // namespace
}  // namespace tslive::apply
