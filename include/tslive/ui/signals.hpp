#pragma once

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <exception>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/ui/continue_request.hpp"

// What a signal does:
//   SIGINT, SIGTERM  one stop request, which every wait obeys; the state that stays is resumable. A second only says so.
//   SIGUSR1          a continue request, kept until something takes it. A second only says so.
//   SIGPIPE          nothing: writing to a closed connection is an error of that connection.
// They are blocked in all threads and read from a descriptor by one, so that none arrives in the middle of anything.
namespace tslive::ui {

/// Turns the process's signals into a stop request and continue requests for as long as it lives.
///
/// Make it first in main(), before any thread: threads inherit what is blocked. So do child processes, which have to be
/// given an empty signal mask and the default SIGPIPE (posix_spawnattr_setsigmask, posix_spawnattr_setsigdefault).
class Signals {
public:
    /// @param on_continue  outlives this object
    explicit Signals(ContinueRequest& on_continue) : continue_request_(on_continue) {
        if (!descriptor_) throw Error(Recovery::operator_action, fmt::format("signalfd: {}", std::strerror(errno)));
        thread_ = std::jthread([this](const std::stop_token& ending) { listen(ending); });
    }

    [[nodiscard]] std::stop_token stop_token() const { return stop_.get_token(); }
    /// For a failure elsewhere that is to stop everything.
    [[nodiscard]] std::stop_source& stop_source() noexcept { return stop_; }

private:
    /// Blocks the signals; puts everything back as it was in the end.
    class Blocked {
    public:
        Blocked() {
            sigemptyset(&set_);
            for (const int number : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&set_, number);
            pthread_sigmask(SIG_BLOCK, &set_, &old_mask_);
            struct ::sigaction ignore {};
            ignore.sa_handler = SIG_IGN;
            ::sigaction(SIGPIPE, &ignore, &old_pipe_);
        }
        Blocked(const Blocked&) = delete;
        Blocked& operator=(const Blocked&) = delete;
        ~Blocked() {
            // One that came after the last look would kill the process now, while it ends in order.
            const ::timespec at_once{};
            while (::sigtimedwait(&set_, nullptr, &at_once) > 0) {
            }
            ::sigaction(SIGPIPE, &old_pipe_, nullptr);
            pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
        }
        [[nodiscard]] const sigset_t& set() const noexcept { return set_; }

    private:
        sigset_t set_{};
        sigset_t old_mask_{};
        struct ::sigaction old_pipe_ {};
    };

    void listen(const std::stop_token& ending) noexcept {
        try {
            Waiter waiter(ending);
            while (waiter.wait(descriptor_.get(), POLLIN) != Waiter::Outcome::stopped) {
                ::signalfd_siginfo info{};
                if (::read(descriptor_.get(), &info, sizeof info) == sizeof info)
                    handle(static_cast<int>(info.ssi_signo));
            }
        } catch (const std::exception& e) {
            log::error("signals are no longer received: {}", e.what());
        }
    }

    void handle(int number) {
        if (number == SIGUSR1) {
            request_continue(continue_request_, "SIGUSR1");
            return;
        }
        const auto* text = number == SIGINT ? "SIGINT" : "SIGTERM";
        // Said first: who waits for the stop may end the process at once.
        if (stop_.stop_requested()) log::info("{} received again: stopping already", text);
        else log::info("{} received: stopping; what is done so far is kept", text);
        stop_.request_stop();
    }

    ContinueRequest& continue_request_;
    std::stop_source stop_;
    Blocked blocked_;
    Descriptor descriptor_{::signalfd(-1, &blocked_.set(), SFD_CLOEXEC | SFD_NONBLOCK)};
    std::jthread thread_;
};

}  // namespace tslive::ui
