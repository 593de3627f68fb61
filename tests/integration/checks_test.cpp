#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/harness/server.hpp"
#include "tslive/checks/run.hpp"

namespace tslive::checks {
namespace {

using harness::Database;
using harness::TestServer;
using testing::AllOf;
using testing::HasSubstr;

MATCHER_P2(Says, weight, text, "") {
    *result_listener << fmt::format("{}", arg);
    return arg.weight == weight && arg.text.find(text) != std::string::npos &&
           (weight < Weight::warning || !arg.remedy.empty());
}

/// A Unix socket that leads to one server and the next, connection by connection, as a load balancer does.
class AlternatingAddress {
public:
    explicit AlternatingAddress(std::vector<pg::ConnInfo> servers)
        : servers_(std::move(servers)), directory_(harness::Scratch::instance().make_directory("relay")),
          listener_(make_socket()) {
        const auto address = address_in(directory_);
        if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_.get(), 16) != 0)
            throw harness::system_failure("listen in " + directory_.string());
        thread_ = std::jthread([this](std::stop_token stop) { serve(stop); });
    }
    [[nodiscard]] std::string directory() const { return directory_.string(); }

private:
    struct Pipe {
        Descriptor from, to;
    };
    static Descriptor make_socket() { return Descriptor{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)}; }
    static sockaddr_un address_in(const std::filesystem::path& directory) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const auto path = (directory / ".s.PGSQL.5432").string();
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        return address;
    }
    void serve(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            std::vector<pollfd> polled{{listener_.get(), POLLIN, 0}};
            for (const auto& pipe : pipes_) polled.push_back({pipe.from.get(), POLLIN, 0});
            ::poll(polled.data(), polled.size(), 20);
            for (std::size_t i = polled.size() - 1; i > 0; --i)
                if (polled[i].revents != 0 && !forward(pipes_[i - 1]))
                    pipes_.erase(pipes_.begin() + static_cast<std::ptrdiff_t>(i - 1));
            if (polled[0].revents != 0) accept();
        }
    }
    void accept() {
        Descriptor client{::accept(listener_.get(), nullptr, nullptr)};
        Descriptor server = make_socket();
        const auto address = address_in(servers_[next_++ % servers_.size()].value("host").value());
        if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
        Descriptor client_too{::dup(client.get())}, server_too{::dup(server.get())};
        pipes_.push_back({std::move(client), std::move(server)});
        pipes_.push_back({std::move(server_too), std::move(client_too)});
    }
    static bool forward(const Pipe& pipe) {
        char buffer[65536];
        const auto count = ::read(pipe.from.get(), buffer, sizeof buffer);
        if (count > 0 && ::write(pipe.to.get(), buffer, static_cast<std::size_t>(count)) == count) return true;
        ::shutdown(pipe.to.get(), SHUT_WR);
        return false;
    }

    std::vector<pg::ConnInfo> servers_;
    std::filesystem::path directory_;
    Descriptor listener_;
    std::vector<Pipe> pipes_;
    std::size_t next_ = 0;
    std::jthread thread_;
};

/// Two servers for all tests, with a role `humble` that has no rights of its own; each test has a database on both.
class Checks : public testing::Test {
protected:
    static void SetUpTestSuite() {
        source_server = std::make_unique<TestServer>(std::initializer_list<std::string>{"wal_level=logical"});
        target_server = std::make_unique<TestServer>();
        for (auto* server : {source_server.get(), target_server.get()})
            server->sql("postgres", "CREATE ROLE humble LOGIN");
    }
    static void TearDownTestSuite() {
        source_server.reset();
        target_server.reset();
        tight_server.reset();
    }
    /// A source that has too little of everything.
    static TestServer& tight() {
        if (!tight_server)
            tight_server = std::make_unique<TestServer>(
                std::initializer_list<std::string>{"max_replication_slots=1", "max_wal_senders=1",
                                                   "max_slot_wal_keep_size=1GB", "old_snapshot_threshold=1h"});
        return *tight_server;
    }

    Checks() {
        static int count = 0;
        const auto name = fmt::format("checks{}", ++count);
        source = source_server->create_database(name);
        target = target_server->create_database(name);
    }
    std::vector<Finding> all() {
        options.source = source.conninfo();
        options.target = target.conninfo();
        return run(options);
    }
    Finding find(std::string_view check) {
        for (auto& finding : all())
            if (finding.check == check) return finding;
        return {std::string{check}, Weight::passed, "no such check was run", {}};
    }
    static void as_member_of_an_extension(const Database& database, std::string_view name, std::string_view version) {
        database.sql("CREATE EXTENSION citext");
        database.sql(fmt::format("UPDATE pg_extension SET extname = '{}', extversion = '{}' WHERE extname = 'citext'",
                                 name, version));
    }

