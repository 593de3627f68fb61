#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/core/error.hpp"

namespace tslive::schema {

/// One pair of pg_dump and pg_restore, of one version.
struct Tools {
    std::filesystem::path pg_dump, pg_restore;
    int major = 0;
};

/// Finds the pair to use: from `bin_dir` alone when it is given, else from PATH and the folders where distributions
/// keep PostgreSQL.
///
/// pg_dump must be at least as new as the source. Of those that are, the newest not newer than the target is taken: it
/// writes the target's own dialect (and knows, for 15, what a new `public` schema grants); when all are newer, the
/// oldest.
///
/// @param source_server_version  as PQserverVersion gives it: 150020
/// @param target_server_version  the same; 0: not known, taken as the source's
/// @throws Error  (operator_action) when there is none, naming what was found where
[[nodiscard]] Tools find_tools(const std::optional<std::filesystem::path>& bin_dir, int source_server_version,
                               int target_server_version = 0);

/// The major version in what `pg_dump --version` prints: `pg_dump (PostgreSQL) 15.20 (Debian …)`, `… 18beta1`.
[[nodiscard]] std::optional<int> parse_major(std::string_view version_line);

/// The choice among candidates, by the rule of find_tools; the first of equals.
[[nodiscard]] std::optional<Tools> choose_tools(const std::vector<Tools>& candidates, int source_major,
                                                int target_major);

}  // namespace tslive::schema

#include "tslive/schema/impl/tools.ipp"
