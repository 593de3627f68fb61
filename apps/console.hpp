#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string_view>

#include <sys/stat.h>

#include "tslive/core/log.hpp"
#include "tslive/migrate/operator.hpp"
#include "tslive/ui/prompt.hpp"
#include "tslive/ui/rate.hpp"
#include "tslive/ui/signals.hpp"
#include "tslive/ui/status.hpp"

namespace tslive::apps {

/// The process's signals, made before anything else in main(), and the user's wish to go on.
struct Session {
    /// What the commands and their children write is for their user alone (law 9).
    Session() { ::umask(077); }

    ui::ContinueRequest request;
    ui::Signals signals{request};
    bool yes = false;  ///< `--yes`
};

/// Connects a command's Operator to terminal, signals and log. Lives as long as the command.
class Console {
public:
    explicit Console(Session& session) : session_(session), prompt_(session.request, {.yes = session.yes}) {}

    [[nodiscard]] migrate::Operator user() {
        return {.confirm =
                    [this](std::string_view question) {
                        return prompt_.confirm(question, session_.signals.stop_token()) == ui::Answer::continue_;
                    },
                .confirm_meanwhile =
                    [this](std::string_view question, const std::stop_token& stop) {
                        return prompt_.confirm(question, stop) == ui::Answer::continue_;
                    },
                .switch_over_requested = [this] { return session_.request.requested(); },
                .how_to_switch_over = [this] { return ui::how_to_stop_replication(prompt_.console()); },
                .show_copy = [this](const copy::Progress& progress) { show(progress); },
                .show_replay = [this](const migrate::ReplayStatus& status) { show(status); }};
    }

private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds say_every{10};

    void show(const copy::Progress& progress) {
        const auto now = Clock::now();
        const auto bytes = static_cast<std::uint64_t>(progress.bytes.done.load());
        copy_rate_.sample(bytes, now);
        if (now - said_ < say_every) return;
        said_ = now;
        log::info("{}; {}; {} of {} indexes", progress.phase(),
                  ui::copy_line({.tables_done = static_cast<std::uint64_t>(progress.tables.done.load()),
                                 .tables_total = static_cast<std::uint64_t>(progress.tables.total.load()),
                                 .bytes_done = bytes,
                                 .bytes_total = static_cast<std::uint64_t>(progress.bytes.total.load()),
                                 .bytes_per_second = copy_rate_.per_second()}),
                  progress.indexes.done.load(), progress.indexes.total.load());
    }

    void show(const migrate::ReplayStatus& status) {
        const auto now = Clock::now();
        source_rate_.sample(status.source.value, now);
        replay_rate_.sample(status.applied.value, now);
        // Every turn is said at once, the rest now and then.
        if (now - said_ < say_every && status.caught_up == caught_up_) return;
        const bool turned = status.caught_up && !caught_up_;
        said_ = now;
        caught_up_ = status.caught_up;
        log::info("{}", ui::replay_line({.caught_up = status.caught_up,
                                         .source_wal_rate = source_rate_.per_second(),
                                         .target_replay_rate = replay_rate_.per_second(),
                                         .lag_bytes = status.lag_bytes}));
        log::debug("applied {} transactions with {} rows; spool {} bytes; the source keeps {} bytes of WAL",
                   status.transactions, status.rows, status.spool_bytes, status.retained_bytes);
        if (turned) log::info("{}", ui::how_to_stop_replication(prompt_.console()));
    }

    Session& session_;
    ui::Prompt prompt_;
    ui::Rate copy_rate_{std::chrono::seconds{10}}, source_rate_{std::chrono::seconds{10}},
        replay_rate_{std::chrono::seconds{10}};
    Clock::time_point said_{};
    bool caught_up_ = false;
};

}  // namespace tslive::apps
