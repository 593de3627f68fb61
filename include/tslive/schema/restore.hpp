#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "tslive/core/error.hpp"
#include "tslive/pg/conninfo.hpp"
#include "tslive/schema/selection.hpp"
#include "tslive/schema/tools.hpp"

namespace tslive::schema {

struct RestoreOptions {
    pg::ConnInfo target;
    std::string migration_id;  ///< names the helper schema, which keeps the record of what is restored
    bool no_owner = false;     ///< everything belongs to the connection's role
    bool no_acl = false;       ///< no grants
    bool skip_all_extensions = false;
    std::vector<std::string> skip_extensions = {};
    std::set<std::uint32_t> made_before =
        {};  ///< schemas, by OID on the source, that the target has been given already
    std::set<std::pair<std::uint32_t, std::uint32_t>> skip_objects = {};    ///< the catalog's OID and the object's
    std::set<std::pair<std::uint32_t, std::uint32_t>> skip_wholly = {};     ///< with all that is built upon them
    std::set<std::pair<std::uint32_t, std::uint32_t>> made_elsewhere = {};  ///< see Section::dependents
};

struct RestoreReport {
    std::size_t restored = 0;  ///< entries of the archive, in this call
    /// What the target refused among grants, comments, security labels and event triggers.
    std::vector<std::string> warnings;
};

/// Creates one section of an archive's schema on the target.
///
/// pg_restore turns a list of entries into SQL, and a session of ours runs it, some hundred entries to a transaction.
/// The same transaction writes down in the helper schema how far it got, so a resumed call goes on exactly behind the
/// last commit, whatever killed the one before; a finished section is a no-op. Lost connections are retried
/// within pg::RetryBudget.
///
/// @throws Error    (operator_action) naming the one entry that the target refuses, and what to do; nothing of its
///                  transaction stays
/// @throws Stopped  when asked to
RestoreReport restore(const Tools& tools, const std::filesystem::path& file, Section section,
                      const RestoreOptions& options, std::stop_token stop = {});

}  // namespace tslive::schema

#include "tslive/schema/impl/restore.ipp"
