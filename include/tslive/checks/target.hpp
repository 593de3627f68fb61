#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/checks/detail/end.hpp"
#include "tslive/checks/finding.hpp"

/// Checks of the target alone: may we do there what applying changes takes.
namespace tslive::checks {

/// @param withheld  replication origin functions that the role may not call
/// @param free      origins that may still be made
[[nodiscard]] inline Verdict judge_origin(const std::vector<std::string>& withheld, std::int64_t free) {
    const std::string instead =
        "; progress is kept in a row of the helper schema instead, as exactly, for one more UPDATE a batch";
    if (!withheld.empty())
        return note(fmt::format("the role may not call {}{}", listed(withheld), instead),
                    "From version 14 on a superuser may GRANT EXECUTE on them; nothing needs to be done");
    if (free < 1)
        return note(fmt::format("the target has no room for another replication origin{}", instead),
                    "max_active_replication_origins (before version 18: max_replication_slots) is the limit; nothing "
                    "needs to be done");
    return passed("replication origins may be used");
}

/// @param schemas  schemas of the source that exist on the target, and where the role may not create objects
[[nodiscard]] inline Verdict judge_target_privileges(std::string_view role, bool may_create,
                                                     const std::vector<std::string>& schemas) {
    if (!may_create)
        return fatal(fmt::format("role {} may not create schemas on the target", role),
                     fmt::format("GRANT CREATE ON DATABASE … TO {}", pg::quote_identifier(role)));
    if (!schemas.empty())
        return fatal(
            fmt::format("role {} may not create objects in these schemas of the target: {}", role, listed(schemas)),
            fmt::format("GRANT CREATE ON SCHEMA … TO {}, or make it their owner", pg::quote_identifier(role)));
    return passed("the role may create schemas and objects");
}

/// @param missing  roles of the source that the target does not have
[[nodiscard]] inline Verdict judge_roles(bool may_create, const std::vector<std::string>& missing) {
    if (missing.empty()) return passed("the target has all roles of the source");
    if (may_create) return passed(fmt::format("{} roles will be made on the target", missing.size()));
    return fatal(
        fmt::format("the target's role may not create roles, and {} are missing: {}", missing.size(), listed(missing)),
        "Use a role with CREATEROLE, or make them by hand, or leave them out with --skip-roles");
}

namespace detail {

inline Verdict check_session_replication_role(End& end) {
    try {
        // Never as a start-up option: some managed servers refuse it there and allow it here (CASES D31).
        pg::Transaction trial(end.connection);
        end.connection.exec("SET LOCAL session_replication_role = 'replica'");
        trial.rollback();
        return passed("session_replication_role may be set");
    } catch (const pg::ServerError& error) {
        if (error.state() != pg::sqlstate::insufficient_privilege) throw;
    }
    const auto grant = end.can.grant_set_on_parameter()
                           ? fmt::format("As a superuser: GRANT SET ON PARAMETER session_replication_role TO {}; or ",
                                         pg::quote_identifier(end.role))
                           : std::string{};
    return fatal(
        fmt::format(
            "role {} may not set session_replication_role on the target: triggers would act a second time, and foreign "
            "keys would refuse rows that come out of order",
            end.role),
        grant + "use a superuser, or the role that your provider gives this right (such as rds_superuser)");
}

inline Verdict check_origin(End& end) {
    std::vector<std::string> withheld;
    if (!end.superuser && !end.can.origin_functions_grantable()) {
        withheld.emplace_back("replication origin functions, which are a superuser's before version 14");
    } else {
        const auto result = end.connection.exec(
            "SELECT p.proname FROM pg_catalog.pg_proc p "
            "WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.proname IN ("
            "'pg_replication_origin_create', 'pg_replication_origin_drop', 'pg_replication_origin_oid', "
            "'pg_replication_origin_advance', 'pg_replication_origin_progress', 'pg_replication_origin_session_setup', "
            "'pg_replication_origin_session_reset', 'pg_replication_origin_session_progress', "
            "'pg_replication_origin_xact_setup') "
            "AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE') ORDER BY 1");
        for (int row = 0; row < result.rows(); ++row) withheld.push_back(result.text(row, 0));
    }
    const auto limit =
        setting(end.connection, end.can.origin_limit() ? "max_active_replication_origins" : "max_replication_slots");
    const auto used =
        end.connection.exec("SELECT count(*) FROM pg_catalog.pg_replication_origin").number<std::int64_t>(0, 0);
    return judge_origin(withheld, std::stoll(limit) - used);
}

}  // namespace detail
}  // namespace tslive::checks
