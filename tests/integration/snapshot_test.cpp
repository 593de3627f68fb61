#include <future>

#include "integration/support/migration.hpp"
#include "tslive/snapshot/retention.hpp"
#include "tslive/snapshot/slot.hpp"

namespace tslive::harness {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(Snapshot, warns_of_tables_whose_changes_are_not_replicated_and_waits) {
    Pair pair;
    pair.source.sql("CREATE TABLE metrics (v int); CREATE TABLE keyed (id int PRIMARY KEY)");
    auto snapshot = pair.snapshot({});
    snapshot->wait_for_match(
        "^[0-9-]{10}T[0-9:]{8}[.][0-9]{3} WARNING: The following tables in the Source DB have neither a primary key "
        "nor a "
        "REPLICA IDENTITY [(]FULL/INDEX[)]$");
    snapshot->wait_for_match(
        "WARNING: UPDATE and DELETE statements on these tables will not be replicated to the Target DB$");
    snapshot->wait_for_match("WARNING:        - public.metrics$");
    snapshot->wait_for_line(
        fmt::format("Send SIGUSR1 to process {} to continue (kill -USR1 {})", snapshot->pid(), snapshot->pid()));
    EXPECT_THAT(snapshot->output(), Not(HasSubstr("public.keyed")));
    EXPECT_THAT(ours_on_source(pair.source), IsEmpty());
    snapshot->signal(SIGUSR1);
    snapshot->wait_for_line("Snapshot ID created successfully.");
    snapshot->wait_for_line(
        "You can now start the migration process by running the following command in a separate terminal:");
    snapshot->wait_for_line("    ts-migrate --dir " + pair.dir.string());
    EXPECT_THAT(ours_on_source(pair.source), SizeIs(3));
}

TEST(Snapshot, leaves_nothing_when_it_is_stopped_at_the_question) {
    Pair pair;
    pair.source.sql("CREATE TABLE metrics (v int)");
    for (const int number : {SIGINT, SIGTERM}) {
        auto snapshot = pair.snapshot({});
        snapshot->wait_for_line("to continue");
        snapshot->signal(number);
        snapshot->expect_exit(4);
        expect_untouched(pair);
    }
}

// Law 10, CASES A1, A2: no statement of the application may fail because of a publication of ours.
TEST(Snapshot, makes_no_statement_of_the_application_fail) {
    Pair pair;
    auto& source = pair.source;
    source.load_zoo({"identities"});
    source.sql(R"sql(
        CREATE TABLE no_key (id int, v text); INSERT INTO no_key VALUES (1, 'a');
        CREATE TABLE unique_only (id int UNIQUE, v text);
        CREATE UNLOGGED TABLE unlogged (id int, v text); INSERT INTO unlogged VALUES (1, 'a');
        CREATE EXTENSION IF NOT EXISTS file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
        CREATE FOREIGN TABLE foreign_one (v text) SERVER files OPTIONS (filename '/dev/null');
        CREATE TABLE p (id int, v text) PARTITION BY RANGE (id);
        CREATE TABLE p_keyed PARTITION OF p (PRIMARY KEY (id)) FOR VALUES FROM (0) TO (10);
        CREATE TABLE p_bare PARTITION OF p FOR VALUES FROM (10) TO (20);
        INSERT INTO p VALUES (1, 'a'), (11, 'a');
        CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1, 'a');
    )sql");
    // Every table, every kind of change; each rolled back.
    constexpr auto change_everything = R"sql(
        DO $do$ DECLARE t regclass; c text; BEGIN
            FOR t IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text IN ('public', 'zoo_identities') LOOP
                SELECT quote_ident(attname) INTO c FROM pg_attribute WHERE attrelid = t AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                    AND attidentity <> 'a' LIMIT 1;
                IF c IS NOT NULL THEN EXECUTE format('UPDATE %s SET %s = %s', t, c, c); END IF;
                EXECUTE format('DELETE FROM %s', t);
            END LOOP;
            EXECUTE 'INSERT INTO unique_only VALUES (1, ''a'') ON CONFLICT (id) DO UPDATE SET v = ''b''';
            EXECUTE 'INSERT INTO unique_only VALUES (1, ''a'') ON CONFLICT (id) DO UPDATE SET v = ''b''';
            EXECUTE 'UPDATE p SET v = ''b''; DELETE FROM p WHERE id = 11; UPDATE p_bare SET v = ''c''';
            RAISE EXCEPTION 'undo' USING ERRCODE = 'P0099';
        EXCEPTION WHEN SQLSTATE 'P0099' THEN NULL;
        END $do$;
        CREATE TEMPORARY TABLE session_only AS SELECT 1 AS id; UPDATE session_only SET id = 2; DELETE FROM session_only)sql";
    source.sql(change_everything);

    auto snapshot = pair.snapshot({"--yes"});
    snapshot->wait_for_line("Creating the replication slot");
    source.sql(change_everything);
    snapshot->wait_for_line("Snapshot ID created successfully.");
    source.sql(change_everything);
    EXPECT_EQ(source.number("SELECT count(*) FROM pg_publication_tables WHERE tablename IN ('unlogged', 'foreign_one') "
                            "AND pubname LIKE 'tslive%'"),
              0);
    EXPECT_EQ(source.rows("SELECT tablename FROM pg_publication_tables WHERE pubname LIKE '%_identity' AND schemaname "
                          "= 'public' ORDER BY 1"),
              (std::vector<std::string>{"p_keyed", "parent"}));
}

