#include "apps/ts-clean/command.hpp"

#include <memory>

#include <CLI/CLI.hpp>

#include "apps/common_options.hpp"
#include "apps/console.hpp"
#include "tslive/migrate/clean.hpp"

namespace tslive::apps {

void add_clean(CLI::App& command, Session& session, const migrate::CommandNames& names) {
    auto options = std::make_shared<migrate::CleanOptions>();
    options->commands = names;
    add_common_options(command, *options, session);
    command.add_flag("--prune", options->prune, "Remove the working directory, too");
    command.callback([options, &session] {
        Console console(session);
        migrate::clean(*options, console.user(), session.signals.stop_token());
    });
}

}  // namespace tslive::apps
