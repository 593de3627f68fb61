#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>

namespace tslive {

/// Where time comes from, so that a test can hold it. `now()` never goes back; any thread may call it.
/// Production: SteadyClock. Tests: a value they set.
template <typename C>
concept Clock = requires(const C& clock) {
    { clock.now() } -> std::same_as<std::chrono::steady_clock::time_point>;
};

struct SteadyClock {
    [[nodiscard]] std::chrono::steady_clock::time_point now() const noexcept {
        return std::chrono::steady_clock::now();
    }
};
static_assert(Clock<SteadyClock>);

/// The server's wire form of a time: microseconds since 2000-01-01 00:00:00 UTC.
/// Source: PostgreSQL documentation, "Logical Replication Message Formats".
struct ServerTime {
    std::int64_t microseconds = 0;

    [[nodiscard]] static ServerTime from(std::chrono::system_clock::time_point time) noexcept {
        const auto since_unix = std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
        return {since_unix - epoch_after_unix};
    }
    [[nodiscard]] std::chrono::system_clock::time_point to_system() const noexcept {
        return std::chrono::system_clock::time_point{std::chrono::microseconds{microseconds + epoch_after_unix}};
    }
    friend constexpr auto operator<=>(const ServerTime&, const ServerTime&) = default;

private:
    static constexpr std::int64_t epoch_after_unix = 946'684'800'000'000;
};

}  // namespace tslive
