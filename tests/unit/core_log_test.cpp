#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/core/log.hpp"

namespace tslive {
namespace {

struct Log : testing::Test {
    ~Log() override { log::clear_sinks(); }
    std::vector<std::string> lines;
    void listen() {
        log::add_sink(
            [this](const log::Line& line) { lines.push_back(fmt::format("{} {}", name(line.severity), line.text)); });
    }
};

TEST_F(Log, every_sink_gets_every_line) {
    listen();
    listen();
    log::info("{} rows", 3);
    log::error("bad");
    EXPECT_THAT(lines, testing::ElementsAre("INFO 3 rows", "INFO 3 rows", "ERROR bad", "ERROR bad"));
}

TEST_F(Log, without_a_sink_nothing_is_written) {
    listen();
    log::clear_sinks();
    log::warning("nobody hears");
    EXPECT_TRUE(lines.empty());
}

TEST_F(Log, braces_in_what_is_logged_are_text) {
    listen();
    log::debug("{}", "{not a field}");
    EXPECT_THAT(lines, testing::ElementsAre("DEBUG {not a field}"));
}

TEST_F(Log, a_line_has_local_time_with_milliseconds) {
    const log::Line line{std::chrono::system_clock::time_point{std::chrono::milliseconds{1'711'370'440'884}},
                         Severity::warning, "text"};
    EXPECT_THAT(log::format(line), testing::MatchesRegex("2024-03-2[0-9]T[0-9][0-9]:[0-9][0-9]:40.884 WARNING: text"));
}

}  // namespace
}  // namespace tslive
