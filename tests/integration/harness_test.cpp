#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/harness/harness.hpp"

namespace tslive::harness {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto identity = "SELECT system_identifier FROM pg_control_system()";

TEST(TestServer, runs_with_the_settings_it_was_given) {
    TestServer server{"wal_level=logical", "work_mem='5MB'"};
    EXPECT_EQ(server.database().value("SHOW wal_level"), "logical");
    EXPECT_EQ(server.database().value("SHOW work_mem"), "5MB");
}

TEST(TestServer, every_server_is_another_to_our_programs) {
    TestServer one, two;
    EXPECT_NE(one.database().value(identity), two.database().value(identity));
}

TEST(TestServer, what_was_committed_survives_kill_9) {
    TestServer server;
    const auto database = server.create_database("shop");
    database.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n");
    server.kill_9();
    EXPECT_FALSE(server.running());
    EXPECT_THROW(database.sql("SELECT 1"), Error);
    server.start();
    EXPECT_EQ(database.count("t"), 1000);
    EXPECT_THAT(server.log(), HasSubstr("automatic recovery in progress"));
}

TEST(TestServer, restarts_with_changed_settings) {
    TestServer server;
    server.configure("max_connections=50");
    server.restart();
    EXPECT_EQ(server.database().value("SHOW max_connections"), "50");
}

TEST(TestServer, asks_for_the_password_on_tcp) {
    TestServer server{ServerOptions{.tcp = true}};
    EXPECT_EQ(Database{server.tcp_conninfo()}.value("SELECT current_user"), "postgres");
    EXPECT_THROW(Database{server.tcp_conninfo().with("password", "wrong")}.sql("SELECT 1"), Error);
}

TEST(TestServer, drops_only_the_connections_that_are_named) {
    TestServer server;
    auto ours = pg::Connection::open(server.conninfo(), "copy");
    auto others = server.database().connect("bystander");
    EXPECT_EQ(server.drop_connections("ts-live copy"), 1);
    EXPECT_THROW(ours.exec("SELECT 1"), Error);
    EXPECT_NO_THROW(others.exec("SELECT 1"));
}

TEST(TestServer, leaves_nothing_behind) {
    std::filesystem::path data_dir;
    pid_t pid = 0;
    {
        TestServer server;
        data_dir = server.data_dir();
        pid = server.pid();
        EXPECT_TRUE(std::filesystem::exists(data_dir));
    }
    EXPECT_FALSE(std::filesystem::exists(data_dir));
    EXPECT_FALSE(std::filesystem::exists(fmt::format("/proc/{}", pid)));
}

TEST(TestServer, even_a_crash_of_the_test_leaves_nothing_behind) {
    constexpr auto in_the_crashing_one = "HARNESS_TEST_CRASHES";
    if (std::getenv(in_the_crashing_one) != nullptr) {
        TestServer server;
        fmt::print("left: {} {}\n", Scratch::instance().root().string(), server.pid());
        std::fflush(stdout);
        ::raise(SIGKILL);
    }
    const auto [exit_code, text] = run_tool({.arguments = {"/proc/self/exe", "--gtest_filter=TestServer.even_a_crash*"},
                                             .environment = {{in_the_crashing_one, "1"}}});
    EXPECT_EQ(exit_code, 128 + SIGKILL);
    std::istringstream said{text.substr(std::min(text.rfind("left: "), text.size()))};
    std::string word, home, pid;
    ASSERT_TRUE(said >> word >> home >> pid) << text;
    EXPECT_TRUE(
        becomes_true([&] { return !std::filesystem::exists(home) && !std::filesystem::exists("/proc/" + pid); }));
}

TEST(Database, gives_rows_as_psql_prints_them) {
    TestServer server;
    EXPECT_THAT(server.database().rows("VALUES (1, 'a'), (2, NULL)"), ElementsAre("1|a", "2|"));
    EXPECT_EQ(server.database().number<int>("SELECT 42"), 42);
    EXPECT_THROW(server.database().sql("SELECT nonsense"), pg::ServerError);
}

TEST(Program, is_heard_while_it_runs) {
    Program shell("/bin/sh", {"-c", "echo ready; echo \"value $GIVEN\" >&2; read x < /dev/zero; sleep 600"},
                  {{"GIVEN", "7"}});
    EXPECT_EQ(shell.wait_for_line("read"), "ready");
    EXPECT_EQ(shell.wait_for_match("^value [0-9]+$"), "value 7");
    EXPECT_TRUE(shell.running());
    EXPECT_GT(shell.peak_memory_bytes(), 0U);
    shell.kill_9();
    EXPECT_EQ(shell.wait_exit(), 128 + SIGKILL);
}

TEST(Program, that_ends_early_fails_the_wait_at_once_and_is_quoted) {
    Program shell("/bin/sh", {"-c", "echo before; echo 'no such table' >&2; exit 3"});
    try {
        shell.wait_for_line("after", 600s);
        FAIL() << "waited for a line that never came";
    } catch (const Failure& failure) {
        EXPECT_THAT(failure.what(), HasSubstr("ended with 3"));
        EXPECT_THAT(failure.what(), HasSubstr("no such table"));
    }
    EXPECT_EQ(shell.wait_exit(), 3);
}

TEST(Program, may_leave_a_child_that_holds_its_output) {
    Program shell("/bin/sh", {"-c", "sleep 600 & echo $!"});
    const auto left = shell.wait_for_match("^[0-9]+$");
    EXPECT_EQ(shell.wait_exit(), 0);
    ::kill(std::stoi(left), SIGKILL);
}

TEST(Program, gets_signals) {
    Program shell("/bin/sh", {"-c", "trap 'echo caught; exit 5' USR1; echo ready; while :; do sleep 0.05; done"});
    shell.wait_for_line("ready");
    shell.signal(SIGUSR1);
    shell.wait_for_line("caught");
    EXPECT_NO_THROW(shell.expect_exit(5));
}

TEST(Compare, equal_databases_are_equal_and_each_difference_is_named) {
    TestServer one, two;
    const auto source = one.create_database("app");
    const auto target = two.create_database("app");
    for (const auto& database : {source, target})
        database.sql(
            "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'x' || i FROM generate_series(1, "
            "100) i;"
            "CREATE SEQUENCE s; CREATE TABLE \"odd \"\"name\" (t int); CREATE TABLE empty ();"
            "INSERT INTO \"odd \"\"name\" VALUES (1), (1); SELECT lo_from_bytea(4711, 'blob');"
            "CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t");
    EXPECT_EQUAL_DATABASES(source, target);

    target.sql(
        "UPDATE t SET v = 'y' WHERE id = 50; SELECT nextval('s'); CREATE INDEX new_index ON t (v); "
        "INSERT INTO \"odd \"\"name\" VALUES (2); SELECT lo_put(4711, 0, 'B'); CREATE TABLE more (id int)");
    const auto report = compare(source, target).report();
    for (const auto part : {"\"public\".\"t\"", "\"public\".\"s\"", "new_index", "\"odd \"\"name\"",
                            "large object 4711", "\"public\".\"more\": only on"})
        EXPECT_THAT(report, HasSubstr(part));
    EXPECT_FALSE(databases_are_equal(source, target));
}

TEST(Compare, rows_that_swapped_values_are_a_difference) {
    TestServer server;
    const auto one = server.create_database("one");
    const auto two = server.create_database("two");
    one.sql("CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 2), (3, 4)");
    two.sql("CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 4), (3, 2)");
    EXPECT_FALSE(compare(one, two).empty());
    two.sql("TRUNCATE t; INSERT INTO t VALUES (3, 4), (1, 2)");
    EXPECT_TRUE(compare(one, two).empty()) << "the order of rows is no difference";
}

TEST(Writer, native_replication_of_its_work_arrives_equal) {
    Pair pair;
    const auto workload = std::make_shared<MixedWorkload>();
    workload->create(pair.source);
    pair.source.sql("ALTER TABLE mixed.journal REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR ALL TABLES");
    const auto dump = run_tool_or_fail(
        {.arguments = {(pair.source_server.bin_dir() / "pg_dump").string(), "-s", "-d", pair.source.uri()}});
    pair.target.sql(dump.substr(0, dump.find("CREATE PUBLICATION")).substr(dump.find("SET statement_timeout")));

    Writer writer(pair.source, workload, {.tolerate_restarts = true});
    writer.wait_for_commits(50);
    pair.target.sql(
        fmt::format("CREATE SUBSCRIPTION s CONNECTION {} PUBLICATION p", pg::quote_literal(pair.source.uri())));
    writer.wait_for_commits(300);
    pair.source_server.kill_9();
    pair.source_server.start();
    writer.wait_for_commits(100);
    writer.stop();

    const CompareOptions rows_only{.schema = false, .sequences = false};
    EXPECT_TRUE(becomes_true([&] { return compare(pair.source, pair.target, rows_only).empty(); }))
        << compare(pair.source, pair.target, rows_only).report();
}

TEST(Writer, a_failure_of_its_statements_comes_out) {
    class Broken : public Workload {
        void create(const Database&) const override {}
        void run_transaction(pg::Connection& connection, Dice&) const override { connection.exec("SELECT nonsense"); }
    };
    TestServer server;
    Writer writer(server.database(), std::make_shared<Broken>(), {.threads = 1});
    EXPECT_THROW(writer.wait_for_commits(1), pg::ServerError);
}

class ZooFile : public testing::TestWithParam<std::string> {};

TEST_P(ZooFile, loads_and_is_the_same_each_time) {
    TestServer server;
    const auto one = server.create_database("one");
    const auto two = server.create_database("two");
    one.load_zoo({GetParam()});
    two.load_zoo({GetParam()});
    EXPECT_EQUAL_DATABASES(one, two);
    EXPECT_GT(one.number("SELECT count(*) FROM pg_stat_user_tables"), 3);
}

TEST(Zoo, all_of_it_together_can_be_dumped_and_restored) {
    Pair pair;
    pair.source.load_zoo({"tables", "names", "types", "identities", "partitions"});
    const auto bin_dir = pair.source_server.bin_dir();
    const auto dump = Scratch::instance().make_directory("d") / "zoo";
    run_tool_or_fail(
        {.arguments = {(bin_dir / "pg_dump").string(), "-Fc", "-f", dump.string(), "-d", pair.source.uri()}});
    run_tool_or_fail({.arguments = {(bin_dir / "pg_restore").string(), "-e", "-d", pair.target.uri(), dump.string()}});
    EXPECT_EQUAL_DATABASES(pair.source, pair.target);
}

INSTANTIATE_TEST_SUITE_P(Zoo, ZooFile, testing::Values("tables", "names", "types", "identities", "partitions"),
                         [](const auto& parameter) { return parameter.param; });

}  // namespace
}  // namespace tslive::harness
