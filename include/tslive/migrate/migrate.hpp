#pragma once

#include <stop_token>

#include "tslive/migrate/operator.hpp"
#include "tslive/migrate/options.hpp"

namespace tslive::migrate {

/// The command `ts-migrate`: receives changes from the first second, copies schema and rows, replays, and switches over when told to.
///
/// Every step is recorded in the state directory after its effect is durable, and each is harmless to do again, so the same call with
/// `resume` goes on after whatever ended the one before (law 5).
/// @throws Error    (operator_action) with what to change; the migration stays resumable
/// @throws Stopped  on a stop request; resumable
void migrate(const MigrateOptions& options, const Operator& user, std::stop_token stop);

}  // namespace tslive::migrate

#include "tslive/migrate/impl/migrate.ipp"
