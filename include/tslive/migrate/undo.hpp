#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/state/store.hpp"

namespace tslive::migrate {

/// Runs a side's undo entries, newest first, each on its own, and erases those that worked. Harmless to repeat.
/// @returns what could not be undone, with the reason
inline std::vector<std::string> undo_all(state::Store& store, state::Side side, pg::Connection& connection) {
    std::vector<std::string> left;
    for (const auto& entry : store.pending_undo(side)) {
        try {
            connection.exec(entry.undo_sql);
            store.undone(entry.id);
            log::info("{}: {} undone", state::name(side), entry.what);
        } catch (const Error& error) {
            if (error.recovery() == Recovery::reconnect) throw;
            left.push_back(fmt::format("{}: {} ({})", state::name(side), entry.what, error.what()));
        }
    }
    return left;
}

}  // namespace tslive::migrate
