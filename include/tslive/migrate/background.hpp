#pragma once

#include <exception>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "tslive/core/error.hpp"

namespace tslive::migrate {

/// Threads that belong to one command: the first failure stops everything and is thrown where the command waits.
///
/// token() is stopped by the user's stop request, by a failure, or by stop(). One owner thread.
class Background {
public:
    explicit Background(const std::stop_token& user) : on_user_stop_(user, [this] { stop_.request_stop(); }) {}
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;
    ~Background() { stop_.request_stop(); }

    template <typename Work>
    void start(Work work) {
        threads_.emplace_back([this, work = std::move(work)]() mutable {
            try {
                work(stop_.get_token());
            } catch (const Stopped&) {
                return;
            } catch (...) {
                fail(std::current_exception());
            }
        });
    }

    [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }
    void rethrow() const {
        const std::scoped_lock lock(mutex_);
        if (failure_) std::rethrow_exception(failure_);
    }
    /// Ends all threads and waits for them. @throws what one of them failed with
    void stop() {
        stop_.request_stop();
        threads_.clear();
        rethrow();
    }

private:
    void fail(std::exception_ptr failure) {
        {
            const std::scoped_lock lock(mutex_);
            if (!failure_) failure_ = std::move(failure);
        }
        stop_.request_stop();
    }

    mutable std::mutex mutex_;
    std::exception_ptr failure_;
    std::stop_source stop_;
    std::stop_callback<std::function<void()>> on_user_stop_;
    std::list<std::jthread> threads_;  // last: joined first
};

}  // namespace tslive::migrate
