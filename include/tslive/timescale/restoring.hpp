#pragma once

#include <chrono>
#include <string>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/timescale/installation.hpp"

/// Restoring mode: while `timescaledb.restoring` is on, hypertables and chunks are the plain tables that they are on disk, and no
/// job runs. It is a setting of the database, which outlives whoever switched it on: left behind, the database looks like one of
/// plain tables (CASES H8).
namespace tslive::timescale {

namespace detail {

inline constexpr const char* restoring_is_set =
    "EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS "
    "u(config) "
    "WHERE s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) "
    "AND u.config ~ '^timescaledb[.]restoring=')";

}  // namespace detail

/// Ends restoring mode, for the undo journal: harmless to repeat, when it was never begun, and when the extension is gone.
[[nodiscard]] inline std::string end_restoring_sql() {
    return fmt::format(
        "DO $ts_live$ DECLARE home name; BEGIN IF NOT {} THEN RETURN; END IF; "
        "SELECT n.nspname INTO home FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = "
        "e.extnamespace WHERE e.extname = 'timescaledb'; "
        "IF home IS NULL THEN EXECUTE pg_catalog.format('ALTER DATABASE %I RESET timescaledb.restoring', "
        "pg_catalog.current_database()); "
        "ELSE EXECUTE pg_catalog.format('SELECT %I.timescaledb_post_restore()', home); END IF; END $ts_live$",
        detail::restoring_is_set);
}

/// Sessions that begin after this are in restoring mode. May be repeated.
/// @throws Error  (operator_action) when our role may not set the parameter
inline void begin_restoring(pg::Connection& target, const Installation& there) {
    try {
        target.exec(fmt::format("SELECT {}()", there.function("timescaledb_pre_restore")));
    } catch (const pg::ServerError& error) {
        throw error.with_context("switching TimescaleDB's restoring mode on on the target",
                                 error.state() == pg::sqlstate::insufficient_privilege
                                     ? "Connect to the target as a superuser, or (15 and later) run GRANT SET, ALTER "
                                       "SYSTEM ON PARAMETER timescaledb.restoring TO the role that ts-live connects as"
                                     : "");
    }
}

/// Sessions that begin after this see hypertables. May be repeated.
inline void end_restoring(pg::Connection& target) { target.exec(end_restoring_sql()); }

/// @param fresh   a session that has begun after end_restoring()
/// @throws Error  (operator_action) when it is in restoring mode all the same
inline void check_not_restoring(pg::Connection& fresh, const Installation& there) {
    // A function of the extension has been called, so its library is loaded and the value is the session's own.
    const auto seen = fresh.exec(
        fmt::format("SELECT {}, coalesce(pg_catalog.current_setting('timescaledb.restoring', true), 'off') FROM "
                    "{}(INTERVAL '1 day', '2000-01-01'::pg_catalog.timestamptz)",
                    detail::restoring_is_set, there.function("time_bucket")));
    if (!seen.boolean(0, 0) && seen.at(0, 1) == "off") return;
    throw Error(
        Recovery::operator_action, "the target is in TimescaleDB's restoring mode, and did not leave it",
        fmt::format("Look for timescaledb.restoring among the settings of server, database and role on the target "
                    "(pg_db_role_setting, postgresql.conf), remove it, run SELECT {}() there, and go on with "
                    "--resume",
                    there.function("timescaledb_post_restore")));
}

/// Whether the target's jobs have somebody to run them.
[[nodiscard]] inline bool scheduler_runs(pg::Connection& target) {
    return target
        .exec(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() "
            "AND backend_type LIKE 'TimescaleDB Background Worker Scheduler%')")
        .boolean(0, 0);
}

/// Waits for the scheduler of jobs, and starts it when it does not come: asked for once, it sometimes does not (CASES H10).
/// @returns false when it does not run
[[nodiscard]] inline bool ensure_scheduler(pg::Connection& target, const Installation& there) {
    constexpr int most_calls = 2, looks = 30;
    for (int call = 0; call <= most_calls; ++call) {
        if (call > 0) target.exec(fmt::format("SELECT {}.start_background_workers()", there.release.functions()));
        for (int look = 0; look < looks; ++look) {
            if (scheduler_runs(target)) return true;
            if (!target.waiter().sleep(std::chrono::milliseconds{100})) throw Stopped{};
        }
    }
    return false;
}

/// Has the scheduler read the jobs anew, for it does not see what is written into their table.
inline void restart_scheduler(pg::Connection& target, const Installation& there) {
    target.exec(fmt::format("SELECT {}.restart_background_workers()", there.release.functions()));
}

}  // namespace tslive::timescale
