#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/harness/compare.hpp"
#include "integration/harness/eventually.hpp"
#include "integration/harness/pair.hpp"
#include "integration/harness/scratch.hpp"
#include "tslive/schema/database_settings.hpp"
#include "tslive/schema/dump.hpp"
#include "tslive/schema/restore.hpp"
#include "tslive/schema/roles.hpp"
#include "tslive/schema/tools.hpp"
#include "unit/support/child_process.hpp"

namespace tslive::schema {
namespace {

using harness::eventually;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr const char* migration = "0123abcd";

std::string contents_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>{in}, {}};
}

/// A snapshot that somebody else holds, as in a migration.
struct HeldSnapshot {
    explicit HeldSnapshot(const harness::Database& database) : connection(database.connect("snapshot")) {
        connection.exec("BEGIN ISOLATION LEVEL REPEATABLE READ");
        id = connection.exec("SELECT pg_export_snapshot()").text(0, 0);
    }
    pg::Connection connection;
    std::string id;
};

/// Two servers; dumping and restoring between a database on each.
class Schema : public testing::Test {
protected:
    void dump_source(std::stop_token stop = {}) const {
        const HeldSnapshot snapshot(pair.source);
        dump(tools, pair.source.conninfo(), snapshot.id, file, std::move(stop));
    }
    RestoreReport restore_section(Section section, std::stop_token stop = {}) const {
        return restore(tools, file, section, options, std::move(stop));
    }
    void copy_roles_and_settings() const {
        auto source = connect(pair.source), target = connect(pair.target);
        copy_roles(source, target);
        copy_database_settings(source, target);
    }
    /// What copy/ makes: indexes, keys and foreign keys.
    void build(const std::vector<std::string>& kinds) const {
        const auto listing =
            run_child({.program = tools.pg_restore, .arguments = {"--list", file}, .environment = {}, .without = {}});
        const auto toc = parse_toc(listing.text);
        std::vector<const TocEntry*> chosen;
        for (const auto& entry : toc.entries)
            if (std::ranges::find(kinds, entry.kind) != kinds.end() &&
                entry.rest.find("material_by_key") == std::string::npos)
                chosen.push_back(&entry);
        const auto list = directory / "indexes.list";
        std::ofstream(list) << use_list(chosen);
        static_cast<void>(run_child({.program = tools.pg_restore,
                                     .arguments = {"--exit-on-error", "--no-tablespaces", "--use-list=" + list.string(),
                                                   "--dbname=" + pair.target.uri(), file},
                                     .environment = {},
                                     .without = {}}));
    }
    static pg::Connection connect(const harness::Database& database) {
        return pg::Connection::open(database.conninfo(), "test");
    }

    harness::Pair pair;
    std::filesystem::path directory = harness::Scratch::instance().make_directory("schema");
    std::filesystem::path file = directory / "it's a \"schema\".dump";
    Tools tools = find_tools(harness::default_bin_dir(), 150000);
    RestoreOptions options{.target = pair.target.conninfo(), .migration_id = migration};
};

TEST_F(Schema, every_kind_of_object_arrives_as_it_is_on_the_source) {
    pair.source.load_zoo({"schema_roles", "schema_objects"});
    dump_source();
    copy_roles_and_settings();
    EXPECT_THAT(restore_section(Section::pre_data).warnings, IsEmpty());
    build({"INDEX", "CONSTRAINT", "INDEX ATTACH"});
    EXPECT_THAT(restore_section(Section::post_data).warnings, IsEmpty());
    build({"FK CONSTRAINT"});
    EXPECT_EQ(pair.target.number("SELECT count(*) FROM pg_event_trigger"), 0)
        << "it would have refused to create indexes";
    EXPECT_EQ(pair.target.number("SELECT count(*) FROM pg_publication"), 0);

    EXPECT_THAT(restore_section(Section::after_switch_over).warnings, IsEmpty());
    EXPECT_EQUAL_DATABASES(pair.source, pair.target);
    EXPECT_EQ(pair.target.number("SELECT count(*) FROM pg_publication"), 0);
    EXPECT_EQ(pair.target.value("SELECT obj_description(oid) FROM pg_event_trigger"), "event trigger");
}

TEST_F(Schema, names_that_break_careless_tools_arrive) {
    pair.source.load_zoo({"names"});
    dump_source();
    restore_section(Section::pre_data);
    const auto relations =
        "SELECT nspname, relname, relkind FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE relkind IN ('r', 'v', 'm', 'S') AND c.oid >= 16384 AND nspname !~ '^tslive_|^pg_' ORDER BY 1, 2";
    EXPECT_EQ(pair.target.rows(relations), pair.source.rows(relations));
}

