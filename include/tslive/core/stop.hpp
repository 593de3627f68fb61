#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stop_token>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/error.hpp"

namespace tslive {

/// Owns a file descriptor.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
    void reset() noexcept {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

private:
    int fd_ = -1;
};

/// Waits on a descriptor in such a way that a stop request ends the wait at once.
///
/// One owner thread waits; the stop request and `wake()` may come from any thread.
class Waiter {
public:
    enum class Outcome { ready, timeout, woken, stopped };

    explicit Waiter(std::stop_token stop = {})
        : wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), stop_(std::move(stop)),
          on_stop_(stop_, Wake{wakeup_.get()}) {
        if (!wakeup_) throw Error(Recovery::operator_action, fmt::format("eventfd: {}", std::strerror(errno)));
    }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    /// @param fd       descriptor to poll, or -1 to wait for time, wake() or stop alone
    /// @param events   POLLIN and/or POLLOUT
    /// @param timeout  none: without end
    [[nodiscard]] Outcome wait(int fd, short events, std::optional<std::chrono::milliseconds> timeout = {}) {
        if (stop_.stop_requested()) return Outcome::stopped;
        pollfd polled[2] = {{wakeup_.get(), POLLIN, 0}, {fd, events, 0}};
        const auto deadline = std::chrono::steady_clock::now() + timeout.value_or(std::chrono::milliseconds{0});
        for (;;) {
            int wait_ms = -1;
            if (timeout) {
                const auto left =
                    std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
                wait_ms = left.count() > 0 ? static_cast<int>(left.count()) : 0;
            }
            const int count = ::poll(polled, fd >= 0 ? 2 : 1, wait_ms);
            if (count < 0 && errno != EINTR)
                throw Error(Recovery::operator_action, fmt::format("poll: {}", std::strerror(errno)));
            if (stop_.stop_requested()) return Outcome::stopped;
            if (count < 0) continue;
            if (count == 0) return Outcome::timeout;
            if ((polled[0].revents & POLLIN) != 0) {
                std::uint64_t seen = 0;
                [[maybe_unused]] const auto ignored = ::read(wakeup_.get(), &seen, sizeof seen);
                return Outcome::woken;
            }
            return Outcome::ready;
        }
    }

    /// @returns false when stop was requested before the time was over
    bool sleep(std::chrono::milliseconds time) { return wait(-1, 0, time) != Outcome::stopped; }

    void wake() noexcept { Wake{wakeup_.get()}(); }
    [[nodiscard]] const std::stop_token& token() const noexcept { return stop_; }
    void throw_if_stopped() const {
        if (stop_.stop_requested()) throw Stopped{};
    }

private:
    struct Wake {
        int fd;
        void operator()() const noexcept {
            const std::uint64_t one = 1;
            [[maybe_unused]] const auto ignored = ::write(fd, &one, sizeof one);
        }
    };

    Descriptor wakeup_;
    std::stop_token stop_;
    std::stop_callback<Wake> on_stop_;
};

}  // namespace tslive
