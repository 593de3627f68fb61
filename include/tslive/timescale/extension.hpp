#pragma once

#include <string>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/pg/connection.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/timescale/installation.hpp"

namespace tslive::timescale {

namespace detail {

/// What the target has already must be as CREATE EXTENSION makes it: the source's catalog comes with ids of its own.
inline void check_installed(pg::Connection& target, const Installation& there, const Installation& wanted) {
    constexpr auto remedy = "Migrate into an empty database; TimescaleDB need not be in it";
    if (there.version != wanted.version)
        throw Error(Recovery::operator_action,
                    fmt::format("the target has TimescaleDB {}, the source {}", there.version, wanted.version),
                    "Drop the extension on the target (or bring it to the source's version), then go on with --resume");
    if (there.schema != wanted.schema)
        throw Error(Recovery::operator_action,
                    fmt::format("the target has TimescaleDB in schema {}, the source in {}",
                                pg::quote_identifier(there.schema), pg::quote_identifier(wanted.schema)),
                    "Drop the extension on the target, then go on with --resume");
    const auto used =
        target.exec(fmt::format("SELECT EXISTS (SELECT FROM _timescaledb_catalog.hypertable WHERE id >= 1), "
                                "EXISTS (SELECT FROM {} WHERE id >= 1000)",
                                there.release.jobs()));
    if (used.boolean(0, 0)) throw Error(Recovery::operator_action, "the target has hypertables already", remedy);
    if (used.boolean(0, 1))
        throw Error(Recovery::operator_action, "the target has jobs of TimescaleDB already", remedy);
}

}  // namespace detail

/// Makes the extension on the target as the source has it: version and schema. May be repeated.
///
/// @param target     a session that has done nothing else yet: a library that is loaded is of one version for good
/// @param owner      of the extension's schema, where that has to be made; empty: our role
/// @throws Error     (operator_action) when the target has another version, or uses it already, or cannot have this one
inline void create_extension(pg::Connection& target, const Installation& wanted, const std::string& owner) {
    if (const auto there = installation(target)) return detail::check_installed(target, *there, wanted);
    if (target
            .exec("SELECT FROM pg_catalog.pg_available_extension_versions WHERE name = 'timescaledb' AND version = $1",
                  pg::Params{}.text(wanted.version))
            .empty())
        throw Error(
            Recovery::operator_action,
            fmt::format("the target's server does not have TimescaleDB {}, which the source uses", wanted.version),
            "Install the extension's packages in that version there, or bring the source to a version that the "
            "target has (ALTER EXTENSION timescaledb UPDATE) before a new migration");
    pg::Transaction transaction(target);
    target.exec(fmt::format("CREATE SCHEMA IF NOT EXISTS {}{}", pg::quote_identifier(wanted.schema),
                            owner.empty() ? "" : " AUTHORIZATION " + pg::quote_identifier(owner)));
    target.exec(fmt::format("CREATE EXTENSION timescaledb WITH SCHEMA {} VERSION {}",
                            pg::quote_identifier(wanted.schema), pg::quote_literal(wanted.version)));
    transaction.commit();
    log::info("TimescaleDB {} created on the target", wanted.version);
}

}  // namespace tslive::timescale
