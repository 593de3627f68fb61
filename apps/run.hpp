#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/exit_code.hpp"
#include "apps/help.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/version.hpp"
#include "tslive/migrate/options.hpp"

namespace tslive::apps {

/// Takes connection strings out of the process list (law 9): they were copied before.
inline void hide_connection_strings(int argc, char** argv) {
    bool next = false;
    for (int i = 1; i < argc; ++i) {
        const std::string_view text = argv[i];
        const bool names = text == "--source" || text == "--target";
        const bool joined = text.starts_with("--source=") || text.starts_with("--target=");
        if (next || joined) {
            const auto from = joined ? text.find('=') + 1 : 0;
            std::memset(argv[i] + from, '*', text.size() - from);
        }
        next = names && !next;
    }
}

/// What every command has, in one form.
inline void add_help_and_version(CLI::App& app, const std::string& version_text) {
    app.formatter(std::make_shared<HelpText>());
    app.set_help_flag("-h,--help", "Show this help message and exit");
    app.set_version_flag("-v,--version", version_text, "Show the version and exit");
    for (auto* command : app.get_subcommands([](CLI::App*) { return true; }))
        add_help_and_version(*command, version_text);
}

/// Runs the command that the command line names. What goes wrong becomes a message on the log and an exit code, here and nowhere else.
inline int run(CLI::App& app, int argc, char** argv) {
    log::add_sink(log::stderr_sink());
    add_help_and_version(app, fmt::format("{} {}", app.get_name(), version));
    try {
        std::vector<std::string> arguments(argv + 1, argv + argc);
        std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the end
        hide_connection_strings(argc, argv);
        app.parse(std::move(arguments));
        return exit_code::done;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? exit_code::done : exit_code::usage;  // --help is not an error
    } catch (const Stopped&) {
        log::warning("Stopped on request");
        return exit_code::stopped;
    } catch (const Error& error) {
        log::error("{}", error.what());
        if (!error.remedy().empty()) log::info("{}", error.remedy());
        return exit_code_for(error.recovery());
    } catch (const std::exception& error) {
        log::error("unexpected: {}", error.what());
        return exit_code::failed;
    }
}

}  // namespace tslive::apps