    static inline std::unique_ptr<TestServer> source_server, target_server, tight_server;
    Database source{pg::ConnInfo{}}, target{pg::ConnInfo{}};
    Options options;
};

TEST_F(Checks, pass_for_good_ends_and_leave_nothing_behind) {
    source.sql("CREATE TABLE t(id int PRIMARY KEY)");
    for (const auto& finding : all()) EXPECT_EQ(finding.weight, Weight::passed) << fmt::format("{}", finding);
    EXPECT_EQ(
        source.number("SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots)"), 0);
    EXPECT_EQ(
        target.number(
            "SELECT (SELECT count(*) FROM pg_replication_origin) + (SELECT count(*) FROM pg_class WHERE oid >= 16384)"),
        0);
}

TEST_F(Checks, find_everything_at_once) {
    source.sql("CREATE TABLE t(id int); CREATE UNLOGGED TABLE u(id int PRIMARY KEY)");
    target.sql("CREATE TABLE t(id int)");
    options.table_jobs = 500;
    std::vector<std::string> names;
    for (const auto& finding : all())
        if (finding.weight >= Weight::warning) names.push_back(finding.check);
    EXPECT_THAT(names, testing::UnorderedElementsAre("source.connections", "source.replica_identity",
                                                     "source.unlogged_tables", "target.connections", "target.empty"));
}

TEST_F(Checks, stop_when_they_are_asked_to) {
    options.source = source.conninfo();
    options.target = target.conninfo();
    std::stop_source stop;
    stop.request_stop();
    EXPECT_THROW(run(options, stop.get_token()), Stopped);
}

TEST_F(Checks, find_an_end_that_does_not_answer_and_check_the_other) {
    options.source = source.conninfo();
    options.target = target.conninfo().with("dbname", "nowhere");
    const auto findings = run(options);
    EXPECT_EQ(findings[0].check, "source.reachable");
    EXPECT_THAT(findings[1], Says(Weight::fatal, "nowhere"));
    EXPECT_EQ(findings.back().check, "source.replica_triggers");
}

TEST_F(Checks, go_on_with_one_end_when_the_other_is_lost) {
    options.tools_check = [](int) {
        source_server->drop_connections("ts-live check");
        return passed("fine");
    };
    std::vector<std::string> grave, names;
    for (const auto& finding : all()) {
        names.push_back(finding.check);
        if (finding.weight == Weight::fatal) grave.push_back(fmt::format("{}: {}", finding.check, finding.text));
    }
    EXPECT_THAT(grave,
                testing::ElementsAre("source.reachable: the connection to the source was lost during the checks"));
    EXPECT_EQ(names.back(), "target.replication_origin");
}

TEST_F(Checks, find_an_address_that_leads_to_more_than_one_server) {
    const AlternatingAddress address({source.conninfo(), target.conninfo()});
    source = Database{source.conninfo().with("host", address.directory())};
    EXPECT_THAT(find("source.one_server"), Says(Weight::fatal, "two connections led to two servers"));
}

TEST_F(Checks, find_a_wal_level_that_is_not_logical) {
    source = tight().database();
    EXPECT_THAT(find("source.wal_level"), Says(Weight::fatal, "wal_level is replica"));
}

TEST_F(Checks, find_too_few_replication_slots) {
    source = tight().database();
    EXPECT_THAT(find("source.replication_slots"),
                Says(Weight::fatal, "0 of 1 replication slots are in use, and 2 more needed"));
}

TEST_F(Checks, find_too_few_wal_senders) {
    source = tight().database();
    EXPECT_THAT(find("source.wal_senders"), Says(Weight::fatal, "0 of 1 WAL senders are in use"));
}

TEST_F(Checks, find_a_limit_on_what_a_slot_may_keep) {
    source = tight().database();
    EXPECT_THAT(find("source.slot_limits"), Says(Weight::warning, "max_slot_wal_keep_size is 1GB"));
}

TEST_F(Checks, find_snapshots_that_expire) {
    source = tight().database();
    EXPECT_THAT(find("source.old_snapshot_threshold"), Says(Weight::warning, "old_snapshot_threshold is 1h"));
}

