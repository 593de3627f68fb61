#pragma once

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/stop.hpp"

namespace tslive::spool {

/// Where a segment's bytes go. After `sync` returns, everything appended survives a power cut.
/// Both throw StateError (operator_action), a full disk included; nothing more is asked of a file that threw.
/// One thread owns a file. It is made from a path, which exists or not, and appends.
template <typename F>
concept SegmentFile = std::movable<F> && requires(F& file, Bytes bytes) {
    { file.append(bytes) } -> std::same_as<void>;
    { file.sync() } -> std::same_as<void>;
};

/// Bytes that this user can still write to the file system that holds `path`.
/// @throws StateError  when it cannot be asked
[[nodiscard]] inline std::uint64_t free_bytes(const std::filesystem::path& path) {
    struct statvfs answer {};
    if (::statvfs(path.c_str(), &answer) != 0)
        throw StateError(path.string(), fmt::format("cannot ask for free space: {}", std::strerror(errno)));
    return std::uint64_t{answer.f_bavail} * answer.f_frsize;
}

namespace detail {

/// A call that failed with `code`, as an error that says what to do.
[[nodiscard]] inline StateError file_error(const std::string& path, const std::string& what, int code) {
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        return {path, fmt::format("the disk is full: {} ({})", what, std::strerror(code)),
                "Free space on this file system (or raise the quota or limit), then resume; what was confirmed to the "
                "source "
                "is safe here, the rest is sent again."};
    return {path, fmt::format("{}: {}", what, std::strerror(code)),
            "Check the disk and the permissions of this directory, then resume."};
}

/// Makes creations, renames and removals in `directory` survive a power cut.
inline void sync_directory(const std::filesystem::path& directory) {
    const Descriptor descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!descriptor || ::fsync(descriptor.get()) != 0)
        throw file_error(directory.string(), "cannot sync the directory", errno);
}

/// Shortens a file to `bytes`, durably.
inline void cut_file(const std::filesystem::path& path, std::uint64_t bytes) {
    const Descriptor descriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!descriptor || ::ftruncate(descriptor.get(), static_cast<off_t>(bytes)) != 0 || ::fsync(descriptor.get()) != 0)
        throw file_error(path.string(), fmt::format("cannot cut it to {} bytes", bytes), errno);
}

}  // namespace detail

/// The production file.
class PosixFile {
public:
    explicit PosixFile(const std::filesystem::path& path)
        : path_(path.string()), descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
        struct stat status {};
        if (!descriptor_ || ::fstat(descriptor_.get(), &status) != 0)
            throw detail::file_error(path_, "cannot open", errno);
        bytes_ = synced_bytes_ = static_cast<std::uint64_t>(status.st_size);
    }

    void append(Bytes bytes) {
        std::size_t done = 0;
        while (done < bytes.size()) {
            const auto count = ::write(descriptor_.get(), bytes.data() + done, bytes.size() - done);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) {
                const auto what = fmt::format("wrote {} of {} bytes at offset {}", done, bytes.size(), bytes_);
                throw detail::file_error(path_, what, errno);
            }
            done += static_cast<std::size_t>(count);
        }
        bytes_ += bytes.size();
    }

    void sync() {
        if (::fdatasync(descriptor_.get()) == 0) {
            synced_bytes_ = bytes_;
            return;
        }
        const int code = errno;
        // Linux marks pages that it failed to write as clean, so the next run would read them from the cache, sync with
        // success, and take for durable what never reached the disk. Take them away while we know.
        [[maybe_unused]] const auto ignored = ::ftruncate(descriptor_.get(), static_cast<off_t>(synced_bytes_));
        throw detail::file_error(
            path_, fmt::format("cannot sync {} bytes at offset {}", bytes_ - synced_bytes_, synced_bytes_), code);
    }

private:
    std::string path_;
    Descriptor descriptor_;
    std::uint64_t bytes_ = 0;
    std::uint64_t synced_bytes_ = 0;
};
static_assert(SegmentFile<PosixFile>);

}  // namespace tslive::spool
