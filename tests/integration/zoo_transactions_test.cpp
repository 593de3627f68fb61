// Transactions as PostgreSQL allows them: nested, prepared, empty, of thousands of tables; and those that wait (CASES B7,
// C15, C16, D23, D29).
#include <chrono>
#include <cstdlib>
#include <future>
#include <mutex>

#include "integration/apply_fixture.hpp"
#include "integration/support/migration.hpp"

namespace tslive::apply {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

class ZooTransactions : public ApplyTest {};

TEST_F(ZooTransactions, arrive_without_what_was_rolled_back_inside_them) {
    everywhere(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 20) i");
    start();
    source.sql(
        "BEGIN; INSERT INTO t VALUES (100, 'kept'); SAVEPOINT a; DELETE FROM t WHERE id < 5; SAVEPOINT b; UPDATE t SET "
        "v = "
        "'lost'; RELEASE b; SAVEPOINT c; INSERT INTO t VALUES (101, 'lost'); ROLLBACK TO a; UPDATE t SET v = 'kept' "
        "WHERE "
        "id = 7; SAVEPOINT d; UPDATE t SET id = 700 WHERE id = 7; RELEASE d; ROLLBACK TO a; INSERT INTO t VALUES (101, "
        "'kept'); COMMIT");
    source.sql(
        "DO $$ BEGIN FOR i IN 1..50 LOOP BEGIN INSERT INTO t VALUES (200 + i, 'in a block'); UPDATE t SET v = v || 'x' "
        "WHERE "
        "id = 200 + i; IF i % 3 = 0 THEN RAISE 'no'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; "
        "END "
        "$$");
    source.sql("BEGIN; SAVEPOINT a; TRUNCATE t; ROLLBACK TO a; COMMIT");
    source.sql(
        "BEGIN; SAVEPOINT a; DELETE FROM t; ROLLBACK TO a; SAVEPOINT b; INSERT INTO t VALUES (300); ROLLBACK; BEGIN; "
        "SELECT txid_current(); COMMIT; BEGIN; CREATE TABLE not_there (a int); ROLLBACK; CREATE TEMP TABLE own (a "
        "int); INSERT INTO own VALUES (1)");
    source.sql(
        "BEGIN; SAVEPOINT a; INSERT INTO t VALUES (400, 'taken back'); ROLLBACK TO a; INSERT INTO t VALUES (400, "
        "'taken'); COMMIT");
    apply_and_compare();
}

TEST_F(ZooTransactions, that_were_prepared_arrive_once_when_they_are_committed) {
    everywhere("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 9) i");
    start();
    source.sql(
        "BEGIN; INSERT INTO t VALUES (100, 'prepared'); UPDATE t SET v = 'w' WHERE id = 1; PREPARE TRANSACTION "
        "'kept'");
    source.sql(
        "BEGIN; INSERT INTO t VALUES (101, 'prepared'); SAVEPOINT s; DELETE FROM t WHERE id = 2; ROLLBACK TO s; "
        "PREPARE TRANSACTION 'lost'");
    source.sql("INSERT INTO t VALUES (102, 'between')");
    apply_both();
    EXPECT_EQ(target.number("SELECT count(*) FROM t WHERE id > 99"), 1);
    source.sql("COMMIT PREPARED 'kept'");
    stream->restart();
    source.sql("ROLLBACK PREPARED 'lost'");
    source.sql("UPDATE t SET v = 'x' WHERE id = 100");
    apply_and_compare();
}

TEST_F(ZooTransactions, carry_messages_of_others_that_are_no_matter) {
    everywhere("CREATE TABLE t (id int PRIMARY KEY)");
    start();
    source.sql(
        "SELECT pg_logical_emit_message(false, 'heartbeat', 'x'), pg_logical_emit_message(true, 'heartbeat', '')");
    source.sql(
        "BEGIN; INSERT INTO t VALUES (1); SELECT pg_logical_emit_message(true, '', repeat('x', 100000)); INSERT INTO "
        "t VALUES (2); SELECT pg_logical_emit_message(false, E'wal2json \\n\"', E'\\\\x00ff'::bytea); SAVEPOINT a; "
        "SELECT pg_logical_emit_message(true, 'lost', 'x'); INSERT INTO t VALUES (3); ROLLBACK TO a; COMMIT");
    source.sql(
        fmt::format("SELECT pg_logical_emit_message(true, '{0}', 'other'), pg_logical_emit_message(true, '{0}x', "
                    "'end'), count(pg_logical_emit_message(false, 'flood', 'y')) FROM generate_series(1, 5000)",
                    stream->names().origin()));
    source.sql(
        "BEGIN; INSERT INTO t VALUES (4); SELECT pg_logical_emit_message(false, 'x', 'y'); ROLLBACK; INSERT INTO t "
        "VALUES (5)");
    apply_and_compare();
    EXPECT_EQ(target.count("t"), 3);
}

TEST_F(ZooTransactions, wait_for_locks_on_the_target_and_say_whose) {
    everywhere("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 9) i");
    start();
    std::mutex mutex;
    std::vector<std::string> lines;
    log::add_sink([&](const log::Line& line) {
        const std::scoped_lock lock(mutex);
        if (line.severity == Severity::warning) lines.emplace_back(line.text);
    });
    auto chosen = options();
    chosen.lock_watch = std::chrono::milliseconds{20};
    for (const std::string_view lock :
         {"LOCK TABLE t IN ACCESS EXCLUSIVE MODE", "SELECT FROM t WHERE id = 7 FOR UPDATE"}) {
        auto holder = target.connect("careless");
        holder.exec("BEGIN");
        holder.exec(lock);
        source.sql("UPDATE t SET v = v || 'w'");
        auto applied = std::async(std::launch::async, [&] { return apply_to(chosen); });
        harness::eventually("the wait is said", [&] {
            const std::scoped_lock guard(mutex);
            return testing::Value(lines, Contains(AllOf(HasSubstr(fmt::format("session {}", holder.backend_pid())),
                                                        HasSubstr("careless"), HasSubstr("idle in transaction"))));
        });
        holder.exec("COMMIT");
        EXPECT_NO_THROW(applied.get());
    }
    log::clear_sinks();
    expect_equal();
}

/// More tables than statements stay prepared. TSLIVE_ZOO_TABLES=10000 makes it the size that issue 3 speaks of.
TEST(ZooTransaction, of_thousands_of_tables_arrives) {
    const char* chosen = std::getenv("TSLIVE_ZOO_TABLES");
    const int tables = chosen == nullptr ? 2'200 : std::atoi(chosen);
    harness::TestServer server({"wal_level=logical", "autovacuum=off", "max_locks_per_transaction=800"});
    const auto source = server.create_database("source");
    source.sql(
        fmt::format("DO $$ BEGIN FOR i IN 1..{} LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY)', i); END "
                    "LOOP; END $$",
                    tables));
    server.sql("postgres", "CREATE DATABASE target TEMPLATE source");
    const auto target = server.database("target");
    Stream stream(source, {}, [](migrate::ReceiverOptions&) {});
    source.sql(
        fmt::format("DO $$ BEGIN FOR i IN 1..{0} LOOP EXECUTE format('INSERT INTO t%s VALUES (1), (2)', i); END LOOP; "
                    "FOR i IN 1..{0} LOOP EXECUTE format('UPDATE t%s SET id = 3 WHERE id = 1', i); END LOOP; END $$",
                    tables));
    Applier applier(stream.applier_options(target));
    applier.end_at(stream.mark());
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(applier.run({}), Applier::Outcome::reached_end);
    fmt::print("{} tables: applied in {} ms\n", tables,
               std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began).count());
    EXPECT_EQ(applier.status().counts.rows(), static_cast<std::uint64_t>(3 * tables));
    target.sql(
        "CREATE FUNCTION rows_differ() RETURNS text LANGUAGE plpgsql AS $$ DECLARE t regclass; found text; BEGIN FOR "
        "t IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP EXECUTE "
        "format('SELECT string_agg(id::text, '','' ORDER BY id) FROM %s', t) INTO found; IF found IS DISTINCT FROM "
        "'2,3' THEN RETURN format('%s has %s', t, found); END IF; END LOOP; RETURN 'nowhere'; END $$");
    EXPECT_EQ(target.value("SELECT rows_differ()"), "nowhere");
}

