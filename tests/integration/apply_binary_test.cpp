// Changes whose values come in binary form.
#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ApplyBinary : public ApplyTest {
protected:
    void SetUp() override {
        adjust = [](migrate::ReceiverOptions& options) { options.binary = true; };
    }
    [[nodiscard]] bool is_binary_now() const {
        return source.holds(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%binary ''true''%' AND "
            "application_name = 'ts-live receiver')");
    }
};

TEST_F(ApplyBinary, every_type_that_may_travel_so_arrives) {
    everywhere(R"(CREATE TABLE zoo (id int PRIMARY KEY, b bool, i2 int2, i4 int4, i8 int8, n numeric, n2 numeric(12, 3),
        f4 float4, f8 float8, m money, t text, v varchar(40), c char(8), nm name, ch "char", by bytea, d date, tm time,
        tz timetz, ts timestamp, tstz timestamptz, iv interval, u uuid, j json, jb jsonb, ip inet, ci cidr, ma macaddr,
        m8 macaddr8, bt bit(5), vb varbit, pt point, bx box, pg polygon, ln line, lg lseg, pa path, cc circle,
        tv tsvector, l pg_lsn, o oid, x xid, r4 int4range, rn numrange, rt tstzrange, rd daterange,
        ai int[], at text[], aj jsonb[], an numeric[], ats timestamptz[]))");
    start();
    source.sql(R"(INSERT INTO zoo SELECT i, i % 2 = 0, i, -i, i * 10000000000, CASE i % 4 WHEN 0 THEN 'NaN' WHEN 1 THEN
        -1.50 * i ELSE 10 ^ (i % 40) END, i + 0.125, '-0', 'Infinity', i * 1.01, E'tab\t\\back\n' || i, 'véry' || i, 'pad',
        'a name', 'c', '\x00ff', '4713-01-01 BC', '24:00', '12:00+05:30', 'infinity', '-infinity', '-1 mon 3 days -4 hours',
        md5(i::text)::uuid, '{"a":  1, "a": 2}', '{"b": [1, null]}', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03',
        '08:00:2b:01:02:03:04:05', B'10101', B'1', '(1,-2)', '(1,2),(3,4)', '((0,0),(1,1),(2,0))', '{1,2,3}',
        '[(0,0),(1,1)]', '[(0,0),(1,1)]', '<(0,0),3>', 'fat:2A cat:1', '16/B374D848', 4294967295, '7', '[1,5)', '(,1.5]',
        '[2020-01-01,infinity)', 'empty', '{{1,2},{3,NULL}}', ARRAY['', NULL, 'x', 'NULL'], ARRAY['1'::jsonb], '[0:1]={1.0,NaN}',
        '{}' FROM generate_series(1, 50) i)");
    source.sql("INSERT INTO zoo (id) SELECT generate_series(100, 140); INSERT INTO zoo (id) VALUES (200)");
    source.sql("UPDATE zoo SET i8 = NULL, at = at || 'more'::text, n = n + 1 WHERE id < 20");
    source.sql("UPDATE zoo SET id = -id WHERE id BETWEEN 20 AND 25; DELETE FROM zoo WHERE id BETWEEN 30 AND 35");
    apply_and_compare();
    EXPECT_TRUE(is_binary_now());
}

TEST_F(ApplyBinary, rows_are_found_by_keys_of_every_kind) {
    everywhere(
        R"(CREATE TABLE a (k text, n int, v text, PRIMARY KEY (k, n)); CREATE TABLE b (k uuid PRIMARY KEY, v int);
        CREATE TABLE c (k timestamptz PRIMARY KEY, v int); CREATE TABLE d (k numeric PRIMARY KEY, v int);
        CREATE TABLE e (k bytea NOT NULL UNIQUE, v int); ALTER TABLE e REPLICA IDENTITY USING INDEX e_k_key;
        CREATE TABLE f (v int, k int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, o int GENERATED ALWAYS AS (v + 1) STORED))");
    start();
    for (const int times : {1, 60})
        source.sql(fmt::format(R"(
            INSERT INTO a SELECT 'k' || i, {0}, 'v' FROM generate_series(1, {0}) i;
            INSERT INTO b SELECT md5(({0} * 1000 + i)::text)::uuid, i FROM generate_series(1, {0}) i;
            INSERT INTO c SELECT '2020-01-01 UTC'::timestamptz + ({0} * 1000 + i) * interval '1 hour', i FROM generate_series(1, {0}) i;
            INSERT INTO d SELECT ({0} * 1000 + i) / 7.0, i FROM generate_series(1, {0}) i;
            INSERT INTO e SELECT decode(md5(({0} * 1000 + i)::text), 'hex'), i FROM generate_series(1, {0}) i;
            INSERT INTO f (v) SELECT i FROM generate_series(1, {0}) i;
            UPDATE a SET v = v || '!'; UPDATE b SET v = v + 1; UPDATE c SET v = v + 1; UPDATE d SET v = v + 1;
            UPDATE e SET v = v + 1; UPDATE f SET v = v + 1; UPDATE a SET n = n + 1000 WHERE k = 'k1';
            DELETE FROM a WHERE k = 'k2'; DELETE FROM b WHERE v = 3; DELETE FROM d WHERE v = 3; DELETE FROM e WHERE v = 3)",
                               times));
    apply_and_compare();
}

