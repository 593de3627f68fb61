// Exactly once, whatever goes: sessions, servers, the receiver, in the middle of transactions and batches.
#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

using testing::HasSubstr;

class ApplyFaults : public ApplyTest {
protected:
    /// An applier in a thread of its own, until it has applied what was there when finish() was called.
    class Running {
    public:
        Running(ApplierOptions options, Stream& stream) : stream_(&stream), applier_(std::move(options)) {
            thread_ = std::jthread([this](const std::stop_token& stop) {
                try {
                    outcome_ = applier_.run(stop);
                } catch (...) {
                    failure_ = std::current_exception();
                }
            });
        }
        /// @throws what the applier threw
        ApplierStatus finish() {
            applier_.end_at(stream_->mark());
            thread_.join();
            if (failure_) std::rethrow_exception(failure_);
            EXPECT_EQ(outcome_, Applier::Outcome::reached_end);
            return applier_.status();
        }
        [[nodiscard]] ApplierStatus status() const { return applier_.status(); }

    private:
        Stream* stream_;
        Applier applier_;
        std::optional<Applier::Outcome> outcome_;
        std::exception_ptr failure_;
        std::jthread thread_;
    };

    void begin_with_workload(spool::Options spool_options = {}) {
        for (const auto& database : {source, target, single}) workload->create(database);
        // What time has put into them differs.
        everywhere("UPDATE mixed.accounts SET changed = '2020-01-01 UTC'; UPDATE mixed.duplicates SET at = NULL");
        start(spool_options);
    }
    void begin_with_large_rows() {
        everywhere("CREATE TABLE big (id int, v text); CREATE TABLE t (id int PRIMARY KEY)");
        start({.segment_bytes = 200'000, .block_bytes = 4096});
    }
    /// Commits it on the source; returns when the receiver has a part, and in all likelihood not yet the whole.
    void begin_large_transaction(int number) const {
        const auto spooled = stream->receiver().spool_bytes();
        source.sql(
            fmt::format("INSERT INTO t VALUES ({}); INSERT INTO big SELECT i, (SELECT string_agg(md5(random()::text), "
                        "'') FROM generate_series(1, 20 + i % 2)) "
                        "FROM generate_series(1, 20000) i",
                        number));
        harness::eventually("a part has arrived", [&] { return stream->receiver().spool_bytes() > spooled + 100'000; });
    }
    std::shared_ptr<const harness::MixedWorkload> workload =
        std::make_shared<harness::MixedWorkload>(harness::MixedOptions{.truncate = true});
};

TEST_F(ApplyFaults, a_mixed_load_arrives_whole) {
    begin_with_workload();
    Running applier(options(), *stream);
    harness::Writer writer(source, workload, {.threads = 3});
    writer.wait_for_commits(1500);
    writer.stop();
    const auto status = applier.finish();
    EXPECT_GT(status.counts.rows(), 0U);
    apply_to(options_of_single());
    expect_all_equal();
}

TEST_F(ApplyFaults, transactions_that_begin_in_one_order_and_commit_in_another_arrive) {
    everywhere("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, ''), (2, '')");
    start();
    auto early = source.connect(), late = source.connect();
    for (int i = 0; i < 20; ++i) {
        early.exec("BEGIN; UPDATE t SET v = v || 'e' WHERE id = 1");
        late.exec("BEGIN; UPDATE t SET v = v || 'l' WHERE id = 2");
        late.exec(fmt::format("INSERT INTO t VALUES ({}); COMMIT", 100 + i));
        if (i % 5 == 0) apply_both();
        early.exec(fmt::format("INSERT INTO t VALUES ({}); UPDATE t SET v = v || 'c' WHERE id = 2; COMMIT", 200 + i));
    }
    apply_and_compare();
}

TEST_F(ApplyFaults, sessions_on_the_target_may_be_ended_at_any_time) {
    begin_with_workload();
    auto chosen = options();
    chosen.limits.age = std::chrono::milliseconds{20};  // many batches
    Running applier(chosen, *stream);
    harness::Writer writer(source, workload, {.threads = 2});
    int ended = 0;
    for (int round = 0; round < 40; ++round) {
        writer.wait_for_commits(20);
        ended += target_server->drop_connections(round % 3 == 0 ? "ts-live apply catalog" : "ts-live apply%");
    }
    writer.stop();
    applier.finish();
    EXPECT_GT(ended, 10);
    expect_equal();
}

TEST_F(ApplyFaults, sessions_are_ended_in_the_middle_of_a_large_batch) {
    everywhere("CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE log (a int)");
    start();
    source.sql(
        "INSERT INTO t SELECT i, 0 FROM generate_series(1, 20000) i; INSERT INTO log SELECT generate_series(1, 1000)");
    for (int i = 0; i < 5; ++i) source.sql("UPDATE t SET n = n + 1; INSERT INTO log SELECT generate_series(1, 1000)");
    stream->wait_until_received(stream->mark());
    auto chosen = options();
    chosen.limits.buffer_bytes = 200'000;  // much is sent before the batch ends
    Running applier(chosen, *stream);
    for (int round = 0; round < 8; ++round)
        harness::eventually("a batch is under way, and is ended", [&] {
            return applier.status().covered >= stream->receiver().received() ||
                   target.number(
                       "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = "
                       "'ts-live apply' AND backend_xid IS NOT NULL") > 0;
        });
    applier.finish();
    expect_equal();
    EXPECT_EQ(target.count("log"), 6000);
}

TEST_F(ApplyFaults, a_target_that_dies_goes_on_where_its_disk_was) {
    target_server = std::make_unique<harness::TestServer>(
        harness::ServerOptions{.settings = {"wal_writer_delay=10s", "checkpoint_timeout=1h"}, .durable = true});
    target = target_server->create_database(name);
    single = target_server->create_database(name + "_single");
    begin_with_workload();
    auto chosen = options();
    chosen.limits.age = std::chrono::milliseconds{20};
    Running applier(chosen, *stream);
    harness::Writer writer(source, workload, {.threads = 2});
    for (int round = 0; round < 4; ++round) {
        writer.wait_for_commits(200);
        const auto applied = applier.status().counts.batches;
        harness::eventually("something was applied", [&] { return applier.status().counts.batches > applied; });
        target_server->kill_9();
        target_server->start();
    }
    writer.stop();
    applier.finish();
    expect_equal();
}

TEST_F(ApplyFaults, a_target_that_restarts_is_waited_for) {
    begin_with_workload();
    Running applier(options(), *stream);
    harness::Writer writer(source, workload);
    writer.wait_for_commits(50);
    target_server->stop();
    writer.wait_for_commits(50);
    target_server->start();
    writer.stop();
    applier.finish();
    expect_equal();
}

TEST_F(ApplyFaults, a_transaction_that_was_cut_off_on_its_way_is_applied_once) {
    begin_with_large_rows();
    Running applier(options(), *stream);
    for (int round = 0; round < 4; ++round) {
        begin_large_transaction(round);
        source_server->drop_connections("ts-live receiver");
        // What comes after it in the spool counts.
        source.sql(fmt::format("INSERT INTO t VALUES ({})", 1000 + round));
    }
    applier.finish();
    expect_equal();
    apply_to(options_of_single());
    expect_all_equal();
}

TEST_F(ApplyFaults, a_receiver_that_begins_anew_leaves_no_part_of_a_transaction) {
    begin_with_large_rows();
    for (int round = 0; round < 4; ++round) {
        begin_large_transaction(round);
        stream->restart();
    }
    apply_and_compare();
}

TEST_F(ApplyFaults, what_the_source_sends_twice_is_applied_once) {
    everywhere("CREATE TABLE log (a int, b text)");  // nothing here objects to a second row
    start();
    Running applier(options(), *stream);
    auto session = source.connect();
    for (int i = 0; i < 300; ++i) {
        session.exec(fmt::format("INSERT INTO log VALUES ({}, 'x')", i));
        if (i % 10 == 9) source_server->drop_connections("ts-live receiver");
    }
    applier.finish();
    expect_equal();
    apply_to(options_of_single());
    expect_all_equal();
}

TEST_F(ApplyFaults, segments_that_the_target_has_on_disk_may_go) {
    begin_with_workload({.segment_bytes = 20'000, .block_bytes = 2000});
    const auto oldest = [&] {
        std::set<std::string> names;
        for (const auto& file : std::filesystem::directory_iterator(stream->options().spool))
            names.insert(file.path().filename());
        return names.empty() ? std::string{} : *names.begin();
    };
    const auto first = oldest();
    harness::Writer writer(source, workload);
    for (int round = 0; round < 6; ++round) {
        writer.wait_for_commits(150);
        auto connection = pg::Connection::open(target.conninfo(), "test");
        apply();
        Origin origin(connection, stream->names().origin(), {});
        stream->receiver().retire_before(origin.flushed_progress());
        origin.release();
    }
    writer.stop();
    EXPECT_NE(oldest(), first);
    apply();
    expect_equal();
    // Who needs what is gone is told so, and applies nothing.
    EXPECT_THROW(apply_to(options_of_single()), StateError);
}

TEST_F(ApplyFaults, an_applier_that_is_stopped_goes_on_later) {
    begin_with_workload();
    harness::Writer writer(source, workload);
    for (int round = 0; round < 10; ++round) {
        Applier applier(options());
        std::optional<Applier::Outcome> outcome;
        std::jthread thread([&](const std::stop_token& stop) { outcome = applier.run(stop); });
        writer.wait_for_commits(30);
        thread.request_stop();
        thread.join();
        EXPECT_EQ(outcome, Applier::Outcome::stopped);
    }
    writer.stop();
    apply();
    expect_equal();
}

TEST_F(ApplyFaults, two_appliers_do_not_work_at_once) {
    everywhere("CREATE TABLE log (a int)");
    start();
    auto connection = pg::Connection::open(target.conninfo(), "test");
    Origin held(connection, stream->names().origin(), options().start);
    auto chosen = options();
    chosen.retry.total = std::chrono::seconds{0};
    try {
        apply_to(chosen);
        ADD_FAILURE() << "both have the origin";
    } catch (const Error& error) {
        EXPECT_EQ(error.recovery(), Recovery::reconnect);
        EXPECT_THAT(error.what(), HasSubstr("still in use"));
    }
    held.release();
    apply();
}

}  // namespace
}  // namespace tslive::apply
