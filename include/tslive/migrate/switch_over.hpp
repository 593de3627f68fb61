#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/apply/origin.hpp"
#include "tslive/catalog/sequences.hpp"
#include "tslive/copy/large_objects_again.hpp"
#include "tslive/copy/unlogged_tables.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/across_releases.hpp"
#include "tslive/migrate/base_copy.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/migrate/facts.hpp"
#include "tslive/migrate/hypertables.hpp"
#include "tslive/migrate/left_behind.hpp"
#include "tslive/migrate/timescale_target.hpp"
#include "tslive/migrate/undo.hpp"

/// The steps between "switch over" and "complete". Each is recorded when it is done, and harmless to do again:
///
///     end mark -> drain (the applier) -> proof -> large objects -> unlogged tables -> (TimescaleDB: chunk ranges ->
///     invalidations) -> sequences -> materialized views -> foreign keys -> triggers back -> compression and retention of
///     new hypertables -> event triggers -> (TimescaleDB: jobs) -> complete
namespace tslive::migrate {

/// Marks the end on the source, once: a position such that everything committed before this call commits before it.
/// @returns the position; that of an earlier run, if there was one
inline Lsn mark_end(const Context& context, pg::Connection& source) {
    if (const auto known = context.store.fact(fact::end_position))
        if (const auto lsn = Lsn::parse(*known)) return *lsn;
    // The mark's own commit comes after it, so a position past it is always on its way to us: that of the commit, or, where the
    // version sends no messages, one without changes. Written to disk at once, whatever the session's settings say, and with it all
    // that was committed without waiting for the disk: only from there it is sent.
    pg::Transaction transaction(source);
    source.exec("SET LOCAL synchronous_commit = 'local'");
    const auto end = source
                         .exec("SELECT pg_catalog.pg_logical_emit_message(true, $1, 'end')",
                               pg::Params{}.text(context.names.origin()))
                         .lsn(0, 0);
    transaction.commit();
    context.store.set_fact(fact::end_position, fmt::format("{}", end));
    return end;
}

class SwitchOver {
public:
    SwitchOver(const Context& context, std::stop_token stop)
        : context_(context), stop_(std::move(stop)), timescale_(context, stop_), across_(context, stop_) {}

    /// @pre the applier says that everything before the end position is applied
    void finish() {
        context_.once(step::drained, stop_, [&] { prove_drained(); });
        context_.once(step::large_objects_again, stop_, [&] { compare_large_objects(); });
        context_.once(step::unlogged_again, stop_, [&] { copy_unlogged_tables(); });
        timescale_.take_over_state();
        across_.take_over_state();
        context_.once(step::sequences, stop_, [&] { set_sequences(); });
        if (context_.options.refresh_matviews) context_.once(step::views_again, stop_, [&] { refresh_views(); });
        context_.once(step::foreign_keys_again, stop_, [&] { finish_foreign_keys(); });
        context_.once(step::undo_target, stop_, [&] { restore_triggers(); });
        HypertableSteps(context_, stop_).set_policies();
        context_.once(step::after_switch_over, stop_, [&] {
            const auto tools = BaseCopy::find_tools(context_, stop_);
            const auto archive = context_.layout.schema() / "schema.dump";
            const auto report = schema::restore(tools, archive, schema::Section::after_switch_over,
                                                BaseCopy::restore_options(context_), stop_);
            for (const auto& warning : report.warnings) log::warning("{}", warning);
        });
        timescale_.take_over_jobs();
        across_.take_over_jobs();
        say_what_is_left_to_do();
        context_.store.mark_done(step::complete);
    }

private:
    [[nodiscard]] pg::Connection open_source() const {
        return open_end("source", context_.ends.source, "switch-over", stop_);
    }
    [[nodiscard]] pg::Connection open_target() const {
        return open_end("target", context_.ends.target, "switch-over", stop_);
    }

    /// Asks the target itself (law 2), in a session of its own.
    void prove_drained() {
        const auto end = Lsn::parse(context_.store.fact(fact::end_position).value_or(""));
        if (!end) throw Error(Recovery::operator_action, "the switch-over has no end position");
        auto target = open_target();
        apply::Origin origin(target, context_.names.origin(), context_.consistent_point);
        const auto applied = origin.flushed_progress();
        if (applied < *end)
            throw Error(Recovery::operator_action,
                        fmt::format("the target has applied up to {}, the end position is {}", applied, *end),
                        "Go on with --resume; do not switch the application over");
        log::info("All changes up to the end position {} are on the target (applied up to {})", *end, applied);
    }

