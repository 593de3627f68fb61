// Replica identities with traps in them: indexes that are no identity, keys that the stream does not carry, rows that
// only their whole content tells apart (CASES D1-D8, D20).
#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ZooIdentities : public ApplyTest {
protected:
    /// Neither statement may fail because of what is published (law 10).
    void source_still_takes(std::initializer_list<std::string_view> statements) const {
        for (const auto statement : statements) EXPECT_NO_THROW(source.sql(statement)) << statement;
    }
};

TEST_F(ZooIdentities, an_identity_index_is_followed_whatever_its_columns_order_and_company) {
    everywhere(
        "CREATE TABLE i (x int, b text NOT NULL, gone int, a int NOT NULL, v text, doc text, id int PRIMARY KEY); "
        "ALTER TABLE i ALTER doc SET STORAGE EXTERNAL; ALTER TABLE i ALTER b SET STORAGE EXTERNAL; "
        "CREATE UNIQUE INDEX i_b_a ON i (b DESC, a) INCLUDE (v, x); ALTER TABLE i REPLICA IDENTITY USING INDEX i_b_a; "
        "ALTER TABLE i DROP gone; "
        "INSERT INTO i SELECT i, 'b' || i % 5, i, 'v', repeat('d', 4000), -i FROM generate_series(1, 40) i; "
        "INSERT INTO i SELECT i, repeat(md5(i::text), 70), i, 'v', repeat('d', 1500), -i FROM generate_series(41, 45) "
        "i; "
        "CREATE TABLE other (a int NOT NULL, v text, b int NOT NULL); CREATE UNIQUE INDEX other_a_b ON other (a, b); "
        "ALTER TABLE other REPLICA IDENTITY USING INDEX other_a_b; INSERT INTO other SELECT i, 'v', i % 3 FROM "
        "generate_series(1, 40) i");
    on_targets("DROP INDEX other_a_b; CREATE UNIQUE INDEX another ON other (b, a)");
    start();
    for (const auto* change :
         {"UPDATE i SET v = 'w' WHERE a % 3 = 0", "UPDATE i SET x = NULL, doc = NULL WHERE a = 4",
          "UPDATE i SET b = 'new' WHERE a = 5", "UPDATE i SET a = 100 WHERE a = 6", "DELETE FROM i WHERE a IN (7, 44)",
          "UPDATE i SET id = 1000 WHERE a = 8", "UPDATE i SET a = 430, v = 'moved' WHERE a = 43",
          "BEGIN; UPDATE i SET a = 0 WHERE a = 9; UPDATE i SET a = 9 WHERE a = 10; UPDATE i SET b = 'b9' WHERE a = 0; "
          "DELETE FROM i WHERE a = 9; COMMIT",
          "UPDATE other SET v = 'w' WHERE b = 1; UPDATE other SET a = 500 WHERE a = 5; DELETE FROM other WHERE a = 7"})
        source.sql(change);
    apply_and_compare();
}

TEST_F(ZooIdentities, what_only_looks_like_an_identity_is_published_for_inserts_only) {
    everywhere(
        "CREATE TABLE partial (id int NOT NULL, v text); CREATE UNIQUE INDEX ON partial (id) WHERE id IS NOT NULL; "
        "CREATE TABLE expression (id int NOT NULL, v text); CREATE UNIQUE INDEX ON expression ((id + 0)); "
        "CREATE TABLE nullable (id int UNIQUE, v text); "
        "CREATE TABLE deferrable_key (id int PRIMARY KEY DEFERRABLE, v text); "
        "CREATE TABLE not_chosen (id int NOT NULL UNIQUE, v text); "
        "CREATE TABLE dropped (id int NOT NULL, v text); CREATE UNIQUE INDEX dropped_i ON dropped (id); "
        "ALTER TABLE dropped REPLICA IDENTITY USING INDEX dropped_i; DROP INDEX dropped_i; "
        "CREATE TABLE chosen_beside_key (id int PRIMARY KEY, u int NOT NULL, v text); CREATE UNIQUE INDEX "
        "chosen_i ON chosen_beside_key (u); ALTER TABLE chosen_beside_key REPLICA IDENTITY USING INDEX chosen_i; "
        "DROP INDEX chosen_i");
    start();
    for (const std::string table :
         {"partial", "expression", "nullable", "deferrable_key", "not_chosen", "dropped", "chosen_beside_key"}) {
        const auto columns = table == "chosen_beside_key" ? "(id, u)" : "(id)";
        const auto values = table == "chosen_beside_key" ? "i, i" : "i";
        source.sql(fmt::format("INSERT INTO {} {} SELECT {} FROM generate_series(1, 40) i", table, columns, values));
    }
    apply_and_compare();
    for (const auto* table :
         {"partial", "expression", "nullable", "deferrable_key", "not_chosen", "dropped", "chosen_beside_key"})
        source_still_takes({fmt::format("UPDATE {} SET v = 'x'", table), fmt::format("DELETE FROM {}", table),
                            fmt::format("TRUNCATE {}", table)});
    apply_and_compare();
}

