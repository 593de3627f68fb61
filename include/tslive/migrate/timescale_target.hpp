#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
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
#include "tslive/core/log.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/migrate/facts.hpp"
#include "tslive/timescale/configuration.hpp"
#include "tslive/timescale/extension.hpp"
#include "tslive/timescale/halves.hpp"
#include "tslive/timescale/installation.hpp"
#include "tslive/timescale/invalidations.hpp"
#include "tslive/timescale/jobs.hpp"
#include "tslive/timescale/mirror.hpp"
#include "tslive/timescale/missing_values.hpp"
#include "tslive/timescale/oid_hashes.hpp"
#include "tslive/timescale/own_relations.hpp"
#include "tslive/timescale/reconcile.hpp"
#include "tslive/timescale/restoring.hpp"

namespace tslive::migrate {

/// TimescaleDB on the source as it was when the migration began.
/// @throws Error  (operator_action) when it has another version by now: the target's catalog is of the old one
[[nodiscard]] inline std::optional<timescale::Installation> remembered_timescaledb(state::Store& store,
                                                                                   pg::Connection& source) {
    const auto now = timescale::installation(source);
    const auto text = now ? fmt::format("{} {}", now->version, now->schema) : "";
    const auto known = store.fact(fact::timescaledb);
    if (!known && (store.done(step::started) || !now)) return std::nullopt;
    if (known && *known != text)
        throw Error(
            Recovery::operator_action,
            fmt::format("the source's TimescaleDB was '{}' when the migration began, and is '{}' now", *known, text),
            "The extension must stay as it is during a migration. Begin anew with ts-clean and a new snapshot");
    store.set_fact(fact::timescaledb, text);
    return now;
}

/// Indexes and foreign keys of chunks are TimescaleDB's to make, as are those of hypertables for their chunks: what ts-live makes
/// after the base copy leaves them alone. For copy::Options::elsewhere.
[[nodiscard]] inline std::set<RelationId> parts_of_hypertables(pg::Connection& source) {
    const auto own = timescale::own_relations(source);
    std::set<RelationId> parts;
    for (const auto& [name, id] : own.chunks) parts.insert(id);
    for (const auto& [name, id] : own.roots) parts.insert(id);
    return parts;
}

/// What a target needs besides a plain one when the source has TimescaleDB, in the order of the base copy and the switch-over. Each
/// step is recorded; without TimescaleDB on the source none does anything. One thread.
class TimescaleTarget {
public:
    TimescaleTarget(const Context& context, std::stop_token stop) : context_(context), stop_(std::move(stop)) {}

    [[nodiscard]] bool needed() const noexcept { return context_.timescaledb_to(TimescaleWay::same_release); }

    /// Before the schema: the extension, and restoring mode, in which the schema's tables are made.
    void prepare() {
        if (!needed()) return;
        context_.once(step::timescaledb_extension, stop_, [&] {
            {
                auto source = open_source();
                timescale::check_partitioning(source);
            }
            const auto owner = owner_of_schema();
            auto fresh = open_target();
            timescale::create_extension(fresh, *context_.timescaledb, owner);
        });
        context_.once(step::timescaledb_restoring, stop_, [&] {
            context_.store.journal(state::Side::target, std::string{restoring_mode}, timescale::end_restoring_sql());
            auto target = open_target();
            timescale::begin_restoring(target, *context_.timescaledb);
        });
    }

    /// Empty: whoever we are.
    [[nodiscard]] std::string owner_of_schema() const {
        if (context_.options.no_owner || context_.options.skip_roles) return {};
        auto source = open_source();
        const auto found =
            source.exec("SELECT pg_catalog.pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = $1",
                        pg::Params{}.text(context_.timescaledb->schema));
        return found.empty() ? std::string{} : found.text(0, 0);
    }

    /// The schema that CREATE EXTENSION needed before its time.
    [[nodiscard]] std::set<std::uint32_t> schemas_made_before() const {
        const bool made = needed() || context_.timescaledb_to(TimescaleWay::across_releases);
        if (!made || context_.timescaledb->schema == "public") return {};
        auto source = open_source();
        const auto found = source.exec("SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1",
                                       pg::Params{}.text(context_.timescaledb->schema));
        if (found.empty()) return {};
        return {found.number<std::uint32_t>(0, 0)};
    }

    /// After the schema's tables are there, and before their rows.
    void copy_catalog(const std::string& snapshot, std::string_view helper_schema, copy::Progress& progress) {
        if (!needed()) return;
        context_.once(step::timescaledb_catalog, stop_, [&] {
            progress.enter("copying TimescaleDB's catalog");
            auto source = open_snapshot(snapshot);
            auto target = open_target();
            pg::Transaction transaction(target);
            const auto report =
                timescale::copy_configuration(source.connection(), target, context_.timescaledb->release);
            timescale::create_mirror(source.connection(), target, helper_schema);
            const auto missing =
                timescale::copy_missing_values(source.connection(), context_.timescaledb->release, target);
            transaction.commit();
            if (missing > 0)
                log::info("{} columns of chunks were added after compression; compressed rows keep their defaults",
                          missing);
            for (const auto& note : report.notes) progress.warn(note);
            log::info("TimescaleDB's catalog copied: {} rows", report.rows);
        });
    }

