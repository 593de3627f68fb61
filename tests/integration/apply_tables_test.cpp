// Tables that differ between the servers, and tables with a will of their own: generated columns, partitions, TRUNCATE,
// odd names.
#include <chrono>
#include <fstream>

#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

using testing::HasSubstr;

class ApplyTables : public ApplyTest {};

TEST_F(ApplyTables, values_in_toast_that_do_not_change_are_left_alone) {
    everywhere(
        "CREATE TABLE t (id int PRIMARY KEY, a text, b text, n int DEFAULT 0); ALTER TABLE t ALTER a SET STORAGE "
        "EXTERNAL; ALTER TABLE t ALTER b SET STORAGE EXTERNAL; "
        "INSERT INTO t SELECT i, repeat('a' || i, 3000), repeat('b' || i, 3000) FROM generate_series(1, 40) i; "
        "CREATE TABLE f AS TABLE t; ALTER TABLE f REPLICA IDENTITY FULL; ALTER TABLE f ALTER a SET STORAGE EXTERNAL; "
        "CREATE TABLE k (id text PRIMARY KEY, filler text, n int); ALTER TABLE k ALTER id SET STORAGE EXTERNAL; "
        "INSERT INTO k SELECT repeat(md5(i::text), 70) || i, repeat('f', 1500), 0 FROM generate_series(1, 5) i");
    start();
    source.sql("UPDATE t SET n = 1 WHERE id = 1");
    source.sql("UPDATE t SET n = 2, a = 'small' WHERE id = 2");
    source.sql(
        "BEGIN; UPDATE t SET a = repeat('new', 3000) WHERE id = 3; UPDATE t SET n = 3 WHERE id = 3; UPDATE t SET b = "
        "'b' WHERE id = 3; COMMIT");
    source.sql(
        "BEGIN; INSERT INTO t VALUES (100, repeat('z', 9000), repeat('y', 9000)); UPDATE t SET n = 9 WHERE id = 100; "
        "COMMIT");
    source.sql(
        "BEGIN; DELETE FROM t WHERE id = 4; INSERT INTO t VALUES (4, repeat('w', 9000), NULL); UPDATE t SET n = 8 "
        "WHERE id = 4; COMMIT");
    source.sql("UPDATE t SET id = 500 WHERE id = 5");
    source.sql("UPDATE t SET id = 600, b = NULL WHERE id = 6");
    source.sql(
        "BEGIN; UPDATE t SET n = 7 WHERE id = 7; UPDATE t SET id = 700 WHERE id = 7; UPDATE t SET n = 70 WHERE id = "
        "700; COMMIT");
    source.sql(
        "UPDATE t SET n = id WHERE id BETWEEN 10 AND 30; UPDATE t SET a = 'x' WHERE id % 3 = 0; UPDATE f SET n = id; "
        "DELETE FROM f WHERE id = 9");
    source.sql("UPDATE k SET n = 1; UPDATE k SET filler = 'g' WHERE id LIKE '%2'; DELETE FROM k WHERE id LIKE '%3'");
    apply_and_compare();
}

TEST_F(ApplyTables, identities_that_are_always_generated_keep_the_sources_values) {
    everywhere(
        "CREATE TABLE k (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, doc text); ALTER TABLE k ALTER doc "
        "SET STORAGE EXTERNAL; "
        "CREATE TABLE n (id int PRIMARY KEY, g bigint GENERATED ALWAYS AS IDENTITY (START 1000), v text, doc text); "
        "ALTER TABLE n ALTER doc SET STORAGE EXTERNAL; "
        "CREATE TABLE f (g int GENERATED ALWAYS AS IDENTITY, v text); ALTER TABLE f REPLICA IDENTITY FULL; "
        "CREATE TABLE o (g int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)");
    start();
    source.sql(
        "INSERT INTO k (v, doc) SELECT 'v', repeat('x', 4000) FROM generate_series(1, 50); INSERT INTO k (v) VALUES "
        "('one'); "
        "INSERT INTO k OVERRIDING SYSTEM VALUE VALUES (777, 'user''s')");
    source.sql(
        "INSERT INTO n (id, v, doc) SELECT i, 'v', repeat('x', 4000) FROM generate_series(1, 50) i; INSERT INTO f (v) "
        "SELECT 'f' FROM generate_series(1, 5); INSERT INTO o DEFAULT VALUES");
    apply_and_compare();
    source.sql(
        "UPDATE k SET v = 'w' WHERE id < 10; UPDATE k SET v = 'single' WHERE id = 20; UPDATE k SET id = DEFAULT WHERE "
        "id = 5");
    source.sql("UPDATE n SET v = 'w' WHERE id < 10; UPDATE n SET v = 'single' WHERE id = 20");
    source.sql(
        "UPDATE n SET g = DEFAULT WHERE id BETWEEN 30 AND 40; UPDATE n SET g = DEFAULT, v = 'new g' WHERE id = 41; "
        "UPDATE n SET id = 420 WHERE id = 42");
    source.sql("UPDATE f SET v = 'g' WHERE g = 2; UPDATE f SET g = DEFAULT WHERE g = 3; UPDATE o SET g = DEFAULT");
    apply_and_compare();
}

