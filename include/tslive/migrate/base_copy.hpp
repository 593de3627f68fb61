#pragma once

#include <limits>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/triggers.hpp"
#include "tslive/copy/base_copy.hpp"
#include "tslive/copy/foreign_keys.hpp"
#include "tslive/copy/large_objects.hpp"
#include "tslive/copy/materialized_views.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/across_releases.hpp"
#include "tslive/migrate/background.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/migrate/facts.hpp"
#include "tslive/migrate/hypertables.hpp"
#include "tslive/migrate/left_out.hpp"
#include "tslive/migrate/search_paths.hpp"
#include "tslive/migrate/timescale_target.hpp"
#include "tslive/schema/database_settings.hpp"
#include "tslive/schema/dump.hpp"
#include "tslive/schema/restore.hpp"
#include "tslive/schema/roles.hpp"
#include "tslive/schema/tools.hpp"
#include "tslive/timescale/source_jobs.hpp"

namespace tslive::migrate {

/// Brings everything that the snapshot shows to the target: roles, schema, rows, indexes, constraints, and the rest. Each step is
/// recorded when it is done; those that an earlier run finished are passed over. One thread.
class BaseCopy {
public:
    BaseCopy(const Context& context, std::stop_token stop)
        : context_(context), stop_(std::move(stop)), timescale_(context, stop_), across_(context, stop_) {}

    void run() {
        if (context_.store.done(step::base_copy)) return;
        Background status(stop_);
        status.start([this](const std::stop_token& token) { show_progress(token); });
        prepare_schema();
        copy_data();
        finish_schema();
        silence_triggers();
        context_.store.mark_done(step::base_copy);
        status.stop();
        for (const auto& warning : progress_.warnings()) log::warning("Base copy: {}", warning);
        log::info("The base copy is complete: {} rows in {} tables", progress_.rows.load(),
                  progress_.tables.done.load());
    }

    [[nodiscard]] static schema::RestoreOptions restore_options(const Context& context) {
        const auto& options = context.options;
        return {.target = context.ends.target,
                .migration_id = context.names.id,
                .no_owner = options.no_owner,
                .no_acl = options.no_acl,
                .skip_all_extensions = options.skip_all_extensions,
                .skip_extensions = options.skip_extensions,
                .skip_objects = oids_of(left_out(context))};
    }
    /// For what is copied after the base copy.
    [[nodiscard]] static copy::Options copy_options(const Context& context) {
        const auto& options = context.options;
        const auto objects = left_out(context);
        return {
            .source = context.ends.source,
            .target = context.ends.target,
            .migration_id = context.names.id,
            .snapshot = live_snapshot(context.layout).value_or("no-snapshot"),
            .consistent_point = context.consistent_point,
            .table_jobs = options.table_jobs,
            .index_jobs = options.index_jobs,
            .split_tables_larger_than = options.split_tables_larger_than,
            .skip_data = context.skip_data,
            .only_new = {},
            .on_rows_complete = {},
            .configuration_elsewhere = {},
            .without_rows = {},
            .halves = {},
            .elsewhere = context.timescaledb_to(TimescaleWay::same_release) ? &parts_of_hypertables
                         : context.timescaledb                              ? &internal_relations
                                                                            : nullptr,
            .skip_indexes = indexes_of(objects),
            .skip_foreign_keys = foreign_keys_of(objects),
            .without_only = context.timescaledb_to(TimescaleWay::same_release) ? nullptr : timescale::hypertable_names};
    }
    [[nodiscard]] static schema::Tools find_tools(const Context& context, const std::stop_token& stop) {
        auto source = open_end("source", context.ends.source, "schema", stop);
        auto target = open_end("target", context.ends.target, "schema", stop);
        return schema::find_tools(context.options.pg_bin_dir, source.server_version(), target.server_version());
    }

private:
    [[nodiscard]] pg::Connection open_source() const {
        return open_end("source", context_.ends.source, "schema", stop_);
    }
    [[nodiscard]] pg::Connection open_target() const {
        return open_end("target", context_.ends.target, "schema", stop_);
    }
    [[nodiscard]] std::filesystem::path archive() const { return context_.layout.schema() / "schema.dump"; }

    [[nodiscard]] copy::Options copy_options() const {
        auto options = copy_options(context_);
        timescale_.describe(options);
        across_.describe(options);
        return options;
    }

    void restore(schema::Section section) {
        progress_.enter(fmt::format("restoring the schema, {}", schema::name(section)));
        auto options = restore_options(context_);
        options.made_before = timescale_.schemas_made_before();
        across_.describe(options);
        const auto report = schema::restore(tools(), archive(), section, options, stop_);
        for (const auto& warning : report.warnings) progress_.warn(warning);
    }

    [[nodiscard]] const schema::Tools& tools() {
        if (!tools_) tools_ = find_tools(context_, stop_);
        return *tools_;
    }

