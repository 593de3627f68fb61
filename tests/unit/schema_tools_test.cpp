#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/schema/tools.hpp"
#include "unit/support/temporary_directory.hpp"

namespace tslive::schema {
namespace {

using testing::HasSubstr;

void make_tool(const std::filesystem::path& file, std::string_view version) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << "#!/bin/sh\necho '" << file.filename().string() << " (PostgreSQL) " << version << "'\n";
    std::filesystem::permissions(file, std::filesystem::perms{0755});
}

int chosen(std::vector<int> majors, int source, int target) {
    std::vector<Tools> candidates;
    for (const int major : majors) candidates.push_back({"pg_dump", "pg_restore", major});
    const auto best = choose_tools(candidates, source, target);
    return best ? best->major : 0;
}

TEST(Tools, versions_are_read_as_the_programs_print_them) {
    EXPECT_EQ(parse_major("pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n"), 15);
    EXPECT_EQ(parse_major("pg_dump (PostgreSQL) 18beta1"), 18);
    EXPECT_EQ(parse_major("pg_dump (PostgreSQL) "), std::nullopt);
    EXPECT_EQ(parse_major("Error: no cluster"), std::nullopt);
}

TEST(Tools, the_newest_not_newer_than_the_target_is_chosen) {
    EXPECT_EQ(chosen({13, 14, 15, 16, 17}, 14, 16), 16);
    EXPECT_EQ(chosen({14, 17}, 14, 16), 14);
    EXPECT_EQ(chosen({18, 17}, 14, 16), 17) << "the oldest of those that are too new";
    EXPECT_EQ(chosen({12, 13}, 14, 16), 0) << "older than the source";
}

TEST(Tools, a_folder_given_is_the_only_one_looked_into) {
    const test::TemporaryDirectory folder;
    make_tool(folder.path() / "pg_dump", "16.3");
    make_tool(folder.path() / "pg_restore", "16.3");
    const auto tools = find_tools(folder.path(), 150020, 170001);
    EXPECT_EQ(tools.major, 16);
    EXPECT_EQ(tools.pg_dump, folder.path() / "pg_dump");
}

TEST(Tools, ones_older_than_the_source_are_refused_by_name) {
    const test::TemporaryDirectory folder;
    make_tool(folder.path() / "pg_dump", "14.1");
    make_tool(folder.path() / "pg_restore", "14.1");
    try {
        static_cast<void>(find_tools(folder.path(), 150020));
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.recovery(), Recovery::operator_action);
        EXPECT_THAT(error.what(), HasSubstr((folder.path() / "pg_dump").string() + " 14"));
        EXPECT_THAT(error.remedy(), HasSubstr("15"));
    }
}

TEST(Tools, half_a_pair_is_not_one) {
    const test::TemporaryDirectory folder;
    make_tool(folder.path() / "pg_dump", "16.3");
    EXPECT_THROW(static_cast<void>(find_tools(folder.path(), 150020)), Error);
    make_tool(folder.path() / "pg_restore", "15.3");
    EXPECT_THROW(static_cast<void>(find_tools(folder.path(), 150020)), Error);
}

TEST(Tools, an_empty_folder_says_that_nothing_was_found) {
    const test::TemporaryDirectory folder;
    try {
        static_cast<void>(find_tools(folder.path(), 150020));
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("found: none"));
        EXPECT_THAT(error.remedy(), HasSubstr("--pg-bin-dir"));
    }
}

}  // namespace
}  // namespace tslive::schema