TEST_F(ApplyTables, generated_columns_are_made_by_the_target) {
    everywhere("CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED, c text)");
    source.sql("CREATE TABLE s (a int PRIMARY KEY, c text)");
    on_targets(
        "CREATE TABLE s (a int PRIMARY KEY, twice int GENERATED ALWAYS AS (a * 2) STORED, c text, added int DEFAULT 5, "
        "plain text)");
    start();
    source.sql(
        "INSERT INTO t (a, c) SELECT i, 'c' FROM generate_series(1, 50) i; INSERT INTO t (a) VALUES (100); INSERT INTO "
        "s SELECT a, c FROM t");
    apply_both();
    on_targets("UPDATE s SET plain = 'by hand' WHERE a = 4");
    source.sql(
        "UPDATE t SET a = 1000 WHERE a = 1; UPDATE t SET c = 'd' WHERE a = 2; DELETE FROM t WHERE a = 3; UPDATE s SET "
        "a = 4000 WHERE a = 4; UPDATE s SET c = 'x'");
    apply_both();
    expect_same("SELECT * FROM t ORDER BY a");
    expect_same("SELECT a, c FROM s ORDER BY a");
    EXPECT_EQ(target.rows("SELECT a, twice, c, added, plain FROM s WHERE a IN (5, 4000) ORDER BY a"),
              (std::vector<std::string>{"5|10|x|5|", "4000|8000|x|5|by hand"}));
}

TEST_F(ApplyTables, columns_are_matched_by_name) {
    source.sql(
        "CREATE TABLE t (x int, gone text, id int PRIMARY KEY, \"Odd, \"\"Col\" text, y point); ALTER TABLE t DROP "
        "gone");
    on_targets(
        "CREATE TABLE t (y point, g1 int, g2 int, \"Odd, \"\"Col\" text, id int PRIMARY KEY, x int); ALTER TABLE t "
        "DROP g1; ALTER TABLE t DROP g2");
    start();
    source.sql(
        "INSERT INTO t SELECT i, i, 'odd', point(i, i) FROM generate_series(1, 50) i; INSERT INTO t VALUES (0, 0)");
    source.sql(
        "UPDATE t SET x = 9 WHERE id = 2; UPDATE t SET id = 300 WHERE id = 3; DELETE FROM t WHERE id = 4; ALTER TABLE "
        "t ADD COLUMN late int DEFAULT 3");
    on_targets("ALTER TABLE t ADD COLUMN late int DEFAULT 3");
    source.sql(
        "UPDATE t SET late = 4 WHERE id = 7; ALTER TABLE t DROP COLUMN y; INSERT INTO t (id, late) VALUES (1000, 1)");
    ASSERT_NO_THROW(apply_both());
    expect_same("SELECT id, x, \"Odd, \"\"Col\", late FROM t ORDER BY id");
    EXPECT_EQ(target.value("SELECT y FROM t WHERE id = 5"), "(5,5)");
}

TEST_F(ApplyTables, tables_without_columns_count_their_rows) {
    everywhere("CREATE TABLE e (); CREATE TABLE d (a int); ALTER TABLE d DROP a");
    start();
    source.sql("INSERT INTO e DEFAULT VALUES; INSERT INTO d DEFAULT VALUES");
    source.sql("INSERT INTO e SELECT FROM generate_series(1, 100); INSERT INTO d SELECT FROM d");
    apply_and_compare();
    EXPECT_EQ(target.count("e"), 101);
}

