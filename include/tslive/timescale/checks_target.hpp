#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/extensions.hpp"
#include "tslive/checks/detail/end.hpp"
#include "tslive/checks/finding.hpp"
#include "tslive/checks/options.hpp"
#include "tslive/timescale/blueprint_check.hpp"
#include "tslive/timescale/checks_support.hpp"
#include "tslive/timescale/installation.hpp"
#include "tslive/timescale/source_settings.hpp"

/// Checks of the target of a TimescaleDB database, and of what must be the same on both ends.
namespace tslive::timescale {

using checks::Verdict;

/// @param installed  in the target's database
/// @param available  on the target's server; none: TimescaleDB is not there at all
[[nodiscard]] inline Verdict judge_same_version(const std::string& source, const std::optional<std::string>& installed,
                                                const std::optional<catalog::AvailableExtension>& available) {
    if (!installed && !available)
        return checks::fatal(
            fmt::format(
                "the source has TimescaleDB {}, and the target's server has no TimescaleDB: hypertables can only "
                "become hypertables",
                source),
            fmt::format("Install TimescaleDB {} on the target's server", source));
    constexpr std::string_view across = "; or migrate across versions: --migrate-across-timescaledb-versions";
    if (installed && *installed != source)
        return checks::fatal(
            fmt::format("the source has TimescaleDB {} and the target {}, and their versions must be the same", source,
                        *installed),
            fmt::format(
                "ALTER EXTENSION timescaledb UPDATE on the older one, or DROP EXTENSION timescaledb on the target "
                "when version {} is installed there{}",
                source, across));
    if (installed) return checks::passed(fmt::format("both databases have TimescaleDB {}", source));
    if (!available->versions.contains(source))
        return checks::fatal(
            fmt::format("the source has TimescaleDB {}, which the target's server does not offer: it has {}", source,
                        fmt::join(available->versions, ", ")),
            fmt::format("Install TimescaleDB {} on the target's server, or update the source's{}", source, across));
    return checks::passed(fmt::format("the target's server offers TimescaleDB {}", source));
}

/// @param needs  features of the source that the Apache edition does not have
[[nodiscard]] inline Verdict judge_license(std::string_view license, const std::vector<std::string>& needs) {
    if (license != "apache" || needs.empty()) return checks::passed("the target's license has what the source uses");
    return checks::fatal(
        fmt::format("timescaledb.license is apache on the target, and the source uses {}", fmt::join(needs, ", ")),
        "Set timescaledb.license = 'timescale' on the target's server, and reload it");
}

/// @param where  on which end, and how
[[nodiscard]] inline Verdict judge_restoring(const std::vector<std::string>& where) {
    if (where.empty()) return checks::passed("timescaledb.restoring is off");
    return checks::fatal(
        fmt::format("timescaledb.restoring is on, as a restore that did not end leaves it: {}", fmt::join(where, ", ")),
        "SELECT timescaledb_post_restore() there, or ALTER DATABASE … RESET timescaledb.restoring");
}

namespace detail {

inline Verdict check_version(checks::detail::End& target, const Installation& source) {
    std::optional<std::string> installed;
    if (const auto found = installation(target.connection)) installed = found->version;
    std::optional<catalog::AvailableExtension> available;
    const auto all = catalog::available_extensions(target.connection);
    if (const auto found = all.find("timescaledb"); found != all.end()) available = found->second;
    return judge_same_version(source.version, installed, available);
}

inline Verdict check_across(checks::detail::End& source, checks::detail::End& target, const Installation& found) {
    const auto there = installation_to_be(target.connection, found.schema);
    if (!there) return checks::fatal("the target's server has no TimescaleDB", "Install it on the target's server");
    const auto against = objections(source.connection, found, *there);
    if (against.empty())
        return checks::passed(fmt::format("TimescaleDB {} of the source can be made anew on {}, the target's",
                                          found.version, there->version));
    return checks::fatal(fmt::format("not everything of TimescaleDB {} can be made anew on {}, the target's: {}",
                                     found.version, there->version, fmt::join(against, "; ")),
                         "Change on the source what is named, or install another version on the target's server");
}

/// The loader has settings of its own, which anybody may see.
inline Verdict check_library(checks::detail::End& target) {
    if (!target.connection.exec("SELECT FROM pg_catalog.pg_settings WHERE name = 'timescaledb.max_background_workers'")
             .empty())
        return checks::passed("TimescaleDB is loaded on the target's server");
    return checks::fatal("TimescaleDB is not loaded on the target's server",
                         "Add timescaledb to shared_preload_libraries there, and restart it");
}

inline Verdict check_license(checks::detail::End& source, checks::detail::End& target) {
    const auto counts = source.connection.exec(
        fmt::format("SELECT (SELECT count(*) FROM _timescaledb_catalog.hypertable WHERE compression_state <> 0), "
                    "(SELECT count(*) FROM _timescaledb_catalog.continuous_agg), "
                    "(SELECT count(*) FROM {} WHERE id >= 1000)",
                    installation(source.connection)->release.jobs()));
    std::vector<std::string> needs;
    constexpr std::string_view names[] = {"compression", "continuous aggregates", "policies or jobs"};
    for (int column = 0; column < counts.columns(); ++column)
        if (counts.number<std::int64_t>(0, column) > 0) needs.emplace_back(names[column]);
    return judge_license(checks::detail::setting(target.connection, "timescaledb.license", "timescale"), needs);
}

inline Verdict check_superuser(checks::detail::End& target) {
    if (target.superuser) return checks::passed("the role is a superuser on the target");
    return checks::fatal(
        fmt::format("role {} is no superuser on the target, which it takes to restore TimescaleDB's catalog",
                    target.role),
        "Use a superuser on the target");
}

inline Verdict check_restoring(checks::detail::End& source, checks::detail::End& target) {
    std::vector<std::string> where;
    for (auto* end : {&source, &target}) {
        for (const auto& override : setting_overrides(end->connection, "timescaledb.restoring"))
            if (same_switch(override.value, "on"))
                where.push_back(fmt::format("{}, for {}", end->label, override.whom()));
        if (where.empty() &&
            same_switch(checks::detail::setting(end->connection, "timescaledb.restoring", "off"), "on"))
            where.push_back(fmt::format("{}, for the instance", end->label));
    }
    return judge_restoring(where);
}

/// Jobs run in background workers; with too few they do not run, and say so in the server's log only.
inline Verdict check_workers(checks::detail::End& source, checks::detail::End& target) {
    const auto number = [](checks::detail::End& end, std::string_view name) {
        return std::stoll(checks::detail::setting(end.connection, name, "0"));
    };
    constexpr std::string_view ours = "timescaledb.max_background_workers", all = "max_worker_processes";
    const auto here = number(source, ours), there = number(target, ours);
    if (there < here)
        return checks::warning(
            fmt::format("{} is {} on the target and {} on the source: jobs would wait for each other", ours, there,
                        here),
            "Raise it on the target, and max_worker_processes with it; both take a restart");
    const auto room = number(target, all) - number(target, "max_parallel_workers");
    if (room <= there)
        return checks::warning(
            fmt::format("{} on the target has no room for {} of TimescaleDB's workers beside parallel ones", all,
                        there),
            fmt::format("Raise {} on the target to at least {}, and restart it", all,
                        number(target, all) + there - room + 1));
    return checks::passed("the target has room for TimescaleDB's background workers");
}

inline Verdict check_no_hypertables(checks::detail::End& target, const checks::Options& options) {
    if (!installation(target.connection)) return checks::passed("the target has no hypertables");
    const auto found =
        names_of(target.connection, "SELECT schema_name, table_name FROM _timescaledb_catalog.hypertable ORDER BY id");
    if (found.empty()) return checks::passed("the target has no hypertables");
    if (options.resuming) return checks::passed("the target has hypertables already: this run resumes");
    return checks::fatal(fmt::format("the target has {} hypertables: {}", found.size(), checks::listed(found)),
                         "Use an empty database: chunks, jobs and slices are copied with their numbers");
}

/// Jobs belong to roles.
inline Verdict check_job_owners(checks::detail::End& source, checks::detail::End& target,
                                const checks::Options& options) {
    if (!options.skip_roles) return checks::passed("the owners of jobs are copied");
    const auto owners = source.connection.exec(
        fmt::format("SELECT DISTINCT pg_catalog.pg_get_userbyid(owner) FROM {} WHERE id >= 1000 ORDER BY 1",
                    installation(source.connection)->release.jobs()));
    std::vector<std::string> missing;
    for (int row = 0; row < owners.rows(); ++row)
        if (target.connection
                .exec("SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", pg::Params{}.text(owners.at(row, 0)))
                .empty())
            missing.push_back(owners.text(row, 0));
    if (missing.empty()) return checks::passed("the target has the owners of all jobs");
    return checks::fatal(fmt::format("roles are not copied (--skip-roles), and the target lacks owners of jobs: {}",
                                     checks::listed(missing)),
                         "Create these roles on the target, or migrate without --skip-roles");
}

}  // namespace detail
}  // namespace tslive::timescale
