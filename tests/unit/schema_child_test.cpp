#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/core/stop.hpp"
#include "tslive/schema/child.hpp"
#include "unit/support/captured_log.hpp"
#include "unit/support/child_process.hpp"
#include "unit/support/temporary_directory.hpp"

namespace tslive::schema {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

Command shell(std::string script, std::vector<std::string> arguments = {}) {
    Command command{
        .program = "/bin/sh", .arguments = {"-c", std::move(script), "sh"}, .environment = {}, .without = {}};
    for (auto& argument : arguments) command.arguments.push_back(std::move(argument));
    return command;
}

bool gone(pid_t pid) {
    std::ifstream stat(fmt::format("/proc/{}/stat", pid));
    std::string text;
    std::getline(stat, text);
    const auto state = text.rfind(") ");
    return state == std::string::npos || text[state + 2] == 'Z';
}

/// The condition, looked at until it holds or a minute is over.
template <typename Condition>
bool comes_true(Condition condition) {
    Waiter waiter;
    for (int tries = 0; tries < 6000; ++tries) {
        if (condition()) return true;
        waiter.sleep(std::chrono::milliseconds{10});
    }
    return false;
}

/// The process id that a script wrote into a file, once it is there whole.
pid_t pid_in(const std::filesystem::path& file) {
    std::string line;
    EXPECT_TRUE(comes_true([&] { return static_cast<bool>(std::getline(std::ifstream(file) >> std::ws, line)); }));
    return line.empty() ? -1 : std::stoi(line);
}

TEST(Child, its_output_comes_back_and_its_complaints_go_to_the_log) {
    const test::CapturedLog log;
    const auto output = run_child(shell("echo out; echo one >&2; printf two >&2"));
    EXPECT_EQ(output.text, "out\n");
    EXPECT_TRUE(output.complete);
    EXPECT_THAT(log.lines(), testing::IsSupersetOf({"sh: one", "sh: two"}));
}

TEST(Child, arguments_arrive_as_they_are) {
    const auto output =
        run_child(shell(R"(for a; do printf '%s|' "$a"; done)", {"a b", "$HOME", "'", "", "\n\"x\"", "*"}));
    EXPECT_EQ(output.text, "a b|$HOME|'||\n\"x\"|*|");
}

TEST(Child, its_environment_is_ours_with_changes) {
    ::setenv("TSLIVE_TEST_KEPT", "kept", 1);
    ::setenv("TSLIVE_TEST_DROPPED", "dropped", 1);
    ::setenv("TSLIVE_TEST_CHANGED", "before", 1);
    auto command = shell(R"(echo "$TSLIVE_TEST_KEPT,$TSLIVE_TEST_DROPPED,$TSLIVE_TEST_CHANGED")");
    command.environment["TSLIVE_TEST_CHANGED"] = "a = b";
    command.without = {"TSLIVE_TEST_DROPPED"};
    EXPECT_EQ(run_child(command).text, "kept,,a = b\n");
}

TEST(Child, it_has_no_input_and_none_of_our_descriptors) {
    const test::TemporaryDirectory directory;
    std::ofstream(directory.path() / "open");
    const Descriptor ours{::open((directory.path() / "open").c_str(), O_RDONLY)};  // without O_CLOEXEC
    const auto output = run_child(shell("cat; ls -l /proc/self/fd"));
    EXPECT_THAT(output.text, Not(HasSubstr(directory.path().string())));
}

TEST(Child, a_failure_names_program_status_and_last_words_but_no_arguments) {
    try {
        static_cast<void>(run_child(
            shell("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do echo line $i >&2; done; exit 7", {"argument-text"})));
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("sh ended with status 7"));
        EXPECT_THAT(error.what(), HasSubstr("line 14"));
        EXPECT_THAT(error.what(), Not(HasSubstr("line 1\n"))) << "the last lines only";
        EXPECT_THAT(error.what(), Not(HasSubstr("argument-text")));
    }
}

TEST(Child, a_death_by_signal_is_said) {
    try {
        static_cast<void>(run_child(shell("kill -9 $$")));
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("signal 9"));
    }
}

TEST(Child, a_program_that_is_not_there_is_named) {
    try {
        static_cast<void>(
            run_child({.program = "/nonexistent/pg_dump", .arguments = {}, .environment = {}, .without = {}}));
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("cannot run /nonexistent/pg_dump"));
    }
}

TEST(Child, output_over_the_limit_is_cut_and_said_so) {
    const auto output = run_child(shell("yes | head -c 300000"), {}, 1000);
    EXPECT_EQ(output.text.size(), 1000U);
    EXPECT_FALSE(output.complete);
}

TEST(Child, a_stop_request_ends_it_even_when_it_ignores_sigterm) {
    const test::TemporaryDirectory directory;
    const auto file = directory.path() / "pid";
    std::stop_source stop;
    std::jthread asks([&] {
        pid_in(file);
        stop.request_stop();
    });
    EXPECT_THROW(static_cast<void>(run_child(shell("trap '' TERM; echo $$ > \"$1\"; while :; do sleep 1; done", {file}),
                                             stop.get_token())),
                 Stopped);
    EXPECT_TRUE(gone(pid_in(file)));
}

TEST(Child, no_child_is_started_after_a_stop_request) {
    std::stop_source stop;
    stop.request_stop();
    EXPECT_THROW(static_cast<void>(run_child(shell("exit 1"), stop.get_token())), Stopped);
}

TEST(Child, it_does_not_outlive_us) {
    const test::TemporaryDirectory directory;
    const auto file = directory.path() / "pid";
    test::ChildProcess us(
        [&](const auto&) { static_cast<void>(run_child(shell("echo $$ > \"$1\"; exec sleep 1000", {file}))); });
    const auto pid = pid_in(file);
    EXPECT_FALSE(gone(pid));
    us.kill();
    EXPECT_TRUE(comes_true([&] { return gone(pid); }));
}

TEST(ConnectByEnvironment, the_password_travels_in_the_environment_alone) {
    Command command{.program = "/usr/bin/pg_dump", .arguments = {}, .environment = {}, .without = {}};
    connect_by_environment(
        command, pg::ConnInfo::parse("postgresql://al%20ice:p%40ss%27w@[::1],b.example:5433/d%25b?sslmode=require"));
    EXPECT_EQ(command.environment.at("PGPASSWORD"), "p@ss'w");
    EXPECT_THAT(command.arguments, Contains("--no-password"));
    EXPECT_THAT(command.arguments,
                Contains("--dbname=dbname='d%b' host='::1,b.example' port=',5433' sslmode='require' user='al ice'"));
}

TEST(ConnectByEnvironment, a_secret_that_no_variable_carries_is_refused_without_telling_it) {
    Command command{.program = "/usr/bin/pg_dump", .arguments = {}, .environment = {}, .without = {}};
    try {
        connect_by_environment(command, pg::ConnInfo::parse("host=h sslpassword=hush"));
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("sslpassword"));
        EXPECT_THAT(std::string{error.what()} + error.remedy(), Not(HasSubstr("hush")));
        EXPECT_THAT(error.remedy(), HasSubstr("service file"));
    }
}

}  // namespace
}  // namespace tslive::schema
