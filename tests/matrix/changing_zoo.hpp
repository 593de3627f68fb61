#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "integration/harness/database.hpp"
#include "integration/support/migration.hpp"
#include "tslive/catalog/capabilities.hpp"

namespace tslive::harness {

/// Of a source: what it can send of a transaction before the commit, it does.
[[nodiscard]] inline std::vector<std::string> source_settings(int major) {
    std::vector<std::string> settings{"wal_level=logical"};
    if (catalog::Capabilities{major * 10000}.streaming()) settings.emplace_back("logical_decoding_work_mem=64kB");
    return settings;
}

/// The zoo, and what versions treat differently.
inline void load_changing_zoo(const Database& database) {
    database.load_zoo({"types", "names", "identities", "partitions", "tables"});
    database.load(TSLIVE_SOURCE_DIR "/tests/matrix/objects.sql");
    // A byte above 127 in a column of type "char" has no valid text before version 16, and changes travel as text.
    database.sql("UPDATE zoo_types.texts SET ch = 'a' WHERE id = 3");
}

namespace detail {

/// COPY, COMMIT PREPARED and their like want to be sent alone.
[[nodiscard]] inline std::vector<std::string> statements(std::string_view text) {
    std::vector<std::string> found(1);
    bool in_body = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text.substr(at, 2) == "$$") in_body = !in_body;
        found.back() += text[at];
        if (text.substr(at, 2) == ";\n" && !in_body) found.emplace_back();
    }
    found.pop_back();
    return found;
}

}  // namespace detail

/// Runs changes.sql.
/// @param round  another number each time
inline void change_everything(const Database& database, int round) {
    auto text = read_text(TSLIVE_SOURCE_DIR "/tests/matrix/changes.sql");
    constexpr std::string_view placeholder = "$round";
    for (auto at = text.find(placeholder); at != std::string::npos; at = text.find(placeholder, at))
        text.replace(at, placeholder.size(), fmt::format("{}", round));
    auto connection = database.connect("changes");
    for (const auto& statement : detail::statements(text)) connection.exec(statement);
}

}  // namespace tslive::harness
