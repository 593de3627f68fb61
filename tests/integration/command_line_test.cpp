#include "integration/support/migration.hpp"

#include "tslive/core/version.hpp"

namespace tslive::harness {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string said_by(std::string_view program, const std::vector<std::string>& arguments, int exit_code) {
    Program run(program, arguments);
    run.expect_exit(exit_code);
    return run.output();
}

TEST(CommandLine, help_reads_as_users_know_it) {
    const auto help = said_by("live-migration", {"--help"}, 0);
    EXPECT_THAT(help, HasSubstr("minimal downtime."));
    EXPECT_THAT(help, HasSubstr("options:\n  -h, --help            Show this help message and exit\n  -v, --version    "
                                "     Show the version"));
    EXPECT_THAT(help, HasSubstr("Subcommands:\n  {snapshot,clean,migrate}\n                        Subcommand help\n"
                                "    snapshot            Create a snapshot\n    clean               Clean up "
                                "resources\n    migrate             Start the migration"));
    EXPECT_EQ(said_by("live-migration", {"-h"}, 0), help);

    for (const auto& migrate :
         {said_by("live-migration", {"migrate", "--help"}, 0), said_by("ts-migrate", {"-h"}, 0)}) {
        EXPECT_THAT(migrate, AllOf(HasSubstr("usage: "), HasSubstr("[-h]"), HasSubstr("[--dir DIR]"),
                                   HasSubstr("[--resume]"), HasSubstr("[--table-jobs TABLE_JOBS]"),
                                   HasSubstr("[--skip-extensions [SKIP_EXTENSIONS ...]]"),
                                   HasSubstr("[--skip-table-data SKIP_TABLE_DATA [SKIP_TABLE_DATA ...]]")));
        EXPECT_THAT(
            migrate,
            HasSubstr("  --resume              Resume the migration\n  --skip-roles          Skip roles migration\n  "
                      "--table-jobs TABLE_JOBS\n"
                      "                        Number of parallel jobs to copy \"existing data\" from source db to "
                      "target db (Default: 8)\n"
                      "  --index-jobs INDEX_JOBS\n"
                      "                        Number of parallel jobs to create indexes in target db (Default: 8)\n"
                      "  --skip-extensions [SKIP_EXTENSIONS ...]\n"
                      "                        Skips the given extensions during migration. Empty list skips all "
                      "extensions.\n"));
        EXPECT_THAT(
            migrate,
            HasSubstr("Skips data from the given table during migration. However, the table schema will be migrated."));
        EXPECT_THAT(migrate, AllOf(HasSubstr("--split-tables-larger-than SIZE"), HasSubstr("--no-owner"),
                                   HasSubstr("--no-acl"), HasSubstr("--yes"), HasSubstr("--pg-bin-dir"),
                                   HasSubstr("PGCOPYDB_SOURCE_PGURI"), HasSubstr("PGCOPYDB_DIR")));
    }
    EXPECT_THAT(said_by("ts-snapshot", {"--help"}, 0), HasSubstr("Create a snapshot"));
    EXPECT_THAT(said_by("ts-clean", {"--help"}, 0), AllOf(HasSubstr("Clean up resources"), HasSubstr("  --prune")));
}

TEST(CommandLine, version_is_told_everywhere) {
    for (const std::string_view program : {"ts-snapshot", "ts-migrate", "ts-clean", "live-migration"})
        for (const auto* flag : {"--version", "-v"})
            EXPECT_EQ(said_by(program, {flag}, 0), fmt::format("{} {}", program, version));
    EXPECT_EQ(said_by("live-migration", {"migrate", "--version"}, 0), fmt::format("live-migration {}", version));
}

TEST(CommandLine, mistakes_are_usage_errors) {
    using Arguments = std::vector<std::string>;
    for (const auto& arguments : {Arguments{"--nonsense"},
                                  {"--table-jobs", "0"},
                                  {"--table-jobs", "many"},
                                  {"--index-jobs", "-1"},
                                  {"--split-tables-larger-than", "much"},
                                  {"--split-tables-larger-than", "10kB"},
                                  {"--skip-table-data"},
                                  {"--dir"},
                                  {"stray"}})
        EXPECT_THAT(said_by("ts-migrate", arguments, 2), HasSubstr("--help")) << arguments.front();
    EXPECT_THAT(said_by("live-migration", {}, 2), HasSubstr("--help"));
    EXPECT_THAT(said_by("live-migration", {"migrat"}, 2), HasSubstr("--help"));
}

/// Each form is tried by what ts-snapshot says of it: that it got as far as the slot.
class ConnectionStrings : public testing::Test {
protected:
    static constexpr std::string_view odd_name = "odd 'na=me' %41 \"db\" \\ & é";
    [[nodiscard]] static std::string percent_encoded(std::string_view text) {
        std::string out;
        for (const char c : text) out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        return out;
    }
    void expect_works(std::string_view source_text, std::string_view target_text,
                      std::map<std::string, std::string> environment = {}) {
        Pair& p = pair;
        std::filesystem::remove_all(p.dir);
        environment.insert(
            {{"PGCOPYDB_SOURCE_PGURI", std::string{source_text}}, {"PGCOPYDB_TARGET_PGURI", std::string{target_text}}});
        auto snapshot = p.program("ts-snapshot", {"--yes"}, environment);
        snapshot->wait_for_line("Snapshot ID created successfully.");
        auto migrate = p.program("ts-migrate", {"--yes"}, environment);
        migrate->wait_for_line("Target has caught up with source");
        migrate->signal(SIGUSR1);
        migrate->expect_exit(0);
        snapshot->expect_exit(0);
        EXPECT_TRUE(databases_are_equal(p.source, p.target));
        p.program("ts-clean", {"--prune"}, environment)->expect_exit(0);
        p.target.sql(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC; ALTER SCHEMA "
            "public OWNER TO pg_database_owner");
    }
    Pair pair{PairOptions{.source = {.settings = {"wal_level=logical"}, .tcp = true},
                          .target = {.tcp = true},
                          .database = std::string{odd_name}}};
};

TEST_F(ConnectionStrings, of_every_form_work) {
    pair.source.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    const auto port = [](const TestServer& server) { return server.conninfo().value("port").value(); };
    const auto password = percent_encoded(TestServer::password());
    const auto source = fmt::format("postgresql://postgres:{}@127.0.0.1:{}/{}?connect_timeout=10", password,
                                    port(pair.source_server), percent_encoded(odd_name));
    const auto target = fmt::format("postgres://postgres@127.0.0.1:{}/{}?password={}", port(pair.target_server),
                                    percent_encoded(odd_name), password);
    expect_works(source, target);
    expect_works(pair.source_server.tcp_conninfo(odd_name).to_string(),
                 pair.target_server.tcp_conninfo(odd_name).to_string());

    // A service file, and a password file.
    const auto home = Scratch::instance().make_directory("h");
    std::ofstream(home / "services") << fmt::format(
        "[here]\nhost=127.0.0.1\nport={}\nuser=postgres\ndbname={}\n[there]\nhost=127.0.0.1\nport={}\nuser="
        "postgres\ndbname={}\n",
        port(pair.source_server), odd_name, port(pair.target_server), odd_name);
    std::ofstream(home / "passwords") << fmt::format("127.0.0.1:*:*:*:{}\n", TestServer::password());
    std::filesystem::permissions(home / "passwords", std::filesystem::perms{0600});
    expect_works("service=here", "service=there",
                 {{"PGSERVICEFILE", (home / "services").string()}, {"PGPASSFILE", (home / "passwords").string()}});
}

TEST(Environment, names_are_tried_in_order_and_the_command_line_wins) {
    Pair pair;
    pair.source.sql("CREATE TABLE t (id int PRIMARY KEY)");
    const std::string wrong = "host=/nowhere dbname=wrong";
    const auto run = [&](std::vector<std::string> arguments, const std::map<std::string, std::string>& environment) {
        arguments.insert(arguments.begin(), {"--yes", "--prune"});
        Program clean("ts-clean", arguments, environment);
        EXPECT_EQ(clean.wait_exit(), 0) << clean.output();
    };
    const auto dir = (pair.dir / "..").string();
    run({}, {{"PGCOPYDB_SOURCE_PGURI", pair.source.uri()},
             {"PGCOPYDB_TARGET_PGURI", pair.target.uri()},
             {"SOURCE", wrong},
             {"TARGET", wrong},
             {"PGCOPYDB_DIR", pair.dir.string()}});
    run({}, {{"PGCOPYDB_SOURCE_PGURI", ""},
             {"SOURCE", pair.source.uri()},
             {"TARGET", pair.target.uri()},
             {"HOME", pair.dir.string()}});
    run({"--source", pair.source.uri(), "--target=" + pair.target.uri(), "--dir", pair.dir.string()},
        {{"PGCOPYDB_SOURCE_PGURI", wrong}, {"PGCOPYDB_TARGET_PGURI", wrong}, {"PGCOPYDB_DIR", "/nowhere"}});

    Program snapshot(
        "ts-snapshot", {"--yes"},
        {{"SOURCE", pair.source.uri()}, {"TARGET", pair.target.uri()}, {"HOME", pair.dir.parent_path().string()}});
    snapshot.wait_for_line("    ts-migrate --dir " + (pair.dir.parent_path() / "live-migration").string());
}

// A server that cannot be reached now is no mistake of the user's: the same command may work later.
TEST(ExitCode, tells_a_script_to_try_again) {
    Migration migration;
    migration.pair.source.sql("CREATE TABLE t (id int PRIMARY KEY)");
    migration.take_snapshot();
    migration.pair.target_server.stop();
    expect_outcome(migration.pair.migrate(), 75, {"ERROR: target: cannot connect"});
    migration.pair.target_server.start();
    migration.start();
    migration.wait_until_caught_up();
    migration.switch_over();
}

}  // namespace
}  // namespace tslive::harness