TEST_F(Schema, the_dump_shows_the_snapshot_and_not_what_came_after) {
    pair.source.sql("CREATE TABLE before_it ()");
    const HeldSnapshot snapshot(pair.source);
    pair.source.sql("CREATE TABLE after_it ()");
    dump(tools, pair.source.conninfo(), snapshot.id, file);
    restore_section(Section::pre_data);
    EXPECT_THAT(pair.target.rows("SELECT relname FROM pg_class WHERE relname LIKE '%_it'"), ElementsAre("before_it"));
    EXPECT_FALSE(std::filesystem::exists(file.string() + ".part"));
}

TEST_F(Schema, a_snapshot_that_is_gone_is_an_error_that_leaves_no_archive) {
    try {
        dump(tools, pair.source.conninfo(), "00000003-0000001B-1", file);
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.recovery(), Recovery::operator_action);
        EXPECT_THAT(error.what(), HasSubstr("pg_dump ended with status 1"));
        EXPECT_THAT(error.what(), HasSubstr("snapshot"));
        EXPECT_THAT(error.remedy(), Not(IsEmpty()));
    }
    EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(Schema, a_password_reaches_pg_dump_but_neither_its_arguments_nor_errors) {
    harness::TestServer server{harness::ServerOptions{.tcp = true}};
    // In pg_dump's place stands what looks at its own command line first.
    const auto spy = directory / "pg_dump", seen = directory / "cmdline";
    std::ofstream(spy) << "#!/bin/sh\ncat /proc/$$/cmdline > '" << seen.string() << "'\nexec '"
                       << tools.pg_dump.string() << "' \"$@\"\n";
    std::filesystem::permissions(spy, std::filesystem::perms{0755});
    auto spied = tools;
    spied.pg_dump = spy;

    const HeldSnapshot snapshot(server.database());
    dump(spied, server.tcp_conninfo(), snapshot.id, file);
    EXPECT_TRUE(std::filesystem::exists(file));
    EXPECT_THAT(contents_of(seen), HasSubstr("127.0.0.1"));
    EXPECT_THAT(contents_of(seen), Not(HasSubstr("secret")));

    try {
        dump(spied, server.tcp_conninfo().with("password", "wrong secret"), snapshot.id, file);
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_THAT(std::string{error.what()} + error.remedy(), Not(HasSubstr("wrong secret")));
        EXPECT_THAT(error.what(), HasSubstr("password authentication failed"));
    }
}