TEST_F(Checks, find_a_role_that_may_not_replicate) {
    source = source.as("humble");
    EXPECT_THAT(find("source.replication"), Says(Weight::fatal, "role humble cannot open a replication connection"));
}

TEST_F(Checks, find_a_role_that_may_not_publish) {
    source.sql(
        "CREATE TABLE mine(id int PRIMARY KEY); ALTER TABLE mine OWNER TO humble; CREATE TABLE theirs(id int PRIMARY "
        "KEY)");
    const auto name = source.name();
    source = source.as("humble");
    EXPECT_THAT(find("source.publication"), Says(Weight::fatal, "lacks CREATE on the database"));
    source_server->sql(name, fmt::format("GRANT CREATE ON DATABASE {} TO humble", name));
    EXPECT_THAT(find("source.publication"), Says(Weight::fatal, "does not own 1: public.theirs"));
    source_server->sql(name, "ALTER TABLE theirs OWNER TO humble");
    EXPECT_THAT(find("source.publication"), Says(Weight::note, "published by name"));
}

TEST_F(Checks, find_tables_and_sequences_that_may_not_be_read) {
    source.sql(
        "CREATE SCHEMA closed; CREATE TABLE closed.t(id int PRIMARY KEY); GRANT SELECT ON closed.t TO humble; CREATE "
        "SEQUENCE s;"
        "CREATE TABLE open(id int PRIMARY KEY); GRANT SELECT ON open TO humble");
    source = source.as("humble");
    EXPECT_THAT(find("source.read_rights"),
                Says(Weight::fatal, "may not read 2 tables and sequences: closed.t, public.s"));
}

TEST_F(Checks, find_tables_whose_rows_policies_hide) {
    source.sql(
        "CREATE TABLE t(id int PRIMARY KEY); ALTER TABLE t ENABLE ROW LEVEL SECURITY; GRANT SELECT ON t TO humble;"
        "CREATE TABLE own(id int PRIMARY KEY); ALTER TABLE own OWNER TO humble; ALTER TABLE own ENABLE ROW LEVEL "
        "SECURITY;"
        "CREATE TABLE forced(id int PRIMARY KEY); ALTER TABLE forced OWNER TO humble; ALTER TABLE forced FORCE ROW "
        "LEVEL SECURITY;"
        "ALTER TABLE forced ENABLE ROW LEVEL SECURITY");
    EXPECT_THAT(find("source.row_security"), Says(Weight::passed, ""));
    source = source.as("humble");
    EXPECT_THAT(find("source.row_security"),
                Says(Weight::fatal, "on 2 tables, which cannot be copied whole: public.forced, public.t"));
}

TEST_F(Checks, are_not_ended_by_timeouts_of_role_and_database) {
    source.sql("CREATE ROLE hasty LOGIN SUPERUSER; ALTER ROLE hasty SET statement_timeout = '1min'");
    source.sql(fmt::format("ALTER DATABASE {} SET idle_in_transaction_session_timeout = '1min'", source.name()));
    source = source.as("hasty");
    EXPECT_THAT(find("source.timeouts"), Says(Weight::passed, ""));
    EXPECT_THAT(find("source.replication"), Says(Weight::passed, ""));
}

TEST_F(Checks, name_transactions_that_a_new_slot_waits_for) {
    options.long_transaction = std::chrono::seconds{0};
    auto reader = source.connect();
    reader.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class");
    EXPECT_THAT(find("source.transactions"), Says(Weight::passed, ""));
    auto elsewhere = source_server->database("postgres").connect();
    elsewhere.exec("BEGIN; SELECT  txid_current()");
    EXPECT_THAT(find("source.transactions"),
                Says(Weight::warning, fmt::format("process {} of postgres in postgres", elsewhere.backend_pid())));
    elsewhere.exec("ROLLBACK");
    source.sql("CREATE TABLE t(id int)");
    source.sql("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'forgotten'");
    EXPECT_THAT(find("source.transactions"),
                Says(Weight::warning, "prepared transaction 'forgotten' of postgres in " + source.name()));
    source.sql("ROLLBACK PREPARED 'forgotten'");
}

TEST_F(Checks, say_when_the_role_may_not_see_how_old_transactions_are) {
    auto writer = source.connect();
    writer.exec("BEGIN; SELECT txid_current()");
    source = source.as("humble");
    EXPECT_THAT(find("source.transactions"), Says(Weight::note, "may not see for how long"));
}

