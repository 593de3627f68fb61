// Tables that change their name, their place or their identity on the source while a migration runs.

#include "integration/support/drift.hpp"

namespace tslive::harness {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DriftOfTables : public DriftTest {};

TEST_F(DriftOfTables, that_pass_their_names_on_get_nobody_elses_rows) {
    begin(
        "CREATE SCHEMA elsewhere; CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE c (LIKE a INCLUDING ALL); "
        "CREATE TABLE m (LIKE a INCLUDING "
        "ALL); INSERT INTO a VALUES (1, 'a'); INSERT INTO c VALUES (1, 'c'); INSERT INTO m VALUES (1, 'm')");
    constexpr auto chain = "ALTER TABLE a RENAME TO b; ALTER TABLE c RENAME TO a; ALTER TABLE m SET SCHEMA elsewhere; ";
    source().sql(chain + std::string{"INSERT INTO b VALUES (2, 'was a'); INSERT INTO a VALUES (2, 'was c'); UPDATE a "
                                     "SET v = 'c again' WHERE id = 1; "
                                     "INSERT INTO elsewhere.m VALUES (2, 'm')"});
    eventually("the rows are there", [&] { return target().count("m") == 2; });
    EXPECT_EQ(target().rows("SELECT v FROM a ORDER BY id"), (std::vector<std::string>{"a", "was a"}));
    EXPECT_EQ(target().rows("SELECT v FROM c ORDER BY id"), (std::vector<std::string>{"c again", "was c"}));
    // The operator follows, while changes go on: the target's tables are the same, whatever they are called.
    migration.migrate->signal(SIGTERM);
    migration.migrate->wait_exit();
    target().sql(chain);
    source().sql("INSERT INTO b VALUES (3, 'was a'); UPDATE a SET v = v || '!'; DELETE FROM elsewhere.m WHERE id = 1");
    resume();
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal({.schema = false}));
}

TEST_F(DriftOfTables, that_are_attached_after_updates_are_copied_whole) {
    begin(
        "CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE p_1 PARTITION OF p FOR "
        "VALUES FROM (0) TO (100); "
        "CREATE TABLE p_rest PARTITION OF p DEFAULT; INSERT INTO p VALUES (1, 'old')");
    // One after the other, and all in one transaction. A partition made as one is followed without a word.
    source().sql("CREATE TABLE late (id int PRIMARY KEY, v text); INSERT INTO late VALUES (1001, 'a'), (1002, 'b')");
    source().sql("UPDATE late SET v = 'changed' WHERE id = 1001; DELETE FROM late WHERE id = 1002");
    source().sql("ALTER TABLE p ATTACH PARTITION late FOR VALUES FROM (1000) TO (2000)");
    expect_stop("public.late");
    constexpr auto more =
        "CREATE TABLE later (id int PRIMARY KEY, v text); ALTER TABLE p ATTACH PARTITION later FOR VALUES FROM (2000) "
        "TO (3000)";
    target().sql(
        "CREATE TABLE late (id int PRIMARY KEY, v text); ALTER TABLE p ATTACH PARTITION late FOR VALUES FROM (1000) TO "
        "(2000)");
    target().sql(more);
    source().sql(
        "BEGIN; CREATE TABLE later (id int PRIMARY KEY, v text); INSERT INTO later VALUES (2001, 'a'), (2002, 'b'); "
        "UPDATE later SET v = 'changed' WHERE "
        "id = 2001; DELETE FROM later WHERE id = 2002; ALTER TABLE p ATTACH PARTITION later FOR VALUES FROM (2000) TO "
        "(3000); COMMIT");
    constexpr auto as_one = "CREATE TABLE p_4 PARTITION OF p FOR VALUES FROM (3000) TO (4000);";
    target().sql(as_one);
    source().sql(as_one + std::string{"INSERT INTO p VALUES (3001, 'a'), (3002, 'b'); UPDATE p SET v = 'changed' WHERE "
                                      "id > 3000; DELETE FROM p WHERE id = 3002"});
    resume();
    source().sql("UPDATE p SET v = v || '!'");
    finish();
    EXPECT_THAT(migration.migrate->output(), Not(HasSubstr("public.p_4 was made")));
}

TEST_F(DriftOfTables, that_are_detached_lose_no_update) {
    begin(
        "CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE p_1 PARTITION OF p FOR "
        "VALUES FROM (0) TO (100); "
        "CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (100) TO (200); INSERT INTO p SELECT i, 'old' FROM "
        "generate_series(1, 150) i");
    source().sql("UPDATE p SET v = 'before'; ALTER TABLE p DETACH PARTITION p_2");
    source().sql("UPDATE p_2 SET v = 'after'; DELETE FROM p_2 WHERE id > 140; UPDATE p SET v = 'after' WHERE id < 10");
    migration.switch_over();
    EXPECT_THAT(migration.migrate->output(), HasSubstr("public.p_2 has changes that are not in the stream"));
    EXPECT_EQ(target().rows("SELECT * FROM p_2 ORDER BY id"), source().rows("SELECT * FROM p_2 ORDER BY id"));
    EXPECT_EQ(target().rows("SELECT * FROM p_1 ORDER BY id"), source().rows("SELECT * FROM p_1 ORDER BY id"));
}

TEST_F(DriftOfTables, that_lose_their_identity_and_get_it_back_or_get_one_late_are_whole_in_the_end) {
    begin(
        "CREATE TABLE robbed (id int PRIMARY KEY, v int); INSERT INTO robbed SELECT i, 0 FROM generate_series(1, 10) i;"
        "CREATE TABLE keyless (id int NOT NULL, v int); INSERT INTO keyless SELECT i, 0 FROM generate_series(1, 10) "
        "i;");
    source().sql("UPDATE keyless SET v = 1; ALTER TABLE robbed DROP CONSTRAINT robbed_pkey");
    migration.migrate->expect_exit(3);
    source().sql("UPDATE robbed SET v = 1; DELETE FROM robbed WHERE id = 3");
    migration.resume().expect_exit(3);
    EXPECT_THAT(migration.migrate->output(),
                AllOf(HasSubstr("public.robbed has no replica identity"), HasSubstr("--resume")));
    source().sql("ALTER TABLE robbed ADD PRIMARY KEY (id)");
    resume();
    source().sql("UPDATE robbed SET v = 2 WHERE id > 5");
    for (auto* side : {&source(), &target()}) side->sql("ALTER TABLE keyless ADD PRIMARY KEY (id)");
    source().sql("UPDATE keyless SET v = 2 WHERE id = 1; DELETE FROM keyless WHERE id = 2");
    finish();
}

TEST_F(DriftOfTables, whose_publication_is_dropped_end_the_migration_with_the_reason) {
    begin("CREATE TABLE t (id int PRIMARY KEY)");
    source().sql(fmt::format("DROP PUBLICATION tslive_{}_identity", migration.id()));
    migration.migrate->expect_exit(3);
    EXPECT_THAT(migration.migrate->output(),
                AllOf(HasSubstr("somebody dropped the publication tslive_"), HasSubstr("begin a new migration")));
}

TEST_F(DriftOfTables, that_were_made_again_on_the_target_get_their_old_rows_again) {
    begin("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 100) i");
    migration.migrate->signal(SIGTERM);
    migration.migrate->wait_exit();
    target().sql("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v text)");
    source().sql("INSERT INTO t VALUES (101, 'new')");
    resume();
    EXPECT_THAT(migration.migrate->output(), HasSubstr("it was dropped on the target and made again"));
    finish();
}

}  // namespace
}  // namespace tslive::harness
