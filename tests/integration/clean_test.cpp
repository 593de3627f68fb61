#include "integration/support/migration.hpp"

namespace tslive::harness {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// A migration that was stopped while it replayed: everything that there is to clean is there.
class Clean : public testing::Test {
protected:
    void SetUp() override {
        pair().source.sql(
            "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10);"
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            "CREATE TRIGGER always AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE t ENABLE ALWAYS "
            "TRIGGER always");
        migration.take_snapshot();
        migration.start();
        migration.wait_until_caught_up();
        migration.snapshot->expect_exit(0);
        migration.migrate->kill_9();
        ASSERT_EQ(pair().target.value("SELECT tgenabled FROM pg_trigger WHERE tgname = 'always'"), "D");
    }
    [[nodiscard]] Pair& pair() { return migration.pair; }
    Migration migration;
};

TEST_F(Clean, removes_all_of_ours_restores_triggers_and_leaves_the_data) {
    expect_outcome(pair().clean(), 0, {"Clean"});
    expect_untouched(pair());
    EXPECT_FALSE(std::filesystem::exists(pair().dir));
    EXPECT_EQ(pair().target.count("t"), 10);
    EXPECT_EQ(pair().target.value("SELECT tgenabled FROM pg_trigger WHERE tgname = 'always'"), "A");
    expect_outcome(pair().clean(), 0, {"Nothing to clean"});
    expect_outcome(pair().clean({"--yes"}), 0, {"Nothing to clean"});
}

TEST_F(Clean, keeps_the_directory_without_prune_and_works_twice) {
    for (int round = 0; round < 2; ++round) {
        expect_outcome(pair().clean({}), 0, {"Clean"});
        EXPECT_THAT(ours_on_source(pair().source), IsEmpty());
        EXPECT_THAT(ours_on_target(pair().target), IsEmpty());
        EXPECT_TRUE(std::filesystem::exists(pair().dir / "state.db"));
    }
    // What is cleaned cannot be gone on with.
    expect_outcome(pair().migrate({"--resume"}), 3, {"ts-clean"});
}

TEST_F(Clean, with_the_target_gone_removes_the_source_s_part_and_says_what_is_left) {
    pair().target_server.stop();
    expect_outcome(pair().clean(), 3, {"left behind: target: cannot be reached", "run the same command again"});
    EXPECT_THAT(ours_on_source(pair().source), IsEmpty());
    EXPECT_TRUE(std::filesystem::exists(pair().dir / "state.db"));
    pair().target_server.start();
    expect_outcome(pair().clean(), 0, {"Clean"});
    expect_untouched(pair());
}

TEST_F(Clean, with_the_source_gone_removes_the_target_s_part_and_says_what_is_left) {
    pair().source_server.stop();
    expect_outcome(pair().clean(), 3, {"left behind: source: cannot be reached"});
    EXPECT_THAT(ours_on_target(pair().target), IsEmpty());
    pair().source_server.start();
    expect_outcome(pair().clean(), 0, {"Clean"});
    expect_untouched(pair());
}

TEST_F(Clean, without_a_state_directory_asks_and_then_finds_everything) {
    std::filesystem::remove_all(pair().dir);
    auto clean = pair().clean({});
    clean->wait_for_line("source and target have objects of: ");
    clean->wait_for_line("to continue");
    EXPECT_THAT(ours_on_source(pair().source), Not(IsEmpty()));
    clean->signal(SIGTERM);
    clean->expect_exit(4);
    EXPECT_THAT(ours_on_source(pair().source), Not(IsEmpty()));
    expect_outcome(pair().clean(), 0, {"Clean"});
    expect_untouched(pair());
}

TEST_F(Clean, leaves_what_others_made) {
    pair().source.sql("CREATE PUBLICATION tslive_not_ours; CREATE PUBLICATION mine");
    pair().source.sql("SELECT pg_create_logical_replication_slot('tslive_mine', 'pgoutput')");
    pair().target.sql("CREATE SCHEMA tslive_0123; CREATE SCHEMA tslive");
    std::ofstream(pair().dir / "notes.txt") << "mine";
    expect_outcome(pair().clean(), 0, {"notes.txt is not ours and was left"});
    EXPECT_EQ(pair().source.count("pg_publication"), 2);
    EXPECT_EQ(pair().source.count("pg_replication_slots"), 1);
    EXPECT_EQ(pair().target.number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tslive%'"), 2);
    EXPECT_TRUE(std::filesystem::exists(pair().dir / "notes.txt"));
}

TEST(CleanWhile, ts_snapshot_or_ts_migrate_runs_is_refused) {
    Migration migration;
    migration.pair.source.sql("CREATE TABLE t (id int PRIMARY KEY)");
    migration.take_snapshot();
    const auto before = ours_on_source(migration.pair.source);
    expect_outcome(migration.pair.clean(), 3,
                   {"ts-snapshot still runs", fmt::format("kill {}", migration.snapshot->pid())});
    migration.start();
    migration.wait_until_caught_up();
    migration.snapshot->expect_exit(0);
    expect_outcome(migration.pair.clean(), 3,
                   {"ts-migrate still runs", fmt::format("kill {}", migration.migrate->pid())});
    EXPECT_EQ(ours_on_source(migration.pair.source), before);
    migration.switch_over();
    expect_outcome(migration.pair.clean(), 0, {"Clean"});
    expect_untouched(migration.pair);
    EXPECT_TRUE(migration.is_equal());
}

}  // namespace
}  // namespace tslive::harness
