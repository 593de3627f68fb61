#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/databases.hpp"
#include "tslive/migrate/facts.hpp"
#include "tslive/migrate/undo.hpp"
#include "tslive/pg/retry.hpp"
#include "tslive/snapshot/names.hpp"
#include "tslive/snapshot/publications.hpp"
#include "tslive/snapshot/slot.hpp"
#include "tslive/state/directory.hpp"
#include "tslive/state/lock.hpp"
#include "tslive/state/store.hpp"

namespace tslive::migrate {

namespace detail {

inline constexpr std::string_view object_pattern = "^tslive_[0-9a-f]{8}(_all|_identity|_tmp[0-9]+)?$";

[[nodiscard]] inline std::string id_of(std::string_view name) {
    return std::string{name.substr(std::string_view{"tslive_"}.size(), 8)};
}

/// Removes one side's objects of the migrations `ids`. One thread.
class SideCleaner {
public:
    SideCleaner(state::Side side, pg::Connection connection) : side_(side), connection_(std::move(connection)) {}

    /// Which migrations left something in this database.
    [[nodiscard]] std::set<std::string> find() {
        std::set<std::string> ids;
        const auto rows = connection_.exec(
            side_ == state::Side::source
                ? fmt::format("SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE slot_name ~ '{0}' AND "
                              "database = current_database() "
                              "UNION SELECT pubname FROM pg_catalog.pg_publication WHERE pubname ~ '{0}'",
                              object_pattern)
                : fmt::format("SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname ~ '{0}'", object_pattern));
        for (int row = 0; row < rows.rows(); ++row) ids.insert(id_of(rows.at(row, 0)));
        return ids;
    }

    void remove(const std::string& id) {
        const snapshot::Names names{id};
        if (side_ == state::Side::source) {
            remove_slots(names);
            for (const auto& publication : {names.publication_identity(), names.publication_all()})
                attempt("publication " + publication,
                        fmt::format("SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = {}",
                                    pg::quote_literal(publication)),
                        snapshot::drop_publication_sql(publication));
            return;
        }
        attempt("replication origin " + names.origin(),
                fmt::format("SELECT 1 FROM pg_catalog.pg_replication_origin WHERE roname = {}",
                            pg::quote_literal(names.origin())),
                fmt::format("SELECT pg_catalog.pg_replication_origin_drop({})", pg::quote_literal(names.origin())));
        attempt(
            "schema " + names.origin(),
            fmt::format("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = {}", pg::quote_literal(names.origin())),
            fmt::format("DROP SCHEMA {} CASCADE", pg::quote_identifier(names.origin())));
    }

    void undo_journal(state::Store& store) {
        for (auto& what : undo_all(store, side_, connection_))
            if (std::ranges::find(left_, what) == left_.end()) left_.push_back(std::move(what));
    }
    [[nodiscard]] const std::vector<std::string>& left() const noexcept { return left_; }
    [[nodiscard]] state::DatabaseIdentity identity() { return identify(connection_); }

private:
    void attempt(const std::string& what, const std::string& is_there, const std::string& sql) {
        try {
            if (connection_.exec(is_there).empty()) return;
            connection_.exec(sql);
            log::info("{}: {} removed", state::name(side_), what);
        } catch (const Error& error) {
            if (error.recovery() == Recovery::reconnect) throw;
            left_.push_back(fmt::format("{}: {} ({})", state::name(side_), what, error.what()));
        }
    }

    void remove_slots(const snapshot::Names& names) {
        const auto slots = connection_.exec(
            "SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE slot_name ~ ('^' || $1 || '(_tmp[0-9]+)?$')",
            pg::Params{}.text(names.slot()));
        for (int row = 0; row < slots.rows(); ++row) {
            const auto slot = slots.text(row, 0);
            end_our_session(slot);
            attempt("replication slot " + slot, "SELECT 1", snapshot::drop_slot_sql(slot));
        }
    }

