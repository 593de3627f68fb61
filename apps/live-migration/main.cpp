#include "apps/run.hpp"
#include "apps/ts-clean/command.hpp"
#include "apps/ts-migrate/command.hpp"
#include "apps/ts-snapshot/command.hpp"

int main(int argc, char** argv) {
    tslive::apps::Session session;
    CLI::App app{"Live migration moves your PostgreSQL database to another server with minimal downtime.",
                 "live-migration"};
    const tslive::migrate::CommandNames names{
        .snapshot = "live-migration snapshot", .migrate = "live-migration migrate", .clean = "live-migration clean"};
    tslive::apps::add_snapshot(*app.add_subcommand("snapshot", "Create a snapshot"), session, names);
    tslive::apps::add_clean(*app.add_subcommand("clean", "Clean up resources"), session, names);
    tslive::apps::add_migrate(*app.add_subcommand("migrate", "Start the migration"), session, names);
    app.require_subcommand(1);
    return tslive::apps::run(app, argc, argv);
}
