#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/extensions.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/checks/run.hpp"
#include "tslive/core/error.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/databases.hpp"
#include "tslive/migrate/facts.hpp"
#include "tslive/migrate/undo.hpp"
#include "tslive/schema/tools.hpp"
#include "tslive/snapshot/keepers.hpp"
#include "tslive/snapshot/names.hpp"
#include "tslive/snapshot/publications.hpp"
#include "tslive/snapshot/slot.hpp"
#include "tslive/state/directory.hpp"
#include "tslive/state/lock.hpp"
#include "tslive/state/snapshot_file.hpp"
#include "tslive/state/store.hpp"
#include "tslive/timescale/checks.hpp"
#include "tslive/timescale/checks_plain_source.hpp"
#include "tslive/timescale/chunk_tables.hpp"
#include "tslive/timescale/installation.hpp"
#include "tslive/timescale/prepare_source.hpp"

namespace tslive::migrate {

namespace detail {

/// Says everything that was found, then stops if one finding is fatal.
inline void report(const std::vector<checks::Finding>& findings) {
    std::size_t fatal = 0;
    for (const auto& finding : findings) {
        const auto text =
            fmt::format("{}: {}{}{}", finding.check, finding.text, finding.remedy.empty() ? "" : ". ", finding.remedy);
        switch (finding.weight) {
            case checks::Weight::passed: log::debug("{}", text); break;
            case checks::Weight::note: log::info("{}", text); break;
            case checks::Weight::warning: log::warning("{}", text); break;
            case checks::Weight::fatal: log::error("{}", text); ++fatal;
        }
    }
    if (fatal > 0)
        throw Error(Recovery::operator_action,
                    fmt::format("{} of {} checks failed; nothing was created on either side", fatal, findings.size()),
                    "Mend what the ERROR lines name, then run the same command again");
    log::info("{} checks of source and target passed", findings.size());
}

[[nodiscard]] inline checks::Options check_options(const SnapshotOptions& options, const Ends& ends) {
    checks::Options wanted;
    wanted.source = ends.source;
    wanted.target = ends.target;
    wanted.pg_bin_dir = options.pg_bin_dir;
    wanted.table_jobs = options.table_jobs;
    wanted.index_jobs = options.index_jobs;
    wanted.skip_roles = options.skip_roles;
    wanted.skip_all_extensions = options.skip_all_extensions;
    wanted.skip_extensions = options.skip_extensions;
    wanted.tools_check = [bin_dir = options.pg_bin_dir](int source_version) -> checks::Verdict {
        try {
            const auto tools = schema::find_tools(bin_dir, source_version);
            return checks::passed(fmt::format("{} is used", tools.pg_dump.string()));
        } catch (const Error& error) {
            return checks::fatal(error.what(), error.remedy());
        }
    };
    wanted.further_checks = [across = options.timescale == TimescaleWay::across_releases](
                                std::vector<checks::Finding>& findings, checks::detail::End& from,
                                checks::detail::End* to, const checks::Options& chosen) {
        timescale::add_findings(findings, from, to, chosen, across);
        timescale::add_plain_source_findings(findings, from, to, chosen);
    };
    wanted.leave_out = timescale::leave_out_pieces;
    return wanted;
}

/// All tables but those that an extension makes and keeps for itself; its configuration tables are data.
[[nodiscard]] inline std::vector<catalog::Table> tables_to_migrate(pg::Connection& source) {
    std::set<catalog::QualifiedName> configuration;
    for (const auto& extension : catalog::extensions(source))
        for (const auto& table : extension.configuration) configuration.insert(table.name);
    auto tables = catalog::tables(source, catalog::Sizes::estimated);
    std::erase_if(tables, [&](const catalog::Table& table) {
        return !table.extension.empty() && !configuration.contains(table.name);
    });
    return tables;
}

/// @param work  of a source with TimescaleDB
[[nodiscard]] inline snapshot::PublicationPlan plan_publications(pg::Connection& source,
                                                                 const std::optional<timescale::SourceWork>& work) {
    auto tables = tables_to_migrate(source);
    std::vector<std::string> schemas;
    if (work) {
        timescale::keep_published_by_name(tables, timescale::chunk_tables(source));
        schemas = work->published.schemas;
        // By the time the publications are made, these have been given one.
        const auto given = work->to_be_given();
        for (auto& table : tables) table.usable_identity = table.usable_identity || given.contains(table.id);
    }
    auto plan = snapshot::plan_publications(tables, snapshot::may_publish_all_tables(source),
                                            catalog::Capabilities{source.server_version()}, schemas);
    if (work && work->published.all) {
        plan.identity_of_all_tables = true;
        plan.inserts_only.clear();
    }
    return plan;
}

/// What has to be done to a source with TimescaleDB first; nothing is changed yet.
[[nodiscard]] inline std::optional<timescale::SourceWork> plan_source_work(pg::Connection& source) {
    auto timescaledb = timescale::installation(source);
    if (!timescaledb) return std::nullopt;
    return timescale::plan_source_work(source, std::move(*timescaledb),
                                       snapshot::may_publish_schemas(source, "_timescaledb_internal"));
}

/// @returns false when stop was requested
[[nodiscard]] inline bool confirm_full_identities(const timescale::SourceWork& work, const Operator& user) {
    const auto tables = work.to_consent();
    if (tables.empty()) return true;
    log::warning(
        "The following tables in the Source DB have neither a primary key nor a REPLICA IDENTITY (FULL/INDEX), and are "
        "hypertables or in schemas with chunks, which are published as a whole");
    for (const auto& table : tables) log::warning("       - {}", table);
    return user.confirm(
        "They are given REPLICA IDENTITY FULL until ts-clean, so that UPDATE and DELETE on them keep working and are "
        "replicated; each then writes the whole old row to the WAL. To give them a primary key or an identity of your "
        "own instead, stop here, and begin again");
}

/// The seed's warning. @returns false when stop was requested
[[nodiscard]] inline bool confirm_inserts_only(const snapshot::PublicationPlan& plan, const Operator& user) {
    if (plan.inserts_only.empty()) return true;
    log::warning(
        "The following tables in the Source DB have neither a primary key nor a REPLICA IDENTITY (FULL/INDEX)");
    log::warning("UPDATE and DELETE statements on these tables will not be replicated to the Target DB");
    for (const auto& table : plan.inserts_only) log::warning("       - {}", table);
    return user.confirm(
        "They keep working on the source. To replicate them, stop here, give these tables a REPLICA IDENTITY, and "
        "begin again");
}

/// The new migration's state, with a journal; what was made is undone and forgotten unless the command gets as far as keep().
class NewMigration {
public:
    NewMigration(state::Layout layout, pg::ConnInfo source, const state::Migration& migration)
        : layout_(std::move(layout)), source_(std::move(source)), store_(state::Store::create(layout_, migration)) {}
    NewMigration(const NewMigration&) = delete;
    NewMigration& operator=(const NewMigration&) = delete;
    ~NewMigration() {
        if (kept_) return;
        try {
            auto session = pg::Connection::open(source_, "snapshot undo");
            if (!undo_all(*store_, state::Side::source, session).empty())
                throw Error(Recovery::operator_action, "not everything could be removed");
            store_.reset();
            state::prune_directory(layout_);
        } catch (const std::exception& error) {
            log::warning("What was made on the source is still there; remove it with the clean command: {}",
                         error.what());
        }
    }
    [[nodiscard]] state::Store& store() { return *store_; }
    void keep() noexcept { kept_ = true; }

private:
    state::Layout layout_;
    pg::ConnInfo source_;
    std::optional<state::Store> store_;
    bool kept_ = false;
};

inline void refuse_if_occupied(const state::Layout& layout, const SnapshotOptions& options) {
    if (!state::Store::exists(layout)) return;
    const auto store = state::Store::open(layout);
    const auto clean = with_dir(options.commands.clean, options) + " --prune";
    if (store.done(step::complete))
        throw Error(Recovery::operator_action,
                    fmt::format("{} holds a migration that is complete", options.dir.string()),
                    fmt::format("Remove it with: {}   or give --dir another directory", clean));
    if (store.done(step::started))
        throw Error(Recovery::operator_action, fmt::format("{} holds a migration that has begun", options.dir.string()),
                    fmt::format("Go on with: {} --resume   or give it up with: {}",
                                with_dir(options.commands.migrate, options), clean));
    throw Error(Recovery::operator_action,
                fmt::format("{} holds a snapshot of an earlier run that is gone, and its slot", options.dir.string()),
                fmt::format("Remove both with: {}   then take a new snapshot", clean));
}

/// @throws Stopped  with a word on what that means
inline void give_up(const SnapshotOptions& options, const state::Store& store) {
    if (store.done(step::started))
        log::warning(
            "The snapshot is given up before the base copy is done: tables that are not copied yet will be copied "
            "under a new one");
    else
        log::warning(
            "The snapshot is given up. The slot stays on the source and keeps its WAL: remove it with: {} --prune",
            with_dir(options.commands.clean, options));
    throw Stopped{};
}

/// Holds the snapshot and says why it ends.
/// @throws Stopped  when the user ends it
inline void hold(snapshot::Keepers& keepers, const SnapshotOptions& options, const state::Layout& layout,
                 const state::Store& store, Waiter& waiter) {
    using Care = snapshot::Keepers::Care;
    constexpr std::chrono::milliseconds look_every{500};
    constexpr std::chrono::seconds touch_every{15};
    struct NameRemoved {
        const state::Layout& layout;
        ~NameRemoved() {
            try {
                state::remove_snapshot_name(layout);
            } catch (const std::exception& error) {
                log::warning("{}", error.what());
            }
        }
    } const on_leaving{layout};
    auto touched = std::chrono::steady_clock::now();
    while (!store.done(step::rows_read)) {
        if (!waiter.sleep(look_every)) give_up(options, store);
        const auto now = std::chrono::steady_clock::now();
        const bool due = now - touched >= touch_every;
        if (due) touched = now;
        if (keepers.keep_alive(due ? Care::touch : Care::look)) state::write_snapshot_name(layout, keepers.name());
    }
    keepers.release();
    log::info("The base copy no longer needs the snapshot: it is released, and this command is done");
}

}  // namespace detail

inline void take_snapshot(const SnapshotOptions& options, const Operator& user, std::stop_token stop) {
    const state::Layout layout{options.dir};
    const auto ends = parse_ends(options);
    state::create_directory(layout);
    const auto lock = state::Lock::acquire(layout, "ts-snapshot");
    detail::refuse_if_occupied(layout, options);

    detail::report(checks::run(detail::check_options(options, ends), stop));
    auto source = open_end("source", ends.source, "snapshot", stop);
    const auto target_identity = [&] {
        auto target = open_end("target", ends.target, "snapshot", stop);
        return identify(target);
    }();
    const auto work = detail::plan_source_work(source);
    if (work && !detail::confirm_full_identities(*work, user)) throw Stopped{};
    if (!detail::confirm_inserts_only(detail::plan_publications(source, work), user)) throw Stopped{};

    const auto names = snapshot::Names::random();
    detail::NewMigration fresh(layout, ends.source,
                               {.id = names.id,
                                .source = identify(source),
                                .target = target_identity,
                                .slot = names.slot(),
                                .consistent_point = {},
                                .created_at = source.exec("SELECT now()").text(0, 0)});
    auto& store = fresh.store();
    Waiter waiter(stop);
    if (work) timescale::prepare_source(*work, ends.source, store, source, waiter);
    for (const auto& publication : {names.publication_all(), names.publication_identity()})
        store.journal(state::Side::source, "publication " + publication, snapshot::drop_publication_sql(publication));
    snapshot::create_publications(source, names, detail::plan_publications(source, work));
    log::info("Creating the replication slot {}", names.slot());
    store.journal(state::Side::source, "replication slot " + names.slot(), snapshot::drop_slot_sql(names.slot()));
    auto replication = pg::Connection::open(ends.source, "slot", stop, pg::ConnectionKind::replication);
    const auto slot = snapshot::create_slot(replication, source, names.slot());
    snapshot::Keepers keepers(ends.source, slot.snapshot, stop);

    store.set_fact(fact::consistent_point, fmt::format("{}", slot.consistent_point));
    state::write_snapshot_name(layout, keepers.name());
    fresh.keep();

    log::info("Snapshot ID created successfully.");
    log::info("You can now start the migration process by running the following command in a separate terminal:");
    log::info("    {}", with_dir(options.commands.migrate, options));
    log::info("Do not interrupt this command until the base copy is done: it holds the snapshot");
    detail::hold(keepers, options, layout, store, waiter);
}

}  // namespace tslive::migrate
