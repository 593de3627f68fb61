#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/stop.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/state/store.hpp"
#include "tslive/timescale/release.hpp"

/// Settings of the source under which everything that happens to rows is in the WAL, row by row.
namespace tslive::timescale {

/// One that has to have a value during the migration, or while rows are copied.
struct NeededSetting {
    std::string_view name, value;
    std::string_view otherwise;  ///< what happens with another value
};

/// Needed as long as the snapshot is: it makes compression write each row that it moves to the WAL.
inline constexpr std::string_view delete_after_compression = "timescaledb.enable_delete_after_compression";

[[nodiscard]] inline std::vector<NeededSetting> needed_settings(const Release& release) {
    std::vector<NeededSetting> needed;
    if (release.direct_batch_delete())
        needed.push_back({"timescaledb.enable_compressed_direct_batch_delete", "off",
                          "a DELETE of whole compressed batches leaves nothing in the WAL that names their rows"});
    if (release.delete_after_compression())
        needed.push_back({delete_after_compression, "on",
                          "the rows of a chunk that is compressed meanwhile vanish from the snapshot"});
    return needed;
}

/// A value that ALTER ROLE or ALTER DATABASE gives a setting in our database.
struct SettingOverride {
    std::string role;  ///< empty: all
    bool this_database = false;
    std::string value;

