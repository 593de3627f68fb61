#include <csignal>
#include <filesystem>
#include <stop_token>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/core/stop.hpp"
#include "tslive/ui/continue_request.hpp"
#include "tslive/ui/keyboard.hpp"
#include "tslive/ui/prompt.hpp"
#include "tslive/ui/signals.hpp"
#include "unit/support/captured_log.hpp"
#include "unit/support/child_process.hpp"
#include "unit/support/pseudo_terminal.hpp"

namespace {

using namespace tslive;
using namespace tslive::ui;
using test::CapturedLog;
using test::ChildProcess;
using test::PseudoTerminal;

/// Waits in a thread of its own, as a phase of the migration does.
struct Asked {
    Asked(Prompt& prompt, std::stop_token stop)
        : thread([this, &prompt, stop] { answer = prompt.confirm("Tables without identity: public.metrics", stop); }) {}
    Answer answer = Answer::stopped;
    std::jthread thread;
};

TEST(Prompt, c_and_enter_on_a_terminal_continue) {
    CapturedLog log;
    const PseudoTerminal terminal;
    ContinueRequest request;
    Prompt prompt{request, {.input = terminal.descriptor()}};
    EXPECT_EQ(prompt.console(), Console::terminal);
    Asked asked{prompt, {}};
    ASSERT_TRUE(log.wait_for("Press 'c' and ENTER to continue"));
    EXPECT_EQ(log.lines().front(), "Tables without identity: public.metrics");
    terminal.type("\nno\ncc\n C \n");
    asked.thread.join();
    EXPECT_EQ(asked.answer, Answer::continue_);
    EXPECT_FALSE(request.requested()) << "the answer is used up";
}

TEST(Prompt, sigusr1_answers_on_a_terminal_too) {
    CapturedLog log;
    ContinueRequest request;
    const Signals signals{request};
    const PseudoTerminal terminal;
    Prompt prompt{request, {.input = terminal.descriptor()}};
    Asked asked{prompt, signals.stop_token()};
    ASSERT_TRUE(log.wait_for("Press 'c'"));
    ::kill(::getpid(), SIGUSR1);
    asked.thread.join();
    EXPECT_EQ(asked.answer, Answer::continue_);
}

TEST(Prompt, without_a_terminal_it_names_the_process_and_waits_for_sigusr1) {
    for (const bool closed : {false, true}) {
        CapturedLog log;
        ContinueRequest request;
        const Signals signals{request};
        const Descriptor null{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
        Prompt prompt{request, {.input = closed ? -1 : null.get()}};
        EXPECT_EQ(prompt.console(), Console::none);
        Asked asked{prompt, signals.stop_token()};
        ASSERT_TRUE(log.wait_for(fmt::format("Send SIGUSR1 to process {0} to continue (kill -USR1 {0})", ::getpid())));
        ::kill(::getpid(), SIGUSR1);
        asked.thread.join();
        EXPECT_EQ(asked.answer, Answer::continue_);
    }
}

TEST(Prompt, yes_answers_at_once) {
    ContinueRequest request;
    Prompt prompt{request, {.yes = true, .input = -1}};
    EXPECT_EQ(prompt.confirm("Really?", {}), Answer::continue_);
    EXPECT_FALSE(request.requested());
}

TEST(Prompt, a_stop_request_ends_the_question) {
    CapturedLog log;
    const PseudoTerminal terminal;
    ContinueRequest request;
    Prompt prompt{request, {.input = terminal.descriptor()}};
    std::stop_source stop;
    Asked asked{prompt, stop.get_token()};
    ASSERT_TRUE(log.wait_for("Press 'c'"));
    stop.request_stop();
    asked.thread.join();
    EXPECT_EQ(asked.answer, Answer::stopped);
    EXPECT_EQ(prompt.confirm("Again?", stop.get_token()), Answer::stopped);
}

TEST(Prompt, what_came_before_the_question_does_not_answer_it) {
    CapturedLog log;
    ContinueRequest request;
    request.request();
    Prompt prompt{request, {.input = -1}};
    std::stop_source stop;
    Asked asked{prompt, stop.get_token()};
    ASSERT_TRUE(log.wait_for("An earlier request to continue is not taken as the answer"));
    ASSERT_TRUE(log.wait_for("Send SIGUSR1"));
    stop.request_stop();
    asked.thread.join();
    EXPECT_EQ(asked.answer, Answer::stopped);
}

TEST(Prompt, a_loop_sees_the_request_and_keeps_it) {
    CapturedLog log;
    const PseudoTerminal terminal;
    ContinueRequest request;
    const Prompt prompt{request, {.input = terminal.descriptor()}};
    EXPECT_FALSE(request.requested());
    terminal.type("c\n");
    ASSERT_TRUE(log.wait_for("'c' received: going on"));
    terminal.type("c\n");
    ASSERT_TRUE(log.wait_for("'c' received again"));
    EXPECT_TRUE(request.requested());
    EXPECT_TRUE(request.requested());
}

TEST(Prompt, texts_name_what_there_is_to_do) {
    EXPECT_EQ(how_to_continue(Console::terminal, 12345), "Press 'c' and ENTER to continue");
    EXPECT_EQ(how_to_continue(Console::none, 12345), "Send SIGUSR1 to process 12345 to continue (kill -USR1 12345)");
    EXPECT_EQ(how_to_stop_replication(Console::terminal, 12345), "To stop replication, hit 'c' and then ENTER");
    EXPECT_EQ(how_to_stop_replication(Console::none, 12345),
              "To stop replication, send SIGUSR1 to process 12345 (kill -USR1 12345)");
}

/// Threads of this process, a sanitizer's included.
int count_threads() {
    int threads = 0;
    for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator{"/proc/self/task"}) ++threads;
    return threads;
}

TEST(Keyboard, ends_by_itself_when_the_window_is_closed) {
    const int threads = count_threads();
    PseudoTerminal terminal;
    ContinueRequest request;
    const Keyboard keyboard{terminal.descriptor(), request};
    terminal.hang_up();
    while (count_threads() > threads) std::this_thread::yield();
    EXPECT_FALSE(request.requested());
}

TEST(Keyboard, ends_by_itself_at_the_end_of_what_is_no_terminal) {
    const int threads = count_threads();
    const Descriptor null{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    ContinueRequest request;
    const Keyboard keyboard{null.get(), request};
    while (count_threads() > threads) std::this_thread::yield();
    EXPECT_FALSE(request.requested());
}

TEST(Keyboard, listens_on_after_control_d) {
    const PseudoTerminal terminal;
    ContinueRequest request;
    const Keyboard keyboard{terminal.descriptor(), request};
    terminal.type("\x04");
    terminal.type("c\n");
    EXPECT_TRUE(request.wait_and_take({}));
}

TEST(Keyboard, a_line_without_end_does_not_grow) {
    const PseudoTerminal terminal;
    ContinueRequest request;
    const Keyboard keyboard{terminal.descriptor(), request};
    for (int i = 0; i < 100; ++i) terminal.type(std::string(1000, 'c') + '\x04');
    terminal.type("\nc\n");
    EXPECT_TRUE(request.wait_and_take({}));
}

// The kernel stops a background job that reads its terminal, and with it the migration.
TEST(Keyboard, a_process_in_the_background_goes_on_and_listens_once_it_is_in_front) {
    const PseudoTerminal terminal;
    terminal.type("c\n");
    ChildProcess shell{[&](const ChildProcess::Say& say) {
        ::setsid();
        ::ioctl(terminal.descriptor(), TIOCSCTTY, 0);
        ::signal(SIGTTOU, SIG_IGN);
        ChildProcess job{[&](const ChildProcess::Say& job_says) {
            ::setpgid(0, 0);
            CapturedLog log;
            ContinueRequest request;
            const Keyboard keyboard{terminal.descriptor(), request};
            if (log.wait_for("in the background")) job_says("background");
            if (request.wait_and_take({})) job_says("heard");
        }};
        say(job.line());
        ::tcsetpgrp(terminal.descriptor(), job.id());
        say(job.line());
    }};
    EXPECT_EQ(shell.line(), "background");
    EXPECT_EQ(shell.line(), "heard");
}

}  // namespace
