#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>

namespace tslive::ui {

/// How fast a total grows: an exponential moving average over about `memory`, whatever the distance of the samples. One
/// thread.
class Rate {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    explicit Rate(std::chrono::duration<double> memory = std::chrono::seconds{30}) : memory_(memory) {}

    /// @param total  bytes, rows, or a WAL position, now; one below the last begins anew and keeps the average
    /// @param now    from the Clock; a sample without time since the last is left out
    void sample(std::uint64_t total, TimePoint now) {
        if (!last_ || total < last_->total) {
            last_ = Sample{total, now};
            return;
        }
        const std::chrono::duration<double> passed = now - last_->time;
        if (passed.count() <= 0) return;
        const double current = static_cast<double>(total - last_->total) / passed.count();
        const double weight = -std::expm1(-passed / memory_);
        per_second_ = per_second_ ? *per_second_ + weight * (current - *per_second_) : current;
        last_ = Sample{total, now};
    }

    /// Nothing before the second sample.
    [[nodiscard]] std::optional<double> per_second() const noexcept { return per_second_; }

private:
    struct Sample {
        std::uint64_t total;
        TimePoint time;
    };

    std::chrono::duration<double> memory_;
    std::optional<Sample> last_;
    std::optional<double> per_second_;
};

}  // namespace tslive::ui
