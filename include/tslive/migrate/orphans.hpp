#pragma once

#include <chrono>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::migrate {

/// Ends what a killed run of ours left running on the target, an index build or a COMMIT, and waits until it is gone: only then is what
/// the target's catalog says final (law 5). Only sessions older than this one are meant. No other migration has this target, since it must be empty at the start, and the
/// directory's lock says that no other process has this one.
/// @throws Error  (operator_action) when a session does not end
inline void end_orphans(pg::Connection& target) {
    constexpr std::chrono::milliseconds look_every{50};
    constexpr std::chrono::seconds patience{60};
    const auto deadline = std::chrono::steady_clock::now() + patience;
    bool said = false;
    for (;;) {
        const auto ended = target.exec(
            "SELECT pid, pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = "
            "pg_catalog.current_database() "
            "AND application_name LIKE 'ts-live %' AND pid <> pg_catalog.pg_backend_pid() AND backend_type = 'client "
            "backend' "
            "AND backend_start < (SELECT backend_start FROM pg_catalog.pg_stat_activity WHERE pid = "
            "pg_catalog.pg_backend_pid())");
        if (ended.empty()) return;
        if (!said) log::info("Ending {} sessions that an earlier run left on the target", ended.rows());
        said = true;
        if (std::chrono::steady_clock::now() > deadline)
            throw Error(
                Recovery::operator_action,
                fmt::format("process {} of the target, a session of an earlier run, does not end", ended.at(0, 0)),
                "See pg_stat_activity on the target for what it waits for; then run the same command again");
        if (!target.waiter().sleep(look_every)) throw Stopped{};
    }
}

}  // namespace tslive::migrate
