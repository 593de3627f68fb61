#pragma once

#include <CLI/CLI.hpp>

#include "apps/console.hpp"
#include "tslive/migrate/options.hpp"

namespace tslive::apps {

/// Wires the options of `snapshot` to its function, for ts-snapshot and for live-migration's sub-command alike. @param session outlives `command`
void add_snapshot(CLI::App& command, Session& session, const migrate::CommandNames& names);

}  // namespace tslive::apps
