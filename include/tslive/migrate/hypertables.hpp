#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/indexes.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/migrate/facts.hpp"
#include "tslive/migrate/hypertables_file.hpp"
#include "tslive/migrate/left_out.hpp"
#include "tslive/migrate/table_names.hpp"
#include "tslive/timescale/hypertable_file.hpp"
#include "tslive/timescale/incompatible.hpp"
#include "tslive/timescale/policies.hpp"
#include "tslive/timescale/premade_chunks.hpp"
#include "tslive/timescale/target_hypertables.hpp"

/// A plain source whose tables become hypertables on the target:
///
///     start-up      the file of --hypertables is read, held against the source, and recorded
///     pre-data      tables are there, and empty
///     hypertables   made from the file, or by the user, who is asked
///     left out      what hypertables cannot have: stop and explain, or leave it out
///     rows, indexes, replay, drain …
///     policies      compression and retention, at the switch-over: until then they would work against us
namespace tslive::migrate {

/// The steps of the base copy and of the switch-over that have to do with hypertables of a plain source. One thread.
class HypertableSteps {
public:
    HypertableSteps(const Context& context, std::stop_token stop) : context_(context), stop_(std::move(stop)) {}

    /// Makes the hypertables, or lets the user make them. @pre the tables are there, and empty
    void make() {
        context_.once(step::hypertables, stop_, [&] {
            auto target = open("target");
            const auto specs = recorded();
            if (!specs.empty()) return make_from_file(target, specs);
            const auto timescaledb = timescale::installation(target);
            if (timescaledb && !context_.timescaledb) ask_for_hypertables(target, *timescaledb);
        });
    }

    /// Decides what is not built on the target. @pre no rows are copied yet
    void decide() {
        context_.once(step::left_out, stop_, [&] {
            auto source = open("source");
            auto target = open("target");
            auto objects = skipped_indexes(source);
            if (const auto timescaledb = timescale::installation(target); timescaledb && !context_.timescaledb) {
                refuse_restoring(target);
                pause_policies(target, *timescaledb);
                const auto hypertables = timescale::user_hypertables(target);
                drop_default_indexes(source, target, hypertables);
                add_incompatible(objects, source, hypertables, timescaledb->release);
            }
            add_dependents(objects, source);
            context_.store.set_fact(fact::left_out, save_left_out(objects));
        });
    }

    /// Makes chunks for the tables whose rows several sessions will copy at once. @pre no rows are copied yet
    void make_chunks() {
        context_.once(step::chunks, stop_, [&] {
            auto target = open("target");
            const auto timescaledb = timescale::installation(target);
            if (!timescaledb || context_.timescaledb) return;
            auto source = open("source");
            const auto hypertables = timescale::hypertable_names(target);
            for (const auto& table : catalog::tables(source))
                if (table.bytes > context_.options.split_tables_larger_than && hypertables.contains(table.name) &&
                    std::ranges::find(context_.skip_data, table.name) == context_.skip_data.end())
                    timescale::premake_chunks(source, target, *timescaledb, table.name,
                                              copy::helper_schema(context_.names.id));
        });
    }

    /// Finds out early what the switch-over would be refused. @pre indexes and constraints are there
    void try_policies(const std::function<void(std::string)>& warn) {
        const auto specs = recorded();
        if (specs.empty()) return;
        context_.once(step::policies_tried, stop_, [&] {
            for (const auto& refused : run_policies(specs, timescale::PolicyRun::trial))
                warn(fmt::format("the target refuses what is to be set at the switch-over: {}", refused));
        });
    }

    /// @pre all changes are on the target. What it refuses is the user's to set: the rows are complete.
    void set_policies() {
        const auto specs = recorded();
        if (specs.empty()) return;
        context_.once(step::policies, stop_, [&] {
            const auto refused = run_policies(specs, timescale::PolicyRun::real);
            if (refused.empty()) return log::info("Compression and retention of {} hypertables set", specs.size());
            log::warning("The target refuses to set compression or retention. It is missing:");
            for (const auto& what : refused) log::warning("       - {}", what);
        });
    }

private:
    [[nodiscard]] pg::Connection open(std::string_view side) const {
        return open_end(side, side == "source" ? context_.ends.source : context_.ends.target, "hypertables", stop_);
    }
    [[nodiscard]] std::vector<timescale::HypertableSpec> recorded() const {
        return timescale::parse_hypertables("the recorded file", context_.store.fact(fact::hypertables).value_or(""));
    }

