#include "integration/support/migration.hpp"

namespace tslive::harness {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(Migrate, moves_every_kind_of_table_while_the_application_writes) {
    Migration migration;
    auto& source = migration.pair.source;
    source.load_zoo({"types", "names", "identities", "partitions", "tables"});
    const auto workload = std::make_shared<MixedWorkload>(MixedOptions{.truncate = true});
    workload->create(source);
    // Large enough for the writers to commit during its copy.
    source.sql(
        fmt::format("{} CREATE TABLE public.large (id int PRIMARY KEY, filler text, CHECK (public.gate(id, 9000)));"
                    "INSERT INTO public.large SELECT i, repeat(md5(i::text), 12) FROM generate_series(1, 10000) i",
                    Gate::sql()));

    Writer writer{source, workload};
    migration.take_snapshot();
    Gate gate{migration.pair.target, 9000};
    migration.start({"--split-tables-larger-than", "1MB"});
    gate.wait_until_reached();
    writer.wait_for_commits(200);  // the base copy cannot end meanwhile
    gate.open();
    migration.wait_until_caught_up();
    writer.wait_for_commits(200);
    writer.stop();
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
    migration.snapshot->expect_exit(0);
    EXPECT_TRUE(migration.snapshot->has_said("The base copy no longer needs the snapshot"));
}

TEST(Migrate, is_one_program_with_sub_commands_as_well) {
    Pair pair;
    const auto workload = std::make_shared<MixedWorkload>();
    workload->create(pair.source);
    Writer writer{pair.source, workload};
    auto run = [&](std::vector<std::string> arguments) {
        return std::make_unique<Program>(
            "live-migration", arguments,
            std::map<std::string, std::string>{
                {"SOURCE", pair.source.uri()}, {"TARGET", pair.target.uri()}, {"PGCOPYDB_DIR", pair.dir.string()}});
    };
    auto snapshot = run({"snapshot", "--yes"});
    snapshot->wait_for_line("    live-migration migrate --dir " + pair.dir.string());
    auto migrate = run({"migrate"});
    migrate->wait_for_line(
        fmt::format("To stop replication, send SIGUSR1 to process {} (kill -USR1 {})", migrate->pid(), migrate->pid()));
    writer.wait_for_commits(50);
    writer.stop();
    migrate->signal(SIGUSR1);
    migrate->wait_for_line("    live-migration clean --dir " + pair.dir.string() + " --prune");
    migrate->expect_exit(0);
    EXPECT_TRUE(databases_are_equal(pair.source, pair.target));
    snapshot->expect_exit(0);
    run({"clean", "--prune"})->expect_exit(0);
    EXPECT_THAT(ours_on_source(pair.source), IsEmpty());
    EXPECT_THAT(ours_on_target(pair.target), IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(pair.dir));
    EXPECT_TRUE(databases_are_equal(pair.source, pair.target));
}

// The request may come long before it can be obeyed, and twice (CASES G5).
TEST(Migrate, keeps_an_early_request_to_switch_over) {
    Migration migration;
    migration.pair.source.sql(fmt::format(
        "{} CREATE TABLE t (id int PRIMARY KEY, CHECK (gate(id, 5))); INSERT INTO t SELECT generate_series(1, 10)",
        Gate::sql()));
    migration.take_snapshot();
    Gate gate{migration.pair.target, 5};
    auto& migrate = migration.start();
    gate.wait_until_reached();
    migrate.signal(SIGUSR1);
    migrate.wait_for_line("SIGUSR1 received: going on as soon as that is possible");
    migrate.signal(SIGUSR1);
    migrate.wait_for_line("SIGUSR1 received again");
    migration.pair.source.sql("INSERT INTO t VALUES (11)");
    gate.open();
    migrate.wait_for_line("Migration successfully completed");
    migrate.expect_exit(0);
    EXPECT_TRUE(migration.is_equal());
}

TEST(Migrate, fires_no_trigger_twice_and_puts_all_back) {
    Migration migration;
    auto& source = migration.pair.source;
    source.sql(R"sql(
        CREATE TABLE t (id int PRIMARY KEY, v text);
        CREATE TABLE audit (what text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.audit VALUES (TG_NAME || ' ' || TG_OP); RETURN NEW; END $$;
        CREATE TRIGGER usual AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER always AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER only_replica AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note();
        ALTER TABLE t ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER only_replica;
        CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
        CREATE TRIGGER on_parts AFTER INSERT ON parts FOR EACH ROW EXECUTE FUNCTION note();
        ALTER TABLE parts ENABLE ALWAYS TRIGGER on_parts;
        INSERT INTO t VALUES (1, 'copied');
        INSERT INTO parts VALUES (1);
        CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.audit VALUES ('ddl'); END $$;
        CREATE EVENT TRIGGER watch_ddl ON ddl_command_end EXECUTE FUNCTION on_ddl();
        CREATE EVENT TRIGGER watch_ddl_always ON ddl_command_end EXECUTE FUNCTION on_ddl();
        ALTER EVENT TRIGGER watch_ddl_always ENABLE ALWAYS;
    )sql");
    migration.take_snapshot();
    migration.start();
    migration.wait_until_caught_up();
    EXPECT_EQ(migration.pair.target.count("pg_event_trigger"), 0);
    source.sql("INSERT INTO t VALUES (2, 'replayed'); UPDATE t SET v = 'changed'; INSERT INTO parts VALUES (2)");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
    EXPECT_EQ(
        migration.pair.target.value(
            "SELECT string_agg(tgenabled::text, '' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 't'::regclass"),
        "ARO");
    EXPECT_EQ(
        migration.pair.target.value("SELECT string_agg(tgenabled::text, '') FROM pg_trigger WHERE tgname = 'on_parts'"),
        "AA");
    EXPECT_EQ(
        migration.pair.target.value("SELECT string_agg(evtenabled::text, '' ORDER BY evtname) FROM pg_event_trigger"),
        "OA");
}

TEST(Migrate, sets_sequences_of_every_kind_to_what_the_source_has_at_the_end) {
    Migration migration;
    migration.pair.source.load_zoo({"tables"});
    migration.take_snapshot();
    migration.start();
    migration.wait_until_caught_up();
    migration.pair.source.sql(
        "SET search_path = zoo_tables; SELECT nextval('never_used'), nextval('used_once'), nextval('downwards'), "
        "nextval('cycling');"
        "SELECT setval('set_not_called', 99, false); INSERT INTO serials SELECT FROM generate_series(1, 3);"
        "INSERT INTO identity_always (v) VALUES ('late')");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

TEST(Migrate, follows_partitions_that_come_and_go) {
    Migration migration;
    auto& source = migration.pair.source;
    source.sql(
        "CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE p_1 PARTITION OF p FOR "
        "VALUES FROM (0) TO (100);"
        "CREATE TABLE p_rest PARTITION OF p DEFAULT; INSERT INTO p SELECT i, 'v' FROM generate_series(0, 150, 5) i");
    migration.take_snapshot();
    migration.start();
    migration.wait_until_caught_up();
    source.sql(
        "CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (1000) TO (2000); INSERT INTO p VALUES (1001, 'in the new "
        "one'), (1002, 'also');"
        "UPDATE p SET v = 'changed' WHERE id = 1001; DELETE FROM p WHERE id = 1002; UPDATE p SET id = 1003 WHERE id = "
        "5");
    migration.switch_over();
    EXPECT_EQ(migration.pair.target.rows("SELECT * FROM p ORDER BY id"), source.rows("SELECT * FROM p ORDER BY id"));
}

TEST(Migrate, stops_at_a_row_of_a_table_that_was_made_later_and_names_it) {
    Migration migration;
    migration.pair.source.sql("CREATE TABLE t (id int PRIMARY KEY)");
    migration.take_snapshot();
    auto& migrate = migration.start();
    migration.wait_until_caught_up();
    migration.pair.source.sql(
        "CREATE TABLE made_later (id int PRIMARY KEY, v text); INSERT INTO made_later VALUES (1, 'x'); INSERT INTO t "
        "VALUES (1)");
    migrate.expect_exit(3);
    EXPECT_THAT(migrate.output(), AllOf(HasSubstr("ERROR"), HasSubstr("public.made_later")));

    // The remedy: make the table, and go on.
    migration.pair.target.sql("CREATE TABLE made_later (id int PRIMARY KEY, v text)");
    migration.resume();
    migration.wait_until_caught_up();
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

TEST(Migrate, asks_before_it_leaves_a_table_behind) {
    Migration migration;
    migration.pair.source.sql("CREATE TABLE t (id int PRIMARY KEY)");
    migration.take_snapshot();
    migration.migrate = migration.pair.migrate({});
    migration.wait_until_caught_up();
    migration.pair.source.sql("CREATE TABLE empty_and_late (id int PRIMARY KEY)");
    migration.migrate->signal(SIGUSR1);
    migration.migrate->wait_for_line("       - public.empty_and_late");
    migration.migrate->wait_for_line(fmt::format("Send SIGUSR1 to process {} to continue", migration.migrate->pid()));
    migration.migrate->signal(SIGUSR1);
    migration.migrate->expect_exit(0);
}

TEST(Migrate, brings_what_is_no_ordinary_table) {
    Migration migration;
    auto& source = migration.pair.source;
    source.sql(R"sql(
        CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY, v text);
        INSERT INTO unlogged SELECT i, 'v' FROM generate_series(1, 100) i;
        CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, w int, area int GENERATED ALWAYS AS (w * 2) STORED);
        INSERT INTO made (w) SELECT generate_series(1, 100);
        SELECT lo_from_bytea(740001, 'a large object'), lo_from_bytea(740002, decode(repeat('00ff', 300000), 'hex'));
        CREATE MATERIALIZED VIEW z_first AS SELECT count(*) AS n FROM made;
        CREATE MATERIALIZED VIEW a_second AS SELECT n + 1 AS more FROM z_first;
        CREATE TABLE secured (id int PRIMARY KEY, tenant text);
        INSERT INTO secured SELECT i, 'tenant' FROM generate_series(1, 30) i;
        ALTER TABLE secured ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY nobody ON secured USING (false);
        CREATE TABLE grandparent (id int PRIMARY KEY); CREATE TABLE parent () INHERITS (grandparent); CREATE TABLE child () INHERITS (parent);
        INSERT INTO grandparent VALUES (1); INSERT INTO parent VALUES (2); INSERT INTO child VALUES (3);
        CREATE TEMPORARY TABLE of_another_session (id int);
    )sql");
    auto temporary = source.connect("temporary");
    temporary.exec("CREATE TEMPORARY TABLE of_a_living_session AS SELECT 1 AS id");
    migration.take_snapshot();
    migration.start({"--refresh-matviews"});
    migration.wait_until_caught_up();
    source.sql(
        "UPDATE made SET w = 7 WHERE id < 10; INSERT INTO made (w) VALUES (8); INSERT INTO secured VALUES (31, 'late');"
        "INSERT INTO child VALUES (4); DELETE FROM ONLY grandparent WHERE id = 1; REFRESH MATERIALIZED VIEW z_first; "
        "REFRESH MATERIALIZED VIEW a_second");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

TEST(Migrate, copies_in_parts_and_with_few_jobs) {
    Migration migration;
    migration.pair.source.sql(
        "CREATE TABLE large (id int PRIMARY KEY, filler text); INSERT INTO large SELECT i, repeat(md5(i::text), 12) "
        "FROM generate_series(1, 20000) i;"
        "CREATE INDEX ON large (filler, id)");
    migration.take_snapshot();
    migration.start({"--split-tables-larger-than", "1MB", "--table-jobs=1", "--index-jobs=1"});
    migration.wait_until_caught_up();
    EXPECT_THAT(migration.parts_done(), SizeIs(testing::Ge(5U)));
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

TEST(Migrate, leaves_out_what_it_is_told_to) {
    Migration migration;
    auto& source = migration.pair.source;
    source.sql(R"sql(
        CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept SELECT generate_series(1, 10);
        CREATE TABLE "Left,out" (id int PRIMARY KEY, v text); INSERT INTO "Left,out" SELECT i, 'v' FROM generate_series(1, 10) i;
        CREATE ROLE leaves_out_owner; CREATE ROLE leaves_out_reader;
        ALTER TABLE kept OWNER TO leaves_out_owner; GRANT SELECT ON kept TO leaves_out_reader;
    )sql");
    migration.take_snapshot();
    auto& migrate =
        migration.start({"--skip-roles", "--no-owner", "--no-acl", "--skip-table-data", "public.\"Left,out\""});
    migration.wait_until_caught_up();
    EXPECT_EQ(migration.pair.target.count("\"Left,out\""), 0);
    source.sql(
        "INSERT INTO \"Left,out\" VALUES (11, 'live'); UPDATE \"Left,out\" SET v = 'w' WHERE id = 1; DELETE FROM "
        "\"Left,out\" WHERE id = 2");
    migration.switch_over();
    migrate.wait_for_line("2 updates and deletes found no row");
    EXPECT_EQ(migration.pair.target.rows("SELECT * FROM \"Left,out\""), std::vector<std::string>{"11|live"});
    EXPECT_EQ(migration.pair.target.value("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'leaves_out%'"), "0");
    EXPECT_TRUE(migration.is_equal({.privileges = false, .skip_tables = {"\"public\".\"Left,out\""}}));
}

TEST(Migrate, brings_roles_owners_grants_and_settings) {
    Migration migration;
    migration.pair.source.sql(R"sql(
        CREATE ROLE brings_owner LOGIN PASSWORD 'hush'; CREATE ROLE "brings ""reader"""; GRANT "brings ""reader""" TO brings_owner;
        CREATE TABLE owned (id int PRIMARY KEY); ALTER TABLE owned OWNER TO brings_owner; GRANT SELECT ON owned TO "brings ""reader""";
        ALTER DATABASE app SET work_mem = '7MB'; ALTER ROLE brings_owner SET statement_timeout = '9s';
    )sql");
    migration.run_to_the_end();
    EXPECT_TRUE(migration.is_equal());
    constexpr auto settings = "SELECT unnest(setconfig) FROM pg_db_role_setting ORDER BY 1";
    EXPECT_EQ(migration.pair.target.rows(settings), migration.pair.source.rows(settings));
    EXPECT_EQ(migration.pair.target.value("SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'brings_owner'"),
              "t");
}

TEST(Migrate, skips_extensions_by_name_or_all) {
    for (const bool all : {false, true}) {
        Migration migration;
        if (migration.pair.source.number(
                "SELECT count(*) FROM pg_available_extensions WHERE name IN ('hstore', 'citext')") < 2)
            GTEST_SKIP() << "needs the extensions hstore and citext";
        migration.pair.source.sql(
            "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE TABLE t (id int PRIMARY KEY)");
        migration.take_snapshot();
        migration.start(all ? std::vector<std::string>{"--skip-extensions"}
                            : std::vector<std::string>{"--skip-extensions", "hstore"});
        migration.wait_until_caught_up();
        migration.switch_over();
        EXPECT_EQ(migration.pair.target.value(
                      "SELECT coalesce(string_agg(extname, ','), '') FROM pg_extension WHERE extname <> 'plpgsql'"),
                  all ? "" : "citext");
    }
}

}  // namespace
}  // namespace tslive::harness
