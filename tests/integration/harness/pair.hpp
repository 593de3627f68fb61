#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "integration/harness/database.hpp"
#include "integration/harness/programs.hpp"
#include "integration/harness/scratch.hpp"
#include "integration/harness/server.hpp"

namespace tslive::harness {

struct PairOptions {
    ServerOptions source = {.settings = {"wal_level=logical"}};
    ServerOptions target = {};
    std::string database = "app";       ///< its name on both servers
    std::string database_options = {};  ///< what follows CREATE DATABASE name, on both
};

/// A source and a target with one empty database each, and a state directory that does not exist yet: what a migration
/// needs.
///
///     Pair pair;
///     pair.source.load_zoo({"types"});
///     auto snapshot = pair.snapshot();
///     snapshot->wait_for_line("Snapshot ID created successfully.");
class Pair {
public:
    explicit Pair(PairOptions options = {})
        : source_server(options.source), target_server(options.target),
          source(source_server.create_database(options.database, options.database_options)),
          target(target_server.create_database(options.database, options.database_options)) {}

    /// An executable of ours, told of both databases (by environment) and of the state directory (`--dir`).
    [[nodiscard]] std::unique_ptr<Program> program(std::string_view name, std::vector<std::string> arguments = {},
                                                   std::map<std::string, std::string> environment = {}) const {
        arguments.insert(arguments.begin(), {"--dir", dir.string()});
        environment.try_emplace("PGCOPYDB_SOURCE_PGURI", source.uri());
        environment.try_emplace("PGCOPYDB_TARGET_PGURI", target.uri());
        return std::make_unique<Program>(name, arguments, std::move(environment));
    }
    [[nodiscard]] std::unique_ptr<Program> snapshot(std::vector<std::string> arguments = {}) const {
        return program("ts-snapshot", std::move(arguments));
    }
    [[nodiscard]] std::unique_ptr<Program> migrate(std::vector<std::string> arguments = {"--yes"}) const {
        return program("ts-migrate", std::move(arguments));
    }
    [[nodiscard]] std::unique_ptr<Program> clean(std::vector<std::string> arguments = {"--yes", "--prune"}) const {
        return program("ts-clean", std::move(arguments));
    }

    TestServer source_server;
    TestServer target_server;
    Database source;
    Database target;
    std::filesystem::path dir = Scratch::instance().make_directory("m") / "state";
};

}  // namespace tslive::harness