    void prepare_schema() {
        context_.once(step::dump, stop_, [&] {
            progress_.enter("dumping the schema");
            schema::dump(tools(), context_.ends.source, copy_options(context_).snapshot, archive(), stop_);
        });
        if (!context_.options.skip_roles)
            context_.once(step::roles, stop_, [&] {
                progress_.enter("copying roles");
                auto source = open_source();
                auto target = open_target();
                for (const auto& warning : schema::copy_roles(source, target).warnings) progress_.warn(warning);
            });
        {
            auto target = open_target();
            copy::create_helper_schema(target, context_.names.id);
        }
        timescale_.prepare();
        if (across_.needed()) across_.prepare(copy_options(context_).snapshot, timescale_.owner_of_schema());
        context_.once(step::pre_data, stop_, [&] { restore(schema::Section::pre_data); });
        context_.once(step::search_paths, stop_, [&] {
            auto target = open_target();
            set_search_paths(context_.options.search_path_for, context_.store, target);
        });
        make_across_releases();
        timescale_.copy_catalog(copy_options(context_).snapshot, copy::helper_schema(context_.names.id), progress_);
        HypertableSteps hypertables(context_, stop_);
        hypertables.make();
        hypertables.decide();
        hypertables.make_chunks();
    }

    void make_across_releases() {
        if (!across_.needed()) return;
        across_.make(copy_options(context_).snapshot, progress_);
        context_.once(step::dependents, stop_, [&] { restore(schema::Section::dependents); });
        across_.make_chunks(progress_);
    }

    void copy_data() {
        context_.once(step::large_objects, stop_, [&] { copy::copy_large_objects(copy_options(), progress_, stop_); });
        context_.once(step::rows, stop_, [&] {
            auto wanted = copy_options();
            wanted.on_rows_complete = [this] {
                context_.store.mark_done(step::rows_read);
                resume_source_jobs();
            };
            const auto result = copy::copy_rows_and_indexes(wanted, progress_, stop_);
            for (const auto& table : result.copied)
                context_.store.set_copied(table.table.name.quoted(), table.table.id.value, table.consistent_point,
                                          table.rows);
            // It is gone on the source, so what the stream still says about it ends with its end.
            constexpr Lsn for_ever{std::numeric_limits<std::int64_t>::max()};
            for (const auto& name : result.gone) {
                progress_.warn(fmt::format(
                    "{} was dropped on the source before its rows were copied; it is empty on the target", name));
                context_.store.set_copied(name.quoted(), 0, for_ever, 0);
            }
        });
        resume_source_jobs();  // an earlier run may have ended before it did
    }

    /// What must not change chunks while they are read may do so again.
    void resume_source_jobs() {
        context_.once(step::source_jobs, stop_, [&] {
            auto source = open_source();
            timescale::resume_jobs(context_.store, source);
        });
    }

    void finish_schema() {
        context_.once(step::post_data, stop_, [&] { restore(schema::Section::post_data); });
        context_.once(step::foreign_keys, stop_, [&] { copy::build_foreign_keys(copy_options(), progress_, stop_); });
        timescale_.go_live(progress_);
        across_.finish(progress_);
        if (timescale_.needed())  // those to hypertables, which are some only now
            context_.once(step::timescaledb_foreign_keys, stop_,
                          [&] { copy::build_foreign_keys(copy_options(context_), progress_, stop_); });
        context_.once(step::views, stop_,
                      [&] { copy::refresh_materialized_views(copy_options(context_), progress_, stop_); });
        context_.once(step::database_settings, stop_, [&] {
            auto source = open_source();
            auto target = open_target();
            const auto left_out = TimescaleTarget::settings_of_source_alone();
            for (const auto& warning : schema::copy_database_settings(source, target, left_out).warnings)
                progress_.warn(warning);
        });
        HypertableSteps(context_, stop_).try_policies([&](std::string warning) { progress_.warn(std::move(warning)); });
    }

    /// Triggers and rules that would fire for our changes too, and so act twice (CASES D17). Switch-over puts them back.
    void silence_triggers() {
        context_.once(step::triggers, stop_, [&] {
            auto target = open_target();
            const auto chunks = timescale::chunks(target);
            for (const auto& trigger : catalog::replica_triggers(target)) {
                // What is done to a hypertable reaches its chunks.
                if (!trigger.extension.empty() || chunks.contains(trigger.table)) continue;
                context_.store.journal(state::Side::target, fmt::format("{} on {}", trigger.name, trigger.table_name),
                                       trigger.restore_sql());
                target.exec(trigger.disable_sql());
                log::info(
                    "{} on {} is disabled on the target until switch-over: it would act on replicated changes again",
                    trigger.name, trigger.table_name);
            }
        });
    }

    void show_progress(const std::stop_token& token) {
        Waiter waiter(token);
        while (waiter.sleep(std::chrono::seconds{1})) context_.user.show_copy(progress_);
    }

    const Context& context_;
    std::stop_token stop_;
    TimescaleTarget timescale_;
    AcrossReleases across_;
    copy::Progress progress_;
    std::optional<schema::Tools> tools_;
};

}  // namespace tslive::migrate
