#include <chrono>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tslive/core/stop.hpp"

namespace tslive {
namespace {

using namespace std::chrono_literals;
using Outcome = Waiter::Outcome;

struct Pipe {
    Pipe() {
        int ends[2];
        if (::pipe(ends) != 0) throw std::runtime_error("pipe");
        read = Descriptor{ends[0]};
        write = Descriptor{ends[1]};
    }
    Descriptor read, write;
};

TEST(Waiter, says_when_the_descriptor_is_ready) {
    Pipe pipe;
    Waiter waiter;
    EXPECT_EQ(waiter.wait(pipe.read.get(), POLLIN, 0ms), Outcome::timeout);
    ASSERT_EQ(::write(pipe.write.get(), "x", 1), 1);
    EXPECT_EQ(waiter.wait(pipe.read.get(), POLLIN), Outcome::ready);
    EXPECT_EQ(waiter.wait(pipe.write.get(), POLLOUT), Outcome::ready);
}

TEST(Waiter, a_closed_other_end_is_ready_and_not_waited_for) {
    Pipe pipe;
    pipe.write.reset();
    Waiter waiter;
    EXPECT_EQ(waiter.wait(pipe.read.get(), POLLIN), Outcome::ready);
}

TEST(Waiter, a_stop_request_ends_a_wait_without_end) {
    std::stop_source stop;
    Waiter waiter(stop.get_token());
    std::jthread other([&] { stop.request_stop(); });
    EXPECT_EQ(waiter.wait(-1, 0), Outcome::stopped);
    EXPECT_FALSE(waiter.sleep(1h));
    EXPECT_THROW(waiter.throw_if_stopped(), Stopped);
}

TEST(Waiter, a_stop_request_is_seen_before_what_is_ready) {
    Pipe pipe;
    ASSERT_EQ(::write(pipe.write.get(), "x", 1), 1);
    std::stop_source stop;
    stop.request_stop();
    Waiter waiter(stop.get_token());
    EXPECT_EQ(waiter.wait(pipe.read.get(), POLLIN), Outcome::stopped);
}

TEST(Waiter, a_wake_ends_one_wait) {
    Waiter waiter;
    std::jthread other([&] { waiter.wake(); });
    EXPECT_EQ(waiter.wait(-1, 0), Outcome::woken);
    EXPECT_EQ(waiter.wait(-1, 0, 0ms), Outcome::timeout);
    EXPECT_NO_THROW(waiter.throw_if_stopped());
}

TEST(Descriptor, has_one_owner) {
    Pipe pipe;
    const int fd = pipe.read.get();
    Descriptor moved = std::move(pipe.read);
    EXPECT_EQ(moved.get(), fd);
    EXPECT_FALSE(pipe.read);  // NOLINT(bugprone-use-after-move): what it is then is the point
    moved.reset();
    EXPECT_EQ(::close(fd), -1);
}

}  // namespace
}  // namespace tslive
