#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <optional>
#include <map>
#include <set>
#include <utility>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/constraints.hpp"
#include "tslive/copy/ledger.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/progress.hpp"
#include "tslive/copy/workers.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/pg/retry.hpp"

/// A foreign key is a state machine, too, read from the target's catalog: absent ─▶ NOT VALID ─▶ valid.
///
/// Two steps, because adding takes a lock on both tables that excludes other foreign keys, but for a moment only, while
/// the one that reads the rows (VALIDATE) leaves the referenced table to others.
namespace tslive::copy {

namespace detail {

enum class ForeignKeyState { absent, not_valid, valid };

[[nodiscard]] inline ForeignKeyState foreign_key_state(pg::Connection& target, const catalog::Constraint& key) {
    const auto found = target.exec(
        "SELECT k.convalidated FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND "
        "k.conname = $3 AND k.contype = 'f'",
        pg::Params{}.text(key.table_name.schema).text(key.table_name.name).text(key.name));
    if (found.empty()) return ForeignKeyState::absent;
    return found.boolean(0, 0) ? ForeignKeyState::valid : ForeignKeyState::not_valid;
}

/// A partitioned table takes no NOT VALID foreign key before version 18, and passes a valid one on to its partitions.
/// @param takes_only  the table on the target is one that ONLY may be said of
[[nodiscard]] inline std::string add_foreign_key(const catalog::Constraint& key, bool takes_only = true) {
    constexpr std::string_view not_valid = " NOT VALID";
    const bool marked = std::string_view{key.definition}.ends_with(not_valid);
    return fmt::format("ALTER TABLE {}{} ADD CONSTRAINT {} {}{}",
                       key.on_partitioned_table || !takes_only ? "" : "ONLY ", key.table_name.quoted(),
                       pg::quote_identifier(key.name), key.definition,
                       marked || key.on_partitioned_table ? "" : not_valid);
}

/// @throws pg::ServerError  foreign_key_violation when rows of the source break the key
inline void advance_foreign_key(pg::Connection& target, const catalog::Constraint& key, bool takes_only) {
    if (foreign_key_state(target, key) == ForeignKeyState::absent) {
        try {
            target.exec(add_foreign_key(key, takes_only));
        } catch (const pg::ServerError& error) {
            // The session that we lost was faster.
            if (error.state() != pg::sqlstate::duplicate_object) throw;
        }
    }
    if (key.validated && foreign_key_state(target, key) == ForeignKeyState::not_valid)
        target.exec(fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", key.table_name.quoted(),
                                pg::quote_identifier(key.name)));
}

/// What breaks on the source, too, is no reason to stop (CASES E1): it is said, and stays NOT VALID where that is
/// possible.
inline void report_violation(const catalog::Constraint& key, const pg::ServerError& error, Progress& progress) {
    progress.warn(fmt::format("foreign key {} of table {} is {} on the target, because rows break it: {}",
                              pg::quote_identifier(key.name), key.table_name,
                              key.on_partitioned_table ? "missing" : "NOT VALID", error.what()));
}

/// Those of the source that the target has not, or has not validated while the source has.
[[nodiscard]] inline std::vector<catalog::Constraint> keys_to_build(std::vector<catalog::Constraint> wanted,
                                                                    const std::vector<catalog::Constraint>& there) {
    std::map<std::pair<catalog::QualifiedName, std::string>, bool> validated;
    for (const auto& key : there) validated.emplace(std::pair{key.table_name, key.name}, key.validated);
    std::erase_if(wanted, [&](const catalog::Constraint& key) {
        const auto found = validated.find({key.table_name, key.name});
        return !key.extension.empty() || (found != validated.end() && (found->second || !key.validated));
    });
    return wanted;
}

}  // namespace detail

/// Builds the foreign keys that were declared on the source, validated or not as they are there; never those that the
/// server makes for partitions by itself (CASES E2). Rows that break one are listed in Progress::warnings.
///
/// May be repeated. @throws Error, Stopped as copy_rows_and_indexes
inline void build_foreign_keys(const Options& options, Progress& progress, std::stop_token stop) {
    progress.enter("building foreign keys");
    Waiter waiter(stop);
    std::set<catalog::QualifiedName> without_only;
    auto keys = pg::retry("reading the foreign keys", waiter, [&] {
        auto source = pg::Connection::open(options.source, "copy", stop);
        auto target = pg::Connection::open(options.target, "copy", stop);
        without_only = tables_without_only(options, target);
        const auto elsewhere = options.relations_elsewhere(source);
        auto wanted = catalog::foreign_keys(source);
        std::erase_if(wanted, [&](const catalog::Constraint& key) {
            // A key to a table whose rows are in its children would find none of them.
            return elsewhere.contains(key.table) || options.without_rows.contains(key.referenced_table) ||
                   options.skip_foreign_keys.contains({key.table_name, key.name});
        });
        return detail::keys_to_build(std::move(wanted), catalog::foreign_keys(target));
    });
    progress.foreign_keys.total = static_cast<std::int64_t>(keys.size());

    std::atomic<std::size_t> next{0};
    const auto work = [&](const std::stop_token& token) {
        std::optional<pg::Connection> target;
        Waiter own_waiter(token);
        for (std::size_t at = 0; (at = next++) < keys.size(); ++progress.foreign_keys.done) {
            const auto& key = keys[at];
            const auto what = fmt::format("foreign key {} of table {}", pg::quote_identifier(key.name), key.table_name);
            const Progress::Running running(progress, what);
            pg::retry(what, own_waiter, [&] {
                try {
                    if (!target) target.emplace(pg::Connection::open(options.target, "copy", token));
                    detail::advance_foreign_key(*target, key, !without_only.contains(key.table_name));
                } catch (const pg::ServerError& error) {
                    if (error.state() == pg::sqlstate::foreign_key_violation)
                        return detail::report_violation(key, error, progress);
                    target.reset();
                    throw error.with_context(what);
                } catch (const Error&) {
                    target.reset();
                    throw;
                }
            });
        }
    };
    Workers workers(stop);
    const auto count = std::min(keys.size(), static_cast<std::size_t>(std::max(options.index_jobs, 1)));
    for (std::size_t i = 0; i < count; ++i) workers.start(work);
    workers.join();
    make_durable(options, stop);
}

}  // namespace tslive::copy
