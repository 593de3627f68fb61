#pragma once

#include <algorithm>
#include <chrono>
#include <string_view>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/stop.hpp"

namespace tslive::pg {

/// How long a lost connection or a serialization failure is retried before it becomes the operator's.
struct RetryBudget {
    std::chrono::milliseconds first_wait{250};
    std::chrono::milliseconds longest_wait{15'000};
    std::chrono::seconds total{30 * 60};  ///< since the last success; a managed server may take this long to fail over
};

/// Whether trying again may help by itself.
[[nodiscard]] inline bool transient(const Error& error) noexcept {
    return error.recovery() == Recovery::reconnect || error.recovery() == Recovery::retry_transaction;
}

/// Counts one operation's failures and waits between them, visibly. One thread.
class Backoff {
public:
    explicit Backoff(RetryBudget budget = {}) : budget_(budget), wait_(budget.first_wait) {}

    /// Logs the failure and waits. @throws the current exception when the budget is used up; Stopped when asked to stop
    /// @pre called inside a catch block
    void failed(std::string_view doing, const Error& error, Waiter& waiter) {
        const auto now = std::chrono::steady_clock::now();
        if (!failing_) since_ = now;
        failing_ = true;
        if (now - since_ > budget_.total) throw;
        log::warning("{}: {}; trying again in {:.1f} s", doing, error.what(),
                     static_cast<double>(wait_.count()) / 1000);
        if (!waiter.sleep(wait_)) throw Stopped{};
        wait_ = std::min(wait_ * 2, budget_.longest_wait);
    }
    void succeeded() noexcept {
        failing_ = false;
        wait_ = budget_.first_wait;
    }

private:
    RetryBudget budget_;
    std::chrono::milliseconds wait_;
    std::chrono::steady_clock::time_point since_;
    bool failing_ = false;
};

/// Runs `work` until it succeeds; transient failures are retried within the budget, others pass through.
/// @pre `work` may be repeated: it opens its own connection, or is one transaction
template <typename Work>
auto retry(std::string_view doing, Waiter& waiter, Work&& work, RetryBudget budget = {}) {
    Backoff backoff(budget);
    for (;;) {
        try {
            return work();
        } catch (const Error& error) {
            if (!transient(error)) throw;
            backoff.failed(doing, error, waiter);
        }
    }
}

}  // namespace tslive::pg
