// Tables that change on the source while a migration runs: made, dropped and made again, renamed, attached, robbed of their key.

#include "integration/support/migration.hpp"

namespace tslive::harness {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// A migration that has caught up, with a table that has nothing to do with the test.
class NewTables : public ::testing::Test {
protected:
    void begin(const std::string& schema = {}) {
        migration.pair.source.sql(
            "CREATE TABLE old (id int PRIMARY KEY, v text); INSERT INTO old SELECT i, 'v' FROM generate_series(1, 100) "
            "i;" +
            schema);
        migration.take_snapshot();
        migration.start();
        migration.wait_until_caught_up();
    }
    void expect_stop_at(const std::string& table) {
        migration.migrate->expect_exit(3);
        EXPECT_THAT(migration.migrate->output(), AllOf(HasSubstr("ERROR"), HasSubstr(table), HasSubstr("--resume")));
    }
    void go_on_to_the_end() {
        migration.resume();
        migration.wait_until_caught_up();
        migration.switch_over();
        EXPECT_TRUE(migration.is_equal());
    }
    Database& source() { return migration.pair.source; }
    Database& target() { return migration.pair.target; }

    Migration migration;
};

TEST_F(NewTables, lose_no_update_that_was_made_before_they_were_published) {
    begin();
    source().sql("CREATE TABLE later (id int PRIMARY KEY, v text)");
    source().sql("INSERT INTO later VALUES (1, 'a'), (2, 'b')");
    expect_stop_at("public.later");
    source().sql("UPDATE later SET v = 'changed' WHERE id = 1; DELETE FROM later WHERE id = 2");
    target().sql("CREATE TABLE later (id int PRIMARY KEY, v text)");
    migration.resume();
    migration.wait_until_caught_up();
    source().sql("UPDATE later SET v = 'again'; INSERT INTO later VALUES (3, 'c')");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
    EXPECT_EQ(target().value("SELECT v FROM later WHERE id = 1"), "again");
}

TEST_F(NewTables, that_the_target_has_are_copied_without_a_stop) {
    begin();
    target().sql("CREATE TABLE later (id int PRIMARY KEY, v text)");
    source().sql("CREATE TABLE later (id int PRIMARY KEY, v text); INSERT INTO later VALUES (1, 'a')");
    source().sql("UPDATE later SET v = 'b'");
    migration.migrate->wait_for_line("public.later was made on the source after the snapshot and is copied now");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

TEST_F(NewTables, under_the_name_of_a_dropped_one_replace_its_rows) {
    begin("CREATE TABLE swapped (id int PRIMARY KEY); INSERT INTO swapped VALUES (1), (2);");
    source().sql("INSERT INTO swapped VALUES (3)");
    source().sql(
        "CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh VALUES (7); DROP TABLE swapped; "
        "ALTER TABLE fresh RENAME TO swapped; ALTER INDEX fresh_pkey RENAME TO swapped_pkey");
    source().sql("INSERT INTO swapped VALUES (8); UPDATE swapped SET id = 9 WHERE id = 8");
    migration.migrate->wait_for_line("public.swapped was made on the source after the snapshot and is copied now");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

TEST_F(NewTables, that_came_and_went_are_no_matter) {
    begin();
    migration.migrate->freeze();  // so that the table is gone before its changes are looked at
    source().sql(
        "CREATE TABLE staging (id int PRIMARY KEY); INSERT INTO staging VALUES (1); UPDATE staging SET id = 2");
    source().sql("DROP TABLE staging; INSERT INTO old VALUES (101, 'w')");
    migration.migrate->thaw();
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

TEST_F(NewTables, with_foreign_rows_on_the_target_are_not_touched) {
    begin();
    target().sql("CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (1)");
    source().sql("CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (2)");
    expect_stop_at("public.later");
    EXPECT_EQ(target().value("SELECT string_agg(id::text, ',') FROM later"), "1");
    target().sql("TRUNCATE later");
    go_on_to_the_end();
}

TEST_F(NewTables, that_were_only_renamed_go_on_under_their_old_name_and_are_said) {
    begin("CREATE TABLE before (id int PRIMARY KEY, v text); INSERT INTO before VALUES (1, 'a');");
    source().sql(
        "ALTER TABLE before RENAME TO after; INSERT INTO after VALUES (2, 'b'); UPDATE after SET v = 'c' WHERE id = 1");
    migration.switch_over();
    EXPECT_THAT(migration.migrate->output(), HasSubstr("ALTER TABLE \"public\".\"before\" RENAME TO \"after\""));
    EXPECT_EQ(target().value("SELECT string_agg(v, ',' ORDER BY id) FROM before"), "c,b");
}

TEST_F(NewTables, that_lose_their_identity_leave_the_publication_before_an_update_fails_for_long) {
    begin("CREATE TABLE robbed (id int PRIMARY KEY, v int); INSERT INTO robbed VALUES (1, 0);");
    source().sql("ALTER TABLE robbed DROP CONSTRAINT robbed_pkey");
    migration.migrate->expect_exit(3);
    EXPECT_THAT(migration.migrate->output(), HasSubstr("robbed lost its replica identity"));
    source().sql("UPDATE robbed SET v = 1; DELETE FROM robbed");
}

TEST(RewrittenTables, fit_together_again_at_the_end) {
    Migration migration;
    migration.pair.source.sql(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES "
        "parent); "
        "INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1)");
    migration.take_snapshot();
    // The child is copied under a later snapshot than the parent, and refers to a row that is still in the stream.
    migration.pair.source.sql("INSERT INTO parent VALUES (2); TRUNCATE child; INSERT INTO child VALUES (1, 2)");
    migration.start();
    migration.wait_until_caught_up();
    EXPECT_EQ(migration.pair.target.value("SELECT convalidated FROM pg_constraint WHERE conname = 'child_parent_fkey'"),
              "f");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

TEST(CleanOf, another_pair_of_databases_removes_nothing) {
    Migration migration;
    migration.pair.source.sql("CREATE TABLE t (id int PRIMARY KEY)");
    migration.take_snapshot().signal(SIGINT);
    migration.snapshot->wait_exit();
    migration.pair.source_server.create_database("other");
    auto clean = migration.pair.clean(
        {"--source", migration.pair.source_server.database("other").conninfo().to_string(), "--prune"});
    clean->expect_exit(3);
    EXPECT_THAT(clean->output(), HasSubstr("the migration is about"));
    EXPECT_EQ(migration.pair.source.value("SELECT count(*) FROM pg_publication"), "2");
    EXPECT_EQ(migration.pair.source.value("SELECT count(*) FROM pg_replication_slots"), "1");
}

}  // namespace
}  // namespace tslive::harness
