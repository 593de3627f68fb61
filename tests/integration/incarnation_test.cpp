// CASES B8, C11: progress belongs to one slot, and what it lets go is never needed again.
#include <filesystem>
#include <set>
#include <string>
#include <tuple>

#include "integration/apply_fixture.hpp"
#include "integration/support/migration.hpp"

namespace tslive {
namespace {

using harness::Migration;

/// Puts the origins that are there ahead of everything that this server will ever write.
void advance_all_origins(const harness::Database& target) {
    target.sql("SELECT pg_replication_origin_advance(roname, '7FFFFFFF/0') FROM pg_replication_origin");
}

TEST(Incarnation, progress_that_an_earlier_run_left_is_not_used) {
    Migration migration;
    const auto& [source, target] = std::tie(migration.pair.source, migration.pair.target);
    source.sql(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 100) i");
    migration.run_to_the_end();
    migration.snapshot->expect_exit(0);
    const auto first = migration.id();

    // As after a source that was restored: its slot is gone, and positions begin anew, so that the old progress is far
    // ahead. The target keeps origin and helper schema of the first run, and the directory stays, too.
    source.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
    source.sql(fmt::format("DROP PUBLICATION tslive_{0}_all, tslive_{0}_identity", first));
    target.sql("DROP TABLE t");
    target.sql(
        fmt::format("CREATE TABLE IF NOT EXISTS tslive_{0}.progress (origin text PRIMARY KEY, lsn pg_lsn NOT NULL);"
                    "INSERT INTO tslive_{0}.progress VALUES ('tslive_{0}', '7FFFFFFF/0') ON CONFLICT (origin) DO "
                    "UPDATE SET lsn = excluded.lsn",
                    first));
    advance_all_origins(target);

    migration.pair.dir += "_second";
    migration.take_snapshot();
    EXPECT_NE(migration.id(), first);
    source.sql(
        "INSERT INTO t SELECT i, 'new' FROM generate_series(101, 200) i; UPDATE t SET v = 'changed' WHERE id < 10");
    migration.start();
    migration.wait_until_caught_up();
    source.sql("DELETE FROM t WHERE id = 50");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
    EXPECT_EQ(target.number("SELECT count(*) FROM t WHERE v <> 'old'"), 109);
}

TEST(Incarnation, a_slot_that_was_made_anew_under_its_name_is_found_out) {
    Migration migration;
    const auto& source = migration.pair.source;
    source.sql("CREATE TABLE t (id int PRIMARY KEY)");
    migration.take_snapshot();
    migration.start();
    migration.wait_until_caught_up();
    migration.snapshot->expect_exit(0);
    migration.migrate->kill_9();
    const auto slot = "tslive_" + migration.id();
    harness::eventually("the slot is free",
                        [&] { return source.holds("SELECT NOT active FROM pg_replication_slots"); });
    source.sql(fmt::format("SELECT pg_drop_replication_slot('{}')", slot));
    source.sql("INSERT INTO t VALUES (1)");
    source.sql(fmt::format("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", slot));
    source.sql("INSERT INTO t VALUES (2)");
    expect_outcome(migration.pair.migrate({"--resume", "--yes"}), 3, {slot, "changes between them are missing"});
    EXPECT_EQ(migration.pair.target.count("t"), 0) << "a row after the gap was applied";
}

}  // namespace

namespace apply {
namespace {

class Retire : public ApplyTest {};

TEST_F(Retire, what_is_let_go_is_not_needed_after_a_crash_of_the_target) {
    // A server that loses what it may: commits reach the disk when somebody waits for them.
    target_server = std::make_unique<harness::TestServer>(
        harness::ServerOptions{.settings = {"wal_writer_delay=10s", "checkpoint_timeout=1h"}, .durable = true});
    target = target_server->create_database(name);
    single = target_server->create_database(name + "_single");
    everywhere("CREATE TABLE t (id int PRIMARY KEY, v text)");
    start({.segment_bytes = 5'000, .block_bytes = 1'000});
    const auto segments = [&] {
        std::set<std::string> names;
        for (const auto& file : std::filesystem::directory_iterator(stream->options().spool))
            names.insert(file.path().filename());
        return names;
    };
    std::size_t retired = 0;
    for (int round = 0; round < 4; ++round) {
        for (int i = 0; i < 20; ++i)
            source.sql(fmt::format("INSERT INTO t SELECT {0} + g, md5(({0} + g)::text) FROM generate_series(1, 20) g",
                                   1000 * round + 20 * i));
        stream->wait_until_received(stream->mark());
        const auto before = segments();
        apply();
        {
            auto connection = pg::Connection::open(target.conninfo(), "test");
            Origin origin(connection, stream->names().origin(), {});
            stream->receiver().retire_before(origin.flushed_progress());
        }
        // A segment that begins inside a transaction keeps the one before it: not each round has one that may go.
        retired += before.size() - segments().size();
        target_server->kill_9();
        target_server->start();
    }
    EXPECT_GT(retired, 0U);
    apply();
    expect_equal();
}

}  // namespace
}  // namespace apply
}  // namespace tslive