TEST_F(Schema, a_stop_request_ends_pg_dump_and_its_query) {
    pair.source.sql("CREATE TABLE locked ()");
    const HeldSnapshot snapshot(pair.source);
    auto locker = pair.source.connect("locker");
    locker.exec("BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE");
    const auto waiting = [&] {
        return pair.source.number(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ts-live schema' AND wait_event_type = "
            "'Lock'");
    };
    std::stop_source stop;
    std::jthread asks([&] {
        eventually("pg_dump waits for the lock", [&] { return waiting() == 1; });
        stop.request_stop();
    });
    EXPECT_THROW(dump(tools, pair.source.conninfo(), snapshot.id, file, stop.get_token()), Stopped);
    eventually("the query is cancelled", [&] { return waiting() == 0; });
    EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(Schema, a_section_restored_twice_is_restored_once) {
    pair.source.load_zoo({"schema_roles", "schema_objects"});
    dump_source();
    copy_roles_and_settings();
    EXPECT_GT(restore_section(Section::pre_data).restored, 80U);
    EXPECT_EQ(restore_section(Section::pre_data).restored, 0U);
}

TEST_F(Schema, a_restore_cut_after_each_transaction_goes_on_behind_it) {
    for (int i = 0; i < 60; ++i)
        pair.source.sql(
            fmt::format("CREATE SCHEMA s{0}; CREATE TABLE s{0}.t (a int); COMMENT ON TABLE s{0}.t IS 'c'", i));
    dump_source();
    pair.target_server.configure("max_locks_per_transaction = 10");
    pair.target_server.configure("max_connections = 20");  // room for some 16 tables in a transaction
    pair.target_server.configure("max_prepared_transactions = 0");
    pair.target_server.configure("max_wal_senders = 0");
    pair.target_server.restart();

    // One more transaction each time: the session ends when the given number of them has committed.
    const auto last = [&] {
        return pair.target.value(
            "SELECT coalesce((SELECT max(last_entry::text) FROM tslive_0123abcd.schema_restored), '')");
    };
    pair.target.sql(
        "CREATE SCHEMA tslive_0123abcd; CREATE TABLE tslive_0123abcd.schema_restored (section text PRIMARY KEY, "
        "archive text NOT NULL, last_entry bigint NOT NULL, finished boolean NOT NULL);"
        "CREATE FUNCTION public.stop_after() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
        "IF current_setting('test.cut', true) = 'now' THEN RAISE EXCEPTION 'cut'; END IF; "
        "PERFORM set_config('test.cut', 'now', false); RETURN NEW; END$$;"
        "CREATE TRIGGER cut BEFORE INSERT ON tslive_0123abcd.schema_restored FOR EACH ROW EXECUTE FUNCTION "
        "public.stop_after()");
    std::vector<std::string> positions;
    for (int tries = 0; tries < 20; ++tries) {
        try {
            restore_section(Section::pre_data);
            break;
        } catch (const Error& error) {
            EXPECT_THAT(error.what(), HasSubstr("cut"));
            positions.push_back(last());
        }
    }
    EXPECT_GE(positions.size(), 4U);
    EXPECT_TRUE(std::ranges::adjacent_find(positions) == positions.end()) << "each call goes one transaction further";
    EXPECT_EQ(pair.target.number("SELECT count(*) FROM pg_class WHERE relname = 't' AND obj_description(oid) = 'c'"),
              60);
    EXPECT_EQ(restore_section(Section::pre_data).restored, 0U);
}

/// A restore that waits with its first objects made and not committed.
class HeldRestore : public Schema {
protected:
    HeldRestore() {
        for (int i = 0; i < 40; ++i)
            pair.source.sql(
                fmt::format("CREATE SCHEMA s{0}; CREATE TABLE s{0}.a (x int); CREATE TABLE s{0}.b (x int)", i));
        dump_source();
        pair.target.sql(
            "CREATE SCHEMA tslive_0123abcd; CREATE TABLE tslive_0123abcd.schema_restored (section text PRIMARY KEY, "
            "archive text NOT NULL, last_entry bigint NOT NULL, finished boolean NOT NULL)");
        blocker.exec(
            "BEGIN; LOCK TABLE tslive_0123abcd.schema_restored IN SHARE MODE");  // reading goes on, writing waits
    }
    std::int64_t sessions(std::string_view condition = "true") const {
        return pair.target.number(fmt::format(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ts-live schema' AND {}", condition));
    }
    void wait_until_held() const {
        eventually("the restore waits with its objects made",
                   [&] { return sessions("wait_event_type = 'Lock'") == 1; });
    }
    void expect_everything_once() const {
        EXPECT_EQ(pair.target.number("SELECT count(*) FROM pg_class WHERE relname IN ('a', 'b')"), 80);
    }
    pg::Connection blocker = pair.target.connect("blocker");
};

TEST_F(HeldRestore, killed_with_us_it_is_resumed) {
    test::ChildProcess us([this](const auto&) { restore_section(Section::pre_data); });
    wait_until_held();
    us.kill();
    blocker.exec("ROLLBACK");
    eventually("the server has noticed", [&] { return sessions() == 0; });
    restore_section(Section::pre_data);
    expect_everything_once();
}

TEST_F(HeldRestore, stopped_it_leaves_nothing_half_made_and_is_resumed) {
    std::stop_source stop;
    std::jthread asks([&] {
        wait_until_held();
        stop.request_stop();
    });
    EXPECT_THROW(restore_section(Section::pre_data, stop.get_token()), Stopped);
    asks.join();
    blocker.exec("ROLLBACK");
    restore_section(Section::pre_data);
    expect_everything_once();
}

TEST_F(HeldRestore, a_killed_target_server_is_waited_for) {
    std::jthread kills([&] {
        wait_until_held();
        pair.target_server.kill_9();
        pair.target_server.start();
    });
    restore_section(Section::pre_data);
    expect_everything_once();
}

TEST_F(Schema, the_one_object_that_the_target_refuses_is_named_and_the_rest_is_not_lost) {
    for (int i = 0; i < 50; ++i) pair.source.sql(fmt::format("CREATE TABLE t{} ()", i));
    dump_source();
    pair.target.sql("CREATE TABLE t33 ()");
    try {
        restore_section(Section::pre_data);
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.recovery(), Recovery::operator_action);
        EXPECT_THAT(error.what(), HasSubstr("restoring TABLE public t33 postgres"));
        EXPECT_THAT(error.what(), HasSubstr("42P07"));
        EXPECT_THAT(error.remedy(), HasSubstr("empty database"));
    }
    pair.target.sql("DROP TABLE t33");
    restore_section(Section::pre_data);
    EXPECT_EQ(pair.target.number("SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]+$'"), 50);
}

TEST_F(Schema, grants_to_roles_that_the_target_lacks_are_warnings_one_by_one) {
    pair.source.sql(
        "CREATE ROLE stranger; CREATE ROLE known; CREATE TABLE t (a int); GRANT SELECT ON t TO known; GRANT INSERT ON "
        "t TO stranger; "
        "COMMENT ON TABLE t IS 'still; there'");
    dump_source();
    pair.target.sql("CREATE ROLE known");
    const auto report = restore_section(Section::pre_data);
    EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("stranger")));
    EXPECT_EQ(pair.target.value("SELECT has_table_privilege('known', 't', 'SELECT')"), "t");
    EXPECT_EQ(pair.target.value("SELECT obj_description('t'::regclass)"), "still; there");
}

