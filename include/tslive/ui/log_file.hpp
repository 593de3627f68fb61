#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/log.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/state/files.hpp"
#include "tslive/state/layout.hpp"

namespace tslive::ui {

struct LogFileOptions {
    std::uint64_t rotate_bytes = std::uint64_t{64} << 20;  ///< the file is moved aside before it would pass this
    unsigned keep = 5;                                     ///< files moved aside: `<program>.log.1` is the newest
};

namespace detail {

/// One open log file. The log calls its sinks one at a time, so nothing here is locked.
class LogFile {
public:
    LogFile(std::filesystem::path path, const LogFileOptions& options) : path_(std::move(path)), options_(options) {
        open();
    }

    /// Never throws: a full disk must not end a migration for want of a log line. The loss is said once on standard
    /// error.
    void write(std::string_view line) noexcept {
        try {
            if (size_ > 0 && size_ + line.size() > options_.rotate_bytes) rotate();
            state::write_all(file_, line, path_);
            size_ += line.size();
            failed_ = false;
        } catch (const std::exception& e) {
            if (!std::exchange(failed_, true)) std::fprintf(stderr, "log lines are being lost: %s\n", e.what());
        }
    }

private:
    void open() {
        file_ = state::open_file(path_, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, "open for writing");
        struct ::stat status {};
        size_ = ::fstat(file_.get(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
    }

    void rotate() {
        const auto numbered = [this](unsigned number) { return fmt::format("{}.{}", path_.string(), number); };
        for (unsigned number = options_.keep; number > 1; --number)
            std::rename(numbered(number - 1).c_str(), numbered(number).c_str());
        if (options_.keep > 0) std::rename(path_.c_str(), numbered(1).c_str());
        else ::unlink(path_.c_str());
        open();
    }

    std::filesystem::path path_;
    LogFileOptions options_;
    Descriptor file_;
    std::uint64_t size_ = 0;
    bool failed_ = false;
};

}  // namespace detail

/// Every line of the log, debug included, is appended to `logs/<program>.log` of the state directory (mode 0600).
///
/// @throws StateError  when the file cannot be opened; @pre the directory is there (state::create_directory)
[[nodiscard]] inline log::Sink log_file_sink(const state::Layout& layout, std::string_view program,
                                             const LogFileOptions& options = {}) {
    auto file = std::make_shared<detail::LogFile>(layout.logs() / fmt::format("{}.log", program), options);
    return [file](const log::Line& line) { file->write(log::format(line) + '\n'); };
}

}  // namespace tslive::ui
