#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "integration/harness/failure.hpp"
#include "tslive/core/stop.hpp"

namespace tslive::harness {

/// The temporary directory of this test process, and the guardian that sees to it that nothing stays behind.
///
/// The guardian is a small shell process of its own session. It holds the other end of a pipe, so it notices the end of
/// this process however that came about (a crash and `kill -9` included); then it kills the processes it was told of
/// and removes the directory. TSLIVE_TEST_KEEP=1 in the environment keeps the directory for a look. Any thread may
/// call.
class Scratch {
public:
    [[nodiscard]] static Scratch& instance() {
        static Scratch scratch;
        return scratch;
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        std::error_code ignored;
        if (!keep()) std::filesystem::remove_all(root_, ignored);
    }

    /// A new empty directory. Its path is short, so that a Unix socket fits into it (107 bytes).
    [[nodiscard]] std::filesystem::path make_directory(std::string_view name) {
        auto path = root_ / fmt::format("{}{}", name, ++count_);
        std::filesystem::create_directory(path);
        return path;
    }
    [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_; }

    /// From now on the process, its group and its children end with us.
    void watch(pid_t pid) { tell("watch", pid); }
    /// To be called before the process is reaped: afterwards its id may belong to another.
    void forget(pid_t pid) { tell("forget", pid); }

private:
    static constexpr const char* guardian_script = R"sh(
trap '' INT TERM HUP QUIT PIPE
pids=
while read -r verb pid; do
    case $verb in
        watch) pids="$pids $pid" ;;
        forget) kept=; for p in $pids; do [ "$p" = "$pid" ] || kept="$kept $p"; done; pids=$kept ;;
    esac
done
for p in $pids; do
    kill -STOP "$p"
    children=$(cat "/proc/$p/task/$p/children")
    kill -KILL "-$p" "$p" $children
done
[ -n "$2" ] && exit
for try in 1 2 3 4 5; do rm -rf -- "$1" && exit; sleep 1; done
)sh";

    Scratch() {
        auto path = parent() + "/tslive-XXXXXX";
        if (::mkdtemp(path.data()) == nullptr) throw system_failure("mkdtemp " + path);
        root_ = path;
        std::filesystem::permissions(root_, std::filesystem::perms{0755});  // the servers' account passes through
        start_guardian();
    }

    /// $TMPDIR, else memory where there is plenty of it (servers start several times faster there), else /tmp.
    static std::string parent() {
        constexpr std::uintmax_t plenty_bytes = 4'000'000'000;
        const char* chosen = std::getenv("TMPDIR");
        if (chosen != nullptr && std::string_view{chosen}.size() <= 40) return chosen;
        std::error_code no_such_place;
        const auto memory = std::filesystem::space("/dev/shm", no_such_place);
        return !no_such_place && memory.available >= plenty_bytes ? "/dev/shm" : "/tmp";
    }

    void start_guardian() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw system_failure("pipe");
        Descriptor read_end{ends[0]};
        write_end_ = Descriptor{ends[1]};
        const char* arguments[] = {
            "/bin/sh", "-c", guardian_script, "tslive-test-guardian", root_.c_str(), keep() ? "keep" : "", nullptr};
        const pid_t child = ::fork();
        if (child < 0) throw system_failure("fork");
        if (child == 0) {  // only async-signal-safe calls from here
            ::setsid();
            if (::fork() != 0) ::_exit(0);  // its parent is init now: ctest's kill of our process tree does not find it
            ::dup2(read_end.get(), 0);
            const int null = ::open("/dev/null", O_WRONLY);
            ::dup2(null, 1);
            ::dup2(null, 2);
            ::close_range(3, ~0U, 0);
            ::execv(arguments[0], const_cast<char* const*>(arguments));
            ::_exit(127);
        }
        ::waitpid(child, nullptr, 0);
    }

    [[nodiscard]] static bool keep() { return std::getenv("TSLIVE_TEST_KEEP") != nullptr; }
    void tell(std::string_view verb, pid_t pid) {
        const auto line = fmt::format("{} {}\n", verb, pid);
        const std::scoped_lock lock(mutex_);
        if (::write(write_end_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()))
            throw system_failure("write to the guardian");
    }

    std::filesystem::path root_;
    std::atomic<int> count_ = 0;
    std::mutex mutex_;
    Descriptor write_end_;
};

}  // namespace tslive::harness