TEST_F(Schema, an_owner_that_the_target_lacks_is_an_error_unless_owners_are_left_out) {
    pair.source.sql(
        "CREATE ROLE stranger; CREATE TABLE t (a int); ALTER TABLE t OWNER TO stranger; GRANT SELECT ON t TO PUBLIC");
    dump_source();
    try {
        restore_section(Section::pre_data);
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("stranger"));
        EXPECT_THAT(error.remedy(), HasSubstr("--no-owner"));
    }
    options.no_owner = options.no_acl = true;
    EXPECT_THAT(restore_section(Section::pre_data).warnings, IsEmpty());
    EXPECT_EQ(
        pair.target.value("SELECT relowner::regrole || coalesce(relacl::text, '') FROM pg_class WHERE relname = 't'"),
        "postgres");
}

TEST_F(Schema, extensions_can_be_left_out_and_their_absence_is_explained) {
    pair.source.sql(
        "CREATE EXTENSION hstore; CREATE EXTENSION citext; COMMENT ON EXTENSION citext IS 'mine'; CREATE TABLE t (a "
        "int)");
    dump_source();
    options.skip_extensions = {"hstore"};
    EXPECT_THAT(restore_section(Section::pre_data).warnings, IsEmpty());
    EXPECT_THAT(pair.target.rows("SELECT extname FROM pg_extension ORDER BY 1"), ElementsAre("citext", "plpgsql"));

    pair.source_server.create_database("other");
    const auto other = pair.target_server.create_database("other");
    options.target = other.conninfo();
    options.skip_all_extensions = true;
    restore_section(Section::pre_data);
    EXPECT_THAT(other.rows("SELECT extname FROM pg_extension"), ElementsAre("plpgsql"));
}

TEST_F(Schema, a_migrating_role_without_superuser_gets_all_that_it_may) {
    pair.source.sql(
        "CREATE EXTENSION citext; CREATE ROLE app; ALTER SCHEMA public OWNER TO app; CREATE TABLE t (a citext PRIMARY "
        "KEY); "
        "ALTER TABLE t OWNER TO app; GRANT SELECT ON t TO PUBLIC; COMMENT ON SCHEMA public IS 'ours'");
    dump_source();
    pair.target.sql(
        "CREATE ROLE app; CREATE ROLE migrator LOGIN IN ROLE app; GRANT CREATE ON DATABASE app TO migrator, app; "
        "GRANT CREATE ON SCHEMA public TO app");
    options.target = pair.target.conninfo().with("user", "migrator");
    const auto report = restore_section(Section::pre_data);
    EXPECT_THAT(report.warnings, testing::Each(HasSubstr("public"))) << "only what only the owner of the schema may do";
    EXPECT_THAT(report.warnings, Not(IsEmpty()));
    EXPECT_EQ(pair.target.value("SELECT relowner::regrole::text FROM pg_class WHERE relname = 't'"), "app");
}

TEST_F(Schema, an_archive_made_anew_is_not_taken_for_the_one_restored_in_part) {
    pair.source.sql("CREATE TABLE a (x int)");
    dump_source();
    restore_section(Section::pre_data);
    pair.target.sql("UPDATE tslive_0123abcd.schema_restored SET finished = false, archive = 'another'");
    try {
        restore_section(Section::pre_data);
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("another archive"));
        EXPECT_THAT(error.remedy(), Not(IsEmpty()));
    }
}

