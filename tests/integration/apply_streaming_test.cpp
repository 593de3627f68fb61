// Transactions that the source streams while they run: its logical_decoding_work_mem is as small as it can be here.
#include <atomic>
#include <filesystem>
#include <thread>

#include "integration/apply_fixture.hpp"
#include "tslive/spool/streamed.hpp"

namespace tslive::apply {
namespace {

using testing::HasSubstr;

class ApplyStreaming : public ApplyTest {
protected:
    static void SetUpTestSuite() {
        ApplyTest::SetUpTestSuite();
        source_server->configure("logical_decoding_work_mem = '64kB'");
    }
    void SetUp() override {
        everywhere("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, v text)");
    }
    /// How many transactions the source has streamed to us while they ran.
    [[nodiscard]] std::int64_t streamed() const {
        return source.number(
            fmt::format("SELECT coalesce(max(stream_txns), 0) FROM pg_stat_replication_slots WHERE "
                        "slot_name = '{}'",
                        stream->names().slot()));
    }
    void expect_streamed() const {
        harness::eventually("the source says that it streamed", [&] { return streamed() > 0; });
    }
    static std::string rows(std::string_view table, int first, int count) {
        return fmt::format("INSERT INTO {} SELECT i, repeat('{}', 60) FROM generate_series({}, {}) i", table, table,
                           first, first + count - 1);
    }
    [[nodiscard]] std::size_t streamed_folders() const {
        const auto folder = spool::streamed_folder(stream->options().spool);
        if (!std::filesystem::exists(folder)) return 0;
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
    }
    void wait_for_block() const {
        harness::eventually("a transaction in progress has arrived", [&] { return streamed_folders() > 0; });
    }
};

TEST_F(ApplyStreaming, interleaved_transactions_arrive_in_the_order_of_their_commits) {
    start();
    auto one = source.connect(), two = source.connect();
    one.exec("BEGIN; " + rows("t", 1, 3000));
    two.exec("BEGIN; " + rows("u", 1, 3000));
    source.sql("INSERT INTO t VALUES (100000, 'small, between')");
    one.exec(rows("u", 10001, 3000));
    two.exec("UPDATE t SET v = 'touched' WHERE id = 100000; " + rows("t", 20001, 3000) + "; COMMIT");
    one.exec("UPDATE u SET v = v || '!' WHERE id < 500; DELETE FROM u WHERE id > 12000; COMMIT");
    apply_and_compare();
    expect_streamed();
}

TEST_F(ApplyStreaming, what_is_rolled_back_is_not_applied) {
    start();
    auto session = source.connect();
    session.exec("BEGIN; " + rows("t", 1, 2000) + "; SAVEPOINT a; " + rows("t", 10001, 3000) + "; SAVEPOINT b; " +
                 rows("u", 1, 3000) + "; RELEASE b; ROLLBACK TO a; " + rows("t", 10001, 500) +
                 "; SAVEPOINT c; UPDATE t SET v = 'c'; RELEASE c; COMMIT");
    session.exec("BEGIN; " + rows("t", 30001, 5000) + "; ROLLBACK");
    session.exec(
        "DO $$ BEGIN FOR i IN 1..60 LOOP BEGIN INSERT INTO u SELECT 100 * i + j, repeat('x', 60) FROM "
        "generate_series(1, 60) j; IF i % 3 = 0 THEN RAISE EXCEPTION 'no'; END IF; EXCEPTION WHEN "
        "raise_exception THEN NULL; END; END LOOP; END $$");
    apply_and_compare();
    expect_streamed();
}

// What has more than 4096 changes on the server's disk when it is sent is not marked as sent, so that a rollback of it is
// not told: here the pieces of one large value, all of which have to be there before the row can be sent.
TEST_F(ApplyStreaming, what_is_rolled_back_without_a_word_is_not_applied) {
    everywhere("CREATE TABLE wide (id int PRIMARY KEY, v text); ALTER TABLE wide ALTER v SET STORAGE EXTERNAL");
    start();
    auto session = source.connect();
    session.exec(
        "BEGIN; INSERT INTO t VALUES (1, 'kept'); SAVEPOINT a; "
        "INSERT INTO wide VALUES (1, repeat('x', 10000000))");
    source.sql("INSERT INTO u VALUES (1, 'brings the log to the disk, and the row to us')");
    expect_streamed();
    session.exec(
        "ROLLBACK TO a; INSERT INTO wide VALUES (2, 'kept'); SAVEPOINT b; INSERT INTO wide VALUES (3, 'kept');"
        "RELEASE b; COMMIT");
    source.sql("INSERT INTO wide VALUES (4, 'after')");
    apply_and_compare();
    EXPECT_EQ(target.number("SELECT count(*) FROM wide"), 3);
}

TEST_F(ApplyStreaming, a_relation_told_by_what_was_rolled_back_is_told_again) {
    everywhere("CREATE TABLE late (id int PRIMARY KEY, v text); CREATE TABLE later (id int PRIMARY KEY, v text)");
    start();
    auto session = source.connect();
    session.exec("BEGIN; " + rows("t", 1, 10) + "; SAVEPOINT a; " + rows("late", 1, 3000) + "; ROLLBACK TO a; " +
                 rows("late", 1, 3000) + "; COMMIT");
    session.exec("BEGIN; " + rows("later", 1, 3000) + "; ROLLBACK");
    session.exec("UPDATE later SET v = 'x'; INSERT INTO later VALUES (1, 'y')");
    session.exec("UPDATE late SET v = 'z' WHERE id = 7");
    apply_and_compare();
    expect_streamed();
}

TEST_F(ApplyStreaming, truncates_messages_and_values_that_did_not_change_arrive) {
    everywhere(
        "CREATE TABLE wide (id int PRIMARY KEY, n int, large text); ALTER TABLE wide ALTER large SET STORAGE EXTERNAL");
    start();
    source.sql("INSERT INTO wide SELECT i, i, repeat(md5(i::text), 200) FROM generate_series(1, 60) i");
    source.sql(
        "BEGIN; " + rows("t", 1, 2000) +
        "; SELECT pg_logical_emit_message(true, 'somebody', 'else'); UPDATE wide SET n = n + 1; TRUNCATE t, u; " +
        rows("t", 1, 2000) + "; UPDATE wide SET large = large || 'x' WHERE id % 2 = 0; COMMIT");
    apply_and_compare();
    expect_streamed();
}

TEST_F(ApplyStreaming, what_one_transaction_alters_and_writes_goes_on_after_it) {
    everywhere("ALTER TABLE u ADD n int");
    start();
    source.sql("BEGIN; " + rows("t", 1, 2000) + "; ALTER TABLE t ADD n int DEFAULT 7; " +
               "INSERT INTO t SELECT i, 'n', i FROM generate_series(3001, 6000) i; COMMIT");
    on_targets("ALTER TABLE t ADD n int DEFAULT 7");
    source.sql("UPDATE t SET n = 8 WHERE id < 100; INSERT INTO u VALUES (1, 'u', 1)");
    apply_and_compare();
    expect_streamed();
}

TEST_F(ApplyStreaming, a_prepared_transaction_arrives_when_it_is_committed) {
    start();
    source.sql("BEGIN; " + rows("t", 1, 4000) + "; PREPARE TRANSACTION 'kept'");
    source.sql("BEGIN; " + rows("u", 1, 4000) + "; PREPARE TRANSACTION 'not kept'");
    apply_both();
    EXPECT_EQ(target.number("SELECT count(*) FROM t"), 0);
    source.sql("ROLLBACK PREPARED 'not kept'");
    source.sql("COMMIT PREPARED 'kept'");
    apply_and_compare();
}

TEST_F(ApplyStreaming, a_lost_connection_in_the_middle_of_a_block_costs_nothing) {
    start();
    auto session = source.connect();
    for (int round = 0; round < 5; ++round) {
        session.exec("BEGIN; " + rows("t", round * 10000, 3000));
        wait_for_block();
        source_server->drop_connections("ts-live receiver");
        session.exec(rows("t", round * 10000 + 5000, 3000) + "; COMMIT");
    }
    apply_and_compare();
    expect_streamed();
}

TEST_F(ApplyStreaming, a_receiver_that_is_killed_in_between_gets_it_again) {
    start();
    auto session = source.connect();
    session.exec("BEGIN; " + rows("t", 1, 3000));
    wait_for_block();
    stream->restart();
    session.exec(rows("u", 1, 3000) + "; COMMIT");
    apply_and_compare();
}

TEST_F(ApplyStreaming, an_applier_that_is_cut_off_inside_a_large_transaction_begins_it_again) {
    start();
    source.sql("BEGIN; " + rows("t", 1, 60000) + "; UPDATE t SET v = 'x' WHERE id % 7 = 0; COMMIT");
    stream->wait_until_received(stream->mark());
    auto chosen = options();
    chosen.limits.buffer_bytes = 64 << 10;
    std::atomic<bool> done{false};
    int cut = 0;
    std::jthread cutter([&] {
        while (!done && cut < 5) {
            if (target.holds("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'ts-live apply' AND "
                             "state <> 'idle' AND xact_start IS NOT NULL)"))
                cut += target_server->drop_connections("ts-live apply");
        }
    });
    apply_to(chosen);
    done = true;
    cutter.join();
    EXPECT_GT(cut, 0);
    apply_to(options_of_single());
    expect_all_equal();
    EXPECT_EQ(target.number("SELECT count(*) FROM t"), 60000);
}

TEST_F(ApplyStreaming, what_is_on_the_targets_disk_is_forgotten_and_its_relations_are_not) {
    start({.segment_bytes = 4'000, .block_bytes = 1'024});
    source.sql("BEGIN; " + rows("t", 1, 3000) + "; COMMIT");
    apply_both();
    expect_streamed();
    EXPECT_GT(streamed_folders(), 0U);
    // Many small transactions of another table: the segment that has the record is retired with them.
    for (int i = 0; i < 40; ++i) source.sql(rows("u", 100 * i, 50));
    apply_both();
    harness::eventually("the target's disk has it", [&] {
        auto session = pg::Connection::open(target.conninfo(), "test");
        Origin origin(session, stream->names().origin(), options().start);
        const auto flushed = origin.flushed_progress();
        stream->receiver().retire_before(flushed);
        origin.release();
        return streamed_folders() == 0;
    });
    source.sql("UPDATE t SET v = 'later' WHERE id < 10; DELETE FROM t WHERE id = 11");
    apply_and_compare();
}

}  // namespace
}  // namespace tslive::apply
