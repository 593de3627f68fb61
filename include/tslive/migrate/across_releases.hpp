#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tslive/copy/options.hpp"
#include "tslive/copy/progress.hpp"
#include "tslive/copy/source_session.hpp"
#include "tslive/copy/workers.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/migrate/facts.hpp"
#include "tslive/schema/restore.hpp"
#include "tslive/timescale/blueprint_check.hpp"
#include "tslive/timescale/blueprint_make.hpp"
#include "tslive/timescale/chunk_twins.hpp"
#include "tslive/timescale/extension.hpp"
#include "tslive/timescale/halves.hpp"
#include "tslive/timescale/installation.hpp"
#include "tslive/timescale/invalidations_across.hpp"
#include "tslive/timescale/mirror.hpp"
#include "tslive/timescale/own_relations.hpp"
#include "tslive/timescale/reconcile.hpp"
#include "tslive/timescale/restoring.hpp"
#include "tslive/timescale/source_jobs.hpp"

namespace tslive::migrate {

/// Relations whose indexes and foreign keys TimescaleDB makes by itself on a target where hypertables are made anew. For
/// copy::Options::elsewhere.
[[nodiscard]] inline std::set<RelationId> internal_relations(pg::Connection& source) {
    std::set<RelationId> ids;
    for (const auto& [name, id] : timescale::own_relations(source).internal) ids.insert(id);
    return ids;
}

/// What a target of another release of TimescaleDB needs (docs/decisions/0014-across-timescaledb-versions.md), in the order of the base
/// copy and the switch-over:
///
///     extension -> what the snapshot shows is noted -> (pre-data) -> hypertables and continuous aggregates -> (what is built upon
///     these) -> chunks -> (rows, indexes, post-data, foreign keys) -> compression -> trial of the jobs
///     (drained) -> chunk ranges -> invalidations -> (…) -> jobs
///
/// Each step is recorded; without the user's word for it none does anything. One thread.
class AcrossReleases {
public:
    AcrossReleases(const Context& context, std::stop_token stop) : context_(context), stop_(std::move(stop)) {}

    [[nodiscard]] bool needed() const noexcept { return context_.timescaledb_to(TimescaleWay::across_releases); }

    /// Before anything is changed. @throws Error  (operator_action) naming what cannot be made
    void check() const {
        if (!needed() || context_.store.done(step::timescaledb_extension)) return;
        auto source = open_source();
        auto target = open_target();
        const auto there = timescale::installation_to_be(target, context_.timescaledb->schema);
        if (!there)
            throw Error(Recovery::operator_action, "the target's server has no TimescaleDB",
                        "Install it there, then run the same command again");
        const auto against = timescale::objections(source, *context_.timescaledb, there);
        if (against.empty()) return;
        for (const auto& one : against) log::error("{}", one);
        throw Error(Recovery::operator_action,
                    fmt::format("{} things of TimescaleDB {} cannot be made anew on {}", against.size(),
                                context_.timescaledb->version, there->version),
                    "Change on the source what the ERROR lines name, then run the same command again");
    }

    /// Before the schema: the extension, and what the snapshot shows of TimescaleDB's catalog.
    void prepare(const std::string& snapshot, const std::string& owner) {
        if (!needed()) return;
        context_.once(step::timescaledb_extension, stop_, [&] {
            auto fresh = open_target();
            const auto wanted = timescale::installation_to_be(fresh, context_.timescaledb->schema);
            if (!wanted) throw Error(Recovery::operator_action, "the target's server has no TimescaleDB");
            timescale::create_extension(fresh, *wanted, owner);
        });
        context_.once(step::timescaledb_catalog, stop_, [&] {
            auto source = open_snapshot(snapshot);
            auto target = open_target();
            pg::Transaction transaction(target);
            timescale::remember_objects(source.connection(), target, helper());
            timescale::create_mirror(source.connection(), target, helper());
            transaction.commit();
        });
    }

    void describe(schema::RestoreOptions& options) const {
        if (!needed()) return;
        auto target = open_target();
        auto objects = timescale::read_objects(target, helper());
        options.skip_wholly = std::move(objects.internal);
        options.made_elsewhere = std::move(objects.aggregates);
    }

    /// When the tables are there: hypertables and continuous aggregates.
    void make(const std::string& snapshot, copy::Progress& progress) {
        if (!needed()) return;
        context_.once(step::timescaledb_made, stop_, [&] {
            progress.enter("making hypertables and continuous aggregates");
            auto source = open_snapshot(snapshot);
            auto target = open_target();
            if (timescale::remembers(target, helper(), "source_materialization"))
                return;  // by a COMMIT without an answer
            const auto print = timescale::read_blueprint(source.connection(), *context_.timescaledb);
            pg::Transaction transaction(target);
            const auto here = installed(target);
            timescale::make_hypertables(target, print, here);
            timescale::make_aggregates(target, print, here);
            timescale::Materializations materializations;
            for (const auto& one : print.aggregates)
                materializations.emplace(one.materialization.name, timescale::materialization_on(target, one.view));
            timescale::remember_materializations(target, helper(), materializations);
            transaction.commit();
            log::info("{} hypertables and {} continuous aggregates made on the target, by TimescaleDB {}",
                      print.hypertables.size(), print.aggregates.size(), here.version);
        });
    }

