#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tslive/catalog/tables.hpp"
#include "tslive/checks/finding.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/conninfo.hpp"

namespace tslive::checks {

namespace detail {
struct End;
}

/// The migration that is to come, as far as checks need to know it.
struct Options {
    pg::ConnInfo source, target;
    std::optional<std::filesystem::path> pg_bin_dir;
    int table_jobs = 8, index_jobs = 8;
    bool skip_roles = false;
    bool skip_all_extensions = false;
    std::vector<std::string> skip_extensions;
    /// The target already holds what an earlier run of this migration made.
    bool resuming = false;
    /// Transactions that have been open for longer than this are named, since the slot waits for them.
    std::chrono::seconds long_transaction{10};
    /// Whether pg_dump and pg_restore suit a source of this version (150020), which a module beside this one knows.
    std::function<Verdict(int source_server_version)> tools_check;
    /// Checks of a module beside this one, each under a name of its own. The target is missing when it does not answer.
    std::function<void(std::vector<Finding>&, detail::End& source, detail::End* target, const Options&)> further_checks;
    /// Takes the source's tables out that those judge, which the general checks of tables then do not.
    std::function<void(pg::Connection& source, std::vector<catalog::Table>&)> leave_out;
};

}  // namespace tslive::checks
