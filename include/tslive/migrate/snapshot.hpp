#pragma once

#include <stop_token>

#include "tslive/migrate/operator.hpp"
#include "tslive/migrate/options.hpp"

namespace tslive::migrate {

/// The command `ts-snapshot`: checks both ends, creates publications, slot and exported snapshot on the source and the state directory
/// here, and holds the snapshot until the base copy is done or stop is requested.
///
/// Steps: checks -> question about tables without identity -> publications -> slot -> keepers -> state -> hold. What fails before
/// "hold" is undone. Each change to the source is in the undo journal before it is made (law 10).
/// @throws Error    (operator_action) when a check is fatal, or the directory already holds a migration
/// @throws Stopped  when stop was requested before the snapshot was there; nothing is left behind then
void take_snapshot(const SnapshotOptions& options, const Operator& user, std::stop_token stop);

}  // namespace tslive::migrate

#include "tslive/migrate/impl/snapshot.ipp"
