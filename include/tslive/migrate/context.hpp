#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/catalog/tables.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/migrate/databases.hpp"
#include "tslive/migrate/operator.hpp"
#include "tslive/migrate/options.hpp"
#include "tslive/snapshot/names.hpp"
#include "tslive/state/layout.hpp"
#include "tslive/state/store.hpp"

namespace tslive::migrate {

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

    /// Runs `work` unless an earlier run has, and records it after.
    template <typename Work>
    void once(std::string_view step, Work&& work) const {
        if (store.done(step)) return;
        work();
        store.mark_done(step);
    }
};

}  // namespace tslive::migrate
