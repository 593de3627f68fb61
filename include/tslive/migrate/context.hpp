#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/catalog/tables.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/migrate/databases.hpp"
#include "tslive/migrate/facts.hpp"
#include "tslive/migrate/left_out.hpp"
#include "tslive/migrate/operator.hpp"
#include "tslive/migrate/options.hpp"
#include "tslive/pg/retry.hpp"
#include "tslive/snapshot/names.hpp"
#include "tslive/state/layout.hpp"
#include "tslive/state/lock.hpp"
#include "tslive/state/snapshot_file.hpp"
#include "tslive/state/store.hpp"
#include "tslive/timescale/installation.hpp"

namespace tslive::migrate {

/// The name of the exported snapshot, if ts-snapshot still holds it. What a killed one left in its file may be the name of another's
/// snapshot by now (CASES B2).
[[nodiscard]] inline std::optional<std::string> live_snapshot(const state::Layout& layout) {
    if (!state::Lock::holder(layout, "ts-snapshot")) return std::nullopt;
    return state::read_snapshot_name(layout);
}

/// What the phases of one migration share. Outlives them; read by several threads, written by none.
struct Context {
    MigrateOptions options;
    Ends ends;
    state::Layout layout;
    state::Store& store;
    const Operator& user;
    snapshot::Names names;
    Lsn consistent_point;
    std::vector<catalog::QualifiedName> skip_data;
    std::optional<timescale::Installation> timescaledb = {};  ///< of the source

    [[nodiscard]] bool timescaledb_to(TimescaleWay way) const noexcept {
        return timescaledb.has_value() && options.timescale == way;
    }

    /// Runs `work` unless an earlier run has, and records it after. Lost connections are retried.
    /// @pre `work` is harmless to do again, from its beginning
    template <typename Work>
    void once(std::string_view step, const std::stop_token& stop, Work&& work) const {
        if (store.done(step)) return;
        Waiter waiter(stop);
        pg::retry(step, waiter, [&] {
            try {
                work();
            } catch (const Error& error) {
                if (error.recovery() != Recovery::unknown_outcome) throw;
                throw Error(Recovery::reconnect, error.what(), error.remedy());  // doing it again finds out
            }
        });
        store.mark_done(step);
    }
};

/// What is not built on the target; nothing before that is decided.
[[nodiscard]] inline LeftOut left_out(const Context& context) {
    return restore_left_out(context.store.fact(fact::left_out).value_or(""));
}

}  // namespace tslive::migrate