/// The slot becomes consistent when two generations of open transactions have ended. What was open then was written before the
/// consistent point and commits after it; what ended before is in the snapshot (CASES B7, C16).
TEST(ZooTransaction, s_that_are_open_while_the_slot_is_made_arrive_once) {
    harness::Migration migration;
    auto& source = migration.pair.source;
    source.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 9) i");
    const auto begin = [&](int id) {
        auto session = source.connect(fmt::format("open {}", id));
        session.exec("BEGIN");
        session.exec(
            fmt::format("INSERT INTO t VALUES ({0}, 'open'); UPDATE t SET v = 'by {0}' WHERE id = {0} - 100", id));
        return session;
    };
    const auto waits_for = [&](const std::string& xid) {
        harness::eventually("the slot waits for a transaction", [&] {
            return source.holds(
                fmt::format("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'transactionid' AND NOT "
                            "granted AND transactionid = '{}'::xid)",
                            xid));
        });
    };
    auto first = begin(101);
    const auto first_xid = first.exec("SELECT pg_current_xact_id()::xid").text(0, 0);
    source.sql(
        "BEGIN; INSERT INTO t VALUES (102, 'prepared'); UPDATE t SET v = 'by 102' WHERE id = 2; PREPARE TRANSACTION "
        "'second'");
    migration.snapshot = migration.pair.snapshot({"--yes"});
    waits_for(first_xid);
    auto third = begin(103);
    const auto third_xid = third.exec("SELECT pg_current_xact_id()::xid").text(0, 0);
    first.exec("COMMIT");
    source.sql("COMMIT PREPARED 'second'");
    waits_for(third_xid);
    auto fourth = begin(104);
    source.sql(
        "BEGIN; INSERT INTO t VALUES (105, 'prepared'); UPDATE t SET v = 'by 105' WHERE id = 5; PREPARE TRANSACTION "
        "'fifth'");
    third.exec("COMMIT");
    migration.snapshot->wait_for_line("Snapshot ID created successfully.");
    fourth.exec("UPDATE t SET v = v || ' again' WHERE id = 104");
    fourth.exec("COMMIT");
    migration.start();
    migration.wait_until_caught_up();
    EXPECT_EQ(migration.pair.target.number("SELECT count(*) FROM t WHERE id > 100"), 4);
    source.sql("COMMIT PREPARED 'fifth'");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

}  // namespace
}  // namespace tslive::apply