TEST_F(ApplyTables, partitions_receive_what_moves_between_them) {
    everywhere(
        "CREATE TABLE p (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k); CREATE TABLE p1 PARTITION "
        "OF p FOR VALUES FROM (0) TO (10); "
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id); CREATE TABLE p2d "
        "PARTITION OF p2 DEFAULT; "
        "CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child (PRIMARY KEY (id), w int) INHERITS "
        "(parent); "
        "INSERT INTO p SELECT i, i % 20, 'v' FROM generate_series(1, 60) i; INSERT INTO parent VALUES (1, 'p'), (2, "
        "'p'); INSERT INTO child VALUES (1, 'c', 1), (3, 'c', 3)");
    start();
    source.sql(
        "UPDATE p SET k = 15 WHERE id = 1; UPDATE p SET k = 1 WHERE k = 15; UPDATE p SET v = 'w' WHERE id % 3 = 0; "
        "DELETE FROM p WHERE id % 7 = 0");
    source.sql(
        "BEGIN; UPDATE p SET k = 12 WHERE id = 2; UPDATE p SET k = 2 WHERE id = 2; COMMIT; INSERT INTO p SELECT i, 5, "
        "'n' FROM generate_series(100, 150) i");
    source.sql(
        "UPDATE parent SET v = 'both' WHERE id = 1; UPDATE ONLY parent SET v = 'one' WHERE id = 2; DELETE FROM child "
        "WHERE id = 3");
    apply_and_compare();
    source.sql("TRUNCATE p1");
    source.sql("TRUNCATE ONLY parent");
    source.sql("INSERT INTO p VALUES (1, 1, 'after')");
    apply_and_compare();
    source.sql("TRUNCATE p, parent");
    apply_and_compare();
}

TEST_F(ApplyTables, a_partition_only_on_the_source_is_written_through_its_root) {
    everywhere(
        "CREATE TABLE p (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k); CREATE TABLE d PARTITION "
        "OF p DEFAULT; "
        "CREATE TABLE f (id int, k int) PARTITION BY RANGE (k); CREATE TABLE fd PARTITION OF f DEFAULT; ALTER TABLE f "
        "REPLICA IDENTITY FULL; ALTER TABLE fd REPLICA IDENTITY FULL");
    source.sql(
        "CREATE TABLE p9 PARTITION OF p FOR VALUES FROM (90) TO (100); CREATE TABLE f9 PARTITION OF f FOR VALUES FROM "
        "(90) TO (100); ALTER TABLE f9 REPLICA IDENTITY FULL");
    start();
    source.sql("INSERT INTO p SELECT i, 95, 'v' FROM generate_series(1, 50) i; INSERT INTO p VALUES (1, 1, 'd')");
    source.sql(
        "UPDATE p SET v = 'w' WHERE id = 3; UPDATE p SET k = 1 WHERE id = 4; DELETE FROM p WHERE id = 5; UPDATE p SET "
        "id = 600 WHERE id = 6");
    source.sql(
        "INSERT INTO f VALUES (1, 91), (1, 91), (2, 1); UPDATE f SET id = 7 WHERE ctid = '(0,1)' AND k = 91; DELETE "
        "FROM f WHERE k = 1");
    ASSERT_NO_THROW(apply_both());
    expect_same("SELECT * FROM p ORDER BY id, k");
    expect_same("SELECT * FROM f ORDER BY id, k");
    // Its rows are among others here: emptying the root would take those too.
    source.sql("TRUNCATE p9");
    EXPECT_THAT(failure(), HasSubstr("TRUNCATE of p9 arrived, whose rows are in public.p"));
    EXPECT_EQ(target.count("p"), 50);
}

TEST_F(ApplyTables, truncate_takes_all_its_forms) {
    everywhere(
        "CREATE TABLE a (id serial PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY REFERENCES a); CREATE "
        "TABLE c (id int REFERENCES b); CREATE TABLE other (id int); "
        "INSERT INTO a (v) SELECT 'v' FROM generate_series(1, 10); INSERT INTO b SELECT id FROM a; INSERT INTO c "
        "SELECT id FROM b; INSERT INTO other VALUES (1)");
    start();
    source.sql(
        "BEGIN; INSERT INTO other SELECT generate_series(2, 50); INSERT INTO c VALUES (3); TRUNCATE c; INSERT INTO c "
        "VALUES (4); INSERT INTO other VALUES (100); COMMIT");
    apply_and_compare();
    source.sql(
        "BEGIN; UPDATE a SET v = 'gone'; TRUNCATE a RESTART IDENTITY CASCADE; INSERT INTO a (v) VALUES ('first'); "
        "INSERT INTO b VALUES (1); COMMIT");
    apply_and_compare();
    EXPECT_EQ(target.value("SELECT nextval('a_id_seq')"), "1");
    source.sql(
        "BEGIN; TRUNCATE a, b, c, other; INSERT INTO other SELECT generate_series(1, 40); TRUNCATE other; INSERT INTO "
        "other VALUES (5); SAVEPOINT s; TRUNCATE other; ROLLBACK TO s; COMMIT");
    apply_and_compare();
}

