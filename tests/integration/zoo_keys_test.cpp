// Keys and unique values that move: within a transaction, across transactions of one batch, and among values that are
// equal but not the same (CASES D6, D12, D13, D15).
#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

class ZooKeys : public ApplyTest {};

/// A type whose equality is wider than identity, and values of it: the first two are equal and not the same.
struct WideType {
    std::string_view name, type, one, same, other;
};
constexpr WideType wide_types[] = {{"numeric", "numeric", "1.0", "1.00", "2"},
                                   {"words", "public.citext", "a", "A", "b"},
                                   {"collated", "text COLLATE public.ignoring_case", "ä", "Ä", "b"},
                                   {"zero", "double precision", "0", "-0", "1"},
                                   {"real", "real", "-0", "0", "NaN"},
                                   {"interval", "interval", "1 day", "24:00:00", "1 hour"},
                                   {"padded", "bpchar", "a", "a  ", "b"},
                                   {"jsonb", "jsonb", "{\"a\": 1.0}", "{\"a\": 1.00}", "null"},
                                   {"ranges", "numrange", "[1.0,2)", "[1.00,2.0)", "empty"},
                                   {"arrays", "numeric[]", "{1.0,2}", "{1.00,2.0}", "{}"},
                                   {"composite", "public.pair", "(1.0,x)", "(1.00,x)", "(2,x)"},
                                   {"domain", "public.amount", "5", "5.000", "6"}};

TEST_F(ZooKeys, that_are_equal_and_not_the_same_fold_as_they_should) {
    everywhere(
        "CREATE EXTENSION citext; CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', "
        "deterministic = false); CREATE TYPE pair AS (n numeric, t text); CREATE DOMAIN amount AS numeric CHECK (value "
        "> "
        "0)");
    for (const auto& wide : wide_types)
        for (const std::string_view part : {"", ", part"})  // alone, and as a part of a key
            everywhere(fmt::format(
                "CREATE TABLE {0}{3} (part int, k {1}, v int DEFAULT 0, PRIMARY KEY (k{4})); INSERT INTO {0}{3} VALUES "
                "(1, '{2}', 0)",
                wide.name, wide.type, wide.one, part.empty() ? "" : "_2", part));
    start();
    for (const auto& wide : wide_types)
        for (const std::string_view suffix : {"", "_2"}) {
            const auto table = fmt::format("{}{}", wide.name, suffix);
            const auto insert = [&](std::string_view key, int v) {
                return fmt::format("INSERT INTO {} VALUES (1, '{}', {});", table, key, v);
            };
            const auto where = fmt::format("WHERE k = '{}'::{};", wide.one, wide.type);
            const auto remove = fmt::format("DELETE FROM {} {}", table, where);
            const auto update = fmt::format("UPDATE {} SET v = v + 1 {}", table, where);
            const auto rename = [&](std::string_view to) {
                return fmt::format("UPDATE {} SET k = '{}', v = v * 2 {}", table, to, where);
            };
            // In one transaction, then the same again over several, all of which make one batch.
            source.sql(remove + insert(wide.same, 10) + update);
            source.sql(update + remove + insert(wide.one, 20) + update + remove + insert(wide.same, 30));
            source.sql(rename(wide.one) + update + rename(wide.same) + update);
            for (const auto& statement : {remove, insert(wide.one, 40), update, rename(wide.same), update, remove,
                                          insert(wide.same, 50), insert(wide.other, 1), update, rename(wide.one)})
                source.sql(statement);
        }
    ASSERT_NO_THROW(apply_both());
    for (const auto& wide : wide_types)
        for (const std::string_view suffix : {"", "_2"})
            expect_same(fmt::format("SELECT part, k::text, v FROM {}{} ORDER BY 2", wide.name, suffix));
}

