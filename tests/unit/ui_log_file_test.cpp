#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/state/directory.hpp"
#include "tslive/state/layout.hpp"
#include "tslive/ui/log_file.hpp"
#include "unit/support/child_process.hpp"
#include "unit/support/temporary_directory.hpp"

namespace {

using namespace tslive;
using testing::EndsWith;
using testing::HasSubstr;

class LogFile : public testing::Test {
protected:
    void SetUp() override { state::create_directory(layout); }
    void TearDown() override { log::clear_sinks(); }

    [[nodiscard]] std::filesystem::path path(const std::string& suffix = "") const {
        return layout.logs() / ("ts-migrate.log" + suffix);
    }
    [[nodiscard]] std::string text(const std::string& suffix = "") const {
        std::ifstream file{path(suffix)};
        return {std::istreambuf_iterator<char>{file}, {}};
    }

    test::TemporaryDirectory temporary;
    state::Layout layout{temporary.path() / "state"};
};

TEST_F(LogFile, has_every_line_for_its_owner_alone) {
    log::add_sink(ui::log_file_sink(layout, "ts-migrate"));
    log::debug("one {}", 1);
    log::error("two");
    EXPECT_THAT(text(), AllOf(HasSubstr(" DEBUG: one 1\n"), EndsWith(" ERROR: two\n")));
    struct ::stat status {};
    ASSERT_EQ(::stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(LogFile, goes_on_where_the_run_before_ended) {
    ui::log_file_sink(layout, "ts-migrate")({{}, Severity::info, "first run"});
    ui::log_file_sink(layout, "ts-migrate")({{}, Severity::info, "second run"});
    EXPECT_THAT(text(), AllOf(HasSubstr("first run\n"), EndsWith("second run\n")));
}

TEST_F(LogFile, is_moved_aside_by_size_and_the_oldest_goes) {
    const auto sink = ui::log_file_sink(layout, "ts-migrate", {.rotate_bytes = 60, .keep = 2});
    for (const auto* line : {"line 1", "line 2", "line 3", "line 4"}) sink({{}, Severity::info, line});
    for (const auto* suffix : {"", ".1", ".2"}) EXPECT_LE(text(suffix).size(), 60U);
    EXPECT_THAT(text(), EndsWith("line 4\n"));
    EXPECT_THAT(text(".1"), EndsWith("line 3\n"));
    EXPECT_THAT(text(".2"), EndsWith("line 2\n"));
    EXPECT_FALSE(std::filesystem::exists(path(".3")));
}

TEST_F(LogFile, a_line_longer_than_the_limit_is_written_whole) {
    const auto sink = ui::log_file_sink(layout, "ts-migrate", {.rotate_bytes = 60, .keep = 2});
    const std::string line(200, 'x');
    sink({{}, Severity::info, line});
    EXPECT_THAT(text(), EndsWith(line + "\n"));
}

/// What the action writes to standard error. For a child process only, where that stays changed.
template <typename Action>
std::string said_on_stderr(Action action) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) return "pipe failed";
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
    action();
    ::close(STDERR_FILENO);
    std::string text(4096, '\0');
    const auto size = ::read(ends[0], text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
}

TEST_F(LogFile, lines_that_cannot_be_written_are_said_once_and_do_not_end_the_program) {
    test::ChildProcess child{[&](const auto& say) {
        const auto sink = ui::log_file_sink(layout, "ts-migrate");
        ::signal(SIGXFSZ, SIG_IGN);
        const ::rlimit no_bytes{0, 0};
        ::setrlimit(RLIMIT_FSIZE, &no_bytes);
        say(said_on_stderr([&] {
            for (const auto* line : {"one", "two", "three"}) sink({{}, Severity::info, line});
        }));
        say("still here");
    }};
    EXPECT_THAT(child.line(),
                AllOf(HasSubstr("log lines are being lost: "), HasSubstr("ts-migrate.log: cannot write: ")));
    EXPECT_EQ(child.line(), "") << "the end of the first line, and nothing more about it";
    EXPECT_EQ(child.line(), "still here");
}

TEST_F(LogFile, a_directory_that_is_not_there_is_one_clear_error) {
    EXPECT_THROW((void)ui::log_file_sink({temporary.path() / "none"}, "ts-migrate"), StateError);
}

}  // namespace
