#pragma once

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "integration/harness/eventually.hpp"
#include "integration/harness/failure.hpp"
#include "integration/harness/scratch.hpp"
#include "tslive/core/stop.hpp"

namespace tslive::harness {

/// A user of the operating system.
struct Account {
    uid_t uid;
    gid_t gid;

    /// Whom servers run as: ourselves, or, since PostgreSQL refuses root, `postgres`, else `nobody`.
    [[nodiscard]] static std::optional<Account> for_servers() {
        if (::geteuid() != 0) return std::nullopt;
        for (const char* name : {"postgres", "nobody"})
            if (const auto* entry = ::getpwnam(name); entry != nullptr) return Account{entry->pw_uid, entry->pw_gid};
        throw Failure("running as root, and there is neither a user postgres nor a user nobody to run servers as");
    }
};

struct SpawnOptions {
    std::vector<std::string> arguments = {};  ///< the first is the program, found in PATH when it has no slash
    std::map<std::string, std::string> environment = {};  ///< added to ours, from which libpq's (PG…) are taken out
    std::filesystem::path directory = "/";
    std::optional<Account> account = {};
    int output = -1;  ///< descriptor for stdout; -1: thrown away
    int errors = -1;  ///< descriptor for stderr; -1: thrown away
};

/// A child process in its own process group. It is killed when the object goes, and by the guardian when we go. One
/// owning thread; `signal` may be called from any while the object lives.
class Child {
public:
    Child() = default;
    explicit Child(const SpawnOptions& options);
    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), status_(other.status_) {}
    Child& operator=(Child&& other) noexcept {
        if (this != &other) {
            end();
            pid_ = std::exchange(other.pid_, -1);
            status_ = other.status_;
        }
        return *this;
    }
    ~Child() { end(); }

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] bool started() const noexcept { return pid_ > 0; }
    [[nodiscard]] bool running() { return started() && !exit_code(); }

    /// Its exit code, or 128 + the signal that ended it, as a shell says it; nothing while it runs.
    [[nodiscard]] std::optional<int> exit_code() {
        if (!started() || status_) return status_;
        siginfo_t info{};
        if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return std::nullopt;
        reap();
        return status_;
    }
    /// @throws Failure  when it still runs after `timeout`
    int wait(std::chrono::milliseconds timeout = patience) {
        eventually(
            fmt::format("process {} has ended", pid_), [&] { return exit_code().has_value(); }, timeout);
        return *status_;
    }
    void signal(int number) const {
        if (started() && !status_) ::kill(pid_, number);
    }
    /// SIGKILL to it and to its process group; returns when it is gone.
    void kill_9() {
        if (!started() || status_) return;
        ::kill(-pid_, SIGKILL);
        ::kill(pid_, SIGKILL);
        reap();
    }

    /// The processes it started and that still run. @pre it is alive
    [[nodiscard]] std::vector<pid_t> children() const {
        std::ifstream list(fmt::format("/proc/{0}/task/{0}/children", pid_));
        std::vector<pid_t> found;
        for (pid_t pid = 0; list >> pid;) found.push_back(pid);
        return found;
    }

private:
    void end() noexcept {
        try {
            kill_9();
        } catch (const std::exception&) {  // the guardian is gone: so are we, soon
            return;
        }
    }
    void reap() {
        Scratch::instance().forget(pid_);
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
        status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    pid_t pid_ = -1;
    std::optional<int> status_;
};

inline Child::Child(const SpawnOptions& options) {
    auto& scratch = Scratch::instance();
    std::vector<char*> arguments;
    for (const auto& argument : options.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);

    std::vector<std::string> settings;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text{*entry};
        // PGHOST and its like would reach libpq behind the test's back.
        if (!text.starts_with("PG") && !options.environment.contains(std::string{text.substr(0, text.find('='))}))
            settings.emplace_back(text);
    }
    for (const auto& [name, value] : options.environment) settings.push_back(name + '=' + value);
    std::vector<char*> environment;
    for (auto& setting : settings) environment.push_back(setting.data());
    environment.push_back(nullptr);

    const auto directory = options.directory.string();
    const auto program = options.arguments.at(0);
    pid_ = ::fork();
    if (pid_ < 0) throw system_failure("fork");
    if (pid_ == 0) {  // only async-signal-safe calls from here
        ::setpgid(0, 0);
        sigset_t none;
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        if (options.account && (::setgroups(1, &options.account->gid) != 0 || ::setgid(options.account->gid) != 0 ||
                                ::setuid(options.account->uid) != 0))
            ::_exit(126);
        const int null = ::open("/dev/null", O_RDWR);
        ::dup2(null, 0);
        ::dup2(options.output >= 0 ? options.output : null, 1);
        ::dup2(options.errors >= 0 ? options.errors : null, 2);
        ::close_range(3, ~0U, 0);
        if (::chdir(directory.c_str()) != 0) ::_exit(126);
        ::execvpe(program.c_str(), arguments.data(), environment.data());
        ::_exit(127);
    }
    ::setpgid(pid_, pid_);  // here too: whoever comes first
    scratch.watch(pid_);
}

/// What a tool wrote, both streams together.
struct ToolOutput {
    int exit_code;
    std::string text;
};

/// Runs a program to its end. `output` and `errors` of the options are ours.
[[nodiscard]] inline ToolOutput run_tool(SpawnOptions options) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw system_failure("pipe");
    const Descriptor read_end{ends[0]};
    Descriptor write_end{ends[1]};
    options.output = options.errors = write_end.get();
    Child child{options};
    write_end.reset();
    std::string text;
    char buffer[16384];
    for (ssize_t count = 0; (count = ::read(read_end.get(), buffer, sizeof buffer)) != 0;) {
        if (count > 0) text.append(buffer, static_cast<std::size_t>(count));
        if (count < 0 && errno != EINTR) throw system_failure("read from " + options.arguments.at(0));
    }
    return {child.wait(), std::move(text)};
}

/// The same, for tools that must succeed. @returns what it wrote
inline std::string run_tool_or_fail(SpawnOptions options) {
    auto output = run_tool(options);
    if (output.exit_code != 0)
        throw Failure(
            fmt::format("{} ended with {}:\n{}", fmt::join(options.arguments, " "), output.exit_code, output.text));
    return std::move(output.text);
}

}  // namespace tslive::harness
