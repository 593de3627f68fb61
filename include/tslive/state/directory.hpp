#pragma once

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/state/files.hpp"
#include "tslive/state/layout.hpp"

namespace tslive::state {

namespace detail {

/// @returns nothing when there is nothing of that name
[[nodiscard]] inline std::optional<struct ::stat> status_of(const std::filesystem::path& path) {
    struct ::stat status {};
    if (::stat(path.c_str(), &status) == 0) return status;
    if (errno == ENOENT) return std::nullopt;
    throw file_error(path, "examine", errno);
}

/// Entries of the directory that ts-live does not make; a new file system's lost+found is nobody's.
[[nodiscard]] inline std::vector<std::string> foreign_entries(const std::filesystem::path& directory) {
    std::error_code error;
    std::vector<std::string> foreign;
    std::filesystem::directory_iterator entry{directory, error};
    for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
        auto name = entry->path().filename().string();
        if (!is_layout_name(name) && name != "lost+found") foreign.push_back(std::move(name));
    }
    if (error) throw file_error(directory, "list", error.value());
    return foreign;
}

/// Refuses a directory that is somebody else's: making it 0700, and emptying it in the end, would do harm.
inline void check_adoptable(const Layout& layout, const struct ::stat& status) {
    const auto root = layout.root.string();
    const auto remedy = "Give --dir a new or empty directory of its own.";
    if (!S_ISDIR(status.st_mode)) throw StateError(root, "is not a directory", remedy);
    if ((status.st_mode & S_ISVTX) != 0) throw StateError(root, "is a directory that everybody shares", remedy);
    if (status.st_uid != ::geteuid() && ::geteuid() != 0)
        throw StateError(root, fmt::format("belongs to user {}, and this is user {}", status.st_uid, ::geteuid()),
                         remedy_for(EACCES));
    if (status_of(layout.database())) return;
    if (const auto foreign = foreign_entries(layout.root); !foreign.empty())
        throw StateError(root, fmt::format("is not a state directory: it holds '{}' and no state.db", foreign.front()),
                         remedy);
}

inline void make_private_directory(const std::filesystem::path& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw file_error(path, "create the directory", errno);
    const auto status = status_of(path);
    if (!status || !S_ISDIR(status->st_mode)) throw file_error(path, "use as a directory", ENOTDIR);
    if ((status->st_mode & 07777) != 0700 && ::chmod(path.c_str(), 0700) != 0)
        throw file_error(path, "make private (mode 0700)", errno);
}

}  // namespace detail

/// Makes the directory and its folders, for their owner alone (0700); one that is there already is made private.
///
/// @throws StateError  when it is a file, belongs to somebody else, holds other things, or cannot be written
/// Harmless to repeat, and from two processes at once.
inline void create_directory(const Layout& layout) {
    if (const auto status = detail::status_of(layout.root)) {
        detail::check_adoptable(layout, *status);
    } else if (const auto parent = layout.root.parent_path(); !parent.empty()) {
        std::error_code error;
        std::filesystem::create_directories(parent, error);
        if (error) throw file_error(parent, "create the directory", error.value());
    }
    detail::make_private_directory(layout.root);
    for (const auto& folder : {layout.schema(), layout.spool(), layout.logs()}) detail::make_private_directory(folder);
    sync_directory(layout.root);
}

/// Deletes what ts-live made, state.db after all else that it describes, then the directory if nothing is left in it.
///
/// @returns            names of entries that are not ours and were left alone
/// @throws StateError  when something cannot be deleted; what is left can be pruned again
/// @pre                the caller holds the lock of every program and has closed its Store
inline std::vector<std::string> prune_directory(const Layout& layout) {
    if (!detail::status_of(layout.root)) return {};
    const auto remove = [](const std::filesystem::path& path) {
        std::error_code error;
        std::filesystem::remove_all(path, error);
        if (error) throw file_error(path, "delete", error.value());
    };
    const auto snapshot_new = layout.root / "snapshot.new";
    for (const auto& path : {layout.snapshot(), snapshot_new, layout.schema(), layout.spool(), layout.logs()})
        remove(path);
    // state.db before its -wal: without the -wal it would be an older state of itself, while a -wal alone is nothing to
    // SQLite.
    for (const auto* suffix : {"", "-wal", "-shm", "-journal"}) remove(layout.database().string() + suffix);

    auto foreign = detail::foreign_entries(layout.root);
    std::vector<std::filesystem::path> locks;
    for (const auto& entry : std::filesystem::directory_iterator{layout.root})
        if (is_layout_name(entry.path().filename().string())) locks.push_back(entry.path());
    for (const auto& lock : locks) remove(lock);
    // Fails when something is left, or on a container's mount point: an empty directory does no harm.
    if (foreign.empty()) ::rmdir(layout.root.c_str());
    return foreign;
}

}  // namespace tslive::state