TEST_F(ApplyTables, odd_names_are_only_names) {
    for (const auto& database : {source, target, single}) database.load_zoo({"names"});
    everywhere(
        "CREATE TABLE \"My\"\".Tab,le' $1 {}\" (\"Sel'ect\" int PRIMARY KEY, \"a.b\" text, \"tableoid2\" int, \"{}\" "
        "int)");
    start();
    source.sql(R"sql(SET session_replication_role = replica; DO $$ DECLARE t regclass; BEGIN
        FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE relkind = 'r' AND relpersistence = 'p' AND nspname !~ '^pg_|^information'
                   AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND attgenerated <> '') LOOP
            EXECUTE format('CREATE TEMP TABLE again AS SELECT * FROM %s', t);
            IF (SELECT pg_get_replica_identity_index(t)) IS NOT NULL THEN EXECUTE format('DELETE FROM %s', t); END IF;
            EXECUTE format('INSERT INTO %s SELECT * FROM again WHERE %L', t,
                           (SELECT pg_get_replica_identity_index(t)) IS NOT NULL);
            EXECUTE 'DROP TABLE again';
        END LOOP; END $$)sql");
    apply_both();
    expect_equal();
    source.sql(
        "INSERT INTO \"My\"\".Tab,le' $1 {}\" SELECT i, 'x', i, i FROM generate_series(1, 40) i; UPDATE "
        "\"My\"\".Tab,le' $1 {}\" SET \"a.b\" = 'y' WHERE \"Sel'ect\" < 4; "
        "UPDATE \"My\"\".Tab,le' $1 {}\" SET \"Sel'ect\" = 99 WHERE \"Sel'ect\" = 5; DELETE FROM \"My\"\".Tab,le' $1 "
        "{}\" WHERE \"{}\" = 6");
    apply_and_compare();
}

TEST_F(ApplyTables, values_survive_every_way_of_inserting) {
    everywhere("CREATE TABLE t (id serial PRIMARY KEY, v text, w text); CREATE TABLE o (v text)");
    start();
    for (const int count : {1, 2, 31, 32, 33, 100}) {
        source.sql(fmt::format(
            R"sql(INSERT INTO t (v, w) SELECT (ARRAY[E'\\', E'a\\nb', E'tab\there', E'line\nfeed',
            E'cr\rlf\r\n', '', 'NULL', E'\\N', E'\\.', E'\x01\x7f', NULL, ' ', '"', '''', ',', '{{}}', E'\\x41', 'ünï 😀', E'\b\f\v', repeat('x', 5000)])[1 + i % 20],
            nullif(E'\\.', 'x' || i) FROM generate_series(1, {}) i)sql",
            count));
        source.sql(fmt::format(
            "INSERT INTO o SELECT CASE i % 3 WHEN 0 THEN '' WHEN 1 THEN E'\\\\.' END FROM generate_series(1, {}) i",
            count));
        apply_and_compare();
    }
    source.sql("UPDATE t SET v = w, w = v");
    apply_and_compare();
}

TEST_F(ApplyTables, tables_wider_than_parameters_go_allow_many_rows) {
    std::string columns;
    for (int i = 0; i < 400; ++i) columns += fmt::format(", c{} int DEFAULT {}", i, i);
    everywhere(fmt::format("CREATE TABLE w (id int PRIMARY KEY{})", columns));
    start();
    source.sql(
        "INSERT INTO w SELECT generate_series(1, 300); UPDATE w SET c3 = 4, c399 = NULL; DELETE FROM w WHERE id < 20; "
        "INSERT INTO w SELECT generate_series(1, 19)");
    apply_and_compare();
}

/// Peak of this process's resident memory in bytes, since reset_peak().
std::size_t peak_bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
    return 0;
}
void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

TEST_F(ApplyTables, a_transaction_of_any_size_takes_bounded_memory) {
    everywhere("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, v text)");
    start();
    source.sql(
        "BEGIN; INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 300000) i; INSERT INTO u SELECT i, '' "
        "FROM generate_series(1, 10) i; "
        "UPDATE t SET v = repeat('y', 400) WHERE id % 2 = 0; DELETE FROM t WHERE id % 10 = 1; COMMIT");
    stream->wait_until_received(stream->mark());
    reset_peak();
    const auto before = peak_bytes();
    apply();
    // 210 MB of values went through; a batch's buffers, their copies as COPY data and arrays, and libpq's are 16 MB
    // each.
    EXPECT_LT(peak_bytes() - before, 160U << 20);
    expect_equal();
}

}  // namespace
}  // namespace tslive::apply
