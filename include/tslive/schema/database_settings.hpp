#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/schema/attempt.hpp"
#include "tslive/schema/settings.hpp"

namespace tslive::schema {

struct DatabaseSettingsReport {
    std::vector<std::string> warnings;  ///< what the target refused
};

namespace detail {

struct DatabaseGrant {
    std::string grantee;  ///< empty: PUBLIC
    std::string privilege;
    bool grantable = false;
};

class DatabaseSettingsCopy {
public:
    DatabaseSettingsCopy(pg::Connection& source, pg::Connection& target, std::span<const std::string_view> left_out)
        : source_(source), target_(target), left_out_(left_out),
          database_(pg::quote_identifier(target.exec("SELECT pg_catalog.current_database()").at(0, 0))) {}

    DatabaseSettingsReport run() {
        note_owner();
        for (const auto& setting : settings())
            if (std::ranges::find(left_out_, setting.name) == left_out_.end())
                apply(fmt::format("ALTER DATABASE {} {}", database_, set_clause(setting)),
                      fmt::format("the setting {}", setting.name));
        const auto comment =
            source_.exec(std::string{"SELECT pg_catalog.shobj_description(d.oid, 'pg_database') "} + this_database);
        if (!comment.is_null(0, 0))
            apply(fmt::format("COMMENT ON DATABASE {} IS {}", database_, pg::quote_literal(comment.at(0, 0))),
                  "the comment");
        copy_grants();
        return std::move(report_);
    }

private:
    static constexpr const char* this_database =
        "FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

    void warn(std::string text) {
        log::warning("database settings: {}", text);
        report_.warnings.push_back(std::move(text));
    }
    void apply(const std::string& sql, std::string_view what) {
        pg::Transaction transaction(target_);
        if (const auto error = attempt(target_, sql))
            warn(fmt::format("{} of the database is not copied: {}", what, error->what()));
        transaction.commit();
    }
    /// Whoever owns the target was chosen by whoever made it, and a change might take the database from us.
    void note_owner() {
        const auto sql = std::string{"SELECT pg_catalog.pg_get_userbyid(d.datdba) "} + this_database;
        const auto there = source_.exec(sql).text(0, 0), here = target_.exec(sql).text(0, 0);
        if (there != here)
            log::info("database settings: the target belongs to {}, the source to {}; this is left as it is", here,
                      there);
    }
    [[nodiscard]] std::vector<Setting> settings() {
        const auto rows = source_.exec(
            "SELECT u.config FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) "
            "WITH ORDINALITY AS u(config, place) WHERE s.setrole = 0 AND s.setdatabase = (SELECT oid FROM "
            "pg_catalog.pg_database "
            "WHERE datname = pg_catalog.current_database()) ORDER BY u.place");
        std::vector<Setting> found;
        for (int r = 0; r < rows.rows(); ++r) found.push_back(parse_setting(rows.at(r, 0)));
        return found;
    }

    /// What the source grants beyond its owner's own rights; nothing when its grants were never changed.
    [[nodiscard]] std::vector<DatabaseGrant> grants() {
        const auto rows = source_.exec(
            "SELECT CASE WHEN a.grantee = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(a.grantee) END, a.privilege_type, "
            "pg_catalog.bool_or(a.is_grantable) FROM pg_catalog.pg_database d CROSS JOIN LATERAL "
            "pg_catalog.aclexplode(d.datacl) a "
            "WHERE d.datname = pg_catalog.current_database() AND a.grantee <> d.datdba GROUP BY 1, 2 ORDER BY 1, 2");
        std::vector<DatabaseGrant> found;
        for (int r = 0; r < rows.rows(); ++r) found.push_back({rows.text(r, 0), rows.text(r, 1), rows.boolean(r, 2)});
        return found;
    }
    void copy_grants() {
        if (source_.exec(std::string{"SELECT d.datacl IS NULL "} + this_database).boolean(0, 0)) return;
        const auto wanted = grants();
        for (const auto& grant : wanted)
            apply(fmt::format("GRANT {} ON DATABASE {} TO {}{}", grant.privilege, database_,
                              grant.grantee.empty() ? "PUBLIC" : pg::quote_identifier(grant.grantee),
                              grant.grantable ? " WITH GRANT OPTION" : ""),
                  fmt::format("the grant of {} to {}", grant.privilege,
                              grant.grantee.empty() ? "PUBLIC" : grant.grantee));
        for (const std::string_view privilege :
             {"CONNECT", "TEMPORARY"}) {  // what everybody has unless it is taken away
            const bool kept = std::ranges::any_of(wanted, [&](const DatabaseGrant& grant) {
                return grant.grantee.empty() && grant.privilege == privilege;
            });
            if (!kept) revoke_from_public(privilege);
        }
    }
    /// Unless we could not connect any more.
    void revoke_from_public(std::string_view privilege) {
        pg::Transaction transaction(target_);
        const auto error = attempt(target_, fmt::format("REVOKE {} ON DATABASE {} FROM PUBLIC", privilege, database_));
        const bool locked_out =
            !target_.exec("SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CONNECT')")
                 .boolean(0, 0);
        if (error || locked_out) {
            warn(fmt::format("{} stays granted to PUBLIC on the database, other than on the source: {}", privilege,
                             error ? error->what() : "the migration itself connects by it"));
            return transaction.rollback();
        }
        transaction.commit();
    }

    pg::Connection& source_;
    pg::Connection& target_;
    std::span<const std::string_view> left_out_;
    std::string database_;
    DatabaseSettingsReport report_;
};

}  // namespace detail

/// Gives the target database the source's ALTER DATABASE settings, comment and grants, one by one; what is refused is a
/// warning. Its owner and connection limit stay as they are. Repeatable. Sessions get the settings when
/// they connect.
/// @param left_out  names of settings that are the source's alone
/// @throws Error    only when a connection is gone
inline DatabaseSettingsReport copy_database_settings(pg::Connection& source, pg::Connection& target,
                                                     std::span<const std::string_view> left_out = {}) {
    return detail::DatabaseSettingsCopy(source, target, left_out).run();
}

}  // namespace tslive::schema
