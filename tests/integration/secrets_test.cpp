#include "integration/support/migration.hpp"

#include <atomic>
#include <set>
#include <thread>

namespace tslive::harness {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Reads the command lines of a process and of all that it starts, as often as it can, as `ps` would.
class CommandLines {
public:
    explicit CommandLines(std::vector<pid_t> roots)
        : roots_(std::move(roots)), thread_([this](const std::stop_token& stop) {
              while (!stop.stop_requested()) {
                  for (const auto pid : roots_) look(pid);
                  std::this_thread::sleep_for(std::chrono::milliseconds{1});
              }
          }) {}
    /// All that was seen. @pre called once, at the end
    std::set<std::string> take() {
        thread_ = {};
        return std::move(seen_);
    }

private:
    void look(pid_t pid) {
        auto line = read_text(fmt::format("/proc/{}/cmdline", pid));
        std::replace(line.begin(), line.end(), '\0', ' ');
        seen_.insert(line);
        std::error_code ignored;
        for (std::filesystem::directory_iterator task{fmt::format("/proc/{}/task", pid), ignored}, end;
             !ignored && task != end; task.increment(ignored)) {
            std::ifstream children(task->path() / "children");
            for (pid_t child = 0; children >> child;) look(child);
        }
    }
    std::vector<pid_t> roots_;
    std::set<std::string> seen_;
    std::jthread thread_;
};

/// Files below a directory that hold the text.
std::vector<std::string> files_with(const std::filesystem::path& directory, std::string_view text) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
        if (entry.is_regular_file() && read_text(entry.path()).find(text) != std::string::npos)
            found.push_back(entry.path().string());
    return found;
}

class Secrets : public testing::Test {
protected:
    static constexpr std::string_view password = "hushhush-4711";
    void SetUp() override {
        for (auto* server : {&pair.source_server, &pair.target_server})
            server->sql("postgres", fmt::format("ALTER ROLE postgres PASSWORD '{}'", password));
        pair.source.sql(
            "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) i; "
            "CREATE TABLE no_key (v int); CREATE INDEX ON t (v)");
    }
    [[nodiscard]] static std::string uri(const TestServer& server) {
        return fmt::format("postgresql://postgres:{}@127.0.0.1:{}/app", password,
                           server.conninfo().value("port").value());
    }
    [[nodiscard]] std::unique_ptr<Program> run(std::string_view name, std::vector<std::string> arguments = {}) {
        if (on_the_command_line)
            arguments.insert(arguments.end(),
                             {"--source", uri(pair.source_server), "--target=" + uri(pair.target_server)});
        arguments.insert(arguments.end(), {"--dir", pair.dir.string(), "--yes"});
        if (on_the_command_line) return std::make_unique<Program>(name, arguments);
        return std::make_unique<Program>(name, arguments,
                                         std::map<std::string, std::string>{{"SOURCE", uri(pair.source_server)},
                                                                            {"TARGET", uri(pair.target_server)}});
    }
    void expect_secret_kept() {
        std::string said;
        auto snapshot = run("ts-snapshot");
        CommandLines of_snapshot({snapshot->pid()});
        snapshot->wait_for_line("Snapshot ID created successfully.");
        auto migrate = run("ts-migrate");
        if (on_the_command_line) migrate->wait_for_line("INFO");  // by its first word it has hidden what it was told
        CommandLines of_migrate({migrate->pid()});
        migrate->wait_for_line("Target has caught up with source");
        pair.source_server.drop_connections();
        pair.target_server.drop_connections();
        pair.source.sql("INSERT INTO t VALUES (5000, 'late')");
        migrate->signal(SIGUSR1);
        migrate->expect_exit(0);
        snapshot->expect_exit(0);
        said += snapshot->output() + migrate->output();
        EXPECT_THAT(said, Not(HasSubstr(std::string{password})));
        EXPECT_THAT(files_with(pair.dir, password), IsEmpty());
        auto lines = of_migrate.take();
        if (!on_the_command_line) lines.merge(of_snapshot.take());
        EXPECT_THAT(lines, testing::Contains(HasSubstr("pg_dump")));
        EXPECT_THAT(lines, testing::Each(Not(HasSubstr(std::string{password}))));
        for (const auto& server : {&pair.source_server, &pair.target_server})
            EXPECT_THAT(server->log(), Not(HasSubstr("application_name=" + std::string{password})));

        // What goes wrong is told without it, too.
        pair.target_server.stop();
        auto clean = run("ts-clean");
        clean->expect_exit(3);
        EXPECT_THAT(clean->output(), Not(HasSubstr(std::string{password})));
        EXPECT_THAT(files_with(pair.dir, password), IsEmpty());
    }
    Pair pair{PairOptions{.source = {.settings = {"wal_level=logical"}, .tcp = true}, .target = {.tcp = true}}};
    bool on_the_command_line = false;
};

TEST_F(Secrets, of_the_environment_are_in_no_command_line_file_or_message) { expect_secret_kept(); }

TEST_F(Secrets, of_the_command_line_are_hidden_from_the_process_list) {
    on_the_command_line = true;
    expect_secret_kept();
}

TEST_F(Secrets, the_directory_is_for_its_owner_alone) {
    auto snapshot = run("ts-snapshot");
    snapshot->wait_for_line("Snapshot ID created successfully.");
    EXPECT_EQ(std::filesystem::status(pair.dir).permissions(), std::filesystem::perms{0700});
    for (const auto& entry : std::filesystem::recursive_directory_iterator(pair.dir))
        EXPECT_EQ(std::filesystem::status(entry.path()).permissions() & std::filesystem::perms{0077},
                  std::filesystem::perms{0})
            << entry.path();
}

}  // namespace
}  // namespace tslive::harness
