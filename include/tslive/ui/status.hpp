#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "tslive/core/size.hpp"

/// The lines that tell the user how far a migration is. Pure functions: who calls them measures (ui::Rate) and writes
/// the log.
namespace tslive::ui {

struct CopyStatus {
    std::uint64_t tables_done = 0;
    std::uint64_t tables_total = 0;
    std::uint64_t bytes_done = 0;
    std::uint64_t bytes_total = 0;                ///< an estimate: what the tables take on the source's disk
    std::optional<double> bytes_per_second = {};  ///< none: not measured yet
};

struct ReplayStatus {
    bool caught_up = false;                         ///< the caller's judgement: the lag is next to nothing
    std::optional<double> source_wal_rate = {};     ///< bytes of WAL per second that the source writes
    std::optional<double> target_replay_rate = {};  ///< bytes of WAL per second that the target replays
    std::uint64_t lag_bytes = 0;
    std::optional<std::chrono::seconds> lag_time = {};  ///< from a commit on the source to the same on the target
};

/// Time that `amount` takes at `per_second`; nothing when it never ends, or in more than ten years, which is the same.
[[nodiscard]] inline std::optional<std::chrono::seconds> time_for(double amount, double per_second) {
    constexpr double ten_years = 10 * 365 * 86400.0;
    if (amount <= 0) return std::chrono::seconds{0};
    if (per_second <= 0 || amount > per_second * ten_years) return std::nullopt;
    return std::chrono::seconds{static_cast<std::int64_t>(std::ceil(amount / per_second))};
}

/// Per cent of the bytes; 100 only when every table is done, since the total is an estimate.
[[nodiscard]] inline unsigned percent_done(const CopyStatus& status) {
    if (status.tables_done >= status.tables_total) return 100;
    if (status.bytes_total == 0) return 0;
    const double percent = 100.0 * static_cast<double>(status.bytes_done) / static_cast<double>(status.bytes_total);
    return static_cast<unsigned>(std::min(percent, 99.0));
}

/// `Copied 12 of 40 tables, 3.2 GB of about 10.0 GB (32%), 45.1 MB/s, about 2m 35s left`
[[nodiscard]] inline std::string copy_line(const CopyStatus& status) {
    auto line = fmt::format("Copied {} of {} tables, {} of about {} ({}%)", status.tables_done, status.tables_total,
                            format_size(static_cast<double>(status.bytes_done)),
                            format_size(static_cast<double>(std::max(status.bytes_total, status.bytes_done))),
                            percent_done(status));
    if (status.tables_done >= status.tables_total || !status.bytes_per_second) return line;
    line += fmt::format(", {}/s", format_size(*status.bytes_per_second));
    // With more bytes than estimated there is no telling how many are to come.
    if (status.bytes_done >= status.bytes_total) return line;
    if (const auto left =
            time_for(static_cast<double>(status.bytes_total - status.bytes_done), *status.bytes_per_second))
        line += fmt::format(", about {} left", format_duration(*left));
    return line;
}

/// `(source_wal_rate: 4.9 MB/s, target_replay_rate: 9.1 MB/s, replay_lag: 56.0 MB, 12s)`
[[nodiscard]] inline std::string replay_figures(const ReplayStatus& status) {
    const auto rate = [](std::optional<double> bytes) {
        return bytes ? format_size(std::max(*bytes, 0.0)) + "/s" : "unknown";
    };
    const auto time = status.lag_time ? ", " + format_duration(*status.lag_time) : "";
    return fmt::format("(source_wal_rate: {}, target_replay_rate: {}, replay_lag: {}{})", rate(status.source_wal_rate),
                       rate(status.target_replay_rate), format_size(static_cast<double>(status.lag_bytes)), time);
}

/// `Live-replay will complete in 1m 12s (...)`, `Target has caught up with source (...)`, or that it will not complete.
[[nodiscard]] inline std::string replay_line(const ReplayStatus& status) {
    const auto figures = replay_figures(status);
    if (status.caught_up) return "Target has caught up with source " + figures;
    if (!status.source_wal_rate || !status.target_replay_rate) return "Live-replay has begun " + figures;
    const double gain = *status.target_replay_rate - *status.source_wal_rate;
    if (const auto left = time_for(static_cast<double>(status.lag_bytes), gain))
        return fmt::format("Live-replay will complete in {} {}", format_duration(*left), figures);
    return "Live-replay will not complete: the target replays no faster than the source writes " + figures;
}

}  // namespace tslive::ui
