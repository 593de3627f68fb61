#pragma once

#include <array>
#include <csignal>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tslive/core/stop.hpp"

namespace tslive::test {

/// A forked copy of the test that talks to it through a pipe. Fork before the test makes threads.
class ChildProcess {
public:
    /// What the child tells its parent with.
    using Say = std::function<void(std::string_view)>;

    /// @param body  runs in the child, which ends with it; what it throws is said as "exception: ..."
    explicit ChildProcess(const std::function<void(const Say&)>& body) {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
        Descriptor reading{ends[0]}, writing{ends[1]};
        id_ = ::fork();
        if (id_ < 0) throw std::runtime_error("fork");
        if (id_ == 0) run(body, writing.get());
        heard_ = std::move(reading);
    }
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ~ChildProcess() { kill(); }

    [[nodiscard]] pid_t id() const noexcept { return id_; }

    /// Waits for the next line that the child says; empty when it ended instead.
    [[nodiscard]] std::string line() {
        std::string text;
        for (char c = 0; ::read(heard_.get(), &c, 1) == 1 && c != '\n';) text += c;
        return text;
    }
    /// Kills it as `kill -9` does, and waits until it is gone.
    void kill() {
        if (id_ <= 0) return;
        ::kill(id_, SIGKILL);
        ::waitpid(id_, nullptr, 0);
        id_ = -1;
    }

private:
    [[noreturn]] static void run(const std::function<void(const Say&)>& body, int writing) {
        const auto say = [writing](std::string_view text) {
            const auto line = std::string{text} + '\n';
            [[maybe_unused]] const auto ignored = ::write(writing, line.data(), line.size());
        };
        try {
            body(say);
        } catch (const std::exception& e) {
            say(std::string{"exception: "} + e.what());
        }
        ::_exit(0);
    }

    pid_t id_ = -1;
    Descriptor heard_;
};

/// Becomes an ordinary user, for whom permissions count, when the tests run as root. For a child process only.
inline void drop_privileges() {
    constexpr unsigned nobody = 65534;
    if (::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) throw std::runtime_error("setuid");
}

}  // namespace tslive::test
