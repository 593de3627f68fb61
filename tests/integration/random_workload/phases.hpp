#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "integration/random_workload/script.hpp"

namespace tslive::random_workload {

/// The phase of a run, which is never another one while a transaction is under way. Any thread may call.
class Phases {
public:
    /// A transaction's stay in one phase.
    class Visit {
    public:
        explicit Visit(Phases& phases) : phases_(phases) {
            std::unique_lock lock(phases_.mutex_);
            phases_.changed_.wait(lock, [this] { return !phases_.changing_; });
            ++phases_.visitors_;
            phase_ = phases_.phase_;
        }
        Visit(const Visit&) = delete;
        Visit& operator=(const Visit&) = delete;
        ~Visit() {
            const std::scoped_lock lock(phases_.mutex_);
            --phases_.visitors_;
            phases_.changed_.notify_all();
        }
        [[nodiscard]] Phase phase() const { return phase_; }

    private:
        Phases& phases_;
        Phase phase_ = Phase::before;
    };

    /// Waits for the transactions under way.
    void change_to(Phase phase) {
        std::unique_lock lock(mutex_);
        changing_ = true;
        changed_.wait(lock, [this] { return visitors_ == 0; });
        phase_ = phase;
        changing_ = false;
        changed_.notify_all();
    }
    [[nodiscard]] Phase now() const {
        const std::scoped_lock lock(mutex_);
        return phase_;
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    Phase phase_ = Phase::before;
    bool changing_ = false;
    std::int64_t visitors_ = 0;
};

}  // namespace tslive::random_workload
