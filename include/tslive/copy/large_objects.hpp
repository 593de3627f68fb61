#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tslive/copy/large_object.hpp"
#include "tslive/copy/ledger.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/progress.hpp"
#include "tslive/copy/source_session.hpp"
#include "tslive/pg/retry.hpp"

namespace tslive::copy {

namespace detail {

/// Copies large objects in the order of their OIDs, some at a time, each batch with the marker that says how far it
/// came. Doing one again replaces it.
class LargeObjectCopy {
public:
    LargeObjectCopy(const Options& options, Progress& progress, std::stop_token stop)
        : options_(options), progress_(progress), ledger_(options.migration_id),
          marker_(fmt::format("large objects @{}", options.consistent_point)), stop_(std::move(stop)), waiter_(stop_) {}

    void run() {
        bool more = true;
        while (more) {
            more = pg::retry("copy of large objects", waiter_, [&] {
                try {
                    return next_batch();
                } catch (const Error& error) {
                    source_.reset();
                    target_.reset();
                    // The marker went with the objects, or neither did: doing the batch again is right in both cases.
                    if (error.recovery() == Recovery::unknown_outcome)
                        throw Error(Recovery::reconnect, error.what(), error.remedy());
                    throw;
                }
            });
        }
        make_durable(options_, stop_);
    }

private:
    static constexpr int batch_objects = 200;

    void open() {
        if (!source_) source_.emplace(open_source());
        if (target_) return;
        target_.emplace(pg::Connection::open(options_.target, "copy", stop_));
        target_->exec("SET synchronous_commit = off");
    }
    /// Under the migration's snapshot while there is one. Later, as they are now: no change of a large object is in the
    /// stream, so the newest content is the best.
    [[nodiscard]] pg::Connection open_source() {
        if (!options_.snapshot.empty()) {
            try {
                return std::move(SourceSession::open(options_.source, options_.snapshot, stop_).connection());
            } catch (const SnapshotGone& error) {
                log::warning("{}; large objects are copied as they are now", error.what());
            }
        }
        auto connection = pg::Connection::open(options_.source, "copy", stop_);
        connection.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        return connection;
    }

    bool next_batch() {
        open();
        const auto after = ledger_.done_rows(*target_, marker_).value_or(0);
        const auto objects = list(after);
        if (objects.empty()) return false;
        pg::Transaction transaction(*target_);
        for (const auto& object : objects) {
            const Progress::Running running(progress_, fmt::format("copy of large object {}", object.id));
            progress_.bytes.done += send_large_object(*source_, *target_, object.id);
            describe_large_object(*target_, object, progress_);
        }
        ledger_.mark(*target_, marker_, objects.back().id);
        transaction.commit();
        progress_.large_objects.done += static_cast<std::int64_t>(objects.size());
        return true;
    }

    [[nodiscard]] std::vector<LargeObject> list(std::int64_t after) {
        const auto total = source_->exec("SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata");
        progress_.large_objects.total = total.number<std::int64_t>(0, 0);
        const auto found = source_->exec(
            "SELECT l.oid, r.rolname, pg_catalog.obj_description(l.oid, 'pg_largeobject') FROM "
            "pg_catalog.pg_largeobject_metadata l "
            "JOIN pg_catalog.pg_roles r ON r.oid = l.lomowner WHERE l.oid > $1::pg_catalog.oid ORDER BY l.oid LIMIT $2",
            pg::Params{}.number(after).number(batch_objects));
        std::vector<LargeObject> objects;
        for (int r = 0; r < found.rows(); ++r) {
            LargeObject object{.id = found.number<std::uint32_t>(r, 0),
                               .owner = found.text(r, 1),
                               .comment = found.optional(r, 2),
                               .grants = {}};
            object.grants = large_object_grants(*source_, object.id);
            objects.push_back(std::move(object));
        }
        return objects;
    }

    const Options& options_;
    Progress& progress_;
    Ledger ledger_;
    std::string marker_;
    std::stop_token stop_;
    Waiter waiter_;
    std::optional<pg::Connection> source_;
    std::optional<pg::Connection> target_;
};

}  // namespace detail

/// Copies the large objects, with owner, rights and comment as far as the target allows; what it does not is a warning.
///
/// May be repeated: goes on after the last batch that is on the target. Changes of large objects are in no stream:
/// compare_large_objects() brings them.
/// @throws Error, Stopped as copy_rows_and_indexes
inline void copy_large_objects(const Options& options, Progress& progress, std::stop_token stop) {
    progress.enter("copying large objects");
    Waiter waiter(stop);
    pg::retry("helper schema", waiter, [&] {
        auto target = pg::Connection::open(options.target, "copy", stop);
        create_helper_schema(target, options.migration_id);
    });
    detail::LargeObjectCopy(options, progress, std::move(stop)).run();
}

}  // namespace tslive::copy
