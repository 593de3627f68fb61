#include <array>
#include <cerrno>
#include <csignal>
#include <stop_token>
#include <thread>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/core/stop.hpp"
#include "tslive/ui/continue_request.hpp"
#include "tslive/ui/signals.hpp"
#include "unit/support/captured_log.hpp"

namespace {

using namespace tslive;
using namespace tslive::ui;
using test::CapturedLog;

class SignalsEach : public testing::TestWithParam<int> {};

TEST_P(SignalsEach, becomes_one_stop_request_that_ends_a_wait) {
    CapturedLog log;
    ContinueRequest request;
    Signals signals{request};
    Waiter waiter{signals.stop_token()};
    ::kill(::getpid(), GetParam());
    EXPECT_EQ(waiter.wait(-1, 0), Waiter::Outcome::stopped);
    EXPECT_TRUE(log.wait_for("received: stopping; what is done so far is kept"));
    EXPECT_FALSE(request.requested());

    ::kill(::getpid(), GetParam());
    EXPECT_TRUE(log.wait_for("received again: stopping already"));
}

INSTANTIATE_TEST_SUITE_P(Signals, SignalsEach, testing::Values(SIGINT, SIGTERM),
                         [](const auto& instance) { return instance.param == SIGINT ? "sigint" : "sigterm"; });

// G5: it comes before the target has caught up, and it comes twice.
TEST(Signals, sigusr1_is_kept_until_taken_and_a_second_one_is_harmless) {
    CapturedLog log;
    ContinueRequest request;
    const Signals signals{request};
    ::kill(::getpid(), SIGUSR1);
    ASSERT_TRUE(log.wait_for("SIGUSR1 received: going on as soon as that is possible"));
    ::kill(::getpid(), SIGUSR1);
    ASSERT_TRUE(log.wait_for("SIGUSR1 received again: that was noted already"));
    EXPECT_FALSE(signals.stop_token().stop_requested());
    EXPECT_TRUE(request.requested());
    EXPECT_TRUE(request.take());
    EXPECT_FALSE(request.take());
}

TEST(Signals, are_not_delivered_to_threads_that_are_in_a_system_call) {
    CapturedLog log;
    ContinueRequest request;
    const Signals signals{request};
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const Descriptor reading{ends[0]};
    Descriptor writing{ends[1]};
    ssize_t outcome = 0;
    std::jthread blocked{[&] {
        char c = 0;
        outcome = ::read(reading.get(), &c, 1);
    }};
    ::kill(::getpid(), SIGUSR1);
    ASSERT_TRUE(log.wait_for("SIGUSR1 received"));
    ASSERT_EQ(::write(writing.get(), "x", 1), 1);
    blocked.join();
    EXPECT_EQ(outcome, 1);
}

TEST(Signals, writing_to_a_closed_pipe_is_an_error_and_not_the_end) {
    ContinueRequest request;
    const Signals signals{request};
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    Descriptor reading{ends[0]};
    const Descriptor writing{ends[1]};
    reading.reset();
    EXPECT_EQ(::write(writing.get(), "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
}

TEST(Signals, everything_is_as_before_once_it_is_gone) {
    {
        ContinueRequest request;
        const Signals signals{request};
        ::kill(::getpid(), SIGTERM);  // perhaps not read yet when the object goes: must not kill the test
    }
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    EXPECT_EQ(sigismember(&mask, SIGTERM), 0);
    EXPECT_EQ(sigismember(&mask, SIGUSR1), 0);
    struct ::sigaction pipe {};
    ::sigaction(SIGPIPE, nullptr, &pipe);
    EXPECT_EQ(pipe.sa_handler, SIG_DFL);
}

TEST(ContinueRequest, a_wait_ends_with_the_request_or_with_the_stop) {
    ContinueRequest request;
    std::stop_source stop;
    {
        const std::jthread user{[&] { request.request(); }};
        EXPECT_TRUE(request.wait_and_take(stop.get_token()));
    }
    EXPECT_FALSE(request.requested());
    const std::jthread user{[&] { stop.request_stop(); }};
    EXPECT_FALSE(request.wait_and_take(stop.get_token()));
}

}  // namespace
