#pragma once

#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/across_releases.hpp"
#include "tslive/migrate/background.hpp"
#include "tslive/migrate/base_copy.hpp"
#include "tslive/migrate/binary_changes.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/migrate/facts.hpp"
#include "tslive/migrate/hypertables_file.hpp"
#include "tslive/migrate/orphans.hpp"
#include "tslive/migrate/receiver.hpp"
#include "tslive/migrate/replay.hpp"
#include "tslive/migrate/saved_options.hpp"
#include "tslive/migrate/source_watch.hpp"
#include "tslive/migrate/switch_over.hpp"
#include "tslive/migrate/table_names.hpp"
#include "tslive/migrate/timescale_target.hpp"
#include "tslive/state/lock.hpp"

namespace tslive::migrate {

namespace detail {

/// The directory must hold a snapshot, and neither a finished migration nor, without --resume, an unfinished one.
inline void check_state(const state::Store& store, const MigrateOptions& options) {
    if (!store.fact(fact::consistent_point))
        throw Error(Recovery::operator_action,
                    fmt::format("{} holds the remains of a snapshot command that did not get as far as a snapshot",
                                options.dir.string()),
                    fmt::format("Remove them with: {} --prune   then take a new snapshot",
                                with_dir(options.commands.clean, options)));
    if (store.done(step::complete))
        throw Error(
            Recovery::operator_action, fmt::format("the migration in {} is complete", options.dir.string()),
            fmt::format("Remove what it left behind with: {} --prune", with_dir(options.commands.clean, options)));
    if (store.done(step::started) && !options.resume)
        throw Error(
            Recovery::operator_action,
            fmt::format("the migration in {} has begun and is not finished", options.dir.string()),
            fmt::format("Go on with: {} --resume   or give it up with: {} --prune",
                        with_dir(options.commands.migrate, options), with_dir(options.commands.clean, options)));
}

/// Without a snapshot nothing can be dumped. Once the schema is here, lost tables are copied under a new one.
inline void check_snapshot(const state::Store& store, const state::Layout& layout, const MigrateOptions& options,
                           pg::Connection& source) {
    const auto last_look =
        options.timescale == TimescaleWay::across_releases ? step::timescaledb_made : step::timescaledb_catalog;
    const bool catalog_needed = store.fact(fact::timescaledb) && !store.done(last_look);
    if (store.done(step::dump) && !catalog_needed) return;
    const auto remedy =
        store.done(step::started)
            ? fmt::format("Begin anew: {} --prune, then {}", with_dir(options.commands.clean, options),
                          with_dir(options.commands.snapshot, options))
            : fmt::format("Is the snapshot command still running? If not: {} --prune, then {} in a terminal of its own",
                          with_dir(options.commands.clean, options), with_dir(options.commands.snapshot, options));
    const auto name = live_snapshot(layout);
    if (!name)
        throw Error(Recovery::operator_action, fmt::format("{} holds no live snapshot", options.dir.string()), remedy);
    try {
        pg::Transaction transaction(source, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        source.exec(fmt::format("SET TRANSACTION SNAPSHOT {}", pg::quote_literal(*name)));
    } catch (const pg::ServerError& error) {
        throw Error(Recovery::operator_action, fmt::format("the snapshot {} is gone: {}", *name, error.what()), remedy);
    }
}

[[nodiscard]] inline ReceiverOptions receiver_options(const Context& context, pg::Connection& source) {
    ReceiverOptions wanted;
    wanted.source = context.ends.source;
    wanted.system_identifier = context.store.migration().source.system_identifier;
    wanted.slot = context.names.slot();
    wanted.publications = {context.names.publication_all(), context.names.publication_identity()};
    wanted.consistent_point = context.consistent_point;
    const catalog::Capabilities can{source.server_version()};
    wanted.protocol = {.version = can.pgoutput_version(),
                       .streaming = can.streaming() ? pgoutput::Streaming::on : pgoutput::Streaming::off};
    wanted.messages = can.logical_messages();
    wanted.binary = !context.options.text_changes && changes_may_be_binary(source);
    wanted.spool = context.layout.spool();
    wanted.stream = stream_id(context.names);
    return wanted;
}

/// Receives from the first second; copies; replays to the end position.
inline void run_phases(const Context& context, ReceiverOptions receiving, const std::stop_token& stop) {
    Background background(stop);
    Receiver receiver(std::move(receiving));
    background.start([&receiver](const std::stop_token& token) { receiver.run(token); });
    background.start([&context](const std::stop_token& token) { SourceWatch(context).run(token); });
    try {
        BaseCopy(context, background.token()).run();
        Replay(context, receiver, background).run();
    } catch (const Stopped&) {
        background.stop();  // throws what failed in the background, if that is why we were stopped
        throw;
    }
    background.stop();
}

inline void migrate_from_here(const MigrateOptions& given, const Operator& user, const std::stop_token& stop) {
    auto options = given;
    const state::Layout layout{options.dir};
    const auto ends = parse_ends(options);
    if (!state::Store::exists(layout))
        throw Error(Recovery::operator_action, fmt::format("{} holds no migration", options.dir.string()),
                    fmt::format("Take a snapshot first, in a terminal of its own: {}",
                                with_dir(options.commands.snapshot, options)));
    const auto lock = state::Lock::acquire(layout, "ts-migrate");
    auto store = state::Store::open(layout);
    check_state(store, options);

    auto source = open_end("source", ends.source, "migrate", stop);
    {
        auto target = open_end("target", ends.target, "migrate", stop);
        store.check_identity(identify(source), identify(target));
        if (store.done(step::started)) end_orphans(target);
    }
    if (const auto saved = store.fact(fact::options)) {
        restore_options(*saved, options);
        if (save_options(given) != *saved) log::info("The migration goes on with the options that it was started with");
    }
    const auto consistent_point = Lsn::parse(*store.fact(fact::consistent_point));
    if (!consistent_point) throw Error(Recovery::operator_action, "the consistent point in state.db cannot be read");
    auto skip_data =
        find_tables("--skip-table-data", options.skip_table_data, catalog::tables(source, catalog::Sizes::estimated));
    if (!store.done(step::left_out) && !options.skip_indexes.empty()) {
        const auto indexes = catalog::indexes(source);
        for (const auto& text : options.skip_indexes) static_cast<void>(find_index(text, indexes));
    }
    const Context context{.options = options,
                          .ends = ends,
                          .layout = layout,
                          .store = store,
                          .user = user,
                          .names = {store.migration().id},
                          .consistent_point = *consistent_point,
                          .skip_data = std::move(skip_data),
                          .timescaledb = remembered_timescaledb(store, source)};
    for (const auto& path : options.search_path_for) static_cast<void>(parse_function_path(path));
    check_snapshot(store, layout, options, source);
    static_cast<void>(BaseCopy::find_tools(context, stop));  // before anything is changed
    AcrossReleases(context, stop).check();
    {
        auto target = open_end("target", ends.target, "migrate", stop);
        take_hypertables_file(options, store, layout, context.skip_data, source, target);
    }
    store.set_fact(fact::options, save_options(options));
    store.mark_done(step::started);

    if (!store.done(step::drained)) run_phases(context, receiver_options(context, source), stop);
    SwitchOver(context, stop).finish();
    log::info("Migration successfully completed");
    log::info("Point the application to the target. When all is well, remove what the migration left behind with:");
    log::info("    {} --prune", with_dir(options.commands.clean, options));
}

}  // namespace detail

inline void migrate(const MigrateOptions& options, const Operator& user, std::stop_token stop) {
    try {
        detail::migrate_from_here(options, user, stop);
    } catch (const Stopped&) {
        log::warning("The migration is not finished. Go on with: {} --resume",
                     with_dir(options.commands.migrate, options));
        throw;
    }
}

}  // namespace tslive::migrate
