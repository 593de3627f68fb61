#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "integration/harness/child.hpp"
#include "integration/harness/database.hpp"
#include "integration/harness/eventually.hpp"
#include "integration/harness/failure.hpp"
#include "integration/harness/scratch.hpp"
#include "integration/harness/template_cluster.hpp"

namespace tslive::harness {

/// Where the servers' programs are: $TSLIVE_PG_BIN, else version 15 of the distribution.
[[nodiscard]] inline std::filesystem::path default_bin_dir() {
    const char* chosen = std::getenv("TSLIVE_PG_BIN");
    std::filesystem::path path = chosen == nullptr ? "/usr/lib/postgresql/15/bin" : chosen;
    if (!std::filesystem::exists(path / "postgres"))
        throw Failure(fmt::format("no PostgreSQL server in {}: install postgresql-15, or name another by TSLIVE_PG_BIN",
                                  path.string()));
    return path;
}

struct ServerOptions {
    std::vector<std::string> settings = {};  ///< lines of postgresql.conf, after ours: "wal_level=logical"
    bool tcp = false;                        ///< also listen on 127.0.0.1, where a password (SCRAM) is asked for
    bool durable = false;  ///< fsync and full_page_writes on; for tests whose point is what a sync costs or promises
    std::filesystem::path bin_dir = {};  ///< another PostgreSQL than default_bin_dir()
};

/// A PostgreSQL server of the test's own, in a temporary directory, on a Unix socket; superuser `postgres`, trusted.
/// It stops and leaves nothing behind when the object goes. One owning thread; `database()` and what it gives are for
/// any.
class TestServer {
public:
    explicit TestServer(ServerOptions options = {});
    TestServer(std::initializer_list<std::string> settings) : TestServer(ServerOptions{.settings = settings}) {}
    TestServer(const TestServer&) = delete;
    TestServer& operator=(const TestServer&) = delete;
    ~TestServer();

    [[nodiscard]] Database database(std::string_view name = "postgres") const { return Database{conninfo(name)}; }
    /// @param options  what follows CREATE DATABASE name: "ENCODING 'SQL_ASCII' TEMPLATE template0"
    Database create_database(std::string_view name, std::string_view options = "") const {
        sql("postgres", fmt::format("CREATE DATABASE {} {}", pg::quote_identifier(name), options));
        return database(name);
    }
    pg::Result sql(std::string_view database_name, std::string_view text) const {
        return database(database_name).sql(text);
    }
    [[nodiscard]] pg::ConnInfo conninfo(std::string_view database_name = "postgres") const;
    /// By TCP, as `postgres` with its password. @pre options.tcp
    [[nodiscard]] pg::ConnInfo tcp_conninfo(std::string_view database_name = "postgres") const;
    [[nodiscard]] static std::string_view password() { return "it's a \"secret\" 100% @home"; }

    void start();
    /// Fast shutdown: clients are disconnected, everything is written.
    void stop() { shut_down(SIGINT); }
    void restart() {
        stop();
        start();
    }
    /// SIGKILL to the postmaster and every process of the server; returns when all are gone. `start()` then recovers.
    void kill_9();
    /// Ends the sessions whose application_name is LIKE the pattern. @returns how many
    int drop_connections(std::string_view pattern = "ts-live%") const;
    /// Adds a line to postgresql.conf and reloads; settings that need it take a restart().
    void configure(std::string_view setting);
    void reload() const { postmaster_.signal(SIGHUP); }

    [[nodiscard]] bool running() { return postmaster_.running(); }
    [[nodiscard]] pid_t pid() const noexcept { return postmaster_.pid(); }
    [[nodiscard]] const std::filesystem::path& bin_dir() const noexcept { return bin_dir_; }
    [[nodiscard]] std::filesystem::path data_dir() const { return home_ / "data"; }
    [[nodiscard]] std::filesystem::path log_file() const { return home_ / "log"; }
    [[nodiscard]] std::string log() const;
    [[nodiscard]] std::string log_tail(std::size_t lines = 30) const;

private:
    void write_settings(const ServerOptions& options) const;
    void shut_down(int signal_number);
    void wait_until_ready();
    [[nodiscard]] static int free_port();

