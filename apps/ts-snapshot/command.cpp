#include "apps/ts-snapshot/command.hpp"

#include <memory>

#include <CLI/CLI.hpp>

#include "apps/common_options.hpp"
#include "apps/console.hpp"
#include "tslive/migrate/snapshot.hpp"
#include "tslive/state/directory.hpp"
#include "tslive/ui/log_file.hpp"

namespace tslive::apps {

void add_snapshot(CLI::App& command, Session& session, const migrate::CommandNames& names) {
    auto options = std::make_shared<migrate::SnapshotOptions>();
    options->commands = names;
    add_common_options(command, *options, session);
    const auto finish = add_scope_options(command, *options);
    command.callback([options, finish, &session] {
        finish();
        static_cast<void>(migrate::parse_ends(*options));
        const state::Layout layout{options->dir};
        state::create_directory(layout);
        log::add_sink(ui::log_file_sink(layout, "ts-snapshot"));
        Console console(session);
        migrate::take_snapshot(*options, console.user(), session.signals.stop_token());
    });
}

}  // namespace tslive::apps