TEST_F(Schema, more_tables_than_one_transaction_can_lock_arrive) {
    pair.source.sql(
        "DO $$BEGIN FOR i IN 1..1500 LOOP EXECUTE format('CREATE TABLE t%s (a text)', i); "
        "IF i % 200 = 0 THEN COMMIT; END IF; END LOOP; END$$");
    pair.source_server.configure("max_locks_per_transaction = 100");
    pair.source_server.restart();
    dump_source();
    pair.target_server.configure("max_locks_per_transaction = 10");
    pair.target_server.restart();
    restore_section(Section::pre_data);
    EXPECT_EQ(pair.target.number("SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]+$'"), 1500);
}

/// Roles and settings, from one server to another.
class Roles : public Schema {
protected:
    RoleReport copy() const {
        auto source = connect(pair.source), target = connect(pair.target);
        return copy_roles(source, target);
    }
    static constexpr const char* attributes =
        "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, "
        "rolconnlimit, "
        "rolvaliduntil, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname ~* '^zoo' ORDER BY 1";
    static constexpr const char* memberships =
        "SELECT roleid::regrole, member::regrole, admin_option FROM pg_auth_members WHERE member::regrole::text ~* "
        "'zoo' ORDER BY 1, 2";
    static constexpr const char* settings =
        "SELECT setrole::regrole, setdatabase <> 0, setconfig FROM pg_db_role_setting WHERE setrole <> 0 ORDER BY 1, 2";
};

TEST_F(Roles, they_arrive_with_attributes_memberships_settings_and_comments) {
    pair.source.load_zoo({"schema_roles"});
    pair.source.sql(
        "ALTER ROLE zoo_owner IN DATABASE app SET work_mem = '7MB'; ALTER ROLE zoo_owner IN DATABASE postgres SET "
        "work_mem = '8MB'");
    const auto report = copy();
    EXPECT_THAT(report.warnings, IsEmpty());
    EXPECT_THAT(report.created, SizeIs(5));
    EXPECT_THAT(report.without_password, ElementsAre("zoo_admin", "zoo_other", "zoo_owner"));
    EXPECT_EQ(pair.target.rows(attributes), pair.source.rows(attributes));
    EXPECT_EQ(pair.target.rows(memberships), pair.source.rows(memberships));
    pair.source.sql("ALTER ROLE zoo_owner IN DATABASE postgres RESET ALL");
    EXPECT_EQ(pair.target.rows(settings), pair.source.rows(settings));
    EXPECT_EQ(pair.target.number("SELECT count(*) FROM pg_authid WHERE rolname ~* '^zoo' AND rolpassword IS NOT NULL"),
              0);

    EXPECT_THAT(copy().created, IsEmpty()) << "a second time changes nothing";
    EXPECT_EQ(pair.target.rows(memberships), pair.source.rows(memberships));
}

TEST_F(Roles, one_that_exists_keeps_its_attributes_and_settings) {
    pair.source.load_zoo({"schema_roles"});
    pair.target.sql("CREATE ROLE zoo_owner NOLOGIN; ALTER ROLE zoo_owner SET search_path = mine");
    EXPECT_THAT(copy().created, Not(Contains("zoo_owner")));
    EXPECT_EQ(pair.target.value("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'zoo_owner'"), "f");
    EXPECT_THAT(
        pair.target.value("SELECT setconfig::text FROM pg_db_role_setting WHERE setrole = 'zoo_owner'::regrole"),
        HasSubstr("search_path=mine"));
}

TEST_F(Roles, those_of_the_server_and_of_managed_services_are_left_out) {
    pair.source.sql(
        "CREATE ROLE rds_superuser; CREATE ROLE rdsadmin SUPERUSER; CREATE ROLE cloudsqlsuperuser; CREATE ROLE zoo_app "
        "IN ROLE rds_superuser");
    EXPECT_THAT(copy().created, ElementsAre("zoo_app"));
}