    std::filesystem::path bin_dir_;
    std::filesystem::path home_;
    int port_ = 5432;
    Child postmaster_;
};

inline TestServer::TestServer(ServerOptions options)
    : bin_dir_(options.bin_dir.empty() ? default_bin_dir() : options.bin_dir),
      home_(Scratch::instance().make_directory("s")), port_(options.tcp ? free_port() : 5432) {
    if (const auto account = Account::for_servers(); account && ::chown(home_.c_str(), account->uid, account->gid) != 0)
        throw system_failure("chown " + home_.string());
    TemplateCluster::clone_to(data_dir(), bin_dir_);
    write_settings(options);
    start();
    if (options.tcp) sql("postgres", fmt::format("ALTER ROLE postgres PASSWORD {}", pg::quote_literal(password())));
}

inline TestServer::~TestServer() {
    try {
        if (testing::Test::HasFailure())
            fmt::print(stderr, "--- the end of the log of the server in {} ---\n{}---\n", home_.string(), log_tail());
        if (running()) shut_down(SIGQUIT);
        std::error_code ignored;
        if (std::getenv("TSLIVE_TEST_KEEP") == nullptr) std::filesystem::remove_all(home_, ignored);
    } catch (const std::exception& error) {
        fmt::print(stderr, "while a test server was removed: {}\n", error.what());
    }
}

inline void TestServer::write_settings(const ServerOptions& options) const {
    std::ofstream conf(data_dir() / "postgresql.conf", std::ios::app);
    conf << "\nunix_socket_directories = '" << home_.string() << "'\nport = " << port_ << "\nlisten_addresses = '"
         << (options.tcp ? "127.0.0.1" : "") << "'\n"
         << R"(max_connections = 100
max_wal_senders = 20
max_replication_slots = 20
max_prepared_transactions = 5
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
password_encryption = 'scram-sha-256'
log_line_prefix = '%m [%p] %a: '
)";
    if (!options.durable) conf << "fsync = off\nfull_page_writes = off\n";
    for (const auto& setting : options.settings) conf << setting << '\n';
    if (!conf.flush()) throw Failure("cannot write postgresql.conf");
    std::ofstream(data_dir() / "pg_hba.conf")
        << "local all all trust\nlocal replication all trust\n"
           "host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n";
}

inline pg::ConnInfo TestServer::conninfo(std::string_view database_name) const {
    return pg::ConnInfo{}
        .with("host", home_.string())
        .with("port", fmt::format("{}", port_))
        .with("user", "postgres")
        .with("dbname", database_name);
}

inline pg::ConnInfo TestServer::tcp_conninfo(std::string_view database_name) const {
    return conninfo(database_name).with("host", "127.0.0.1").with("password", password());
}

inline void TestServer::start() {
    const Descriptor log{::open(log_file().c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)};
    if (!log) throw system_failure("open " + log_file().string());
    postmaster_ = Child{{.arguments = {(bin_dir_ / "postgres").string(), "-D", data_dir().string()},
                         .environment = {{"LC_ALL", "C"}},
                         .directory = home_,
                         .account = Account::for_servers(),
                         .output = log.get(),
                         .errors = log.get()}};
    wait_until_ready();
}

inline void TestServer::wait_until_ready() {
    std::string last_error;
    const auto answers = [&] {
        if (!postmaster_.running()) throw Failure(fmt::format("a test server did not start:\n{}", log_tail()));
        try {
            database().sql("SELECT 1");
            return true;
        } catch (const Error& error) {
            last_error = error.what();
            return false;
        }
    };
    if (!becomes_true(answers))
        throw Failure(fmt::format("a test server does not answer: {}\n{}", last_error, log_tail()));
}

inline void TestServer::shut_down(int signal_number) {
    postmaster_.signal(signal_number);
    if (!becomes_true([&] { return !postmaster_.running(); })) {
        const auto tail = log_tail();
        kill_9();
        throw Failure(fmt::format("a test server did not stop:\n{}", tail));
    }
}

inline void TestServer::kill_9() {
    if (!running()) return;
    postmaster_.signal(SIGSTOP);  // so that it starts no process which we then miss
    const auto children = postmaster_.children();
    for (const pid_t child : children) ::kill(child, SIGKILL);
    postmaster_.kill_9();
    // A process of the old server that still holds the shared memory would keep the next start from succeeding.
    const auto gone = [](pid_t pid) {
        std::ifstream stat(fmt::format("/proc/{}/stat", pid));
        std::string text;
        std::getline(stat, text);
        const auto state = text.rfind(") ");
        return state == std::string::npos || text[state + 2] == 'Z' || text[state + 2] == 'X';
    };
    for (const pid_t child : children) eventually("a killed server process is gone", [&] { return gone(child); });
}

inline int TestServer::drop_connections(std::string_view pattern) const {
    return database().number<int>(
        fmt::format("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE {} AND "
                    "pid <> pg_backend_pid()",
                    pg::quote_literal(pattern)));
}

inline void TestServer::configure(std::string_view setting) {
    std::ofstream conf(data_dir() / "postgresql.conf", std::ios::app);
    conf << setting << '\n';
    if (!conf.flush()) throw Failure("cannot write postgresql.conf");
    if (running()) reload();
}

inline std::string TestServer::log() const {
    std::ifstream in(log_file());
    return {std::istreambuf_iterator<char>{in}, {}};
}

inline std::string TestServer::log_tail(std::size_t lines) const {
    const auto text = log();
    auto begin = text.size();
    for (std::size_t left = lines + 1; left > 0 && begin != std::string::npos && begin > 0; --left)
        begin = text.rfind('\n', begin - 1);
    return begin == std::string::npos ? text : text.substr(begin + (begin > 0 ? 1 : 0));
}

inline int TestServer::free_port() {
    const Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
        throw system_failure("find a free port");
    return ntohs(address.sin_port);
}

}  // namespace tslive::harness
