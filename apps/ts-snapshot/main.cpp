#include "apps/run.hpp"
#include "apps/ts-snapshot/command.hpp"

int main(int argc, char** argv) {
    tslive::apps::Session session;
    CLI::App app{"Create a snapshot", "ts-snapshot"};
    tslive::apps::add_snapshot(app, session, {});
    return tslive::apps::run(app, argc, argv);
}
