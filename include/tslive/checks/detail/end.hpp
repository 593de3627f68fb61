#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/checks/finding.hpp"
#include "tslive/checks/options.hpp"
#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::checks::detail {

/// One end of the migration while it is being checked.
struct End {
    std::string_view label;  ///< `source` or `target`
    pg::ConnInfo info;
    pg::Connection connection;
    catalog::Capabilities can;
    std::string role;
    bool superuser = false;
    bool standby = false;

    [[nodiscard]] pg::Connection another(pg::ConnectionKind kind = pg::ConnectionKind::ordinary) {
        return pg::Connection::open(info, "check", connection.waiter().token(), kind);
    }
};

[[nodiscard]] inline End open_end(std::string_view label, const pg::ConnInfo& info, std::stop_token stop) {
    auto connection = pg::Connection::open(info, "check", std::move(stop));
    const auto who = connection.exec(
        "SELECT current_user, r.rolsuper, pg_catalog.pg_is_in_recovery() "
        "FROM pg_catalog.pg_roles r WHERE r.rolname = current_user");
    const catalog::Capabilities can{connection.server_version()};
    return {.label = label,
            .info = info,
            .connection = std::move(connection),
            .can = can,
            .role = who.text(0, 0),
            .superuser = who.boolean(0, 1),
            .standby = who.boolean(0, 2)};
}

/// SHOW, or `otherwise` where the version does not have the setting.
[[nodiscard]] inline std::string setting(pg::Connection& connection, std::string_view name,
                                         std::string_view otherwise = {}) {
    const auto result = connection.exec("SELECT pg_catalog.current_setting($1, true)", pg::Params{}.text(name));
    return result.optional(0, 0).value_or(std::string{otherwise});
}

/// Leaves no transaction open behind a check. @returns false when the connection of the end is gone
[[nodiscard]] inline bool still_there(End& end) {
    try {
        end.connection.exec(end.connection.in_transaction() ? "ROLLBACK" : "SELECT 1");
        return true;
    } catch (const Error&) {
        return false;
    }
}

/// Appends what a check found, under its name. What a check cannot find out is a finding too, and a fatal one: only a
/// stop request, or a connection that is gone, ends the run.
/// @returns false when the connection of the end is gone
template <typename Check>
bool add_finding(std::vector<Finding>& findings, std::string name, End& end, Check&& check) {
    try {
        Verdict verdict = check();
        findings.push_back({std::move(name), verdict.weight, std::move(verdict.text), std::move(verdict.remedy)});
    } catch (const Error& error) {
        findings.push_back(
            {std::move(name), Weight::fatal, fmt::format("could not be checked: {}", error.what()), error.remedy()});
    }
    return still_there(end);
}

}  // namespace tslive::checks::detail
