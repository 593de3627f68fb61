#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "tslive/core/lsn.hpp"
#include "tslive/copy/progress.hpp"

namespace tslive::migrate {

/// Where the replay of changes stands, for a status line.
struct ReplayStatus {
    Lsn source;                        ///< the source's WAL position now; its growth is the source's rate
    Lsn applied;                       ///< everything that commits before it is on the target
    std::uint64_t lag_bytes = 0;       ///< between the two
    std::uint64_t spool_bytes = 0;     ///< on disk
    std::uint64_t retained_bytes = 0;  ///< WAL that the source keeps for the slot
    std::uint64_t rows = 0;            ///< changes applied since the start of the process
    std::uint64_t transactions = 0;
    bool caught_up = false;
};

/// The person in front of a command, or the script: what a command asks and shows. All functions but one must be set; they are called from one
/// thread at a time.
struct Operator {
    /// Says the question and waits. @returns false when stop was requested instead
    std::function<bool(std::string_view question)> confirm;
    /// The same, while work goes on that may fail meanwhile: `stop` ends the question too. Not set: confirm.
    std::function<bool(std::string_view question, const std::stop_token& stop)> confirm_meanwhile = {};
    /// Whether the user has asked to switch over; stays true once it is.
    std::function<bool()> switch_over_requested;
    /// How the user says so, for messages.
    std::function<std::string()> how_to_switch_over;
    std::function<void(const copy::Progress&)> show_copy;
    std::function<void(const ReplayStatus&)> show_replay;
};

}  // namespace tslive::migrate