TEST_F(Roles, what_a_lesser_migrating_role_may_not_give_is_a_warning) {
    pair.source.load_zoo({"schema_roles"});
    pair.source.sql("ALTER ROLE zoo_other SET log_statement = 'all'");
    pair.target.sql("CREATE ROLE migrator LOGIN CREATEROLE CREATEDB");
    auto source = connect(pair.source);
    auto target = pg::Connection::open(pair.target.conninfo().with("user", "migrator"), "test");
    const auto report = copy_roles(source, target);
    EXPECT_THAT(report.created, SizeIs(5));
    EXPECT_THAT(report.warnings, Contains(HasSubstr("zoo_admin is not made SUPERUSER")));
    EXPECT_THAT(report.warnings, Contains(HasSubstr("zoo_reader is not made REPLICATION")));
    EXPECT_THAT(report.warnings, Contains(HasSubstr("log_statement")));
    EXPECT_EQ(pair.target.value("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'zoo_owner'"), "t");
}

TEST_F(Roles, all_that_cannot_be_created_are_named_at_once) {
    pair.source.load_zoo({"schema_roles"});
    pair.target.sql("CREATE ROLE migrator LOGIN");
    auto source = connect(pair.source);
    auto target = pg::Connection::open(pair.target.conninfo().with("user", "migrator"), "test");
    try {
        copy_roles(source, target);
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(),
                    testing::AllOf(HasSubstr("zoo_owner"), HasSubstr("Zoo \"writer\";"), HasSubstr("42501")));
        EXPECT_THAT(error.remedy(), HasSubstr("--skip-roles"));
    }
}

TEST_F(Roles, database_settings_comment_and_grants_arrive_one_by_one) {
    pair.source.load_zoo({"schema_roles"});
    pair.source.sql(
        "ALTER DATABASE app SET search_path = \"$user\", public, \"odd; name\"; ALTER DATABASE app SET zoo.of = "
        "'a=b''c'; "
        "ALTER DATABASE app SET statement_timeout = '30s'; COMMENT ON DATABASE app IS 'it''s; ours'; "
        "REVOKE CONNECT ON DATABASE app FROM PUBLIC; GRANT CONNECT, CREATE ON DATABASE app TO zoo_owner; "
        "GRANT CONNECT ON DATABASE app TO zoo_reader WITH GRANT OPTION");
    copy();
    auto source = connect(pair.source), target = connect(pair.target);
    EXPECT_THAT(copy_database_settings(source, target).warnings, IsEmpty());
    EXPECT_THAT(copy_database_settings(source, target).warnings, IsEmpty()) << "a second time";
    const auto all =
        "SELECT setconfig, shobj_description(d.oid, 'pg_database') FROM pg_database d JOIN pg_db_role_setting ON "
        "setdatabase = d.oid "
        "WHERE datname = 'app' AND setrole = 0";
    EXPECT_EQ(pair.target.rows(all), pair.source.rows(all));
    const auto grants =
        "SELECT a.grantee::regrole::text AS g, a.privilege_type, a.is_grantable FROM pg_database, aclexplode(datacl) a "
        "WHERE datname = 'app' ORDER BY 1, 2";
    EXPECT_EQ(pair.target.rows(grants), pair.source.rows(grants));
}

TEST_F(Roles, a_setting_that_the_target_does_not_know_is_a_warning) {
    pair.source.sql(
        "ALTER DATABASE app SET work_mem = '3MB'; ALTER DATABASE app SET old_snapshot.unknown = 'x'; CREATE ROLE "
        "app_role");
    pair.source.sql("UPDATE pg_db_role_setting SET setconfig = setconfig || '{no_such_setting=1}'::text[]");
    auto source = connect(pair.source), target = connect(pair.target);
    EXPECT_THAT(copy_database_settings(source, target).warnings, ElementsAre(HasSubstr("no_such_setting")));
    EXPECT_THAT(pair.target.value("SELECT setconfig::text FROM pg_db_role_setting"),
                testing::AllOf(HasSubstr("3MB"), HasSubstr("unknown=x")));
}

TEST_F(Roles, connect_is_not_taken_from_everybody_when_the_migration_needs_it) {
    pair.source.sql("REVOKE CONNECT ON DATABASE app FROM PUBLIC");
    pair.target.sql(
        "CREATE ROLE migrator LOGIN; GRANT ALL ON DATABASE app TO migrator WITH GRANT OPTION; REVOKE CONNECT ON "
        "DATABASE app FROM migrator");
    auto source = connect(pair.source);
    auto target = pg::Connection::open(pair.target.conninfo().with("user", "migrator"), "test");
    copy_database_settings(source, target);
    EXPECT_NO_THROW(static_cast<void>(pg::Connection::open(pair.target.conninfo().with("user", "migrator"), "test")));
}

}  // namespace
}  // namespace tslive::schema
