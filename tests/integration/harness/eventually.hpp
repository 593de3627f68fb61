#pragma once

#include <algorithm>
#include <chrono>
#include <string_view>
#include <thread>

#include <fmt/chrono.h>

#include "integration/harness/failure.hpp"

namespace tslive::harness {

/// How long a test waits for anything. Long, because it only ends runs that hang; a loaded machine is no failure.
inline constexpr std::chrono::seconds patience{60};

/// Polls `condition` until it is true.
/// @returns false when `timeout` passed without that
template <typename Condition>
[[nodiscard]] bool becomes_true(Condition&& condition, std::chrono::milliseconds timeout = patience) {
    using namespace std::chrono_literals;
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    for (auto pause = 2ms;; pause = std::min(2 * pause, 100ms)) {
        if (condition()) return true;
        if (std::chrono::steady_clock::now() >= deadline) return false;
        std::this_thread::sleep_for(pause);
    }
}

/// The same, for what a test cannot go on without.
/// @param what  names the condition in the failure: "the slot is active"
/// @throws Failure  after `timeout`
template <typename Condition>
void eventually(std::string_view what, Condition&& condition, std::chrono::milliseconds timeout = patience) {
    if (!becomes_true(condition, timeout)) throw Failure(fmt::format("waited {} in vain until {}", timeout, what));
}

}  // namespace tslive::harness
