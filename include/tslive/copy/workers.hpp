#pragma once

#include <concepts>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "tslive/core/error.hpp"

namespace tslive::copy {

/// Threads that do one job together: the first failure stops the others, and reaches whoever joins.
///
/// One thread owns it. Destroying it stops the workers and waits for them.
class Workers {
public:
    /// @param outer  a stop request there stops the workers
    explicit Workers(const std::stop_token& outer) : forward_(outer, Forward{stop_}) {}
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;
    ~Workers() {
        stop_.request_stop();
        threads_.clear();
    }

    /// @param work  called with the token that ends its waits; may throw
    template <std::invocable<std::stop_token> Work>
    void start(Work work) {
        threads_.emplace_back([this, work = std::move(work)] {
            try {
                work(stop_.get_token());
            } catch (...) {
                failed(std::current_exception());
            }
        });
    }

    /// Waits for all. @throws what the first one that failed threw; Stopped when a stop was requested and nothing
    /// failed
    void join() {
        threads_.clear();
        if (failure_) std::rethrow_exception(failure_);
        if (stop_.stop_requested()) throw Stopped{};
    }
    [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }
    void request_stop() { stop_.request_stop(); }

private:
    struct Forward {
        std::stop_source stop;
        void operator()() const { std::stop_source{stop}.request_stop(); }
    };
    void failed(std::exception_ptr failure) {
        {
            const std::scoped_lock lock(mutex_);
            try {
                std::rethrow_exception(failure);
            } catch (const Stopped&) {  // somebody else's failure, or the user: not ours to report
            } catch (...) {
                if (!failure_) failure_ = std::move(failure);
            }
        }
        stop_.request_stop();
    }

    std::stop_source stop_;
    std::stop_callback<Forward> forward_;
    std::mutex mutex_;
    std::exception_ptr failure_;
    std::vector<std::jthread> threads_;
};

}  // namespace tslive::copy
