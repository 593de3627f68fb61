#include "apps/run.hpp"
#include "apps/ts-clean/command.hpp"

int main(int argc, char** argv) {
    tslive::apps::Session session;
    CLI::App app{"Clean up resources", "ts-clean"};
    tslive::apps::add_clean(app, session, {});
    return tslive::apps::run(app, argc, argv);
}
