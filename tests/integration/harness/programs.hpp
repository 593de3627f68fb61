#pragma once

#include <array>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <poll.h>
#include <regex.h>
#include <sys/eventfd.h>

#include <fmt/format.h>

#include "integration/harness/child.hpp"
#include "integration/harness/eventually.hpp"
#include "integration/harness/failure.hpp"
#include "integration/harness/scratch.hpp"

#ifndef TSLIVE_BIN_DIR
#define TSLIVE_BIN_DIR "build/dev/bin"
#endif

namespace tslive::harness {

/// An extended regular expression of POSIX.
class Pattern {
public:
    explicit Pattern(const std::string& text) {
        if (::regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
            throw Failure("bad regular expression: " + text);
    }
    Pattern(const Pattern&) = delete;
    Pattern& operator=(const Pattern&) = delete;
    ~Pattern() { ::regfree(&compiled_); }
    [[nodiscard]] bool matches(const std::string& line) const {
        return ::regexec(&compiled_, line.c_str(), 0, nullptr, 0) == 0;
    }

private:
    regex_t compiled_{};
};

/// One of our executables, running as a child in an empty directory of its own. Both its output streams are read all
/// the time, by lines.
/// It is killed when the object goes. One owning thread.
class Program {
public:
    /// @param name         "ts-migrate": looked up where the build puts its executables, or in $TSLIVE_BIN_DIR; a path
    ///                     is taken as it is
    /// @param environment  added to ours, from which libpq's (PG…) are taken out
    explicit Program(std::string_view name, const std::vector<std::string>& arguments,
                     std::map<std::string, std::string> environment = {});
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program() {
        child_.kill_9();
        ::eventfd_write(quit_.get(), 1);  // a child of its own may still hold the streams
        reader_.join();
    }

    /// Waits for a line (of either stream, seen before or yet to come) that holds `text`. @returns the line
    /// @throws Failure  with the output, at once when the program ends without having said it, or after `timeout`
    std::string wait_for_line(std::string_view text, std::chrono::milliseconds timeout = patience) {
        return wait_for(
            text, [&](const std::string& line) { return line.find(text) != std::string::npos; }, timeout);
    }
    std::string wait_for_match(const std::string& expression, std::chrono::milliseconds timeout = patience) {
        const Pattern pattern{expression};
        return wait_for(
            expression, [&](const std::string& line) { return pattern.matches(line); }, timeout);
    }
    [[nodiscard]] bool has_said(std::string_view text) const { return output().find(text) != std::string::npos; }
    /// What it has said so far no longer counts for wait_for_line and has_said.
    void forget_output() {
        const std::scoped_lock lock(mutex_);
        lines_.clear();
    }

    /// @returns exit code, or 128 + the signal that ended it
    /// @throws Failure  with the output, when it still runs after `timeout`
    int wait_exit(std::chrono::milliseconds timeout = patience) {
        if (!becomes_true([&] { return child_.exit_code().has_value(); }, timeout))
            throw Failure(fmt::format("{} still runs after {}; {}", name_, timeout, told()));
        wait_for_end_of_output();
        return *child_.exit_code();
    }
    /// @throws Failure  with the output, when it does not end with this exit code
    void expect_exit(int code = 0, std::chrono::milliseconds timeout = patience) {
        if (const int got = wait_exit(timeout); got != code)
            throw Failure(fmt::format("{} ended with {}, expected {}; {}", name_, got, code, told()));
    }
    [[nodiscard]] bool running() { return child_.running(); }

    void signal(int number) const { child_.signal(number); }
    void kill_9() { child_.kill_9(); }
    /// Stops it where it is, without its knowing, and lets it go on.
    void freeze() const { signal(SIGSTOP); }
    void thaw() const { signal(SIGCONT); }

    [[nodiscard]] pid_t pid() const noexcept { return child_.pid(); }
    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
    [[nodiscard]] std::string output() const {
        const std::scoped_lock lock(mutex_);
        return fmt::format("{}", fmt::join(lines_, "\n"));
    }
    /// Largest resident memory so far, in bytes; 0 when it has ended.
    [[nodiscard]] std::size_t peak_memory_bytes() const {
        std::ifstream status(fmt::format("/proc/{}/status", pid()));
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) * 1024;
        return 0;
    }

private:
    template <typename Match>
    std::string wait_for(std::string_view wanted, const Match& matches, std::chrono::milliseconds timeout);
    void read_streams(std::array<Descriptor, 2> ends);
    void add_output(std::string& rest, std::string_view text);
    void wait_for_end_of_output() {
        std::unique_lock lock(mutex_);
        said_.wait_for(lock, std::chrono::seconds{1},
                       [&] { return output_ended_; });  // a child of its may still hold the stream
    }
    [[nodiscard]] std::string told() const { return fmt::format("it said:\n{}\n---", output()); }

