#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "tslive/catalog/tables.hpp"
#include "tslive/checks/detail/end.hpp"
#include "tslive/checks/finding.hpp"
#include "tslive/checks/options.hpp"
#include "tslive/timescale/checks_source.hpp"
#include "tslive/timescale/checks_target.hpp"
#include "tslive/timescale/chunk_tables.hpp"
#include "tslive/timescale/installation.hpp"

namespace tslive::timescale {

/// All checks of a source that has TimescaleDB, and of its target; none where it has not.
/// @param across  hypertables are made anew on the target, in its own release
inline void add_findings(std::vector<checks::Finding>& findings, checks::detail::End& source,
                         checks::detail::End* target, const checks::Options& options, bool across = false) {
    using checks::detail::End;
    std::optional<Installation> found;
    const auto add = [&](std::string_view name, auto&& check) {
        return checks::detail::add_finding(findings, std::string{name}, source, check);
    };
    add("timescaledb.release", [&] {
        found = installation(source.connection);
        return found ? judge_release(found->release, source.can)
                     : checks::passed("the source does not use TimescaleDB");
    });
    if (!found || !found->release.known()) return;
    const auto& release = found->release;
    add("timescaledb.skipped_extensions", [&] {
        if (std::ranges::find(options.skip_extensions, "timescaledb") == options.skip_extensions.end())
            return checks::passed("TimescaleDB is not left out");
        return checks::fatal("timescaledb is to be left out (--skip-extensions), and the source has hypertables",
                             "Leave it in; it is a migration of its own kind");
    });
    add("timescaledb.publication", [&] { return detail::check_publication(source); });
    add("timescaledb.replica_identity", [&] { return detail::check_identities(source, release); });
    add("timescaledb.sessions", [&] { return detail::check_sessions(source); });
    add("timescaledb.compression_markers", [&] { return detail::check_markers(source, release); });
    add("timescaledb.messages", [&] { return judge_messages(source.can, read_compression(source.connection)); });
    add("timescaledb.settings", [&] { return detail::check_settings(source, release); });
    add("timescaledb.direct_compress", [&] { return detail::check_direct_compress(source, release); });
    add("timescaledb.chunks", [&] { return detail::check_kinds(source); });
    add("timescaledb.continuous_aggregates", [&] { return detail::check_continuous_aggregates(source); });
    add("timescaledb.new_hypertables", [&] { return detail::check_new_hypertables(release); });
    add("timescaledb.jobs", [&] { return detail::check_jobs(source, *found); });
    if (target == nullptr) return;
    if (across) add("timescaledb.across_versions", [&] { return detail::check_across(source, *target, *found); });
    else add("timescaledb.version", [&] { return detail::check_version(*target, *found); });
    add("timescaledb.library", [&] { return detail::check_library(*target); });
    add("timescaledb.license", [&] { return detail::check_license(source, *target); });
    add("timescaledb.superuser", [&] { return detail::check_superuser(*target); });
    add("timescaledb.restoring", [&] { return detail::check_restoring(source, *target); });
    add("timescaledb.background_workers", [&] { return detail::check_workers(source, *target); });
    add("timescaledb.empty_target", [&] { return detail::check_no_hypertables(*target, options); });
    add("timescaledb.job_owners", [&] { return detail::check_job_owners(source, *target, options); });
}

/// Takes those out of a list that the checks above judge, not the general ones: hypertables, and all in schemas of chunks.
inline void leave_out_pieces(pg::Connection& source, std::vector<catalog::Table>& tables) {
    if (!installation(source)) return;
    const auto pieces = chunk_tables(source);
    std::erase_if(tables, [&](const catalog::Table& table) {
        return pieces.piece(table.id) || pieces.hypertables.contains(table.id) ||
               std::ranges::find(pieces.schemas, table.name.schema) != pieces.schemas.end();
    });
}

}  // namespace tslive::timescale
