#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/core/log.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/schema/attempt.hpp"
#include "tslive/schema/settings.hpp"

namespace tslive::schema {
namespace detail {

/// What a role needs a privilege for beyond CREATEROLE, and what is tried one by one therefore.
inline constexpr auto special_attributes =
    std::to_array<std::string_view>({"SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS"});

struct Role {
    std::string name;
    bool login = false, inherit = true;
    std::array<bool, special_attributes.size()> special{};
    int connection_limit = -1;
    std::optional<std::string> valid_until, comment;

    friend bool operator==(const Role& a, const Role& b) {
        return a.login == b.login && a.inherit == b.inherit && a.special == b.special &&
               a.connection_limit == b.connection_limit && a.valid_until == b.valid_until;
    }
};

/// Which roles are an application's. Those of managed services belong to their servers and mean nothing on others.
inline constexpr std::string_view own_roles =
    "r.oid <> 10 AND r.rolname !~ '^pg_' AND r.rolname !~ "
    "'^(rds_|rdsadmin$|rdsrepladmin$|rdstopmgr$|rdsproxyadmin$|cloudsql|alloydb|"
    "azure_|azuresu$|neon_superuser$|cloud_admin$)'";

/// @param condition  on pg_roles r
[[nodiscard]] inline std::map<std::string, Role> roles(pg::Connection& connection, std::string_view condition) {
    const auto rows = connection.exec(
        fmt::format("SELECT r.rolname, r.rolcanlogin, r.rolinherit, r.rolsuper, r.rolcreatedb, r.rolcreaterole, "
                    "r.rolreplication, r.rolbypassrls, "
                    "r.rolconnlimit, r.rolvaliduntil::text, pg_catalog.shobj_description(r.oid, 'pg_authid') "
                    "FROM pg_catalog.pg_roles r WHERE {} ORDER BY r.rolname",
                    condition));
    std::map<std::string, Role> found;
    for (int r = 0; r < rows.rows(); ++r) {
        Role role{.name = rows.text(r, 0),
                  .login = rows.boolean(r, 1),
                  .inherit = rows.boolean(r, 2),
                  .connection_limit = rows.number<int>(r, 8),
                  .valid_until = rows.optional(r, 9),
                  .comment = rows.optional(r, 10)};
        for (std::size_t i = 0; i < role.special.size(); ++i)
            role.special[i] = rows.boolean(r, 3 + static_cast<int>(i));
        found[role.name] = std::move(role);
    }
    return found;
}

class RoleCopy {
public:
    RoleCopy(pg::Connection& source, pg::Connection& target) : source_(source), target_(target) {}

    RoleReport run() {
        const auto wanted = roles(source_, own_roles);
        const auto present = roles(target_, "true");
        std::vector<std::string> refused;
        for (const auto& [name, role] : wanted) {
            if (const auto there = present.find(name); there != present.end()) {
                if (!(there->second == role))
                    log::info("roles: {} exists on the target with other attributes, and keeps them", name);
                continue;
            }
            if (const auto error = create(role)) refused.push_back(fmt::format("{} ({})", name, error->what()));
        }
        if (!refused.empty())
            throw Error(Recovery::operator_action,
                        fmt::format("roles that cannot be created on the target: {}", fmt::join(refused, ", ")),
                        "Connect to the target as a role with CREATEROLE, create them yourself, or use --skip-roles "
                        "(and --no-owner "
                        "--no-acl, when nothing on the target shall need them)");
        copy_memberships();
        copy_settings();
        if (!report_.created.empty()) log::info("roles: created {}", fmt::join(report_.created, ", "));
        if (!report_.without_password.empty())
            log::warning("roles: passwords cannot be read from the source; set them on the target for {}",
                         fmt::join(report_.without_password, ", "));
        return std::move(report_);
    }

private:
    void warn(std::string text) {
        log::warning("roles: {}", text);
        report_.warnings.push_back(std::move(text));
    }

    /// All of a role or nothing, so that a role which exists is whole. @returns the refusal of CREATE ROLE
    [[nodiscard]] std::optional<pg::ServerError> create(const Role& role) {
        const auto name = pg::quote_identifier(role.name);
        auto sql = fmt::format("CREATE ROLE {} WITH {} {} CONNECTION LIMIT {}", name, role.login ? "LOGIN" : "NOLOGIN",
                               role.inherit ? "INHERIT" : "NOINHERIT", role.connection_limit);
        if (role.valid_until) sql += fmt::format(" VALID UNTIL {}", pg::quote_literal(*role.valid_until));

        pg::Transaction transaction(target_);
        if (auto error = attempt(target_, sql)) {
            transaction.rollback();
            return error;
        }
        for (std::size_t i = 0; i < role.special.size(); ++i)
            if (role.special[i])
                if (const auto error =
                        attempt(target_, fmt::format("ALTER ROLE {} WITH {}", name, special_attributes[i])))
                    warn(fmt::format("{} is not made {}: {}", role.name, special_attributes[i], error->what()));
        if (role.comment)
            if (const auto error =
                    attempt(target_, fmt::format("COMMENT ON ROLE {} IS {}", name, pg::quote_literal(*role.comment))))
                warn(fmt::format("the comment on {} is lost: {}", role.name, error->what()));
        transaction.commit();
        report_.created.push_back(role.name);
        if (role.login) report_.without_password.push_back(role.name);
        return std::nullopt;
    }

