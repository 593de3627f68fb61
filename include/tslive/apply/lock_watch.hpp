#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "tslive/core/log.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::apply {

/// Says who holds what a session of ours waits for: a statement that waits for a lock says nothing by itself, and waits
/// as long as it takes. Each wait is said once. Never ends anybody's work.
///
/// A thread and a session of its own, as the watched one is busy; where that session fails, the watch goes on with
/// another.
class LockWatch {
public:
    /// @param backend   the session that is watched, as the server numbers it
    /// @param interval  between two looks; what waits longer than one is said
    LockWatch(pg::ConnInfo target, int backend, std::chrono::milliseconds interval)
        : target_(std::move(target)), backend_(backend), interval_(interval),
          thread_([this](const std::stop_token& stop) { run(stop); }) {}

private:
    void run(const std::stop_token& stop) {
        Waiter waiter(stop);
        std::optional<pg::Connection> session;
        while (waiter.sleep(interval_)) {
            try {
                if (!session) session.emplace(pg::Connection::open(target_, "apply watch", stop));
                look(*session);
            } catch (const Stopped&) {
                return;
            } catch (const std::exception& error) {
                log::debug("looking for locks on the target: {}", error.what());
                session.reset();
            }
        }
    }

    void look(pg::Connection& session) {
        const auto rows = session.exec(
            "SELECT b.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.state, "
            "a.backend_type, "
            "'a prepared transaction'), coalesce(pg_catalog.to_char(a.xact_start, 'HH24:MI:SS'), ''), "
            "coalesce((SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_locks l "
            "  JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = "
            "c.relnamespace "
            "  WHERE l.pid = $1 AND NOT l.granted LIMIT 1), 'a row') "
            "FROM unnest(pg_catalog.pg_blocking_pids($1)) AS b(pid) "
            "LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid",
            pg::Params{}.number(backend_));
        std::set<std::string> now;
        for (int row = 0; row < rows.rows(); ++row) {
            const auto blocker = fmt::format("{}/{}/{}", rows.text(row, 0), rows.text(row, 4), rows.text(row, 5));
            now.insert(blocker);
            if (said_.contains(blocker)) continue;
            log::warning(
                "applying changes waits for a lock on {} of the target, which session {} holds (user {}, application "
                "{}, {}, in a transaction since {}); it goes on when that transaction ends",
                rows.text(row, 5), rows.text(row, 0), rows.text(row, 1), rows.text(row, 2), rows.text(row, 3),
                rows.text(row, 4));
        }
        if (now.empty() && !said_.empty()) log::info("the lock on the target is free, changes are applied again");
        said_ = std::move(now);
    }

    pg::ConnInfo target_;
    int backend_;
    std::chrono::milliseconds interval_;
    std::set<std::string> said_;
    std::jthread thread_;  // last: it uses the others
};

}  // namespace tslive::apply