TEST_F(ApplyBinary, rows_without_a_key_are_found_by_content) {
    everywhere("CREATE TABLE t (a int, f float8, j json, d text[]); ALTER TABLE t REPLICA IDENTITY FULL");
    start();
    source.sql(
        "INSERT INTO t SELECT i % 3, CASE WHEN i % 2 = 0 THEN '-0'::float8 ELSE 0 END, '{\"a\": 1}', ARRAY[NULL, "
        "'x'] FROM generate_series(1, 40) i; INSERT INTO t VALUES (NULL, NULL, NULL, NULL)");
    source.sql(
        "UPDATE t SET a = 7 WHERE ctid IN (SELECT ctid FROM t WHERE a = 1 LIMIT 3); DELETE FROM t WHERE ctid IN "
        "(SELECT ctid FROM t WHERE a = 2 LIMIT 2); UPDATE t SET f = 1 WHERE a IS NULL");
    apply_and_compare();
}

TEST_F(ApplyBinary, values_that_did_not_change_are_left_alone) {
    everywhere(
        "CREATE TABLE t (id int PRIMARY KEY, n int, large text, more bytea); ALTER TABLE t ALTER large SET STORAGE "
        "EXTERNAL, ALTER more SET STORAGE EXTERNAL");
    start();
    source.sql(
        "INSERT INTO t SELECT i, i, repeat(md5(i::text), 100), decode(repeat(md5(i::text), 100), 'hex') FROM "
        "generate_series(1, 50) i");
    apply_both();
    source.sql(
        "UPDATE t SET n = n + 1; UPDATE t SET large = 'small' WHERE id % 2 = 0; UPDATE t SET id = id + 100 WHERE "
        "id < 5; DELETE FROM t WHERE id > 148");
    apply_and_compare();
}

TEST_F(ApplyBinary, the_targets_table_may_have_another_shape) {
    source.sql("CREATE TABLE t (gone int, id int PRIMARY KEY, v varchar(20), n int); ALTER TABLE t DROP gone");
    on_targets(
        "CREATE TABLE t (n int, dropped text, extra int NOT NULL DEFAULT 5, v text, id int PRIMARY KEY, s int "
        "GENERATED ALWAYS AS (n * 2) STORED); ALTER TABLE t DROP dropped");
    start();
    source.sql(
        "INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(1, 100) i; UPDATE t SET n = -n WHERE id < 50; "
        "INSERT INTO t VALUES (1000, 'one', 1); DELETE FROM t WHERE id = 60");
    ASSERT_NO_THROW(apply_both());
    expect_same("SELECT id, v, n FROM t ORDER BY id");
    EXPECT_EQ(target.number("SELECT count(*) FROM t WHERE extra = 5 AND s = 2 * n"), 100);
}

TEST_F(ApplyBinary, other_types_on_the_target_stop_before_the_first_row_with_both_named) {
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v int)");
    on_targets("CREATE TABLE t (id int PRIMARY KEY, v bigint)");
    start();
    source.sql("INSERT INTO t VALUES (1, 2)");
    EXPECT_THAT(failure(), AllOf(HasSubstr("public.t"), HasSubstr("v bigint"), HasSubstr("commit at")));
    EXPECT_EQ(target.number("SELECT count(*) FROM t"), 0);
    target.sql("ALTER TABLE t ALTER v TYPE int");
    apply();
    EXPECT_EQ(target.value("SELECT v FROM t"), "2");
}

TEST_F(ApplyBinary, a_relation_that_may_not_travel_so_turns_all_to_text_and_nothing_is_lost) {
    everywhere(
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE t (id int PRIMARY KEY, v text); "
        "CREATE TABLE e (id int PRIMARY KEY, m mood)");
    start();
    source.sql("INSERT INTO t SELECT i, 'binary' FROM generate_series(1, 40) i");
    source.sql(
        "BEGIN; UPDATE t SET v = 'with' WHERE id < 10; INSERT INTO e VALUES (1, 'happy'); UPDATE t SET v = 'text' "
        "WHERE id = 3; COMMIT");
    source.sql(
        "UPDATE t SET v = v || ' after' WHERE id % 2 = 0; DELETE FROM t WHERE id = 5; INSERT INTO t VALUES (5, '5')");
    apply_and_compare();
    EXPECT_FALSE(is_binary_now());
    stream->restart();
    source.sql("UPDATE t SET v = 'binary again' WHERE id < 20; INSERT INTO e VALUES (2, 'sad')");
    apply_and_compare();
}

TEST_F(ApplyBinary, a_streamed_transaction_turns_to_text_as_a_whole) {
    source_server->configure("logical_decoding_work_mem = '64kB'");
    everywhere(
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE t (id int PRIMARY KEY, v text); "
        "CREATE TABLE e (id int PRIMARY KEY, m mood)");
    start();
    auto session = source.connect();
    session.exec("BEGIN; INSERT INTO t SELECT i, repeat('x', 50) FROM generate_series(1, 3000) i");
    session.exec("INSERT INTO e SELECT i, 'sad' FROM generate_series(1, 3000) i; UPDATE t SET v = 'y' WHERE id < 100");
    session.exec("COMMIT");
    apply_and_compare();
    source_server->configure("logical_decoding_work_mem = '64MB'");
}

}  // namespace
}  // namespace tslive::apply