TEST_F(ZooKeys, shift_where_the_source_could_shift_them) {
    // Without DEFERRABLE the source checks row by row: what it could do in its order, the target can in the same.
    everywhere(
        "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v text); INSERT INTO t SELECT i, -i, 'v' || i FROM "
        "generate_series(200, 1, -1) i; "
        "CREATE TABLE two (a int, b int, v text, PRIMARY KEY (a, b)); INSERT INTO two SELECT i / 10, i % 10, 'v' || i "
        "FROM generate_series(99, 0, -1) i; "
        "CREATE TABLE by_index (n int NOT NULL, v text); CREATE UNIQUE INDEX by_index_i ON by_index (n); ALTER TABLE "
        "by_index REPLICA IDENTITY USING INDEX by_index_i; INSERT INTO by_index SELECT i, 'v' || i FROM "
        "generate_series(50, 1, -1) i");
    start();
    source.sql("UPDATE t SET id = id + 1");
    source.sql("UPDATE t SET u = u - 1 WHERE false");
    source.sql("UPDATE two SET a = a + 1; UPDATE by_index SET n = n + 1");
    source.sql("UPDATE t SET v = v || 'x' WHERE id % 3 = 0; DELETE FROM t WHERE id = 100");
    source.sql("BEGIN; INSERT INTO t VALUES (100, 7, 'again'); UPDATE t SET id = 1 WHERE id = 100; COMMIT");
    apply_and_compare();
}

TEST_F(ZooKeys, rotate_across_transactions_of_one_batch) {
    everywhere(
        "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, w text, x text, UNIQUE (w, x)); CREATE UNIQUE INDEX ON t "
        "(lower(x)) WHERE w = 'partial'; INSERT INTO t SELECT i, i, i % 5, 'X' || i FROM generate_series(1, 40) i; "
        "CREATE TABLE nulls (id int PRIMARY KEY, u int UNIQUE NULLS NOT DISTINCT); INSERT INTO nulls VALUES (1, 1), "
        "(2, "
        "NULL), (3, 3)");
    start();
    // Each is fine by itself; folded to its net effect, each takes a value that another still has.
    source.sql("UPDATE t SET u = NULL WHERE id = 1");
    for (int id = 2; id <= 40; ++id) source.sql(fmt::format("UPDATE t SET u = {} WHERE id = {}", id - 1, id));
    source.sql("UPDATE t SET u = 40 WHERE id = 1");
    source.sql(
        "DELETE FROM t WHERE id = 10; INSERT INTO t VALUES (1000, 9, '0', 'X10'); UPDATE t SET id = 10 WHERE id = "
        "1000");
    source.sql(
        "UPDATE t SET w = 'partial', x = 'One' WHERE id = 11; UPDATE t SET x = 'Two' WHERE id = 11; UPDATE t SET w = "
        "'partial', x = 'oNE' WHERE id = 12; UPDATE t SET w = 'other' WHERE id = 11; UPDATE t SET x = 'TWO' WHERE id = "
        "12");
    source.sql(
        "UPDATE nulls SET u = 2 WHERE id = 2; UPDATE nulls SET u = NULL WHERE id = 1; UPDATE nulls SET u = 1 "
        "WHERE id = 3; UPDATE nulls SET u = 3 WHERE id = 2; DELETE FROM nulls WHERE u IS NULL; INSERT INTO nulls "
        "VALUES (4, NULL)");
    apply_and_compare();
    source.sql("UPDATE t SET x = x || 'y'");  // and sets are used again
    apply_and_compare();
}

TEST_F(ZooKeys, swap_under_constraints_that_may_wait) {
    everywhere(
        "CREATE EXTENSION btree_gist; "
        "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE DEFERRABLE, w int UNIQUE DEFERRABLE INITIALLY DEFERRED, r "
        "int4range, EXCLUDE USING gist (r WITH &&) DEFERRABLE INITIALLY DEFERRED); INSERT INTO t SELECT i, i, i, "
        "int4range(i * 10, i * 10 + 10) FROM generate_series(1, 40) i; "
        "CREATE TABLE k (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, u int NOT NULL UNIQUE, v text); ALTER TABLE "
        "k REPLICA IDENTITY FULL; INSERT INTO k SELECT i, i, 'v' FROM generate_series(1, 20) i");
    start();
    source.sql("UPDATE t SET u = u + 1, w = w + 1");
    source.sql("UPDATE t SET r = int4range(lower(r) + 3, upper(r) + 3)");
    source.sql(
        "BEGIN; UPDATE t SET w = 5 WHERE w = 6; INSERT INTO t VALUES (100, 100, 7, '[12,15)'); UPDATE t SET w = 50 "
        "WHERE id = 4; DELETE FROM t WHERE w = 7 AND id < 100; UPDATE t SET r = '[1000,1001)' WHERE id = 100; COMMIT");
    source.sql("UPDATE k SET id = id + 1; UPDATE k SET id = 21 - id + 1");
    source.sql(
        "BEGIN; UPDATE k SET id = 3 WHERE u = 5; UPDATE k SET v = 'w' WHERE id = 3; UPDATE k SET id = 300 WHERE u "
        "<> 5 AND id = 3; COMMIT");
    apply_and_compare();
}