    /// `role a in this database`, for people
    [[nodiscard]] std::string whom() const {
        if (role.empty()) return "the database";
        return fmt::format("role {}{}", role, this_database ? " in this database" : "");
    }
    /// What takes it back.
    [[nodiscard]] std::string reset_sql(std::string_view database, std::string_view setting) const {
        std::string who =
            role.empty() ? "DATABASE " + pg::quote_identifier(database) : "ROLE " + pg::quote_identifier(role);
        if (!role.empty() && this_database) who += " IN DATABASE " + pg::quote_identifier(database);
        return fmt::format("ALTER {} RESET {}", who, setting);
    }
};
[[nodiscard]] inline std::vector<SettingOverride> setting_overrides(pg::Connection& connection, std::string_view name) {
    const auto rows = connection.exec(
        "SELECT coalesce(r.rolname, ''), s.setdatabase <> 0, substr(c.item, pg_catalog.length($1) + 2) "
        "FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS c(item) "
        "LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole "
        "WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database "
        "  WHERE datname = pg_catalog.current_database())) "
        "AND lower(pg_catalog.split_part(c.item, '=', 1)) = lower($1) ORDER BY 1, 2",
        pg::Params{}.text(name));
    std::vector<SettingOverride> found;
    for (int row = 0; row < rows.rows(); ++row)
        found.push_back({.role = rows.text(row, 0), .this_database = rows.boolean(row, 1), .value = rows.text(row, 2)});
    return found;
}

/// How entries of settings in the undo journal begin.
inline constexpr std::string_view setting_entry = "setting of ";

/// Any way to write a boolean that the server takes.
[[nodiscard]] inline bool same_switch(std::string_view value, std::string_view wanted) {
    std::string lower;
    for (const char c : value) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const auto among = [&](std::initializer_list<std::string_view> words) {
        return std::ranges::find(words, lower) != words.end();
    };
    return wanted == "on" ? among({"on", "true", "t", "yes", "y", "tr", "tru", "ye", "1"})
                          : among({"off", "of", "false", "f", "no", "n", "fa", "fal", "fals", "0"});
}

/// What a session of ours that begins now has, TimescaleDB's library loaded; empty when it knows no such setting.
[[nodiscard]] inline std::string setting_of_new_session(const pg::ConnInfo& source, std::string_view name,
                                                        const std::stop_token& stop) {
    auto session = pg::Connection::open(source, "settings", stop);
    session.exec("SELECT count(*) FROM _timescaledb_catalog.hypertable");
    return session.exec("SELECT pg_catalog.current_setting($1, true)", pg::Params{}.text(name)).text(0, 0);
}

namespace detail {

/// For the whole instance, so that sessions that exist already have it from their next statement on.
/// @returns false when the server does not let us
inline bool set_for_instance(const NeededSetting& setting, state::Store& store, pg::Connection& source) {
    std::optional<std::string> before;
    std::int64_t entry = 0;
    try {
        const auto row = source.exec(
            "SELECT setting FROM pg_catalog.pg_file_settings WHERE lower(name) = lower($1) "
            "AND sourcefile = pg_catalog.current_setting('data_directory') || '/postgresql.auto.conf'",
            pg::Params{}.text(setting.name));
        if (!row.empty()) before = row.text(0, 0);
        entry = store.journal(state::Side::source, fmt::format("{}{}", setting_entry, setting.name),
                              before ? fmt::format("ALTER SYSTEM SET {} = {}", setting.name, pg::quote_literal(*before))
                                     : fmt::format("ALTER SYSTEM RESET {}", setting.name));
        source.exec(fmt::format("ALTER SYSTEM SET {} = {}", setting.name, pg::quote_literal(setting.value)));
        return true;
    } catch (const pg::ServerError& error) {
        if (error.recovery() == Recovery::reconnect) throw;
        log::debug("ALTER SYSTEM is not for us: {}", error.what());
        if (entry != 0) store.undone(entry);
        return false;
    }
}

/// Waits for sessions that may work with an earlier value. Says which.
/// @param sessions  gives their process ids, and a description for people
/// @throws Stopped
template <typename Sessions>
void wait_for_sessions(std::string_view remedy, Waiter& waiter, Sessions&& sessions) {
    constexpr std::chrono::milliseconds look_every{200};
    constexpr std::chrono::seconds say_first{1}, say_every{5};
    auto say_at = std::chrono::steady_clock::now() + say_first;
    for (;;) {
        const pg::Result left = sessions();
        if (left.empty()) return;
        if (const auto now = std::chrono::steady_clock::now(); now >= say_at) {
            for (int row = 0; row < std::min(left.rows(), 5); ++row)
                log::warning(
                    "Waiting for {} sessions of the source that still work with other settings, among them process {} "
                    "of user {} ({}). {}",
                    left.rows(), left.at(row, 0), left.at(row, 1), left.at(row, 2), remedy);
            say_at = now + say_every;
        }
        if (!waiter.sleep(look_every)) throw Stopped{};
    }
}

/// Only deleting from compressed chunks asks for a setting at a moment that matters.
[[nodiscard]] inline bool has_compression(pg::Connection& source) {
    return !source.exec("SELECT FROM _timescaledb_catalog.hypertable WHERE compression_state = 1 LIMIT 1").empty();
}

/// A statement that began before the server told its session of new settings works with the old ones to its end.
inline void wait_for_statements(pg::Connection& source, Waiter& waiter) {
    const auto since = source.exec("SELECT pg_catalog.clock_timestamp()").text(0, 0);
    wait_for_sessions("It ends with its statement", waiter, [&] {
        return source.exec(
            "SELECT pid, coalesce(usename, '?'), coalesce(left(pg_catalog.regexp_replace(query, '\\s+', ' ', 'g'), "
            "60), '') FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() "
            "AND pid <> pg_catalog.pg_backend_pid() AND state IN ('active', 'fastpath function call') "
            "AND query_start < $1::pg_catalog.timestamptz "
            "AND backend_type NOT IN ('walsender', 'autovacuum worker', 'parallel worker') ORDER BY query_start",
            pg::Params{}.text(since));
    });
}

/// Of ALTER DATABASE only sessions know that begin after it.
inline void wait_for_old_sessions(pg::Connection& source, Waiter& waiter) {
    const auto old = source.exec(
        "SELECT coalesce(pg_catalog.array_agg(pid), '{}') FROM pg_catalog.pg_stat_activity "
        "WHERE datname = pg_catalog.current_database() AND coalesce(application_name, '') NOT LIKE 'ts-live %' "
        "AND coalesce(backend_type, 'client backend') = 'client backend' "
        "AND coalesce(backend_start, '-infinity') < pg_catalog.clock_timestamp()");
    const auto pids = old.text(0, 0);
    wait_for_sessions("Let it reconnect, or end it with pg_terminate_backend()", waiter, [&] {
        return source.exec(
            "SELECT pid, coalesce(usename, '?'), coalesce(application_name, '') FROM pg_catalog.pg_stat_activity "
            "WHERE datname = pg_catalog.current_database() AND pid = ANY ($1::pg_catalog.int4[]) ORDER BY 1",
            pg::Params{}.text(pids));
    });
}

}  // namespace detail

/// Gives them their values, journalled, for the instance where we may and else for the database, and returns when no session works with
/// others any more, but for those that set them themselves.
/// @throws Stopped
/// @throws Error   (operator_action) when a value does not take effect
inline void set_needed_settings(const std::vector<NeededSetting>& needed, const pg::ConnInfo& info, state::Store& store,
                                pg::Connection& source, Waiter& waiter) {
    std::vector<NeededSetting> others;
    for (const auto& setting : needed)
        if (!same_switch(setting_of_new_session(info, setting.name, waiter.token()), setting.value))
            others.push_back(setting);
    if (others.empty()) return;

    // Undone newest first: the file is read again when all of it is as it was.
    const auto reload = store.journal(state::Side::source, "settings read again", "SELECT pg_catalog.pg_reload_conf()");
    bool instance = false, database = false;
    for (const auto& setting : others) {
        if (detail::set_for_instance(setting, store, source)) {
            instance = true;
        } else {
            const auto name = pg::quote_identifier(source.exec("SELECT pg_catalog.current_database()").text(0, 0));
            store.journal(state::Side::source, fmt::format("{}{}", setting_entry, setting.name),
                          fmt::format("ALTER DATABASE {} RESET {}", name, setting.name));
            source.exec(
                fmt::format("ALTER DATABASE {} SET {} = {}", name, setting.name, pg::quote_literal(setting.value)));
            database = true;
        }
        log::info("{} is set to {} on the source {}", setting.name, setting.value,
                  setting.name == delete_after_compression ? "until the rows are read" : "until ts-clean");
    }
    if (instance) source.exec("SELECT pg_catalog.pg_reload_conf()");
    else store.undone(reload);

    constexpr std::chrono::milliseconds look_every{100};
    constexpr int most_looks = 100;
    for (const auto& setting : others)
        for (int look = 0; !same_switch(setting_of_new_session(info, setting.name, waiter.token()), setting.value);
             ++look) {
            if (look == most_looks)
                throw Error(Recovery::operator_action,
                            fmt::format("{} was set to {} on the source, and does not take effect: {}", setting.name,
                                        setting.value, setting.otherwise),
                            "Is it given on the server's command line? Set it there, then run the same command again");
            if (!waiter.sleep(look_every)) throw Stopped{};
        }
    if (!detail::has_compression(source)) return;
    // The server forks sessions after it has told the others, so that by now all know.
    detail::wait_for_statements(source, waiter);
    if (database) detail::wait_for_old_sessions(source, waiter);
}

}  // namespace tslive::timescale
