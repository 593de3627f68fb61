#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <compare>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/core/stop.hpp"

namespace tslive::spool {

/// How far the spool is durable: the writer publishes after each fsync, readers go no further and wait here for more.
/// Any thread may call any of its functions.
class Frontier {
public:
    struct End {
        std::uint64_t segment = 0;  ///< zero: nothing was published yet
        std::uint64_t offset = 0;   ///< in bytes; all before it is durable
        Lsn boundary;               ///< newest boundary before it: what may be confirmed to the source

        [[nodiscard]] bool past(std::uint64_t other_segment, std::uint64_t other_offset) const noexcept {
            return segment != other_segment ? segment > other_segment : offset > other_offset;
        }
    };

    /// One waiting thread's registration; publish() ends its wait.
    class Listener {
    public:
        explicit Listener(std::shared_ptr<Frontier> frontier)
            : frontier_(std::move(frontier)), wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
            if (!wakeup_) throw Error(Recovery::operator_action, fmt::format("eventfd: {}", std::strerror(errno)));
            const std::scoped_lock lock(frontier_->mutex_);
            frontier_->listeners_.push_back(wakeup_.get());
        }
        Listener(Listener&&) noexcept = default;
        Listener& operator=(Listener&& other) noexcept {
            if (this != &other) {
                leave();
                frontier_ = std::move(other.frontier_);
                wakeup_ = std::move(other.wakeup_);
            }
            return *this;
        }
        Listener(const Listener&) = delete;
        Listener& operator=(const Listener&) = delete;
        ~Listener() { leave(); }

        [[nodiscard]] Frontier& frontier() const noexcept { return *frontier_; }

        /// Waits until the end is past (segment, offset), the time is over, `waiter` is woken, or stop is requested.
        /// @returns whether the end is past it now
        bool wait_past(std::uint64_t segment, std::uint64_t offset, Waiter& waiter, std::chrono::milliseconds timeout) {
            const auto deadline = std::chrono::steady_clock::now() + timeout;
            while (!frontier_->end().past(segment, offset)) {
                const auto left =
                    std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
                const auto outcome = waiter.wait(wakeup_.get(), POLLIN, std::max(left, std::chrono::milliseconds{0}));
                if (outcome != Waiter::Outcome::ready) return frontier_->end().past(segment, offset);
                std::uint64_t seen = 0;
                [[maybe_unused]] const auto ignored = ::read(wakeup_.get(), &seen, sizeof seen);
            }
            return true;
        }

    private:
        void leave() noexcept {
            if (!frontier_) return;
            const std::scoped_lock lock(frontier_->mutex_);
            auto& listeners = frontier_->listeners_;
            listeners.erase(std::remove(listeners.begin(), listeners.end(), wakeup_.get()), listeners.end());
        }

        std::shared_ptr<Frontier> frontier_;
        Descriptor wakeup_;
    };

    [[nodiscard]] End end() const {
        const std::scoped_lock lock(mutex_);
        return end_;
    }

    /// @pre  everything before `end` has been fsynced, and `end` is not before the one of the call before
    void publish(const End& end) {
        const std::scoped_lock lock(mutex_);
        end_ = end;
        const std::uint64_t one = 1;
        for (const int listener : listeners_) {
            [[maybe_unused]] const auto ignored = ::write(listener, &one, sizeof one);
        }
    }

private:
    mutable std::mutex mutex_;
    End end_;
    std::vector<int> listeners_;
};

}  // namespace tslive::spool
