#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string_view>

#include "tslive/core/log.hpp"

namespace tslive::ui {

/// The user's wish to go on, from the keyboard or from SIGUSR1. It stays until it is taken, so that one that comes
/// early (before the target has caught up) is kept; a second one changes nothing. Any thread.
class ContinueRequest {
public:
    /// @returns false when there was one already
    bool request() {
        const std::scoped_lock lock(mutex_);
        if (requested_) return false;
        requested_ = true;
        changed_.notify_all();
        return true;
    }
    [[nodiscard]] bool requested() const {
        const std::scoped_lock lock(mutex_);
        return requested_;
    }
    /// Takes it away. @returns whether there was one
    bool take() {
        const std::scoped_lock lock(mutex_);
        const bool had = requested_;
        requested_ = false;
        return had;
    }
    /// Waits for one and takes it. @returns false when stop was requested first
    [[nodiscard]] bool wait_and_take(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [this] { return requested_; })) return false;
        requested_ = false;
        return true;
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    bool requested_ = false;
};

/// Makes the request and says on the log what becomes of it.
/// @param how  "SIGUSR1"
inline void request_continue(ContinueRequest& request, std::string_view how) {
    if (request.request()) log::info("{} received: going on as soon as that is possible", how);
    else log::info("{} received again: that was noted already", how);
}

}  // namespace tslive::ui
