#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <exception>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <poll.h>
#include <unistd.h>

#include "tslive/core/log.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/ui/continue_request.hpp"

namespace tslive::ui {

/// Listens to a terminal: a line `c` is a continue request; other lines are ignored. Ends by itself when the terminal
/// is gone.
class Keyboard {
public:
    /// @param terminal     descriptor of the terminal, stays open while this object lives
    /// @param on_continue  outlives this object
    Keyboard(int terminal, ContinueRequest& on_continue)
        : terminal_(terminal), continue_request_(on_continue),
          thread_([this](const std::stop_token& ending) { listen(ending); }) {}

private:
    static constexpr std::chrono::milliseconds background_pause{500};
    static constexpr std::size_t longest_line = 4096;

    void listen(const std::stop_token& ending) noexcept {
        // A process in the background that reads its terminal is stopped by the kernel, unless it blocks this: then the
        // read fails.
        sigset_t reading_in_background;
        sigemptyset(&reading_in_background);
        sigaddset(&reading_in_background, SIGTTIN);
        pthread_sigmask(SIG_BLOCK, &reading_in_background, nullptr);
        try {
            Waiter waiter(ending);
            for (;;) {
                const auto outcome = waiter.wait(terminal_, POLLIN);
                if (outcome == Waiter::Outcome::stopped) return;
                if (outcome == Waiter::Outcome::ready && !read_some(waiter)) return;
            }
        } catch (const std::exception& e) {
            log::warning("the keyboard is no longer listened to: {}", e.what());
        }
    }

    /// @returns false when nothing will come any more
    bool read_some(Waiter& waiter) {
        char text[256];
        const auto count = ::read(terminal_, text, sizeof text);
        if (count > 0) {
            background_ = false;
            take({text, static_cast<std::size_t>(count)});
            return true;
        }
        const int error = count < 0 ? errno : 0;
        if (error == EINTR || error == EAGAIN) return true;
        if (!alive()) return false;
        if (error == EIO) {
            if (!std::exchange(background_, true)) log::debug("in the background: the keyboard is not listened to");
            return waiter.sleep(background_pause);
        }
        return error == 0;  // Ctrl-D: the next line can still come
    }

    /// Whether the terminal is still connected. One that has hung up is ready to be read for ever, and there is nothing
    /// in it.
    [[nodiscard]] bool alive() const {
        pollfd polled{terminal_, POLLIN, 0};
        return ::poll(&polled, 1, 0) >= 0 && (polled.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0 &&
               ::isatty(terminal_) == 1;
    }

    void take(std::string_view text) {
        for (const char c : text) {
            if (c != '\n') {
                if (line_.size() < longest_line) line_ += c;
                continue;
            }
            const auto first = line_.find_first_not_of(" \t\r");
            const auto last = line_.find_last_not_of(" \t\r");
            const bool one_character = first != std::string::npos && first == last;
            if (one_character && (line_[first] == 'c' || line_[first] == 'C'))
                request_continue(continue_request_, "'c'");
            line_.clear();
        }
    }

    int terminal_;
    ContinueRequest& continue_request_;
    std::string line_;
    bool background_ = false;
    std::jthread thread_;
};

}  // namespace tslive::ui