TEST_F(Checks, refuse_standbys) {
    TestServer standby{"wal_level=logical"};
    standby.stop();
    std::ofstream(standby.data_dir() / "standby.signal") << '\n';
    standby.start();
    source = standby.database();
    EXPECT_THAT(find("source.standby"), Says(Weight::fatal, "the source is a standby"));
    source = source_server->database();
    target = standby.database();
    EXPECT_THAT(find("target.standby"), Says(Weight::fatal, "the target is a standby"));
}

TEST_F(Checks, name_tables_without_replica_identity) {
    source.sql("CREATE TABLE bare(id int); CREATE TABLE only_unique(id int NOT NULL UNIQUE)");
    EXPECT_THAT(find("source.replica_identity"), Says(Weight::warning, "2 tables have no replica identity"));
}

TEST_F(Checks, name_unlogged_tables) {
    source.sql("CREATE UNLOGGED TABLE quick(id int PRIMARY KEY)");
    EXPECT_THAT(find("source.unlogged_tables"), Says(Weight::warning, "public.quick"));
}

TEST_F(Checks, find_large_objects) {
    source.sql("SELECT lo_create(0)");
    EXPECT_THAT(find("source.large_objects"), Says(Weight::warning, "compared at the switch-over"));
}

TEST_F(Checks, name_triggers_that_would_act_twice) {
    source.sql(
        "CREATE TABLE t(id int PRIMARY KEY); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN "
        "NEW; END';"
        "CREATE TRIGGER audit AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t ENABLE ALWAYS TRIGGER "
        "audit");
    EXPECT_THAT(find("source.replica_triggers"), Says(Weight::warning, "audit on public.t"));
}

TEST_F(Checks, name_functions_that_may_need_a_search_path) {
    source.sql(
        "CREATE TABLE t(id int PRIMARY KEY, v text); CREATE FUNCTION lean(text) RETURNS text LANGUAGE sql IMMUTABLE AS "
        "'SELECT lower($1)'; "
        "CREATE FUNCTION sure(text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = public AS 'SELECT "
        "lower($1)'; "
        "CREATE FUNCTION unused(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)'");
    EXPECT_EQ(find("source.search_path").weight, Weight::passed);
    source.sql("CREATE INDEX ON t (lean(v)); CREATE INDEX ON t (sure(v))");
    EXPECT_THAT(find("source.search_path"), Says(Weight::note, "public.lean(text)"));
    EXPECT_THAT(find("source.search_path").text, Not(HasSubstr("sure")));
}

TEST_F(Checks, find_too_few_connections) {
    options.table_jobs = 92;
    EXPECT_THAT(find("source.connections"), Says(Weight::fatal, "98 connections are needed"));
    options.table_jobs = options.index_jobs = 4;
    EXPECT_THAT(find("target.connections"), Says(Weight::passed, "14 are needed"));
    target.sql("CREATE ROLE few LOGIN CONNECTION LIMIT 13");
    target = target.as("few");
    EXPECT_THAT(find("target.connections"), Says(Weight::fatal, "the role's CONNECTION LIMIT"));
}

TEST_F(Checks, find_that_the_target_is_the_source) {
    target = source;
    EXPECT_THAT(find("target.not_the_source"), Says(Weight::fatal, "the target is the source"));
    target = source_server->database("postgres");
    EXPECT_THAT(find("target.not_the_source"), Says(Weight::note, "on the same server"));
}

TEST_F(Checks, find_objects_that_the_target_has_already) {
    const auto objects =
        "CREATE TABLE t(id int PRIMARY KEY); CREATE TYPE mood AS ENUM ('good'); "
        "CREATE FUNCTION f(integer, text) RETURNS int LANGUAGE sql AS 'SELECT 1'";
    source.sql(objects);
    EXPECT_THAT(find("target.empty"), Says(Weight::passed, ""));
    target.sql(objects);
    EXPECT_THAT(find("target.empty"),
                Says(Weight::fatal,
                     "3 objects of the same names as the source's: function public.f(integer, text), "
                     "relation public.t, type public.mood"));
    options.resuming = true;
    EXPECT_THAT(find("target.empty"), Says(Weight::passed, "resumes"));
}

TEST_F(Checks, do_not_take_an_extensions_objects_for_the_users) {
    source.sql("CREATE EXTENSION citext");
    target.sql("CREATE EXTENSION citext; CREATE TABLE another(id int)");
    EXPECT_THAT(find("target.empty"), Says(Weight::passed, ""));
    EXPECT_THAT(find("target.extensions"), Says(Weight::passed, ""));
}

