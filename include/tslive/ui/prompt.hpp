#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/log.hpp"
#include "tslive/ui/continue_request.hpp"
#include "tslive/ui/keyboard.hpp"

namespace tslive::ui {

enum class Answer {
    continue_,  // NOLINT(readability-identifier-naming): 'continue' is a keyword
    stopped,
};

/// How the user can tell this process to go on.
enum class Console {
    terminal,  ///< by `c` + ENTER, or by SIGUSR1
    none,      ///< by SIGUSR1 only
};

/// `Press 'c' and ENTER to continue`, or the command that does the same.
[[nodiscard]] inline std::string how_to_continue(Console console, int process = ::getpid()) {
    if (console == Console::terminal) return "Press 'c' and ENTER to continue";
    return fmt::format("Send SIGUSR1 to process {} to continue (kill -USR1 {})", process, process);
}

/// `To stop replication, hit 'c' and then ENTER`, or the command that does the same.
[[nodiscard]] inline std::string how_to_stop_replication(Console console, int process = ::getpid()) {
    if (console == Console::terminal) return "To stop replication, hit 'c' and then ENTER";
    return fmt::format("To stop replication, send SIGUSR1 to process {} (kill -USR1 {})", process, process);
}

struct PromptOptions {
    bool yes = false;          ///< `--yes`: every question is answered at once; no question about replication is one
    int input = STDIN_FILENO;  ///< listened to when it is a terminal; anything else is left alone
};

/// Asks the user on the log, and hears the answer from the keyboard or from SIGUSR1 (Signals feeds the same
/// ContinueRequest).
///
/// For a loop that goes on meanwhile, do not ask: say how_to_stop_replication() and look at
/// ContinueRequest::requested(). confirm() is for one thread at a time.
class Prompt {
public:
    /// @param request  outlives this object
    explicit Prompt(ContinueRequest& request, const PromptOptions& options = {})
        : request_(request), yes_(options.yes),
          console_(::isatty(options.input) == 1 ? Console::terminal : Console::none) {
        if (console_ == Console::terminal) keyboard_.emplace(options.input, request_);
    }

    [[nodiscard]] Console console() const noexcept { return console_; }

    /// Says the question and how to answer it, and waits for the answer. What was sent before the question is no answer
    /// to it.
    Answer confirm(std::string_view question, const std::stop_token& stop) {
        if (stop.stop_requested()) return Answer::stopped;
        log::info("{}", question);
        if (yes_) {
            log::info("Continuing, because of --yes");
            return Answer::continue_;
        }
        if (request_.take()) log::info("An earlier request to continue is not taken as the answer");
        log::info("{}", how_to_continue(console_));
        return request_.wait_and_take(stop) ? Answer::continue_ : Answer::stopped;
    }

private:
    ContinueRequest& request_;
    bool yes_;
    Console console_;
    std::optional<Keyboard> keyboard_;
};

}  // namespace tslive::ui