    /// A killed receiver's walsender may not have noticed yet; nobody else's is touched.
    void end_our_session(const std::string& slot) {
        constexpr int most_looks = 50;
        for (int look = 0; look < most_looks; ++look) {
            const auto active = connection_.exec(
                "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_replication_slots s "
                "JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = $1 AND "
                "a.application_name LIKE 'ts-live %'",
                pg::Params{}.text(slot));
            if (active.empty() || !connection_.waiter().sleep(std::chrono::milliseconds{100})) return;
        }
    }

    state::Side side_;
    pg::Connection connection_;
    std::vector<std::string> left_;
};

[[nodiscard]] inline std::optional<SideCleaner> open_side(state::Side side, const pg::ConnInfo& info,
                                                          const std::stop_token& stop, std::vector<std::string>& left) {
    try {
        return SideCleaner(side, open_end(state::name(side), info, "clean", stop));
    } catch (const Error& error) {
        left.push_back(fmt::format("{}: cannot be reached ({})", state::name(side), error.what()));
        return std::nullopt;
    }
}

inline void refuse_while_running(const state::Layout& layout) {
    for (const std::string_view program : {"ts-snapshot", "ts-migrate"})
        if (const auto holder = state::Lock::holder(layout, program))
            throw Error(Recovery::operator_action,
                        fmt::format("{} still runs in {}: {}", program, layout.root.string(), holder->describe()),
                        fmt::format("Stop it first (kill {}), then run the same command again", holder->process));
}

}  // namespace detail

inline void clean(const CleanOptions& options, const Operator& user, std::stop_token stop) {
    const state::Layout layout{options.dir};
    const auto ends = parse_ends(options);
    std::optional<state::Store> store;
    std::set<std::string> ids;
    std::vector<state::Lock> locks;
    if (state::Store::exists(layout)) {
        detail::refuse_while_running(layout);
        for (const std::string_view program : {"ts-snapshot", "ts-migrate"})
            locks.push_back(state::Lock::acquire(layout, program));
        store.emplace(state::Store::open(layout));
        ids.insert(store->migration().id);
    }

    std::vector<std::string> left;
    std::vector<detail::SideCleaner> sides;
    for (const auto side : {state::Side::source, state::Side::target}) {
        const bool is_source = side == state::Side::source;
        auto cleaner = detail::open_side(side, is_source ? ends.source : ends.target, stop, left);
        if (!cleaner) continue;
        if (const auto found = cleaner->identity();
            store && found != (is_source ? store->migration().source : store->migration().target))
            left.push_back(fmt::format("{}: nothing was removed, for this is {}, and the migration is about {}",
                                       state::name(side), found.describe(),
                                       (is_source ? store->migration().source : store->migration().target).describe()));
        else sides.push_back(std::move(*cleaner));
    }
    if (!store) {
        for (auto& side : sides) ids.merge(side.find());
        if (!ids.empty()) {
            log::warning("{} holds no migration; source and target have objects of: {}", options.dir.string(),
                         fmt::join(ids, ", "));
            if (!user.confirm("They are removed now. A migration with another state directory that still runs would be "
                              "destroyed"))
                throw Stopped{};
        } else if (left.empty()) {
            log::info("Nothing to clean: no migration in {}, no objects of ours on either side", options.dir.string());
        }
    }
    for (auto& side : sides) {
        for (const auto& id : ids)
            side.remove(id);  // first: it ends sessions that would keep the journal from dropping the slot
        if (store) side.undo_journal(*store);
        left.insert(left.end(), side.left().begin(), side.left().end());
    }

    store.reset();
    if (options.prune && left.empty()) {
        for (const auto& foreign : state::prune_directory(layout))
            log::warning("{} is not ours and was left in {}", foreign, options.dir.string());
        log::info("{} removed", options.dir.string());
    }
    if (left.empty()) {
        log::info("Clean");
        return;
    }
    for (const auto& what : left) log::error("left behind: {}", what);
    throw Error(Recovery::operator_action,
                fmt::format("{} things are left behind; everything else is removed", left.size()),
                "Mend what is named, then run the same command again; it is harmless to repeat");
}

}  // namespace tslive::migrate
