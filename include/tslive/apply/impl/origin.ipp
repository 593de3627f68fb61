#pragma once

#include <utility>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/quote.hpp"

namespace tslive::apply {

inline Origin::Origin(pg::Connection& target, std::string name, Lsn start)
    : target_(&target), name_(std::move(name)), kind_(choose()) {
    if (kind_ == Kind::replication_origin) attach_replication_origin(start);
    else attach_progress_row(start);
}

inline Origin::Kind Origin::choose() {
    // What an earlier run used is what counts: two truths would be none.
    const auto row = target_->exec(
        "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relname = 'progress'",
        pg::Params{}.text(name_));
    if (!row.empty()) {
        const auto used =
            target_->exec(fmt::format("SELECT 1 FROM {}.progress WHERE origin = $1", pg::quote_identifier(name_)),
                          pg::Params{}.text(name_));
        if (!used.empty()) return Kind::progress_row;
    }
    if (!catalog::Capabilities{target_->server_version()}.origin_functions_grantable() &&
        target_->parameter("is_superuser") != "on") {
        log::info(
            "this version of the target lets only superusers use replication origins: progress is kept in a row of "
            "schema {} instead",
            name_);
        return Kind::progress_row;
    }
    for (const auto function : origin_functions)
        if (!target_->exec("SELECT pg_catalog.has_function_privilege($1, 'EXECUTE')", pg::Params{}.text(function))
                 .boolean(0, 0)) {
            log::info("the target withholds {}: progress is kept in a row of schema {} instead", function, name_);
            return Kind::progress_row;
        }
    return Kind::replication_origin;
}

inline void Origin::attach_replication_origin(Lsn start) {
    const auto known = target_->exec("SELECT pg_catalog.pg_replication_origin_oid($1)", pg::Params{}.text(name_));
    if (known.is_null(0, 0)) {
        pg::Transaction transaction(*target_);
        target_->exec("SELECT pg_catalog.pg_replication_origin_create($1)", pg::Params{}.text(name_));
        target_->exec("SELECT pg_catalog.pg_replication_origin_advance($1, $2::pg_lsn)",
                      pg::Params{}.text(name_).text(fmt::format("{}", start)));
        transaction.commit();
    }
    try {
        target_->exec("SELECT pg_catalog.pg_replication_origin_session_setup($1)", pg::Params{}.text(name_));
    } catch (const pg::ServerError& error) {
        if (error.state() != pg::sqlstate::object_in_use) throw;
        throw Error(Recovery::reconnect,
                    fmt::format("replication origin {} is still in use by an earlier session", name_));
    }
}

inline void Origin::attach_progress_row(Lsn start) {
    const auto held = target_->exec("SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 0))",
                                    pg::Params{}.text(name_));
    if (!held.boolean(0, 0))
        throw Error(Recovery::reconnect,
                    fmt::format("the progress row of {} is still in use by an earlier session", name_));
    const auto schema = pg::quote_identifier(name_);
    target_->exec(
        fmt::format("CREATE SCHEMA IF NOT EXISTS {0}; CREATE TABLE IF NOT EXISTS {0}.progress (origin text PRIMARY "
                    "KEY, lsn pg_lsn NOT NULL)",
                    schema));
    target_->exec(
        fmt::format("INSERT INTO {}.progress VALUES ($1, $2::pg_lsn) ON CONFLICT (origin) DO NOTHING", schema),
        pg::Params{}.text(name_).text(fmt::format("{}", start)));
}

inline void Origin::release() noexcept {
    try {
        if (kind_ == Kind::replication_origin) target_->exec("SELECT pg_catalog.pg_replication_origin_session_reset()");
        else
            target_->exec("SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended($1, 0))",
                          pg::Params{}.text(name_));
    } catch (const std::exception&) {  // it goes with the connection
        return;
    }
}

inline Lsn Origin::progress() {
    if (kind_ == Kind::progress_row)
        return target_
            ->exec(fmt::format("SELECT lsn FROM {}.progress WHERE origin = $1", pg::quote_identifier(name_)),
                   pg::Params{}.text(name_))
            .lsn(0, 0);
    const auto row = target_->exec("SELECT coalesce(pg_catalog.pg_replication_origin_session_progress(false), '0/0')");
    return row.lsn(0, 0);
}

inline Lsn Origin::flushed_progress() {
    if (kind_ == Kind::replication_origin) {
        const auto row =
            target_->exec("SELECT coalesce(pg_catalog.pg_replication_origin_session_progress(true), '0/0')");
        return row.lsn(0, 0);
    }
    // A commit that waits for the disk takes every earlier commit with it.
    pg::Transaction transaction(*target_);
    target_->exec("SET LOCAL synchronous_commit = on; SELECT txid_current()");
    const auto lsn = progress();
    transaction.commit();
    return lsn;
}

inline void Origin::advance(pg::Pipeline& pipeline, Lsn end_lsn, ServerTime commit_time) {
    const auto position = fmt::format("{}", end_lsn);
    if (kind_ == Kind::progress_row) {
        // An UPDATE would not object to a row that somebody has removed, and the batch would come again.
        pipeline.send(
            fmt::format(
                "INSERT INTO {}.progress VALUES ($1, $2::pg_lsn) ON CONFLICT (origin) DO UPDATE SET lsn = excluded.lsn",
                pg::quote_identifier(name_)),
            pg::Params{}.text(name_).text(position));
        return;
    }
    // Without a transaction id there is no commit record, and without one the origin stays where it was.
    pipeline.send(
        "SELECT pg_catalog.txid_current(), pg_catalog.pg_replication_origin_xact_setup($1::pg_lsn, "
        "'2000-01-01 00:00:00+00'::timestamptz + $2::bigint * '1 microsecond'::interval)",
        pg::Params{}.text(position).number(commit_time.microseconds));
}

}  // namespace tslive::apply