TEST(Snapshot, as_an_ordinary_role_publishes_lists_without_unlogged_tables) {
    Pair pair;
    pair.source.sql(
        "CREATE ROLE mover LOGIN REPLICATION; GRANT CREATE ON DATABASE app TO mover; GRANT ALL ON SCHEMA public TO "
        "mover");
    pair.source.as("mover").sql(
        "CREATE TABLE keyed (id int PRIMARY KEY); CREATE TABLE no_key (id int); CREATE UNLOGGED TABLE unlogged (id int "
        "PRIMARY KEY);"
        "CREATE TABLE p (id int, v text) PARTITION BY RANGE (id); CREATE TABLE p_1 PARTITION OF p (PRIMARY KEY (id)) "
        "FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (10) TO (20)");
    auto snapshot = pair.program("ts-snapshot", {"--yes", "--source", pair.source.as("mover").uri()});
    snapshot->wait_for_line("Snapshot ID created successfully.");
    EXPECT_EQ(pair.source.rows("SELECT substr(pubname, 17), string_agg(tablename, ',' ORDER BY tablename) FROM "
                               "pg_publication_tables GROUP BY 1 ORDER BY 1"),
              (std::vector<std::string>{"all|keyed,no_key,p_1,p_2", "identity|keyed,p_1"}));
    pair.source.as("mover").sql(
        "INSERT INTO no_key VALUES (1); UPDATE no_key SET id = 2; DELETE FROM no_key; UPDATE unlogged SET id = 1; "
        "INSERT INTO p VALUES (11, 'a');"
        "UPDATE p SET v = 'b'; DELETE FROM p");
}

class Keepers : public testing::Test {
protected:
    [[nodiscard]] std::string name() const { return read_text(migration.pair.dir / "snapshot").substr(0, 19); }
    [[nodiscard]] bool importable() const {
        const auto file = read_text(migration.pair.dir / "snapshot");
        auto connection = migration.pair.source.connect("import");
        connection.exec("BEGIN ISOLATION LEVEL REPEATABLE READ");
        try {
            connection.exec(
                fmt::format("SET TRANSACTION SNAPSHOT {}", pg::quote_literal(file.substr(0, file.find('\n')))));
            return connection.exec("SELECT count(*) FROM t").number<int>(0, 0) == 10;
        } catch (const pg::ServerError&) {
            return false;
        }
    }
    [[nodiscard]] std::vector<std::string> keepers() const {
        return migration.pair.source.rows(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'ts-live snapshot keeper' ORDER BY "
            "backend_start");
    }
    void SetUp() override {
        migration.pair.source.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10)");
        migration.take_snapshot();
        migration.pair.source.sql("INSERT INTO t SELECT generate_series(11, 20)");
    }
    Migration migration;
};

TEST_F(Keepers, one_that_is_killed_is_replaced) {
    const auto before = keepers();
    ASSERT_THAT(before, SizeIs(2));
    for (const auto& victim : before) {  // the second time only a replacement is left
        migration.pair.source.sql("SELECT pg_terminate_backend(" + victim + ")");
        eventually("there are two again",
                   [&] { return keepers().size() == 2 && !testing::Value(keepers(), testing::Contains(victim)); });
        eventually("the snapshot is importable", [&] { return importable(); });
    }
    EXPECT_TRUE(migration.snapshot->has_said("A session that keeps the snapshot is gone"));
}

TEST_F(Keepers, do_not_need_the_session_that_made_the_slot) {
    migration.pair.source_server.drop_connections("ts-live slot");
    migration.pair.source_server.drop_connections("ts-live snapshot");
    EXPECT_TRUE(importable());
    migration.start();
    migration.wait_until_caught_up();
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
    migration.snapshot->expect_exit(0);
}

TEST_F(Keepers, say_what_is_lost_when_all_are_killed) {
    migration.pair.source_server.drop_connections("ts-live snapshot keeper");
    migration.snapshot->expect_exit(3);
    EXPECT_TRUE(migration.snapshot->has_said("every session that kept the snapshot is gone"));
    EXPECT_FALSE(std::filesystem::exists(migration.pair.dir / "snapshot"));
    expect_outcome(migration.pair.migrate(), 3, {"holds no live snapshot", "--prune"});
    migration.pair.clean()->expect_exit(0);
    expect_untouched(migration.pair);
}

