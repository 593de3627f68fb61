#pragma once

#include <cerrno>
#include <charconv>
#include <chrono>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/state/files.hpp"
#include "tslive/state/layout.hpp"

namespace tslive::state {

/// Who holds a lock, by its own words. For messages only: the kernel's lock alone decides whether it is held, so a
/// process id that a restarted container uses again, or a text that a killed process left behind, does no harm.
struct LockHolder {
    std::string program;
    int process = 0;  ///< id in its own container; 0 when it is not known
    std::string host;
    std::string started_at;  ///< UTC, `2024-03-25T12:40:40Z`

    [[nodiscard]] std::string text() const {
        return fmt::format("program={} process={} host={} started_at={}\n", program, process, host, started_at);
    }
    [[nodiscard]] static LockHolder parse(std::string_view text);
    /// `process 123 on db-move-1, started 2024-03-25T12:40:40Z`
    [[nodiscard]] std::string describe() const {
        if (process == 0) return "a process that did not leave its name";
        return fmt::format("process {} on {}, started {}", process, host, started_at);
    }
};

/// One program of a kind at a time in a state directory. Held until destroyed or until the process ends, however it
/// ends.
///
/// Processes in different containers on one machine see each other's locks. Child processes do not inherit them.
class Lock {
public:
    /// @param program  name of the executable: `ts-migrate`
    /// @throws StateError  (operator_action) naming the holder when it is taken, or when the file cannot be made
    [[nodiscard]] static Lock acquire(const Layout& layout, std::string_view program);

    /// Who holds the lock now; nothing when it is free. The answer is old as soon as it is given.
    [[nodiscard]] static std::optional<LockHolder> holder(const Layout& layout, std::string_view program);

    Lock(Lock&&) noexcept = default;
    Lock& operator=(Lock&& other) noexcept {
        if (this != &other) {
            release();
            file_ = std::move(other.file_);
        }
        return *this;
    }
    ~Lock() { release(); }

private:
    explicit Lock(Descriptor file) noexcept : file_(std::move(file)) {}

    /// The file stays: deleting it would let two processes hold a lock on two files of the same name.
    void release() noexcept {
        if (file_) [[maybe_unused]]
            const auto ignored = ::ftruncate(file_.get(), 0);
        file_.reset();
    }

    Descriptor file_;
};

inline LockHolder LockHolder::parse(std::string_view text) {
    const auto value = [text](std::string_view key) -> std::string_view {
        const auto at = text.find(key);
        if (at == std::string_view::npos) return {};
        const auto rest = text.substr(at + key.size());
        return rest.substr(0, rest.find_first_of(" \n"));
    };
    LockHolder holder{.program = std::string{value("program=")},
                      .process = 0,
                      .host = std::string{value("host=")},
                      .started_at = std::string{value("started_at=")}};
    const auto process = value("process=");
    std::from_chars(process.data(), process.data() + process.size(), holder.process);
    return holder;
}

namespace detail {

inline constexpr std::size_t longest_lock_text = 1024;

[[nodiscard]] inline LockHolder this_process(std::string_view program) {
    char host[256] = "?";
    ::gethostname(host, sizeof host - 1);
    const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    char started[32] = "";
    std::strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return {.program = std::string{program}, .process = ::getpid(), .host = host, .started_at = started};
}

/// @returns false when somebody else has a lock that does not go together with it
[[nodiscard]] inline bool try_lock(const Descriptor& file, int operation, const std::filesystem::path& path) {
    if (::flock(file.get(), operation | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    if (errno == ENOLCK || errno == EOPNOTSUPP)
        throw StateError(path.string(), "this file system has no locks", "Give --dir a directory on a local disk.");
    throw file_error(path, "lock", errno);
}

}  // namespace detail

inline Lock Lock::acquire(const Layout& layout, std::string_view program) {
    const auto path = layout.lock(program);
    auto file = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, "open for writing");
    while (!detail::try_lock(file, LOCK_EX, path)) {
        if (!detail::try_lock(file, LOCK_SH, path)) {
            const auto other = LockHolder::parse(read_some(file, detail::longest_lock_text, path));
            throw StateError(path.string(),
                             fmt::format("{} already runs in this directory: {}", program, other.describe()),
                             "Wait until it ends, or stop it; another migration needs another --dir.");
        }
        // Nobody has it: it was refused because of somebody in holder(), who lets it go at once.
        ::flock(file.get(), LOCK_UN);
        ::poll(nullptr, 0, 1);
    }
    if (::ftruncate(file.get(), 0) != 0) throw file_error(path, "write", errno);
    write_all(file, detail::this_process(program).text(), path);
    return Lock{std::move(file)};
}

inline std::optional<LockHolder> Lock::holder(const Layout& layout, std::string_view program) {
    const auto path = layout.lock(program);
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file && errno == ENOENT) return std::nullopt;
    if (!file) throw file_error(path, "open", errno);
    if (detail::try_lock(file, LOCK_SH, path)) return std::nullopt;
    return LockHolder::parse(read_some(file, detail::longest_lock_text, path));
}

}  // namespace tslive::state
