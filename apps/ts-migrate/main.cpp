#include "apps/run.hpp"
#include "apps/ts-migrate/command.hpp"

int main(int argc, char** argv) {
    tslive::apps::Session session;
    CLI::App app{"Start the migration", "ts-migrate"};
    tslive::apps::add_migrate(app, session, {});
    return tslive::apps::run(app, argc, argv);
}