TEST_F(Keepers, are_released_by_sigint_and_what_is_left_is_said) {
    migration.snapshot->signal(SIGINT);
    migration.snapshot->expect_exit(4);
    EXPECT_THAT(migration.snapshot->output(),
                HasSubstr("remove it with: ts-clean --dir " + migration.pair.dir.string() + " --prune"));
    EXPECT_THAT(keepers(), IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(migration.pair.dir / "snapshot"));
    expect_outcome(migration.pair.migrate(), 3, {"holds no live snapshot"});
    expect_outcome(migration.pair.snapshot(), 3, {"holds a snapshot of an earlier run that is gone", "ts-clean"});
}

TEST_F(Keepers, of_a_killed_ts_snapshot_are_not_believed_in) {
    migration.snapshot->kill_9();
    EXPECT_TRUE(std::filesystem::exists(migration.pair.dir / "snapshot"));
    expect_outcome(migration.pair.migrate(), 3, {"holds no live snapshot", "Is the snapshot command still running?"});
    expect_outcome(migration.pair.migrate({"--resume"}), 3, {"holds no live snapshot"});
}

/// An open transaction with an xid keeps every new slot waiting.
class BlockedSlot : public testing::Test {
protected:
    void SetUp() override {
        pair.source.sql("CREATE TABLE t (id int PRIMARY KEY)");
        blocker.emplace(pair.source.connect("blocker"));
        blocker->exec("BEGIN; INSERT INTO t VALUES (1)");
        snapshot = pair.snapshot();
        snapshot->wait_for_line(fmt::format("The slot waits for a transaction to end: process {} of user postgres",
                                            blocker->backend_pid()));
    }
    Pair pair;
    std::optional<pg::Connection> blocker;
    std::unique_ptr<Program> snapshot;
};

TEST_F(BlockedSlot, goes_on_when_the_transaction_ends) {
    blocker->exec("COMMIT");
    snapshot->wait_for_line("Snapshot ID created successfully.");
}

TEST_F(BlockedSlot, leaves_nothing_after_sigterm) {
    snapshot->signal(SIGTERM);
    snapshot->expect_exit(4);
    expect_untouched(pair);
    blocker->exec("COMMIT");
    EXPECT_THAT(ours_on_source(pair.source), IsEmpty());
}

TEST_F(BlockedSlot, is_cleaned_up_after_kill_9) {
    snapshot->kill_9();
    EXPECT_TRUE(std::filesystem::exists(pair.dir / "state.db"));
    EXPECT_THAT(ours_on_source(pair.source), Not(IsEmpty()));
    expect_outcome(pair.snapshot(), 3, {"ts-clean"});
    expect_outcome(pair.migrate(), 3, {"did not get as far as a snapshot", "ts-clean"});
    pair.clean()->expect_exit(0);
    expect_untouched(pair);
    blocker->exec("COMMIT");
    EXPECT_THAT(ours_on_source(pair.source), IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(pair.dir));
}

// The server's session does not hear of our death while it waits; so its waits have an end, and we begin again (CASES A7).
TEST(CreateSlot, begins_again_when_the_server_has_waited_long_enough) {
    TestServer source{"wal_level=logical"};
    source.sql("postgres", "CREATE TABLE t (id int)");
    auto blocker = source.database().connect("blocker");
    blocker.exec("BEGIN; INSERT INTO t VALUES (1)");
    auto replication = pg::Connection::open(source.conninfo(), "slot", {}, pg::ConnectionKind::replication);
    auto watcher = pg::Connection::open(source.conninfo(), "snapshot");
    auto created = std::async(std::launch::async, [&] {
        return snapshot::create_slot(replication, watcher, "patient", std::chrono::milliseconds{50});
    });
    eventually("it has begun again", [&] {
        const auto log = source.log();
        const auto first = log.find("canceling statement due to lock timeout");
        return first != std::string::npos &&
               log.find("canceling statement due to lock timeout", first + 1) != std::string::npos;
    });
    blocker.exec("COMMIT");
    EXPECT_EQ(created.get().name, "patient");
    EXPECT_EQ(source.database().count("pg_replication_slots"), 1);
}

TEST(RetentionOfASlot, has_no_end_where_nobody_set_one) {
    harness::TestServer server{"wal_level=logical"};
    auto session = server.database().connect("test");
    session.exec("SELECT pg_create_logical_replication_slot('idle', 'pgoutput')");
    EXPECT_EQ(snapshot::retention(session, "idle").value().safe_bytes, std::nullopt);
}

TEST(RetentionOfASlot, is_what_the_server_says) {
    harness::TestServer server{"wal_level=logical", "max_slot_wal_keep_size=1GB"};
    auto session = server.database().connect("test");
    EXPECT_FALSE(snapshot::retention(session, "nobody's"));
    session.exec("SELECT pg_create_logical_replication_slot('idle', 'pgoutput')");
    const auto before = snapshot::retention(session, "idle").value();
    ASSERT_TRUE(before.safe_bytes);
    session.exec("SELECT pg_switch_wal(); CREATE TABLE t AS SELECT generate_series(1, 1000); SELECT pg_switch_wal()");
    const auto after = snapshot::retention(session, "idle").value();
    EXPECT_GT(after.bytes, before.bytes);
    EXPECT_LT(after.safe_bytes.value(), *before.safe_bytes);
}

}  // namespace
}  // namespace tslive::harness
