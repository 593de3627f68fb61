#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/state/store.hpp"

namespace tslive::migrate {

namespace detail {
/// A slot whose session has just been cancelled is still in use for a moment. Entries that take a lock which statements of the
/// application would queue behind set a lock_timeout: what they need may be free the next time.
inline void exec_when_free(pg::Connection& connection, const std::string& sql) {
    constexpr int most_tries = 50;
    for (int tried = 1;; ++tried) {
        try {
            connection.exec(sql);
            return;
        } catch (const pg::ServerError& error) {
            const bool in_use =
                error.state() == pg::sqlstate::object_in_use || error.state() == pg::sqlstate::lock_not_available;
            if (!in_use || tried == most_tries) throw;
            if (!connection.waiter().sleep(std::chrono::milliseconds{100})) throw Stopped{};
        }
    }
}
}  // namespace detail

/// Runs a side's undo entries, newest first, each on its own, and erases those that worked. Harmless to repeat.
/// @returns what could not be undone, with the reason
inline std::vector<std::string> undo_all(state::Store& store, state::Side side, pg::Connection& connection) {
    std::vector<std::string> left;
    for (const auto& entry : store.pending_undo(side)) {
        try {
            detail::exec_when_free(connection, entry.undo_sql);
            store.undone(entry.id);
            log::debug("{}: {} undone", state::name(side), entry.what);
        } catch (const Error& error) {
            if (error.recovery() == Recovery::reconnect) throw;
            left.push_back(fmt::format("{}: {} ({})", state::name(side), entry.what, error.what()));
        }
    }
    return left;
}

}  // namespace tslive::migrate
