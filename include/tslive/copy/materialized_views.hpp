#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/catalog/indexes.hpp"
#include "tslive/catalog/materialized_views.hpp"
#include "tslive/copy/index_step.hpp"
#include "tslive/copy/ledger.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/progress.hpp"
#include "tslive/pg/retry.hpp"

namespace tslive::copy {

namespace detail {

/// What the refresh of the target's views needs to know of the source.
struct ViewPlan {
    std::vector<catalog::MaterializedView> views;  ///< those that hold rows, each after those it reads
    std::vector<catalog::Index> indexes;
};

inline ViewPlan read_views(const Options& options, const std::stop_token& stop) {
    auto source = pg::Connection::open(options.source, "copy", stop);
    ViewPlan plan{.views = catalog::populated_materialized_views(source), .indexes = catalog::indexes(source)};
    std::erase_if(plan.views, [](const auto& view) { return !view.extension.empty(); });
    std::erase_if(plan.indexes, [](const auto& index) {
        return index.table_kind != catalog::RelationKind::materialized_view || !index.extension.empty() || !index.valid;
    });
    return plan;
}

/// Runs one step on the target; a failure that does not go away by itself is listed, and the rest goes on.
template <typename Work>
void try_on_target(const Options& options, Progress& progress, Waiter& waiter, std::optional<pg::Connection>& target,
                   const std::string& what, Work&& work) {
    const Progress::Running running(progress, what);
    pg::retry(what, waiter, [&] {
        try {
            if (!target) target.emplace(pg::Connection::open(options.target, "copy", waiter.token()));
            work(*target);
        } catch (const Error& error) {
            if (pg::transient(error)) {
                target.reset();
                throw;
            }
            progress.warn(fmt::format("{}: {}", what, error.what()));
        }
    });
}

}  // namespace detail

/// Refreshes on the target the materialized views that hold rows on the source, each after those it reads, and builds
/// the indexes of those that had to wait for post-data.
///
/// One that fails, say because its query calls a function that needs a search_path (CASES E5), is listed in
/// Progress::warnings and the rest goes on. May be repeated. @throws Error  when a server is not to be reached; Stopped
inline void refresh_materialized_views(const Options& options, Progress& progress, std::stop_token stop) {
    progress.enter("refreshing materialized views");
    Waiter waiter(stop);
    const auto plan =
        pg::retry("reading the materialized views", waiter, [&] { return detail::read_views(options, stop); });
    progress.views.total = static_cast<std::int64_t>(plan.views.size());
    std::optional<pg::Connection> target;
    for (const auto& index : plan.indexes)
        detail::try_on_target(options, progress, waiter, target, fmt::format("index {}", index.name),
                              [&](pg::Connection& connection) {
                                  advance_index(connection, index, IndexGoal::complete);
                                  set_index_marks(connection, index);
                              });
    for (const auto& view : plan.views) {
        detail::try_on_target(options, progress, waiter, target,
                              fmt::format("refresh of materialized view {}", view.name),
                              [&](pg::Connection& connection) {
                                  connection.exec(fmt::format("REFRESH MATERIALIZED VIEW {}", view.name.quoted()));
                              });
        ++progress.views.done;
    }
    make_durable(options, stop);
}

}  // namespace tslive::copy