    /// With the ranges of the source's, so that what is done to one there can be done to one here.
    void make_chunks(copy::Progress& progress) {
        if (!needed()) return;
        context_.once(step::timescaledb_chunks, stop_, [&] {
            progress.enter("making chunks");
            auto target = open_target();
            const auto here = installed(target);
            int made = 0;
            for (bool more = true; more;) {
                pg::Transaction transaction(target);
                const auto some = timescale::make_chunk_twins(target, helper(), context_.timescaledb->release, here);
                transaction.commit();
                made += some;
                more = some > 0;
            }
            log::info("{} chunks made on the target, with the ranges of the source's", made);
        });
    }

    /// Chunks go into their twins; what TimescaleDB keeps for itself stays.
    void describe(copy::Options& options) const {
        if (!needed()) return;
        options.configuration_elsewhere.emplace_back("timescaledb");
        auto target = open_target();
        for (auto& twin : timescale::read_chunk_twins(target, helper()))
            options.part_tables.emplace(std::move(twin.name),
                                        copy::PartTable{std::move(twin.there), std::move(twin.whole)});
        auto source = open_source();
        const auto own = timescale::own_relations(source);
        for (const auto& [name, id] : own.roots)
            if (!own.internal.contains(name)) options.without_rows.insert(name);
        // A chunk without a twin was made after the snapshot, and the stream has all of it.
        std::set<catalog::QualifiedName> copied;
        for (const auto& [name, part] : options.part_tables) copied.insert(name);
        options.rows_elsewhere = [copied = std::move(copied)](pg::Connection& seen) {
            std::set<RelationId> elsewhere;
            for (const auto& [name, id] : timescale::own_relations(seen).internal)
                if (!copied.contains(name)) elsewhere.insert(id);
            return elsewhere;
        };
        options.read_whole = timescale::compressed_chunks;
        options.halves.state = timescale::storage_of_chunk;
        options.elsewhere = &internal_relations;
    }

    /// When rows, indexes and keys are there.
    void finish(copy::Progress& progress) {
        if (!needed()) return;
        context_.once(step::timescaledb_compression, stop_, [&] {
            progress.enter("setting compression");
            auto target = open_target();
            const auto print = blueprint_now(target);
            pg::Transaction transaction(target);
            timescale::make_materialization_indexes(target, print);
            timescale::set_compression(target, print, installed(target));
            transaction.commit();
        });
        context_.once(step::timescaledb_compressed, stop_, [&] { compress(progress); });
        context_.once(step::timescaledb_jobs_tried, stop_, [&] {
            auto target = open_target();
            const auto print = blueprint_now(target);
            pg::Transaction transaction(target);
            timescale::make_jobs(target, print, installed(target));
            transaction.rollback();  // what the switch-over would be refused is refused now
        });
    }

    /// After the drain.
    void take_over_state() {
        if (!needed()) return;
        context_.once(step::timescaledb_ranges, stop_, [&] {
            auto source = open_source();
            auto target = open_target();
            const auto report = timescale::reconcile_ranges(
                source, target,
                {.source = context_.timescaledb->release,
                 .target = installed(target).release,
                 .names = timescale::read_materializations(target, helper()).value_or(timescale::Materializations{})});
            for (const auto& chunk : report.dropped)
                log::info("Chunk {} is dropped on the target: the source has dropped its range", chunk);
            if (report.deleted_rows > 0)
                log::info("{} rows deleted on the target, from ranges that the source has dropped",
                          report.deleted_rows);
            for (const auto& chunk : report.unclear)
                log::warning(
                    "The source has dropped a part of the range of chunk {} on the target; its rows are left "
                    "as they are. Compare them",
                    chunk);
            for (const auto& chunk : report.only_on_source)
                log::warning(
                    "Chunk {} of the source holds rows, and the target has none of its range: does somebody "
                    "still write there?",
                    chunk);
        });
        context_.once(step::timescaledb_invalidations, stop_, [&] {
            auto source = open_source();
            auto target = open_target();
            const auto rows = timescale::replace_invalidations_across(source, context_.timescaledb->release, target,
                                                                      installed(target).release);
            log::info("Watermarks and invalidations of continuous aggregates taken over: {} rows", rows);
        });
    }

