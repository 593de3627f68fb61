#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "tslive/core/error.hpp"
#include "tslive/pg/conninfo.hpp"

namespace tslive::schema {

/// A program to run: never through a shell, and never with a secret among its arguments, which any user of this machine
/// can read.
struct Command {
    std::filesystem::path program;  ///< absolute: PATH is not searched
    std::vector<std::string> arguments;
    std::map<std::string, std::string> environment;  ///< added to ours
    std::vector<std::string> without;                ///< variables of ours that the child must not see
};

/// What a child wrote to its standard output.
struct Output {
    std::string text;
    bool complete = true;  ///< false: there was more than the limit; the rest was read and dropped
};

/// Runs a program to its end and returns what it wrote to standard output. Lines of its standard error go to the log.
///
/// The child has no input, a process group of its own (the terminal's Ctrl-C is ours to hand on), default signal
/// handling and none of our descriptors. A stop request ends it (SIGTERM, which lets pg_dump cancel its query, then
/// SIGKILL), and so does our own death.
///
/// @param output_limit  bytes of standard output to keep
/// @throws Error    (operator_action) when it cannot be started, or does not end with status 0; names the program, how
///                  it ended and the last lines of its standard error, but not its arguments
/// @throws Stopped  after the child is gone
/// Blocks the calling thread, which must be the one that lives on until the child has ended: the kernel ties the child
/// to it.
[[nodiscard]] Output run_child(const Command& command, std::stop_token stop = {},
                               std::size_t output_limit = std::size_t{256} << 20);

/// Adds a connection to a command: as `--dbname` without secrets, and the password in the child's environment (law 9).
///
/// @throws Error  (operator_action) when the connection string holds a secret that no environment variable can carry,
///                such as sslpassword
void connect_by_environment(Command& command, const pg::ConnInfo& info);

}  // namespace tslive::schema

#include "tslive/schema/impl/child.ipp"
