#pragma once

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/stop.hpp"

/// Plain files of the state directory: private, whole, on disk when a function says so, and errors that name file and
/// remedy.
namespace tslive::state {

/// What to do about an errno that a call on a file of ours left behind; empty when there is no better advice than its
/// text.
[[nodiscard]] inline std::string remedy_for(int error) {
    switch (error) {
        case ENOSPC:
        case EDQUOT: return "Free space on the file system that holds it, then run the same command again.";
        case EROFS: return "It is on a read-only file system: make that writable, or give another --dir.";
        case EACCES:
        case EPERM: return "Run as the user who owns the state directory, or give another --dir.";
        case ENOENT: return "Check --dir; ts-snapshot makes the state directory and has to run first.";
        case ENOTDIR: return "Give --dir the name of a directory, not of a file.";
        case EMFILE:
        case ENFILE: return "Raise the limit of open files (ulimit -n), then run the same command again.";
        case EIO: return "The disk reports an error: see the system's log, and copy the directory to a sound disk.";
        default: return {};
    }
}

/// @param action  what was tried, as a verb: "write", "open for writing"
[[nodiscard]] inline StateError file_error(const std::filesystem::path& path, std::string_view action, int error) {
    const auto reason = error == ENOSPC || error == EDQUOT ? "the disk is full" : std::strerror(error);
    return {path.string(), fmt::format("cannot {}: {}", action, reason), remedy_for(error)};
}

/// Opens with close-on-exec, so that no child keeps a file or a lock of ours; new files are for their owner alone.
[[nodiscard]] inline Descriptor open_file(const std::filesystem::path& path, int flags, std::string_view action) {
    Descriptor file{::open(path.c_str(), flags | O_CLOEXEC, 0600)};
    if (!file) throw file_error(path, action, errno);
    return file;
}

/// @param path  names the file in the error
inline void write_all(const Descriptor& file, std::string_view text, const std::filesystem::path& path) {
    while (!text.empty()) {
        const auto written = ::write(file.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw file_error(path, "write", errno);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

inline void sync_file(const Descriptor& file, const std::filesystem::path& path) {
    if (::fsync(file.get()) != 0) throw file_error(path, "sync", errno);
}

/// Makes names that were created, renamed or removed in the directory survive a power cut.
inline void sync_directory(const std::filesystem::path& directory) {
    const auto file = open_file(directory, O_RDONLY | O_DIRECTORY, "open");
    // Some file systems (FUSE) cannot sync a directory and say EINVAL; there is nothing more that we could do there.
    if (::fsync(file.get()) != 0 && errno != EINVAL) throw file_error(directory, "sync", errno);
}

/// Replaces the file in one step: whoever reads it, also after a power cut, sees the old text or the new text, whole.
inline void write_atomically(const std::filesystem::path& path, std::string_view text) {
    auto temporary = path;
    temporary += ".new";
    const auto file = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, "create");
    write_all(file, text, temporary);
    sync_file(file, temporary);
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw file_error(path, "replace", errno);
    sync_directory(path.parent_path());
}

/// @param limit  bytes to read at most; what is beyond is left out
[[nodiscard]] inline std::string read_some(const Descriptor& file, std::size_t limit,
                                           const std::filesystem::path& path) {
    std::string text(limit, '\0');
    std::size_t size = 0;
    while (size < limit) {
        const auto count = ::pread(file.get(), text.data() + size, limit - size, static_cast<off_t>(size));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw file_error(path, "read", errno);
        if (count == 0) break;
        size += static_cast<std::size_t>(count);
    }
    text.resize(size);
    return text;
}

}  // namespace tslive::state