TEST_F(ZooIdentities, a_key_with_a_generated_column_is_none_because_the_stream_does_not_carry_it) {
    everywhere(
        "CREATE TABLE g (tenant int, n int, twice int GENERATED ALWAYS AS (n * 2) STORED, v text, PRIMARY KEY (tenant, "
        "twice)); INSERT INTO g (tenant, n, v) SELECT i % 2, i, 'v' FROM generate_series(1, 10) i; "
        "CREATE TABLE only_generated (n int, twice int GENERATED ALWAYS AS (n * 2) STORED PRIMARY KEY); "
        "CREATE TABLE full_generated (n int, twice int GENERATED ALWAYS AS (n * 2) STORED PRIMARY KEY, v text); "
        "ALTER TABLE full_generated REPLICA IDENTITY FULL; INSERT INTO full_generated (n, v) SELECT i, 'v' FROM "
        "generate_series(1, 10) i");
    start();
    source.sql(
        "INSERT INTO g VALUES (0, 100, DEFAULT, 'new'); INSERT INTO only_generated (n) VALUES (1); "
        "UPDATE full_generated SET v = 'w' WHERE n = 3; DELETE FROM full_generated WHERE n = 4");
    apply_and_compare();
    // A DELETE that names a row by `tenant` alone would take any of five.
    source.sql("DELETE FROM g WHERE tenant = 0 AND n = 6; UPDATE g SET v = 'x'; DELETE FROM only_generated");
    ASSERT_NO_THROW(apply_both());
    EXPECT_EQ(target.count("g"), 11);
    source.sql("TRUNCATE g, only_generated");
    apply_and_compare();
}

TEST_F(ZooIdentities, an_index_that_compares_otherwise_than_its_column_names_the_row_as_it_does) {
    everywhere(
        "CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false); "
        "CREATE TABLE exact (k text COLLATE ignoring_case NOT NULL, v int); "
        "CREATE UNIQUE INDEX exact_i ON exact (k COLLATE \"C\"); ALTER TABLE exact REPLICA IDENTITY USING INDEX "
        "exact_i; INSERT INTO exact VALUES ('a', 1), ('A', 2), ('b', 3), ('B', 4); "
        "CREATE TABLE wide (k text NOT NULL, v int); CREATE UNIQUE INDEX wide_i ON wide (k COLLATE ignoring_case); "
        "ALTER TABLE wide REPLICA IDENTITY USING INDEX wide_i; INSERT INTO wide VALUES ('a', 1), ('b', 2)");
    start();
    source.sql("UPDATE exact SET v = 10 WHERE k COLLATE \"C\" = 'a'");
    source.sql("UPDATE exact SET v = v + 100");
    source.sql("DELETE FROM exact WHERE k COLLATE \"C\" = 'B'");
    source.sql("UPDATE exact SET k = 'c' WHERE k COLLATE \"C\" = 'A'");
    source.sql("UPDATE wide SET v = 3 WHERE k = 'a'; UPDATE wide SET k = 'B' WHERE k = 'b'");
    source.sql("BEGIN; DELETE FROM wide WHERE k = 'a'; INSERT INTO wide VALUES ('A', 7); COMMIT");
    apply_and_compare();
}

TEST_F(ZooIdentities, of_a_hundred_identical_rows_as_many_are_hit_as_on_the_source) {
    everywhere(
        "CREATE TABLE t (a int, b text, doc text); ALTER TABLE t REPLICA IDENTITY FULL; ALTER TABLE t ALTER doc SET "
        "STORAGE EXTERNAL; INSERT INTO t SELECT NULL, 'same', repeat('x', 3000) FROM generate_series(1, 100)");
    start();
    source.sql("UPDATE t SET a = 1 WHERE ctid IN (SELECT ctid FROM t LIMIT 30)");
    source.sql("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE a IS NULL LIMIT 20)");
    source.sql("UPDATE t SET b = NULL WHERE ctid IN (SELECT ctid FROM t WHERE a = 1 LIMIT 7)");
    source.sql("UPDATE t SET doc = NULL WHERE ctid IN (SELECT ctid FROM t WHERE a = 1 AND b IS NOT NULL LIMIT 3)");
    source.sql("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE doc IS NULL LIMIT 1)");
    source.sql("UPDATE t SET a = a");
    apply_and_compare();
}

