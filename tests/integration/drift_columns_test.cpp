// ALTER TABLE on the source while a migration runs: what the target can take goes on, the rest stops before the first row with the
// statement that mends it.

#include "integration/support/drift.hpp"

namespace tslive::harness {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DriftOfColumns : public DriftTest {};

TEST_F(DriftOfColumns, added_ones_hold_in_old_rows_what_they_hold_on_the_source) {
    begin("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)");
    // In one batch with a row from before, which has to be there when the operator alters the table.
    migration.migrate->freeze();
    source().sql("INSERT INTO t VALUES (102)");
    source().sql(
        "ALTER TABLE t ADD COLUMN \"a B\" varchar(20) NOT NULL DEFAULT 'it''s old'; ALTER TABLE t ALTER \"a B\" SET "
        "DEFAULT "
        "'new'; UPDATE t SET \"a B\" = 'changed' WHERE id = 1; INSERT INTO t VALUES (101)");
    migration.migrate->thaw();
    EXPECT_EQ(
        mend("public.t"),
        "ALTER TABLE \"public\".\"t\" ADD COLUMN \"a B\" character varying(20) DEFAULT 'it''s old' NOT NULL; ALTER "
        "TABLE \"public\".\"t\" ALTER COLUMN \"a B\" SET DEFAULT 'new'::character varying;");
    source().sql(
        "ALTER TABLE t ADD COLUMN at timestamptz DEFAULT now(), ADD COLUMN plain int[]; DELETE FROM t WHERE id = 2");
    EXPECT_THAT(mend("public.t"),
                AllOf(HasSubstr("\"at\" timestamp with time zone DEFAULT '"),
                      HasSubstr("ALTER COLUMN \"at\" SET DEFAULT now();"), HasSubstr("\"plain\" integer[];")));
    finish();
}

TEST_F(DriftOfColumns, whose_values_only_the_source_knows_are_copied_again) {
    begin("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, i FROM generate_series(1, 100) i");
    source().sql("ALTER TABLE t ADD COLUMN chance float8 DEFAULT random(); UPDATE t SET n = 0 WHERE id < 10");
    EXPECT_THAT(expect_stop("public.t"), HasSubstr("copied again, under a snapshot of their own"));
    run_remedy(migration.migrate->output());
    source().sql("DELETE FROM t WHERE id > 90");
    resume();
    source().sql(
        "ALTER TABLE t ALTER COLUMN n TYPE bigint USING n * 1000000000::bigint; UPDATE t SET n = -1 WHERE id = 50");
    EXPECT_THAT(mend("public.t"), HasSubstr("ALTER COLUMN \"n\" TYPE bigint;"));
    finish();
}

TEST_F(DriftOfColumns, that_are_renamed_dropped_or_widened_are_so_on_the_target_too) {
    begin(
        "CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, b varchar(3), c int NOT NULL); INSERT INTO t SELECT i, "
        "'a', 'b', i FROM "
        "generate_series(1, 100) i");
    source().sql("ALTER TABLE t RENAME COLUMN a TO \"a, too\"; INSERT INTO t VALUES (101, 'a', 'b', 1)");
    EXPECT_EQ(mend("public.t"), "ALTER TABLE \"public\".\"t\" RENAME COLUMN \"a\" TO \"a, too\";");
    source().sql("ALTER TABLE t ALTER COLUMN b TYPE varchar(30); UPDATE t SET b = 'much longer' WHERE id = 1");
    EXPECT_EQ(mend("public.t"), "ALTER TABLE \"public\".\"t\" ALTER COLUMN \"b\" TYPE character varying(30);");
    source().sql("ALTER TABLE t DROP COLUMN c; INSERT INTO t VALUES (102, 'a', 'b')");
    EXPECT_EQ(mend("public.t"), "ALTER TABLE \"public\".\"t\" DROP COLUMN \"c\";");
    // What no value depends on: the target takes rows as it is.
    source().sql(
        "ALTER TABLE t ALTER COLUMN \"a, too\" DROP NOT NULL, REPLICA IDENTITY FULL; UPDATE t SET b = 'x' WHERE id < "
        "5");
    target().sql("ALTER TABLE t ALTER COLUMN \"a, too\" DROP NOT NULL, REPLICA IDENTITY FULL");
    // Neither does a rewrite make the changes before it doubtful.
    source().sql("VACUUM FULL t");
    source().sql("INSERT INTO t VALUES (103, NULL, 'b')");
    finish();
    EXPECT_THAT(migration.migrate->output(), Not(HasSubstr("is copied now")));
}

TEST_F(DriftOfColumns, that_took_over_a_name_are_copied_again_without_a_word_of_the_stream) {
    begin(
        "CREATE TABLE made_again (id int PRIMARY KEY, v text, w text); INSERT INTO made_again SELECT i, 'v', 'w' FROM "
        "generate_series(1, 10) i;"
        "CREATE TABLE swapped (id int PRIMARY KEY, a text, b text); INSERT INTO swapped SELECT i, 'a', 'b' FROM "
        "generate_series(1, 10) i;");
    source().sql("INSERT INTO made_again VALUES (11, 'v', 'w'); INSERT INTO swapped VALUES (11, 'a', 'b')");
    source().sql(
        "ALTER TABLE made_again DROP COLUMN w; ALTER TABLE made_again ADD COLUMN w text; INSERT INTO made_again VALUES "
        "(12, 'v', 'new');"
        "ALTER TABLE swapped RENAME a TO x; ALTER TABLE swapped RENAME b TO a; ALTER TABLE swapped RENAME x TO b;"
        "INSERT INTO swapped (id, a) VALUES (12, 'only a')");
    migration.switch_over();
    EXPECT_THAT(migration.migrate->output(),
                AllOf(HasSubstr("public.made_again has changes that are not in the stream and is copied now"),
                      HasSubstr("public.swapped has changes")));
    EXPECT_TRUE(migration.is_equal({.schema = false, .skip_tables = {"\"public\".\"swapped\""}}));
    constexpr auto by_name = "SELECT id, a, b FROM swapped ORDER BY id";
    EXPECT_EQ(target().rows(by_name), source().rows(by_name));
}

TEST_F(DriftOfColumns, that_no_change_tells_about_are_found_before_the_switch_over) {
    begin(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE first_here (id int PRIMARY KEY)");
    target().sql("ALTER TABLE first_here ADD COLUMN v int");
    source().sql(
        "ALTER TABLE t ADD COLUMN v int DEFAULT 7; ALTER TABLE first_here ADD COLUMN v int; INSERT INTO first_here "
        "VALUES (1, 1)");
    migration.migrate->signal(SIGUSR1);
    migration.migrate->expect_exit(3);
    constexpr auto statement = "ALTER TABLE \"public\".\"t\" ADD COLUMN \"v\" integer DEFAULT '7';";
    EXPECT_THAT(migration.migrate->output(),
                AllOf(HasSubstr(statement), Not(HasSubstr("ALTER TABLE \"public\".\"first_here\""))));
    target().sql(statement);
    target().sql("ALTER TABLE t ALTER v SET DEFAULT 7");
    resume();
    finish();
}

}  // namespace
}  // namespace tslive::harness