TEST_F(ZooKeys, of_several_columns_change_in_one_while_the_other_lies_unchanged_in_toast) {
    everywhere(
        "CREATE TABLE t (a text, n int, v text, filler text, PRIMARY KEY (a, n)); ALTER TABLE t ALTER a SET STORAGE "
        "EXTERNAL; INSERT INTO t SELECT repeat(md5(i::text), 70), i, 'v', repeat('f', 1500) FROM generate_series(1, "
        "10) "
        "i");
    start();
    source.sql("UPDATE t SET n = 100 WHERE n = 1");
    source.sql(
        "BEGIN; UPDATE t SET v = 'w' WHERE n = 2; UPDATE t SET n = 200 WHERE n = 2; UPDATE t SET v = 'x' WHERE n = "
        "200; DELETE FROM t WHERE n = 3; COMMIT");
    source.sql("BEGIN; UPDATE t SET n = n + 1000; UPDATE t SET v = NULL WHERE n = 1100; COMMIT");
    source.sql(
        "BEGIN; INSERT INTO t VALUES (repeat('new', 700), 5, 'v', repeat('g', 1500)); UPDATE t SET v = 'y' WHERE n = "
        "5; UPDATE t "
        "SET n = 6 WHERE n = 5; COMMIT");
    apply_and_compare();
}

TEST_F(ZooKeys, that_are_always_generated_change_and_move) {
    everywhere(
        "CREATE TABLE k (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, u int UNIQUE, v text, doc text, extra int "
        "GENERATED ALWAYS AS (1) STORED); ALTER TABLE k ALTER doc SET STORAGE EXTERNAL; INSERT INTO k (u, v, doc) "
        "SELECT "
        "i, 'v', repeat('d', 3000) FROM generate_series(1, 40) i; "
        "CREATE TABLE p (id int GENERATED ALWAYS AS IDENTITY, part int, v text, PRIMARY KEY (id, part)) PARTITION BY "
        "LIST (part); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN "
        "(2); INSERT INTO p (part, v) SELECT 1 + i % 2, 'v' FROM generate_series(1, 10) i");
    start();
    source.sql("UPDATE k SET id = DEFAULT WHERE id BETWEEN 3 AND 6; UPDATE k SET v = 'w' WHERE id > 38");
    source.sql(
        "BEGIN; DELETE FROM k WHERE id = 10; INSERT INTO k (id, u) OVERRIDING SYSTEM VALUE VALUES (10, 10); UPDATE "
        "k SET id = DEFAULT, doc = 'x' WHERE id = 10; COMMIT");
    source.sql(
        "BEGIN; UPDATE k SET u = NULL WHERE u = 11; UPDATE k SET u = 11, id = DEFAULT WHERE u = 12; UPDATE k SET u "
        "= 12, id = DEFAULT WHERE u IS NULL; COMMIT");
    source.sql(
        "UPDATE p SET part = 2 WHERE id = 2; UPDATE p SET id = DEFAULT WHERE id IN (3, 4); UPDATE p SET v = 'w'");
    source.sql("INSERT INTO p (id, part) OVERRIDING SYSTEM VALUE VALUES (2, 1), (3, 1)");
    apply_and_compare();
}

}  // namespace
}  // namespace tslive::apply