TEST_F(ZooIdentities, rows_of_types_that_cannot_be_compared_are_found_under_full) {
    everywhere(
        "CREATE DOMAIN doc AS json; CREATE TYPE inner_pair AS (j json, p polygon); CREATE TYPE outer_pair AS (a "
        "inner_pair[], x xml); CREATE EXTENSION citext; "
        "CREATE TABLE t (n int, d doc, da doc[], o outer_pair, oa outer_pair[], g polygon, c circle, l line, s "
        "txid_snapshot, ci citext, ch char(6), cha char(3)[], bp bpchar, num numeric[], "
        "jb jsonb); ALTER TABLE t REPLICA IDENTITY FULL; "
        "INSERT INTO t SELECT i, '{\"a\" :1}', ARRAY['1'::doc, NULL], ROW(ARRAY[ROW('[1, 2]', '((0,0),(1,1))')::"
        "inner_pair, NULL], '<a b=\"c\"/>')::outer_pair, ARRAY[NULL, ROW(NULL, NULL)]::outer_pair[], '((0,0),(1,1))', "
        "'<(0,0),1>', '{1,2,3}', '1:5:2,3', CASE i % 2 WHEN 0 THEN 'Word' ELSE 'word' END, 'a', '{a,\"b \"}', "
        "CASE i % 2 WHEN 0 THEN 'x ' ELSE 'x' END, CASE i % 2 WHEN 0 THEN '{1.0}' ELSE '{1.00}' END::numeric[], "
        "CASE i % 2 WHEN 0 THEN '1.0' ELSE '1.00' END::jsonb FROM generate_series(1, 8) i; "
        "INSERT INTO t SELECT 0 FROM generate_series(1, 3); UPDATE t SET n = 5 WHERE n BETWEEN 1 AND 8");
    start();
    source.sql("UPDATE t SET n = 6 WHERE ctid IN (SELECT ctid FROM t WHERE ci::text = 'Word' LIMIT 1)");
    source.sql("UPDATE t SET n = 7 WHERE ctid IN (SELECT ctid FROM t WHERE ci::text = 'word' AND n = 5 LIMIT 2)");
    source.sql("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE jb::text = '1.00' AND n = 5 LIMIT 1)");
    source.sql("UPDATE t SET o = NULL, bp = '' WHERE ctid IN (SELECT ctid FROM t WHERE n = 5 LIMIT 2)");
    source.sql("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE n = 0 LIMIT 2); UPDATE t SET d = '2'");
    apply_and_compare();
}

TEST_F(ZooIdentities, rows_that_pass_each_other_under_a_key_that_only_the_target_has_are_not_mistaken) {
    everywhere(
        "CREATE TABLE t (k int NOT NULL, v text); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1, "
        "'old')");
    on_targets("ALTER TABLE t ADD PRIMARY KEY (k)");
    start();
    // Two rows have k = 1 for a moment, which the target's key cannot hold: it has to say so, or get it right.
    source.sql("BEGIN; INSERT INTO t VALUES (1, 'new'); DELETE FROM t WHERE v = 'old'; COMMIT");
    EXPECT_THAT(failure(), AllOf(HasSubstr("INSERT of public.t: k = 1"), HasSubstr("duplicate key value")));
    EXPECT_EQ(target.rows("SELECT k, v FROM t"), std::vector<std::string>{"1|old"});
    on_targets("ALTER TABLE t DROP CONSTRAINT t_pkey");
    apply_and_compare();
    on_targets("ALTER TABLE t ADD PRIMARY KEY (k)");
    source.sql(
        "BEGIN; INSERT INTO t VALUES (2, 'x'); UPDATE t SET v = 'y' WHERE k = 2; DELETE FROM t WHERE k = 2; "
        "INSERT INTO t VALUES (2, 'z'); COMMIT");
    apply_and_compare();
}

TEST_F(ZooIdentities, an_identity_that_is_no_key_of_the_target_hits_one_row_or_stops) {
    everywhere(
        "CREATE TABLE narrower (a int NOT NULL, b int NOT NULL, v text); CREATE TABLE wider (a int NOT NULL, b int NOT "
        "NULL, v text); CREATE TABLE nullable (a int NOT NULL, v text)");
    source.sql(
        "ALTER TABLE narrower ADD PRIMARY KEY (a, b); ALTER TABLE wider ADD PRIMARY KEY (a); ALTER TABLE nullable ADD "
        "PRIMARY KEY (a)");
    on_targets(
        "ALTER TABLE narrower ADD PRIMARY KEY (a); ALTER TABLE wider ADD PRIMARY KEY (a, b); ALTER TABLE nullable "
        "ALTER "
        "a DROP NOT NULL, ADD UNIQUE (a)");
    start();
    source.sql(
        "INSERT INTO narrower SELECT i, i, 'v' FROM generate_series(1, 40) i; INSERT INTO wider SELECT i, i, 'v' FROM "
        "generate_series(1, 40) i; INSERT INTO nullable SELECT i, 'v' FROM generate_series(1, 40) i");
    for (const auto* table : {"narrower", "wider", "nullable"})
        source.sql(fmt::format(
            "UPDATE {0} SET v = 'w' WHERE a < 5; UPDATE {0} SET a = 100 WHERE a = 7; DELETE FROM {0} WHERE a = 9",
            table));
    source.sql("UPDATE narrower SET b = 0 WHERE a = 11; UPDATE wider SET b = 0 WHERE a = 11");
    apply_and_compare();
    target.sql("INSERT INTO wider VALUES (20, 21, 'somebody else''s')");
    source.sql("DELETE FROM wider WHERE a = 20");
    EXPECT_THAT(failure(), HasSubstr("DELETE of public.wider touched 2 rows where 1 was expected: a = 20"));
    target.sql("DELETE FROM wider WHERE a = 20 AND b = 21");
    apply();
    expect_equal();
}

}  // namespace
}  // namespace tslive::apply