    void make_from_file(pg::Connection& target, const std::vector<timescale::HypertableSpec>& specs) {
        if (!timescale::installation(target)) {
            log::info("Creating the extension timescaledb on the target");
            auto fresh = open("target");  // the library is loaded when a session begins
            fresh.exec("CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public");
            target = open("target");
        }
        const auto timescaledb = timescale::installation(target);
        if (!timescaledb)
            throw Error(Recovery::operator_action, "the target's extension timescaledb is gone",
                        "CREATE EXTENSION timescaledb on the target, then go on with --resume");
        timescale::create_hypertables(target, *timescaledb, specs);
        const auto refused = run_policies(specs, timescale::PolicyRun::trial);
        if (!refused.empty())
            detail::refuse_hypertables(refused, "settings of the file are refused by the target",
                                       "Correct the file, then go on with --resume --hypertables FILE");
    }

    void ask_for_hypertables(pg::Connection& target, const timescale::Installation& timescaledb) {
        auto source = open("source");
        log::info(
            "The schema is on the target, without rows, indexes and constraints, and the target has TimescaleDB.");
        log::info("Make hypertables of those tables now that are to be some, in a session of your own on the target:");
        for (const auto& example : timescale::hypertable_examples(source, timescaledb)) log::info("    {}", example);
        log::info(
            "Leave compression and retention for after the migration. The rest is copied as soon as you continue; "
            "tables that are none then stay plain");
        constexpr std::string_view question = "Continue when all hypertables are made";
        const auto& user = context_.user;
        if (!(user.confirm_meanwhile ? user.confirm_meanwhile(question, stop_) : user.confirm(question)))
            throw Stopped{};
        const auto there = timescale::hypertable_names(target);
        if (there.empty()) return log::info("No hypertables: all tables stay plain");
        for (const auto& name : there) log::info("{} is a hypertable on the target", name);
    }

    /// Then rows would go into the roots.
    static void refuse_restoring(pg::Connection& target) {
        if (target.exec("SELECT pg_catalog.current_setting('timescaledb.restoring', true)").optional(0, 0) == "on")
            throw Error(Recovery::operator_action, "timescaledb.restoring is on on the target",
                        "There: SELECT timescaledb_post_restore(), then go on with --resume");
    }
    /// The user's, until the switch-over: a retention would remove rows of which changes are still to come.
    void pause_policies(pg::Connection& target, const timescale::Installation& timescaledb) {
        for (const auto& policy : timescale::scheduled_policies(target, timescaledb)) {
            context_.store.journal(state::Side::target, policy.name,
                                   timescale::schedule_sql(timescaledb, policy, true));
            target.exec(timescale::schedule_sql(timescaledb, policy, false));
            log::info("{} does not run on the target until the switch-over", policy.name);
        }
    }
    /// create_hypertable makes an index on time unless it is told not to, and the source may have one of that name and of another order.
    static void drop_default_indexes(pg::Connection& source, pg::Connection& target,
                                     const timescale::Hypertables& hypertables) {
        if (hypertables.empty()) return;
        std::set<catalog::QualifiedName> of_source;
        for (const auto& index : catalog::indexes(source)) of_source.insert(index.name);
        for (const auto& index : catalog::indexes(target)) {
            if (!hypertables.contains(index.table_name)) continue;
            if (index.constraint || !of_source.contains(index.name)) {
                log::info("{} has the index {} already, which the source has not: it stays, and slows the copy down",
                          index.table_name, index.name);
                continue;
            }
            target.exec(fmt::format("DROP INDEX {}", index.name.quoted()));
            log::info("{} is made as it is on the source when the rows are there", index.name);
        }
    }

    [[nodiscard]] LeftOut skipped_indexes(pg::Connection& source) const {
        LeftOut objects;
        if (context_.options.skip_indexes.empty()) return objects;
        const auto indexes = catalog::indexes(source);
        for (const auto& text : context_.options.skip_indexes)
            objects.push_back(left_out_index(find_index(text, indexes)));
        return objects;
    }

