#include "apps/ts-migrate/command.hpp"

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "apps/common_options.hpp"
#include "apps/console.hpp"
#include "tslive/core/size.hpp"
#include "tslive/migrate/migrate.hpp"
#include "tslive/state/store.hpp"
#include "tslive/ui/log_file.hpp"

namespace tslive::apps {

void add_migrate(CLI::App& command, Session& session, const migrate::CommandNames& names) {
    auto options = std::make_shared<migrate::MigrateOptions>();
    auto split = std::make_shared<std::string>("1GB");
    options->commands = names;
    add_common_options(command, *options, session);
    command.add_flag("--resume", options->resume, "Resume the migration");
    const auto finish = add_scope_options(command, *options);
    command
        .add_option("--skip-table-data", options->skip_table_data,
                    "Skips data from the given table during migration. However, the table schema will be migrated. "
                    "Does not skip data during "
                    "live replay from the specified table: updates and deletes that find no row are counted. Values "
                    "must be schema qualified. "
                    "Eg: --skip-table-data public.exclude_table_1 public.exclude_table_2")
        ->type_name("SKIP_TABLE_DATA")
        ->expected(1, -1);
    command
        .add_option("--split-tables-larger-than", *split, "Copy larger tables in parts, several at once (Default: 1GB)")
        ->type_name("SIZE")
        ->check([](const std::string& text) {
            const auto size = parse_size(text);
            return size && *size >= 1 << 20 ? std::string{}
                                            : "'" + text + "' is no size of at least 1MB, such as 500MB or 2GB";
        });
    command.add_flag("--text-changes", options->text_changes,
                     "Ask the source for changes in text form, also where their binary form would do");
    command.add_flag("--no-owner", options->no_owner,
                     "Let everything belong to the role that connects to the target db");
    command.add_flag("--no-acl", options->no_acl, "Do not copy grants");
    command
        .add_option(
            "--search-path-for", options->search_path_for,
            "Let functions that find their tables by a search_path have one on the target until the switch-over. Eg: "
            "--search-path-for 'public.f(integer)=app,public'")
        ->type_name("FUNCTION=SCHEMAS")
        ->expected(1, -1);
    command
        .add_option(
            "--hypertables", options->hypertables,
            "Make hypertables on the target of the tables that FILE names; the source is plain PostgreSQL. Without "
            "it you are asked to make them")
        ->type_name("FILE");
    command.add_flag(
        "--skip-hypertable-compatibility-check", options->skip_compatibility_check,
        "Do not look for keys, foreign keys, triggers and rules of the source that are not possible on the "
        "target's hypertables");
    command.add_flag("--skip-hypertable-incompatible-objects", options->skip_incompatible_objects,
                     "Leave out the keys, foreign keys, triggers and rules that are not possible on the target's "
                     "hypertables. They are listed at the end");
    command
        .add_option("--skip-index", options->skip_indexes,
                    "Do not build the given index, nor the constraint over it; may be repeated. Values must be schema "
                    "qualified. Eg: --skip-index public.orders_pkey")
        ->type_name("INDEX")
        ->expected(1, -1);
    command.add_flag(
        "--refresh-matviews", options->refresh_matviews,
        "Refresh materialized views at the switch-over, too, which is part of the downtime. Without it they "
        "stay as of the base copy, and are listed");
    command.callback([options, split, finish, &session] {
        finish();
        options->split_tables_larger_than = parse_size(*split).value();
        static_cast<void>(migrate::parse_ends(*options));
        const state::Layout layout{options->dir};
        if (state::Store::exists(layout)) log::add_sink(ui::log_file_sink(layout, "ts-migrate"));
        Console console(session);
        migrate::migrate(*options, console.user(), session.signals.stop_token());
    });
}

}  // namespace tslive::apps
