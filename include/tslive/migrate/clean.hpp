#pragma once

#include <stop_token>

#include "tslive/migrate/operator.hpp"
#include "tslive/migrate/options.hpp"

namespace tslive::migrate {

/// The command `ts-clean`: removes what a migration made. On the source slot, publications and whatever the undo journal names; on the
/// target origin and helper schema; with `prune` the state directory.
///
/// Each side is tried on its own, so it works when one is gone; what is not there is not missed, so it works twice. Without a state
/// directory it looks for objects with our names in the two databases, and asks before it removes them.
/// @throws Error  (operator_action) listing what is left; a program of ours that still runs in the directory
void clean(const CleanOptions& options, const Operator& user, std::stop_token stop);

}  // namespace tslive::migrate

#include "tslive/migrate/impl/clean.ipp"
