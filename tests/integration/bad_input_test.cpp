#include "integration/support/migration.hpp"

#include <sqlite3.h>

namespace tslive::harness {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// Source and target with a table to move. Nothing that is wrong with the command line, a directory or a server may change either.
class BadInput : public testing::Test {
protected:
    void SetUp() override {
        pair.source.sql(
            "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE \"Orders\" "
            "(id int PRIMARY KEY)");
    }
    void expect_refused(std::vector<std::string> arguments, std::initializer_list<std::string_view> words,
                        std::map<std::string, std::string> environment = {}) {
        arguments.emplace_back("--yes");
        const auto said =
            expect_outcome(pair.program("ts-snapshot", std::move(arguments), std::move(environment)), 3, words);
        EXPECT_THAT(said, HasSubstr("ERROR"));
        expect_untouched(pair);
    }
    Pair pair{PairOptions{.source = {.settings = {"wal_level=logical"}, .tcp = true}}};
};

TEST_F(BadInput, connection_strings_that_lead_nowhere) {
    expect_refused({"--source", "postgresql://user:hush@[::1/x"},
                   {"source: the connection string cannot be read", "postgresql://user@host:port/dbname"});
    expect_refused({"--source", "postgresql://user:hush@localhost:port/x"}, {"source", "invalid integer value"});
    expect_refused({"--target", "dbname='unclosed"}, {"target: the connection string cannot be read"});
    expect_refused({"--source", "postgresql://postgres@host.invalid/app"},
                   {"source", "host.invalid", "Check the host name"});
    expect_refused({"--source", pair.source_server.conninfo("no_such_database").to_string()},
                   {"no_such_database", "does not exist", "Check the database name"});
    expect_refused({"--source", pair.source_server.tcp_conninfo("app").with("password", "hush-wrong").to_string()},
                   {"password authentication failed", "Check user and password"});
    expect_refused({"--source", pair.source_server.tcp_conninfo("app").without("password").to_string()},
                   {"no password supplied"});
    expect_refused({"--target", "host=/nowhere dbname=app"}, {"target", "/nowhere", "Check that the server runs"});
}

TEST_F(BadInput, no_connection_string_at_all) {
    Program snapshot("ts-snapshot", {"--dir", pair.dir.string(), "--source", pair.source.uri()},
                     {{"TARGET", ""}, {"PGCOPYDB_TARGET_PGURI", ""}});
    snapshot.expect_exit(3);
    EXPECT_THAT(snapshot.output(),
                AllOf(HasSubstr("no target is given"), HasSubstr("--target"), HasSubstr("PGCOPYDB_TARGET_PGURI")));
    expect_untouched(pair);
}

TEST_F(BadInput, a_target_that_is_the_source_or_is_not_empty) {
    expect_refused({"--target", pair.source.uri()}, {"target.not_the_source"});
    pair.target.sql("CREATE TABLE t (other text)");
    expect_refused({}, {"target.empty", "public.t"});
    EXPECT_EQ(user_tables(pair.target), 1);
}

TEST_F(BadInput, a_missing_or_too_old_pg_dump) {
    const auto bin_dir = Scratch::instance().make_directory("b");
    expect_refused({"--pg-bin-dir", bin_dir.string()}, {"pg_dump"});
    for (const std::string_view tool : {"pg_dump", "pg_restore"}) {
        std::ofstream(bin_dir / tool) << "#!/bin/sh\necho '" << tool << " (PostgreSQL) 9.6.24'\n";
        std::filesystem::permissions(bin_dir / tool, std::filesystem::perms{0755});
    }
    expect_refused({"--pg-bin-dir", bin_dir.string()}, {"pg_dump 9", "version 15"});
}

TEST_F(BadInput, a_directory_that_is_not_ours) {
    std::filesystem::create_directory(pair.dir);
    std::ofstream(pair.dir / "holiday.jpg") << "x";
    expect_refused({}, {"is not a state directory", "holiday.jpg", "--dir"});
    EXPECT_THAT(read_text(pair.dir / "holiday.jpg"), "x");
    std::filesystem::remove_all(pair.dir);
    std::ofstream(pair.dir) << "a file";
    expect_refused({}, {"is not a directory"});
}

TEST_F(BadInput, a_full_disk) {
    const auto said = expect_outcome(on_a_full_disk(pair, "ts-snapshot", 4), 3, {"ERROR", pair.dir.string()});
    EXPECT_THAT(said, Not(HasSubstr("Creating the replication slot")));
    EXPECT_THAT(ours_on_source(pair.source), IsEmpty());
    EXPECT_THAT(ours_on_target(pair.target), IsEmpty());
}

TEST_F(BadInput, a_source_that_cannot_replicate) {
    pair.source_server.configure("wal_level=replica");
    pair.source_server.restart();
    expect_refused({}, {"source.wal_level"});
}

TEST(FullDisk, stops_a_migration_that_goes_on_when_there_is_room) {
    Migration migration;
    migration.pair.source.sql("CREATE TABLE t (id int PRIMARY KEY, v text)");
    migration.take_snapshot();
    migration.migrate = on_a_full_disk(migration.pair, "ts-migrate", 2'000);
    migration.wait_until_caught_up();
    migration.pair.source.sql(
        "INSERT INTO t SELECT i, (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 100) WHERE i > 0) "
        "FROM generate_series(1, 2000) i");
    migration.migrate->expect_exit(3);
    EXPECT_THAT(migration.migrate->output(), AllOf(HasSubstr("ERROR"), HasSubstr("spool")));
    migration.resume();
    migration.wait_until_caught_up();
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

/// With a snapshot that is alive.
class BadMigration : public testing::Test {
protected:
    void SetUp() override {
        migration.pair.source.sql(
            "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE \"Orders\" "
            "(id int PRIMARY KEY)");
    }
    void expect_refused(std::vector<std::string> arguments, std::initializer_list<std::string_view> words,
                        std::map<std::string, std::string> environment = {}) {
        arguments.emplace_back("--yes");
        const auto before = ours_on_source(migration.pair.source);
        EXPECT_THAT(expect_outcome(migration.pair.program("ts-migrate", std::move(arguments), std::move(environment)),
                                   3, words),
                    HasSubstr("ERROR"));
        EXPECT_EQ(ours_on_source(migration.pair.source), before);
        EXPECT_THAT(ours_on_target(migration.pair.target), IsEmpty());
        EXPECT_EQ(user_tables(migration.pair.target), 0);
    }
    Migration migration;
};

TEST_F(BadMigration, without_a_snapshot) {
    expect_refused({},
                   {"holds no migration", "Take a snapshot first", "ts-snapshot --dir " + migration.pair.dir.string()});
    expect_refused({"--resume"}, {"holds no migration"});
    EXPECT_FALSE(std::filesystem::exists(migration.pair.dir));
}

TEST_F(BadMigration, with_names_that_do_not_exist_or_another_pair_of_databases) {
    migration.take_snapshot();
    expect_refused({"--skip-table-data", "public.order"},
                   {"the source has no table public.order", "The nearest names are: public.orders"});
    expect_refused({"--skip-table-data", "orders"},
                   {"'orders' is not the name of a table with its schema", "schema.table"});
    const auto other = migration.pair.target_server.create_database("other");
    expect_refused({"--target", other.uri()}, {"other", "app"});
    expect_refused({"--source", other.uri()}, {"source"});
    expect_refused({"--pg-bin-dir", "/nowhere"}, {"pg_dump", "/nowhere"});
    // None of it stands in the way.
    migration.start();
    migration.wait_until_caught_up();
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

TEST_F(BadMigration, in_every_wrong_order) {
    migration.take_snapshot();
    expect_outcome(
        migration.pair.snapshot(), 3,
        {"ts-snapshot already runs in this directory", fmt::format("process {}", migration.snapshot->pid())});
    migration.start();
    migration.wait_until_caught_up();
    migration.snapshot->expect_exit(0);
    expect_outcome(migration.pair.snapshot(), 3, {"holds a migration that has begun", "--resume", "--prune"});
    migration.migrate->kill_9();
    expect_outcome(migration.pair.migrate(), 3, {"has begun and is not finished", "--resume", "--prune"});
    migration.resume();
    migration.wait_until_caught_up();
    migration.switch_over();
    expect_outcome(migration.pair.migrate(), 3, {"is complete", "ts-clean --dir"});
    expect_outcome(migration.pair.migrate({"--resume"}), 3, {"is complete"});
    expect_outcome(migration.pair.snapshot(), 3, {"holds a migration that is complete"});
}

TEST_F(BadMigration, with_a_directory_of_a_newer_format) {
    migration.take_snapshot();
    migration.snapshot->kill_9();
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((migration.pair.dir / "state.db").c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, "PRAGMA user_version = 99", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
    for (const std::string_view program : {"ts-snapshot", "ts-migrate", "ts-clean"})
        expect_outcome(migration.pair.program(program, {"--yes"}), 3, {"ERROR", "state.db", "99"});
    EXPECT_THAT(ours_on_source(migration.pair.source), SizeIs(3));
}

}  // namespace
}  // namespace tslive::harness
