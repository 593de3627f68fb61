#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/log.hpp"
#include "tslive/core/stop.hpp"

namespace tslive::schema {
namespace detail {

[[nodiscard]] inline Error system_error(std::string_view doing) {
    return {Recovery::operator_action, fmt::format("{}: {}", doing, std::strerror(errno))};
}

struct Pipe {
    Descriptor read, write;

    Pipe() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error("pipe");
        read = Descriptor{ends[0]};
        write = Descriptor{ends[1]};
    }
};

/// The child's arguments and environment as execve() wants them, made before fork(): after it nothing may allocate.
class ExecImage {
public:
    explicit ExecImage(const Command& command) : program_(command.program.string()) {
        texts_.push_back(program_);
        for (const auto& argument : command.arguments) texts_.push_back(argument);
        arguments_ = static_cast<std::ptrdiff_t>(texts_.size());
        for (char** variable = environ; *variable != nullptr; ++variable) {
            const std::string_view text{*variable};
            const std::string name{text.substr(0, text.find('='))};
            const bool dropped =
                std::find(command.without.begin(), command.without.end(), name) != command.without.end();
            if (!dropped && !command.environment.contains(name)) texts_.emplace_back(text);
        }
        for (const auto& [name, value] : command.environment) texts_.push_back(fmt::format("{}={}", name, value));

        for (auto text = texts_.begin(); text != texts_.end(); ++text) {
            if (text - texts_.begin() == arguments_) argv_.push_back(nullptr);
            (text - texts_.begin() < arguments_ ? argv_ : envp_).push_back(text->data());
        }
        if (argv_.size() == static_cast<std::size_t>(arguments_)) argv_.push_back(nullptr);
        envp_.push_back(nullptr);
    }

    [[nodiscard]] const char* program() const noexcept { return program_.c_str(); }
    [[nodiscard]] char* const* argv() const noexcept { return argv_.data(); }
    [[nodiscard]] char* const* envp() const noexcept { return envp_.data(); }

private:
    std::string program_;
    std::deque<std::string> texts_;
    std::ptrdiff_t arguments_ = 0;
    std::vector<char*> argv_, envp_;
};

/// The child's side of fork(), up to execve(). Other threads held locks when we forked, so only async-signal-safe calls
/// here.
[[noreturn]] inline void become(const ExecImage& image, pid_t parent, int output, int errors, int failure) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(127);  // it died before the line above
    ::setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int signal : {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE, SIGCHLD, SIGUSR1}) ::signal(signal, SIG_DFL);
    const int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input >= 0 && ::dup2(input, 0) >= 0 && ::dup2(output, 1) >= 0 && ::dup2(errors, 2) >= 0) {
        ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);  // what some library opened without the flag; older kernels refuse
        ::execve(image.program(), image.argv(), image.envp());
    }
    const int code = errno;
    [[maybe_unused]] const auto ignored = ::write(failure, &code, sizeof code);
    ::_exit(127);
}

/// A started child, killed and reaped when this object goes before it ended.
class Child {
public:
    explicit Child(const Command& command) {
        const ExecImage image(command);
        Pipe output, errors, failure;
        const pid_t parent = ::getpid();
        pid_ = ::fork();
        if (pid_ < 0) throw system_error("fork");
        if (pid_ == 0) become(image, parent, output.write.get(), errors.write.get(), failure.write.get());
        ::setpgid(pid_, pid_);  // here too, so that a kill below finds the group whoever ran first
        failure.write.reset();
        int code = 0;
        if (::read(failure.read.get(), &code, sizeof code) == static_cast<ssize_t>(sizeof code)) {
            reap();
            throw Error(Recovery::operator_action,
                        fmt::format("cannot run {}: {}", command.program.string(), std::strerror(code)),
                        "Check that the file exists and may be executed");
        }
        output_ = std::move(output.read);
        errors_ = std::move(errors.read);
        for (const int fd : {output_.get(), errors_.get()}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (pid_ > 0) {
            signal(SIGKILL);
            reap();
        }
    }

    [[nodiscard]] Descriptor& output() noexcept { return output_; }
    [[nodiscard]] Descriptor& errors() noexcept { return errors_; }

    void signal(int number) const noexcept {
        if (pid_ > 0) ::kill(-pid_, number);
    }
    /// @returns its wait status, once it has ended
    [[nodiscard]] std::optional<int> ended() noexcept {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == 0) return std::nullopt;
        pid_ = -1;
        return status;
    }
    /// SIGTERM, five seconds to go, SIGKILL; returns when it is gone.
    void terminate() noexcept {
        signal(SIGTERM);
        Waiter waiter;
        for (int tries = 0; tries < 500; ++tries) {
            if (ended()) return;
            waiter.sleep(std::chrono::milliseconds{10});
        }
        signal(SIGKILL);
        reap();
    }

private:
    void reap() noexcept {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
    }