    std::string name_;
    std::filesystem::path directory_;
    mutable std::mutex mutex_;
    std::condition_variable said_;
    std::vector<std::string> lines_;  // of both streams, as they came
    bool output_ended_ = false;
    Descriptor quit_{::eventfd(0, EFD_CLOEXEC)};
    Child child_;
    std::jthread reader_;
};

inline Program::Program(std::string_view name, const std::vector<std::string>& arguments,
                        std::map<std::string, std::string> environment)
    : name_(name), directory_(Scratch::instance().make_directory("p")) {
    const char* chosen = std::getenv("TSLIVE_BIN_DIR");
    const auto path = name.find('/') != std::string_view::npos
                          ? std::filesystem::path{name}
                          : std::filesystem::path{chosen == nullptr ? TSLIVE_BIN_DIR : chosen} / name;
    if (!std::filesystem::exists(path)) throw Failure(fmt::format("{} is not built", path.string()));

    SpawnOptions options{.arguments = {path.string()}, .environment = std::move(environment), .directory = directory_};
    options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
    std::array<Descriptor, 2> read_ends, write_ends;
    for (std::size_t stream = 0; stream < 2; ++stream) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw system_failure("pipe");
        read_ends[stream] = Descriptor{ends[0]};
        write_ends[stream] = Descriptor{ends[1]};
    }
    options.output = write_ends[0].get();
    options.errors = write_ends[1].get();
    child_ = Child{options};
    reader_ = std::jthread([this, ends = std::move(read_ends)]() mutable { read_streams(std::move(ends)); });
}

inline void Program::read_streams(std::array<Descriptor, 2> ends) {
    std::array<std::string, 2> rest;
    while (ends[0] || ends[1]) {
        pollfd polled[] = {{ends[0].get(), POLLIN, 0}, {ends[1].get(), POLLIN, 0}, {quit_.get(), POLLIN, 0}};
        if (::poll(polled, 3, -1) < 0 && errno != EINTR) break;
        if (polled[2].revents != 0 && polled[0].revents == 0 && polled[1].revents == 0) break;
        for (std::size_t stream = 0; stream < 2; ++stream) {
            if (polled[stream].revents == 0) continue;
            char buffer[8192];
            const auto count = ::read(ends[stream].get(), buffer, sizeof buffer);
            if (count > 0) add_output(rest[stream], {buffer, static_cast<std::size_t>(count)});
            if (count == 0 || (count < 0 && errno != EINTR)) {
                if (!rest[stream].empty()) add_output(rest[stream], "\n");
                ends[stream].reset();
            }
        }
    }
    const std::scoped_lock lock(mutex_);
    output_ended_ = true;
    said_.notify_all();
}

inline void Program::add_output(std::string& rest, std::string_view text) {
    const std::scoped_lock lock(mutex_);
    for (const char c : text) {
        if (c != '\n' && c != '\r') {
            rest += c;
        } else if (!rest.empty()) {
            lines_.push_back(std::exchange(rest, {}));
        }
    }
    said_.notify_all();
}

template <typename Match>
std::string Program::wait_for(std::string_view wanted, const Match& matches, std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    std::unique_lock lock(mutex_);
    for (std::size_t next = 0;;) {
        if (next > lines_.size()) next = 0;
        for (; next < lines_.size(); ++next)
            if (matches(lines_[next])) return lines_[next];
        const bool ended = output_ended_;
        if (!ended && std::chrono::steady_clock::now() < deadline) {
            said_.wait_until(lock, deadline);
            continue;
        }
        lock.unlock();
        const auto code = child_.exit_code();
        throw Failure(fmt::format("{} {} without a line with '{}'; {}", name_,
                                  code ? fmt::format("ended with {}", *code) : fmt::format("ran {}", timeout), wanted,
                                  told()));
    }
}

}  // namespace tslive::harness
