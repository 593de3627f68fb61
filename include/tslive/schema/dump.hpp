#pragma once

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/pg/conninfo.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/schema/child.hpp"
#include "tslive/schema/tools.hpp"

namespace tslive::schema {

/// How long pg_dump may wait for a table that somebody has locked. Short, because meanwhile it holds ACCESS SHARE on
/// all the others: a DDL statement of the application queues behind that, and the application's traffic behind the DDL
///.
inline constexpr std::chrono::seconds dump_lock_timeout{30};

namespace detail {

inline void sync_path(const std::filesystem::path& path) {
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file || ::fsync(file.get()) != 0)
        throw StateError(path.string(), std::string{"cannot be written to disk: "} + std::strerror(errno),
                         "Check the disk");
}

/// pg_dump's arguments, the connection excepted.
[[nodiscard]] inline Command dump_command(const Tools& tools, std::string_view snapshot, std::string_view encoding,
                                          const std::filesystem::path& file) {
    return {.program = tools.pg_dump,
            .arguments = {"--format=custom", "--schema-only", "--compress=0", fmt::format("--snapshot={}", snapshot),
                          fmt::format("--file={}", file.string()), fmt::format("--encoding={}", encoding),
                          // The two servers may differ in version, and so in which words are reserved.
                          "--quote-all-identifiers",
                          // A publication of the source's would feed nobody, a subscription would compete with the
                          // source's.
                          "--no-publications", "--no-subscriptions",
                          fmt::format("--lock-wait-timeout={}", std::chrono::milliseconds{dump_lock_timeout}.count())},
            .environment = {{"LC_ALL", "C"}},
            .without = {"PGCLIENTENCODING"}};
}

}  // namespace detail

/// Writes the schema that `snapshot` shows into an archive: `<file>.part` first, renamed when it is whole and on disk.
/// Repeatable.
///
/// @param snapshot  as pg_export_snapshot() names it; its transaction must be open on the very server that `source`
///                  leads to
/// @throws Error    (operator_action) with pg_dump's own last words
/// @throws Stopped  when asked to; the source has then been told to cancel
inline void dump(const Tools& tools, const pg::ConnInfo& source, std::string_view snapshot,
                 const std::filesystem::path& file, std::stop_token stop = {}) {
    const auto part = std::filesystem::path{file}.concat(".part");
    // The encoding of our own sessions, which holds every character; what role and database have set need not.
    const auto encoding = pg::Connection::open(source, "schema", stop).parameter("client_encoding");
    auto command = detail::dump_command(tools, snapshot, encoding, part);
    connect_by_environment(command, source.without("client_encoding").with("application_name", "ts-live schema"));
    try {
        static_cast<void>(run_child(command, std::move(stop)));
    } catch (const Error& error) {
        throw Error(
            error.recovery(), fmt::format("dumping the schema of {}: {}", source.describe(), error.what()),
            error.remedy().empty()
                ? fmt::format(
                      "Resume to try again. When it says 'statement timeout', a session held a table locked (ACCESS "
                      "EXCLUSIVE) for {} s: see pg_locks on the source; when the snapshot does not exist, the program "
                      "that holds it has ended",
                      dump_lock_timeout.count())
                : error.remedy());
    }
    detail::sync_path(part);
    std::error_code failed;
    std::filesystem::rename(part, file, failed);
    if (failed)
        throw StateError(file.string(), "cannot be put in place: " + failed.message(),
                         "Check the directory and its rights");
    detail::sync_path(file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."});
    log::info("schema of {} dumped", source.describe());
}

}  // namespace tslive::schema