    pid_t pid_ = -1;
    Descriptor output_, errors_;
};

/// Splits standard error into lines for the log, and keeps the last of them for the error message.
class ErrorLines {
public:
    explicit ErrorLines(std::string program) : program_(std::move(program)) {}

    void add(std::string_view text) {
        for (const char c : text) {
            if (c == '\n') end_line();
            else if (line_.size() < longest_line) line_ += c;
        }
    }
    void end_line() {
        if (line_.empty()) return;
        log::debug("{}: {}", program_, line_);
        last_.push_back(std::exchange(line_, {}));
        if (last_.size() > kept_lines) last_.pop_front();
    }
    [[nodiscard]] std::string last() const {
        std::string text;
        for (const auto& line : last_) text += (text.empty() ? "" : "\n") + line;
        return text;
    }

private:
    static constexpr std::size_t kept_lines = 12, longest_line = 2000;
    std::string program_, line_;
    std::deque<std::string> last_;
};

/// Reads what there is. @returns false at the end of the stream
template <typename Take>
[[nodiscard]] bool drain(const Descriptor& from, Take&& take) {
    std::array<char, 65536> buffer;
    for (;;) {
        const auto count = ::read(from.get(), buffer.data(), buffer.size());
        if (count > 0) take(std::string_view{buffer.data(), static_cast<std::size_t>(count)});
        else if (count == 0) return false;
        else if (errno != EINTR) return errno == EAGAIN || errno == EWOULDBLOCK;
    }
}

/// Takes in both streams to their ends.
inline void read_streams(Child& child, Waiter& waiter, Output& output, std::size_t output_limit, ErrorLines& errors) {
    const Descriptor both{::epoll_create1(EPOLL_CLOEXEC)};
    if (!both) throw system_error("epoll_create1");
    for (const auto* stream : {&child.output(), &child.errors()}) {
        epoll_event event{};
        event.events = EPOLLIN;
        if (::epoll_ctl(both.get(), EPOLL_CTL_ADD, stream->get(), &event) != 0) throw system_error("epoll_ctl");
    }
    const auto keep = [&](std::string_view text) {
        const auto room = output_limit - output.text.size();
        output.text += text.substr(0, room);
        if (text.size() > room) output.complete = false;
    };
    while (child.output() || child.errors()) {
        if (waiter.wait(both.get(), POLLIN) == Waiter::Outcome::stopped) {
            child.terminate();
            throw Stopped{};
        }
        if (child.output() && !drain(child.output(), keep)) child.output().reset();
        if (child.errors() && !drain(child.errors(), [&](std::string_view text) { errors.add(text); }))
            child.errors().reset();
    }
    errors.end_line();
}

[[nodiscard]] inline std::string how_it_ended(int status) {
    if (WIFSIGNALED(status))
        return fmt::format("was ended by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
    return fmt::format("ended with status {}", WEXITSTATUS(status));
}

}  // namespace detail

inline Output run_child(const Command& command, std::stop_token stop, std::size_t output_limit) {
    Waiter waiter(std::move(stop));
    waiter.throw_if_stopped();
    const auto name = command.program.filename().string();
    detail::ErrorLines errors(name);
    detail::Child child(command);
    Output output;
    detail::read_streams(child, waiter, output, output_limit, errors);

    // Both streams are closed, so it is ending; a child that closed them early is waited for here.
    auto status = child.ended();
    for (std::chrono::milliseconds pause{1}; !status; pause = std::min(pause * 2, std::chrono::milliseconds{100})) {
        if (!waiter.sleep(pause)) {
            child.terminate();
            throw Stopped{};
        }
        status = child.ended();
    }
    if (*status != 0) {
        const auto last = errors.last();
        throw Error(Recovery::operator_action, fmt::format("{} {}{}{}", name, detail::how_it_ended(*status),
                                                           last.empty() ? ", without a word" : ":\n", last));
    }
    return output;
}

inline void connect_by_environment(Command& command, const pg::ConnInfo& info) {
    for (const auto& [key, value] : info.secrets()) {
        if (key != "password")
            throw Error(
                Recovery::operator_action,
                fmt::format("{} cannot be given {}: it would have to stand among its arguments, where every user of "
                            "this machine "
                            "can read it",
                            command.program.filename().string(), key),
                fmt::format(
                    "Put {} into a service file (pg_service.conf, readable by you alone) and name the service in the "
                    "connection string, or use a key without a passphrase",
                    key));
        command.environment["PGPASSWORD"] = value;
    }
    command.arguments.push_back("--dbname=" + info.without_secrets().to_string());
    command.arguments.emplace_back("--no-password");  // there is nobody to ask
}

}  // namespace tslive::schema