    /// What the copy of rows must know while the target is in restoring mode.
    void describe(copy::Options& options) const {
        if (!needed()) return;
        options.configuration_elsewhere.emplace_back("timescaledb");
        // NULL throughout: the compressed row may have nothing in that column as well. Anything else is longer.
        if (!context_.timescaledb->release.reads_null_compression())
            options.read_as.emplace("_timescaledb_internal.compressed_data",
                                    "CASE WHEN pg_catalog.pg_column_size({0}) > 16 OR {0}::pg_catalog.text <> 'Bg==' "
                                    "THEN {0} END");
        auto target = open_target();
        auto own = timescale::own_relations(target);
        for (const auto& [name, id] : own.roots) options.without_rows.insert(name);
        options.halves = {.state = timescale::storage_of_chunk, .join = timescale::mark_as_partial};
        for (const auto& [chunk, compressed] : timescale::compressed_halves(target))
            options.halves.add(chunk, compressed);
        for (auto& chunk : timescale::chunks_of(target, context_.skip_data))
            options.skip_data.push_back(std::move(chunk));
        // Chunks that the source has got since are no tables of the target's.
        options.elsewhere = [known = std::move(own.chunks)](pg::Connection& source) {
            std::set<RelationId> later;
            for (const auto& [name, id] : timescale::own_relations(source).chunks)
                if (!known.contains(name)) later.insert(id);
            return later;
        };
    }

    /// When tables, indexes and keys are as on the source: from here on they are hypertables. No job runs.
    void go_live(copy::Progress& progress) {
        if (!needed()) return;
        context_.once(step::timescaledb_live, stop_, [&] {
            progress.enter("switching TimescaleDB on on the target");
            {
                auto target = open_target();
                timescale::forget_filters(target);
                timescale::end_restoring(target);
            }
            auto fresh = open_target();
            timescale::check_not_restoring(fresh, *context_.timescaledb);
            for (const auto& entry : context_.store.pending_undo(state::Side::target))
                if (entry.what == restoring_mode) context_.store.undone(entry.id);
            expect_scheduler(fresh);
        });
    }

    /// Settings of the source's database that are none of the target's: those that a migration makes, or ends.
    [[nodiscard]] static std::span<const std::string_view> settings_of_source_alone() {
        static constexpr std::array<std::string_view, 3> names{"timescaledb.restoring",
                                                               "timescaledb.enable_compressed_direct_batch_delete",
                                                               "timescaledb.enable_delete_after_compression"};
        return names;
    }

    /// After the drain: chunks that the source has dropped, and what it knows about stale continuous aggregates.
    void take_over_state() {
        if (!needed()) return;
        context_.once(step::timescaledb_ranges, stop_, [&] {
            auto source = open_source();
            auto target = open_target();
            const auto report = timescale::reconcile_ranges(source, target, context_.timescaledb->release);
            for (const auto& chunk : report.dropped)
                log::info("Chunk {} is dropped on the target: the source has dropped its range", chunk);
            if (report.deleted_rows > 0)
                log::info("{} rows deleted on the target, from ranges that the source has dropped",
                          report.deleted_rows);
            for (const auto& chunk : report.unclear)
                log::warning(
                    "The source has dropped a part of the range of chunk {} on the target; its rows are left as they "
                    "are. Compare them",
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
            const auto rows = timescale::replace_invalidations(source, target);
            log::info("Watermarks and invalidations of continuous aggregates taken over: {} rows", rows);
        });
    }

    /// The last step: from here on the target works by itself.
    void take_over_jobs() {
        if (!needed()) return;
        context_.once(step::timescaledb_jobs, stop_, [&] {
            auto source = open_source();
            auto target = open_target();
            const auto report = timescale::take_over_jobs(source, target, context_.timescaledb->release);
            timescale::restart_scheduler(target, *context_.timescaledb);
            for (const auto& job : report.only_on_source)
                log::warning("Job {} was made on the source after the snapshot; the target does not have it", job);
            for (const auto& job : report.only_on_target)
                log::warning("Job {} was dropped on the source after the snapshot; on the target it is switched off",
                             job);
            log::info("{} jobs of TimescaleDB switched on", report.switched_on);
            expect_scheduler(target);
        });
    }

private:
    static constexpr std::string_view restoring_mode = "restoring mode of TimescaleDB";

    [[nodiscard]] pg::Connection open_source() const {
        return open_end("source", context_.ends.source, "timescaledb", stop_);
    }
    [[nodiscard]] pg::Connection open_target() const {
        return open_end("target", context_.ends.target, "timescaledb", stop_);
    }
    [[nodiscard]] copy::SourceSession open_snapshot(const std::string& snapshot) const {
        try {
            return copy::SourceSession::open(context_.ends.source, snapshot, stop_);
        } catch (const copy::SnapshotGone& gone) {
            throw Error(Recovery::operator_action,
                        fmt::format("{}, and TimescaleDB's catalog is not copied yet", gone.what()),
                        "Begin anew: ts-clean --prune, then take a new snapshot");
        }
    }

    void expect_scheduler(pg::Connection& target) const {
        if (timescale::ensure_scheduler(target, *context_.timescaledb)) return;
        log::warning(
            "TimescaleDB's scheduler does not run on the target, so no job of it will. Look at "
            "shared_preload_libraries, timescaledb.max_background_workers and max_worker_processes there, then run "
            "SELECT {}.start_background_workers()",
            context_.timescaledb->release.functions());
    }

    const Context& context_;
    std::stop_token stop_;
};

}  // namespace tslive::migrate