    void add_incompatible(LeftOut& objects, pg::Connection& source, const timescale::Hypertables& hypertables,
                          const timescale::Release& release) {
        check_time(source, hypertables);
        advise(source, hypertables);
        if (context_.options.skip_compatibility_check)
            return log::info(
                "The source's keys, triggers and rules are not held against the hypertables, as was asked");
        auto found = timescale::incompatible_objects(source, hypertables, release);
        const auto skipped = indexes_of(objects);
        std::erase_if(found, [&](const timescale::Incompatible& one) { return skipped.contains(one.object.index); });
        if (found.empty()) return;
        log::warning("These objects of the source are not possible on the hypertables of the target:");
        for (const auto& one : found) log::warning("       - {}", one.text());
        if (!context_.options.skip_incompatible_objects) refuse(found.size());
        for (auto& one : found) objects.push_back(std::move(one.object));
    }
    [[noreturn]] void refuse(std::size_t count) const {
        const auto resume = with_dir(context_.options.commands.migrate, context_.options) + " --resume";
        log::warning("There are four ways to go on, and no row is copied yet:");
        log::warning("  1. change them on the source (a key gets the partitioning columns as well), then: {}", resume);
        log::warning("  2. leave some indexes and the constraints over them out: {} --skip-index SCHEMA.INDEX …",
                     resume);
        log::warning("  3. leave all of these objects out: {} --skip-hypertable-incompatible-objects", resume);
        log::warning(
            "  4. go on as if there were none, and stop where the target refuses one: {} "
            "--skip-hypertable-compatibility-check",
            resume);
        throw Error(Recovery::operator_action,
                    fmt::format("{} objects of the source are not possible on hypertables", count),
                    "See the WARNING lines for what they are, and for four ways to go on");
    }

    void check_time(pg::Connection& source, const timescale::Hypertables& hypertables) const {
        if (context_.store.fact(fact::hypertables)) return;  // counted at the start
        std::vector<std::string> problems;
        const auto snapshot = live_snapshot(context_.layout);
        for (const auto& [table, dimensions] : hypertables) {
            if (std::ranges::find(context_.skip_data, table) != context_.skip_data.end()) continue;
            const auto nulls = detail::time_nulls(source, snapshot, table, dimensions.front());
            if (auto problem = detail::judge_time_nulls(table, dimensions.front(), nulls))
                problems.push_back(std::move(*problem));
        }
        if (!problems.empty())
            detail::refuse_hypertables(problems, "tables have rows that their hypertables would refuse",
                                       "See the ERROR lines");
    }
    /// Right, but slow.
    static void advise(pg::Connection& source, const timescale::Hypertables& hypertables) {
        for (const auto& identity : timescale::vague_identities(source, hypertables)) {
            log::warning(
                "The replica identity of {} lacks partitioning columns ({}): each UPDATE and DELETE looks into all "
                "chunks",
                identity.table, fmt::join(identity.dimensions, ", "));
            log::warning("       better, on the source: {}", identity.statements());
            log::warning("       or at least, on the target, if no index there begins with these columns: {}",
                         identity.target_statement());
        }
    }

    /// A foreign key needs the key that it refers to.
    static void add_dependents(LeftOut& objects, pg::Connection& source) {
        const auto indexes = indexes_of(objects);
        if (indexes.empty()) return;
        for (auto& [key, referenced] : timescale::declared_foreign_keys(source)) {
            if (!indexes.contains(key.index) || std::ranges::find(objects, key) != objects.end()) continue;
            log::warning("Foreign key {} of {} is left out as well: it refers to {}",
                         catalog::detail::plain_identifier(key.name), key.table, key.index);
            objects.push_back(std::move(key));
        }
    }

    [[nodiscard]] std::vector<std::string> run_policies(const std::vector<timescale::HypertableSpec>& specs,
                                                        timescale::PolicyRun run) const {
        auto target = open("target");
        std::vector<std::string> refused;
        const auto timescaledb = timescale::installation(target);
        if (!timescaledb) return refused;
        for (const auto& spec : specs)
            for (auto& what : timescale::set_policies(target, *timescaledb, spec, run))
                refused.push_back(std::move(what));
        return refused;
    }

    const Context& context_;
    std::stop_token stop_;
};

}  // namespace tslive::migrate