TEST_F(Checks, find_extensions_that_the_target_lacks) {
    as_member_of_an_extension(source, "imaginary", "1.0");
    EXPECT_THAT(find("target.extensions"), Says(Weight::fatal, "imaginary 1.0"));
    options.skip_extensions = {"imaginary"};
    EXPECT_THAT(find("target.extensions"), Says(Weight::passed, ""));
    options.skip_extensions.clear();
    options.skip_all_extensions = true;
    EXPECT_THAT(find("target.extensions"), Says(Weight::note, "left out"));
}

TEST_F(Checks, find_extensions_of_other_versions) {
    as_member_of_an_extension(source, "citext", "99.0");
    EXPECT_THAT(find("target.extensions"), Says(Weight::warning, "citext 99.0 (target: 1.6)"));
}

TEST_F(Checks, find_encodings_that_do_not_go_together) {
    target = target_server->create_database("latin", "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    EXPECT_THAT(find("target.encoding"), Says(Weight::fatal, "the source is in UTF8 and the target in LATIN1"));
    EXPECT_THAT(find("target.locale"), Says(Weight::warning, "the source sorts by C.UTF-8"));
}

TEST_F(Checks, find_collations_that_the_target_lacks) {
    source.sql(
        "CREATE COLLATION pg_catalog.far_away FROM \"C.utf8\"; CREATE COLLATION fine FROM \"C.utf8\";"
        "CREATE TABLE t(id int PRIMARY KEY, a text COLLATE pg_catalog.far_away, b text COLLATE fine)");
    EXPECT_THAT(find("target.collations"), Says(Weight::fatal, "pg_catalog.far_away"));
    source.sql("ALTER TABLE t DROP COLUMN a");
    EXPECT_THAT(find("target.collations"), Says(Weight::passed, ""));
}

TEST_F(Checks, find_a_role_that_may_not_set_session_replication_role) {
    target = target.as("humble");
    const auto finding = find("target.session_replication_role");
    EXPECT_THAT(finding, Says(Weight::fatal, "role humble may not set session_replication_role"));
    EXPECT_THAT(finding.remedy, HasSubstr("GRANT SET ON PARAMETER session_replication_role TO \"humble\""));
    target_server->sql("postgres", "GRANT SET ON PARAMETER session_replication_role TO humble");
    EXPECT_THAT(find("target.session_replication_role"), Says(Weight::passed, ""));
    target_server->sql("postgres", "REVOKE SET ON PARAMETER session_replication_role FROM humble");
}

TEST_F(Checks, find_a_role_that_may_not_use_replication_origins) {
    target = target.as("humble");
    EXPECT_THAT(find("target.replication_origin"), Says(Weight::note, "pg_replication_origin_create"));
}

TEST_F(Checks, find_a_role_that_may_not_create_on_the_target) {
    source.sql("CREATE TABLE t(id int PRIMARY KEY)");
    const auto name = target.name();
    target = target.as("humble");
    EXPECT_THAT(find("target.privileges"), Says(Weight::fatal, "may not create schemas"));
    target_server->sql(name, fmt::format("GRANT CREATE ON DATABASE {} TO humble", name));
    EXPECT_THAT(find("target.privileges"), Says(Weight::fatal, "in these schemas of the target: public"));
    target_server->sql(name, "GRANT CREATE ON SCHEMA public TO humble");
    EXPECT_THAT(find("target.privileges"), Says(Weight::passed, ""));
}

TEST_F(Checks, find_roles_that_nobody_may_make_on_the_target) {
    source.sql("CREATE ROLE clerk");
    EXPECT_THAT(find("target.roles"), Says(Weight::passed, ""));
    target = target.as("humble");
    EXPECT_THAT(find("target.roles"), Says(Weight::fatal, "clerk"));
    options.skip_roles = true;
    EXPECT_THAT(find("target.roles"), Says(Weight::note, "left out"));
    source.sql("DROP ROLE clerk");
}

TEST_F(Checks, ask_whoever_knows_about_the_tools) {
    options.tools_check = [](int version) { return fatal(fmt::format("nothing for {}", version), "Install it"); };
    EXPECT_THAT(find("tools"), Says(Weight::fatal, fmt::format("nothing for {}", source.connect().server_version())));
    options.tools_check = [](int) -> Verdict { throw Error(Recovery::operator_action, "no pg_dump", "Install it"); };
    EXPECT_THAT(find("tools"), Says(Weight::fatal, "no pg_dump"));
}

}  // namespace
}  // namespace tslive::checks
