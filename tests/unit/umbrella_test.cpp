#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;
const fs::path include_dir = fs::path(TSLIVE_SOURCE_DIR) / "include";

/// Adds `header` (`tslive/...`) and everything of ours that it includes.
void reach(const std::string& header, std::set<std::string>& seen) {
    if (!seen.insert(header).second) return;
    std::ifstream in(include_dir / header);
    ASSERT_TRUE(in.is_open()) << header;
    constexpr std::string_view opening = "#include \"tslive/";
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with(opening)) continue;
        const auto begin = opening.size() - std::string_view("tslive/").size();
        reach(line.substr(begin, line.find('"', begin) - begin), seen);
    }
}

std::set<std::string> public_headers() {
    std::set<std::string> headers;
    for (const auto& module : fs::directory_iterator(include_dir / "tslive")) {
        if (!module.is_directory()) continue;
        for (const auto& file : fs::directory_iterator(module))
            if (file.path().extension() == ".hpp") headers.insert(fs::relative(file.path(), include_dir).string());
    }
    return headers;
}

}  // namespace

TEST(Umbrella, every_public_header_is_reachable_from_it) {
    std::set<std::string> reached;
    reach("tslive/tslive.hpp", reached);
    const auto headers = public_headers();
    EXPECT_GT(headers.size(), 9U);
    for (const auto& header : headers) EXPECT_TRUE(reached.contains(header)) << "#include \"" << header << '"';
}
