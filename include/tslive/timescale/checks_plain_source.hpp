#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/checks/detail/end.hpp"
#include "tslive/checks/finding.hpp"
#include "tslive/checks/options.hpp"
#include "tslive/timescale/installation.hpp"
#include "tslive/timescale/target_hypertables.hpp"

/// Checks of a target with TimescaleDB whose source is plain PostgreSQL.
namespace tslive::timescale {

/// @param settings_of  databases and roles for which `timescaledb.restoring` is on; `` for the server or the session
[[nodiscard]] inline checks::Verdict judge_target_restoring(const std::vector<std::string>& settings_of) {
    if (settings_of.empty()) return checks::passed("timescaledb.restoring is off on the target");
    return checks::fatal(
        fmt::format(
            "timescaledb.restoring is on on the target ({}), as a restore that did not end leaves it: hypertables "
            "would take their rows as plain tables do",
            checks::listed(settings_of)),
        "There: SELECT timescaledb_post_restore(), or ALTER DATABASE … RESET timescaledb.restoring, and ALTER ROLE or "
        "ALTER SYSTEM likewise");
}

[[nodiscard]] inline checks::Verdict judge_target_release(const Installation& timescaledb, bool apache) {
    if (!timescaledb.release.known())
        return checks::fatal(
            fmt::format("the target has TimescaleDB {}, and this release knows 2.10 to 2.28", timescaledb.version),
            "Use a version that is supported, or a release of ts-live that knows this one");
    if (apache)
        return checks::note(
            fmt::format("the target has TimescaleDB {} under the Apache licence: tables may become "
                        "hypertables, without compression and policies",
                        timescaledb.version));
    return checks::note(
        fmt::format("the target has TimescaleDB {}: tables may become hypertables", timescaledb.version),
        "ts-migrate asks for them when the schema is on the target, or makes them from --hypertables");
}

namespace detail {

inline checks::Verdict check_target_restoring(checks::detail::End& target) {
    const auto found = target.connection.exec(
        "SELECT coalesce('database ' || d.datname, '') || coalesce(' role ' || r.rolname, '') "
        "FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS one (setting) "
        "LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase "
        "LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole "
        "WHERE one.setting LIKE 'timescaledb.restoring=%' "
        "AND split_part(one.setting, '=', 2) NOT IN ('off', 'false', 'no', '0') "
        "AND (s.setdatabase = 0 OR d.datname = pg_catalog.current_database()) ORDER BY 1");
    std::vector<std::string> settings_of;
    for (int row = 0; row < found.rows(); ++row) settings_of.push_back(found.text(row, 0));
    if (settings_of.empty() && checks::detail::setting(target.connection, "timescaledb.restoring", "off") == "on")
        settings_of.emplace_back("the server");
    return judge_target_restoring(settings_of);
}

inline checks::Verdict check_target_publications(checks::detail::End& target) {
    const auto found = target.connection.exec(
        "SELECT pg_catalog.quote_ident(pubname) FROM pg_catalog.pg_publication WHERE puballtables ORDER BY 1");
    std::vector<std::string> names;
    for (int row = 0; row < found.rows(); ++row) names.push_back(found.text(row, 0));
    if (names.empty()) return checks::passed("the target publishes no table that is to become a hypertable");
    return checks::warning(
        fmt::format("the target has publications FOR ALL TABLES ({}): TimescaleDB refuses to make hypertables of "
                    "published tables",
                    checks::listed(names)),
        "If tables are to become hypertables, drop them there, and make them again after the migration");
}

}  // namespace detail

/// Nothing where the source has TimescaleDB too, or the target has not.
inline void add_plain_source_findings(std::vector<checks::Finding>& findings, checks::detail::End& source,
                                      checks::detail::End* target, const checks::Options&) {
    if (target == nullptr) return;
    std::optional<Installation> found;
    const auto add = [&](std::string_view name, auto&& check) {
        return checks::detail::add_finding(findings, std::string{name}, *target, check);
    };
    if (!add("target.timescaledb", [&] {
            if (!installation(source.connection)) found = installation(target->connection);
            return found ? judge_target_release(*found, apache_licence(target->connection))
                         : checks::passed("no plain table is to become a hypertable");
        }))
        return;
    if (!found) return;
    add("target.timescaledb_restoring", [&] { return detail::check_target_restoring(*target); });
    add("target.timescaledb_publications", [&] { return detail::check_target_publications(*target); });
}

}  // namespace tslive::timescale
