#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/extensions.hpp"
#include "tslive/core/log.hpp"
#include "tslive/migrate/context.hpp"
#include "tslive/migrate/facts.hpp"
#include "tslive/timescale/hypertable_file.hpp"
#include "tslive/timescale/hypertable_plan.hpp"
#include "tslive/timescale/target_hypertables.hpp"

namespace tslive::migrate {

namespace detail {

[[nodiscard]] inline std::string read_hypertables_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    if (!in.is_open() || in.bad())
        throw Error(Recovery::operator_action, fmt::format("--hypertables: {} cannot be read", path.string()),
                    "Name a file that this user may read");
    return text;
}

/// The release that the target has, or that CREATE EXTENSION would give it.
[[nodiscard]] inline timescale::TargetFeatures target_features(pg::Connection& target) {
    if (const auto found = timescale::installation(target))
        return {.release = found->release, .apache = timescale::apache_licence(target)};
    const auto available = catalog::available_extensions(target);
    const auto found = available.find("timescaledb");
    const auto release =
        found == available.end() ? std::nullopt : timescale::Release::parse(found->second.default_version);
    if (!release)
        throw Error(Recovery::operator_action, "--hypertables: the target's server has no TimescaleDB",
                    "Install it there and set shared_preload_libraries = 'timescaledb', or leave --hypertables out");
    return {.release = *release, .apache = timescale::apache_licence(target)};
}

/// Rows without a time, as the migration's snapshot has them, if that is still there.
[[nodiscard]] inline timescale::TimeNulls time_nulls(pg::Connection& source, const std::optional<std::string>& snapshot,
                                                     const catalog::QualifiedName& table, const std::string& column) {
    pg::Transaction transaction(source, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    if (snapshot) source.exec(fmt::format("SET TRANSACTION SNAPSHOT {}", pg::quote_literal(*snapshot)));
    const auto found = timescale::count_time_nulls(source, table, column);
    transaction.commit();
    return found;
}

/// Says what a time column that may be NULL means. @returns a problem when rows have NULL there
[[nodiscard]] inline std::optional<std::string> judge_time_nulls(const catalog::QualifiedName& table,
                                                                 const std::string& column,
                                                                 const timescale::TimeNulls& nulls) {
    const auto name = pg::quote_identifier(column);
    if (nulls.rows > 0)
        return fmt::format(
            "hypertable {0}: {1} rows of the snapshot have NULL in {2}, the time column, which no hypertable takes. "
            "Give them a time or delete them on the source, then begin anew with a new snapshot; or leave the rows "
            "of the table out with --skip-table-data. On the source: SELECT * FROM {3} WHERE {2} IS NULL",
            table, nulls.rows, name, table.quoted());
    if (nulls.possible)
        log::warning(
            "{} may be NULL on the source and not in the hypertable {}: a row without it stops the replay. On the "
            "source: ALTER TABLE {} ALTER COLUMN {} SET NOT NULL",
            name, table, table.quoted(), name);
    return std::nullopt;
}

[[noreturn]] inline void refuse_hypertables(const std::vector<std::string>& problems, const std::string& what,
                                            const std::string& remedy) {
    for (const auto& problem : problems) log::error("{}", problem);
    throw Error(Recovery::operator_action, fmt::format("{} {}", problems.size(), what), remedy);
}

}  // namespace detail

/// Reads the file that the user gave, holds it against both ends, and records it. An earlier one is replaced until its hypertables
/// are made.
/// @throws Error  (operator_action) with nothing changed
inline void take_hypertables_file(const MigrateOptions& options, state::Store& store, const state::Layout& layout,
                                  const std::vector<catalog::QualifiedName>& skip_data, pg::Connection& source,
                                  pg::Connection& target) {
    if (!options.hypertables) return;
    const auto text = detail::read_hypertables_file(*options.hypertables);
    if (store.done(step::hypertables)) {
        if (text != store.fact(fact::hypertables).value_or(""))
            log::info("The hypertables are made already, from the file as it was then; --hypertables is not read");
        return;
    }
    const auto file = options.hypertables->string();
    const auto specs = timescale::parse_hypertables(file, text);
    if (timescale::installation(source))
        throw Error(Recovery::operator_action, "--hypertables: the source has TimescaleDB itself",
                    "Its hypertables are migrated as they are: leave --hypertables out");
    const auto features = detail::target_features(target);
    auto problems = timescale::check_hypertables(file, specs, features, source);
    if (problems.empty()) {
        const auto snapshot = live_snapshot(layout);
        for (const auto& spec : specs) {
            if (std::ranges::find(skip_data, spec.table) != skip_data.end()) continue;
            const auto nulls = detail::time_nulls(source, snapshot, spec.table, spec.time);
            if (auto problem = detail::judge_time_nulls(spec.table, spec.time, nulls))
                problems.push_back(fmt::format("{}, line {}: {}", file, spec.line, *problem));
        }
    }
    if (!problems.empty())
        detail::refuse_hypertables(problems, fmt::format("things in {} do not fit the databases", file),
                                   "Correct what the ERROR lines name, then run the same command again");
    store.set_fact(fact::hypertables, text);
}

}  // namespace tslive::migrate