    struct Membership {
        std::string role, member;
        bool admin = false, inherit = true, set = true;
    };
    /// Several grantors may have granted the same (16 and later); together they amount to one grant with all their
    /// options.
    [[nodiscard]] static std::vector<Membership> memberships(pg::Connection& connection) {
        const bool has_options = connection.server_version() >= 160000;
        const auto rows = connection.exec(fmt::format(
            "SELECT g.rolname, m.rolname, pg_catalog.bool_or(a.admin_option), {} FROM pg_catalog.pg_auth_members a "
            "JOIN pg_catalog.pg_roles g ON g.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member "
            "WHERE a.roleid <> 10 AND a.member <> 10 GROUP BY 1, 2 ORDER BY 1, 2",
            has_options ? "pg_catalog.bool_or(a.inherit_option), pg_catalog.bool_or(a.set_option)" : "true, true"));
        std::vector<Membership> found;
        for (int r = 0; r < rows.rows(); ++r)
            found.push_back(
                {rows.text(r, 0), rows.text(r, 1), rows.boolean(r, 2), rows.boolean(r, 3), rows.boolean(r, 4)});
        return found;
    }
    void copy_memberships() {
        const auto own = roles(source_, own_roles);
        const auto present = roles(target_, "true");
        const auto there = memberships(target_);
        for (const auto& wanted : memberships(source_)) {
            const bool predefined = wanted.role.starts_with("pg_");
            if (!own.contains(wanted.member) || (!own.contains(wanted.role) && !predefined)) continue;
            if (!present.contains(wanted.role)) {
                warn(fmt::format("{} cannot be a member of {}, which the target lacks", wanted.member, wanted.role));
                continue;
            }
            const bool granted = std::ranges::any_of(there, [&](const Membership& one) {
                return one.role == wanted.role && one.member == wanted.member && (one.admin || !wanted.admin);
            });
            if (!granted) grant(wanted);
        }
    }
    void grant(const Membership& wanted) {
        auto sql =
            fmt::format("GRANT {} TO {}", pg::quote_identifier(wanted.role), pg::quote_identifier(wanted.member));
        if (target_.server_version() >= 160000 && source_.server_version() >= 160000)
            sql += fmt::format(" WITH ADMIN {}, INHERIT {}, SET {}", wanted.admin, wanted.inherit, wanted.set);
        else if (wanted.admin) sql += " WITH ADMIN OPTION";
        pg::Transaction transaction(target_);
        if (const auto error = attempt(target_, sql))
            warn(fmt::format("{} is not made a member of {}: {}", wanted.member, wanted.role, error->what()));
        transaction.commit();
    }

    struct RoleSetting {
        std::string role;
        bool in_database = false;  ///< for this database only
        Setting setting;
    };
    [[nodiscard]] static std::vector<RoleSetting> settings(pg::Connection& connection) {
        const auto rows = connection.exec(
            fmt::format("SELECT r.rolname, s.setdatabase <> 0, u.config FROM pg_catalog.pg_db_role_setting s "
                        "JOIN pg_catalog.pg_roles r ON r.oid = s.setrole "
                        "CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) WITH ORDINALITY AS u(config, place) WHERE "
                        "{} AND s.setdatabase IN "
                        "(0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())) "
                        "ORDER BY 1, 2, u.place",
                        own_roles));
        std::vector<RoleSetting> found;
        for (int r = 0; r < rows.rows(); ++r)
            found.push_back({rows.text(r, 0), rows.boolean(r, 1), parse_setting(rows.at(r, 2))});
        return found;
    }
    void copy_settings() {
        const auto database = target_.exec("SELECT pg_catalog.current_database()").text(0, 0);
        const auto there = settings(target_);
        for (const auto& wanted : settings(source_)) {
            const auto same = std::ranges::find_if(there, [&](const RoleSetting& one) {
                return one.role == wanted.role && one.in_database == wanted.in_database &&
                       one.setting.name == wanted.setting.name;
            });
            if (same != there.end()) {
                if (same->setting != wanted.setting)
                    log::info("roles: {} has a setting {} of its own on the target, and keeps it", wanted.role,
                              wanted.setting.name);
                continue;
            }
            const auto where =
                wanted.in_database ? fmt::format(" IN DATABASE {}", pg::quote_identifier(database)) : std::string{};
            pg::Transaction transaction(target_);
            if (const auto error = attempt(target_, fmt::format("ALTER ROLE {}{} {}", pg::quote_identifier(wanted.role),
                                                                where, set_clause(wanted.setting))))
                warn(
                    fmt::format("{} does not get its setting {}: {}", wanted.role, wanted.setting.name, error->what()));
            transaction.commit();
        }
    }

    pg::Connection& source_;
    pg::Connection& target_;
    RoleReport report_;
};

}  // namespace detail

inline RoleReport copy_roles(pg::Connection& source, pg::Connection& target) {
    return detail::RoleCopy(source, target).run();
}

}  // namespace tslive::schema