    void compare_large_objects() {
        copy::Progress progress;
        const auto changes = copy::compare_large_objects(BaseCopy::copy_options(context_), progress, stop_);
        if (changes.compared + changes.removed > 0)
            log::info("{} large objects compared: {} sent again, {} removed, {} with other owners, rights or comments",
                      changes.compared, changes.sent, changes.removed, changes.described);
    }

    void copy_unlogged_tables() {
        copy::Progress progress;
        for (const auto& table : copy::copy_unlogged_tables(BaseCopy::copy_options(context_), progress, stop_))
            log::info("Unlogged table {} copied again: {} rows", table.table.name, table.rows);
    }

    /// Sequences are not in the stream: their values are read now, when nobody should be writing any more (CASES E15).
    void set_sequences() {
        auto source = open_source();
        auto target = open_target();
        const auto here = catalog::sequences(target);
        std::set<catalog::QualifiedName> known;
        for (const auto& sequence : here) known.insert(sequence.name);
        std::vector<catalog::Sequence> wanted;
        for (auto& sequence : catalog::sequences(source)) {
            if (context_.timescaledb && sequence.extension == "timescaledb")
                continue;  // the target has gone on by itself
            if (!known.contains(sequence.name)) {
                if (sequence.extension.empty())
                    log::warning("Sequence {} does not exist on the target and is left out: {}", sequence.name,
                                 detail::sequence_statement(source, sequence.id.value));
                continue;
            }
            wanted.push_back(std::move(sequence));
        }
        const auto values = catalog::read_values(source, wanted);
        constexpr std::size_t batch = 500;
        for (std::size_t first = 0; first < wanted.size(); first += batch) {
            const auto last = std::min(first + batch, wanted.size());
            std::string sql = "SELECT 1";
            for (auto i = first; i < last; ++i)
                sql += fmt::format(", pg_catalog.setval({}, {}, {})", pg::quote_literal(wanted[i].name.quoted()),
                                   values[i].last_value, values[i].is_called ? "true" : "false");
            target.exec(sql);
        }
        const auto now = catalog::read_values(target, wanted);
        for (std::size_t i = 0; i < wanted.size(); ++i)
            if (now[i] != values[i])
                throw Error(Recovery::operator_action,
                            fmt::format("sequence {} stands at {} on the target, at {} on the source", wanted[i].name,
                                        now[i].last_value, values[i].last_value),
                            "Does something use the target already? Go on with --resume");
        log::info("{} sequences set", wanted.size());
    }

    /// Tables that were copied under different snapshots did not fit together before the changes between them were applied.
    void finish_foreign_keys() {
        copy::Progress progress;
        copy::build_foreign_keys(BaseCopy::copy_options(context_), progress, stop_);
    }

    /// What they read has changed since the base copy. One that fails is named, and is the user's to refresh.
    void refresh_views() {
        copy::Progress progress;
        copy::refresh_materialized_views(BaseCopy::copy_options(context_), progress, stop_);
    }

    void restore_triggers() {
        auto target = open_target();
        const auto left = undo_all(context_.store, state::Side::target, target);
        for (const auto& what : left) log::error("not restored: {}", what);
        if (!left.empty())
            throw Error(Recovery::operator_action,
                        fmt::format("{} triggers could not be put back on the target", left.size()),
                        "Mend what the ERROR lines name, then go on with --resume");
    }

    /// The last words: what only the operator can decide.
    void say_what_is_left_to_do() {
        if (const auto objects = left_out(context_); !objects.empty()) {
            log::warning("Left out on the target, as was asked:");
            for (const auto& object : objects) log::warning("       - {}", object.definition);
        }
        if (context_.store.done(step::views_again)) return;
        const auto statements = [&] {
            Waiter waiter(stop_);
            return pg::retry("reading the materialized views", waiter, [&] {
                auto source = open_source();
                return refresh_statements(source);
            });
        }();
        if (statements.empty()) return;
        log::warning(
            "These materialized views are as of the base copy (--refresh-matviews would have refreshed them). To run "
            "on the target, in this order:");
        for (const auto& statement : statements) log::warning("       - {}", statement);
    }

    const Context& context_;
    std::stop_token stop_;
    TimescaleTarget timescale_;
    AcrossReleases across_;
};

}  // namespace tslive::migrate