    /// The last step: policies and jobs as they are on the source now, those on that are on there.
    void take_over_jobs() {
        if (!needed()) return;
        context_.once(step::timescaledb_jobs, stop_, [&] {
            auto target = open_target();
            const auto here = installed(target);
            if (!has_jobs(target, here)) {
                auto print = blueprint_now(target);
                count_switched_off(print);
                pg::Transaction transaction(target);
                timescale::make_jobs(target, print, here);
                timescale::switch_on(target, print, here);
                transaction.commit();
                const auto on = std::ranges::count_if(print.jobs, &timescale::ScheduledJob::scheduled);
                log::info("{} jobs of TimescaleDB made, {} of them switched on", print.jobs.size(), on);
            }
            timescale::restart_scheduler(target, here);
            if (!timescale::ensure_scheduler(target, here))
                log::warning(
                    "TimescaleDB's scheduler does not run on the target, so no job of it will. Look at "
                    "shared_preload_libraries, timescaledb.max_background_workers and max_worker_processes there, then "
                    "run SELECT {}.start_background_workers()",
                    here.release.functions());
        });
    }

private:
    [[nodiscard]] std::string helper() const { return copy::helper_schema(context_.names.id); }
    [[nodiscard]] pg::Connection open_source() const {
        return open_end("source", context_.ends.source, "timescaledb", stop_);
    }
    [[nodiscard]] pg::Connection open_target() const {
        return open_end("target", context_.ends.target, "timescaledb", stop_);
    }
    [[nodiscard]] static timescale::Installation installed(pg::Connection& target) {
        auto found = timescale::installation(target);
        if (!found)
            throw Error(Recovery::operator_action, "the target's extension timescaledb is gone",
                        "Somebody has dropped it. Begin anew with ts-clean and an empty target");
        return std::move(*found);
    }
    [[nodiscard]] copy::SourceSession open_snapshot(const std::string& snapshot) const {
        try {
            return copy::SourceSession::open(context_.ends.source, snapshot, stop_);
        } catch (const copy::SnapshotGone& gone) {
            throw Error(
                Recovery::operator_action,
                fmt::format("{}, and what it shows of TimescaleDB's catalog is not on the target yet", gone.what()),
                "Begin anew: ts-clean --prune, then take a new snapshot");
        }
    }

    /// The source as it is now, without what the target does not have: that was made after the snapshot.
    [[nodiscard]] timescale::Blueprint blueprint_now(pg::Connection& target) const {
        auto source = open_source();
        auto print = timescale::read_blueprint(source, *context_.timescaledb);
        for (const auto& name : timescale::keep_known(target, print))
            log::warning("{} was made on the source after the snapshot; the target does not have it", name);
        return print;
    }

    /// What we have switched off and could not switch on again is on by the user's will.
    void count_switched_off(timescale::Blueprint& print) const {
        for (const auto& entry : context_.store.pending_undo(state::Side::source)) {
            if (!entry.what.starts_with(timescale::job_entry)) continue;
            const auto name = entry.what.substr(timescale::job_entry.size());
            for (auto& job : print.jobs)
                if (job.application_name == name) job.scheduled = true;
        }
    }

    [[nodiscard]] static bool has_jobs(pg::Connection& target, const timescale::Installation& here) {
        return target.exec(fmt::format("SELECT EXISTS (SELECT FROM {} WHERE id >= 1000)", here.release.jobs()))
            .boolean(0, 0);
    }

    /// Those that were compressed on the source when the snapshot was made. One that cannot be is the policy's, later.
    void compress(copy::Progress& progress) {
        progress.enter("compressing chunks");
        std::vector<catalog::QualifiedName> chunks;
        std::string function;
        {
            auto target = open_target();
            function = installed(target).function("compress_chunk");
            for (auto& twin : timescale::read_chunk_twins(target, helper()))
                if (twin.compressed) chunks.push_back(std::move(twin.there));
        }
        std::atomic<std::size_t> next{0}, failed{0};
        const auto work = [&](const std::stop_token& token) {
            Waiter waiter(token);
            std::optional<pg::Connection> target;
            for (std::size_t at = 0; (at = next++) < chunks.size();) {
                const auto what = fmt::format("compressing {}", chunks[at]);
                const copy::Progress::Running running(progress, what);
                pg::retry(what, waiter, [&] {
                    try {
                        if (!target) target.emplace(open_end("target", context_.ends.target, "timescaledb", token));
                        target->exec(fmt::format("SELECT {}({}::pg_catalog.regclass, if_not_compressed => true)",
                                                 function, pg::quote_literal(chunks[at].quoted())));
                    } catch (const Error& error) {
                        target.reset();
                        if (pg::transient(error)) throw;
                        ++failed;
                        progress.warn(fmt::format("chunk {} stays uncompressed: {}", chunks[at], error.what()));
                    }
                });
            }
        };
        copy::Workers workers(stop_);
        const auto count = std::min(chunks.size(), static_cast<std::size_t>(std::max(context_.options.index_jobs, 1)));
        for (std::size_t i = 0; i < count; ++i) workers.start(work);
        workers.join();
        if (!chunks.empty()) log::info("{} chunks compressed on the target", chunks.size() - failed);
    }

    const Context& context_;
    std::stop_token stop_;
};

}  // namespace tslive::migrate
