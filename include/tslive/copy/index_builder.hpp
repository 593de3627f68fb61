#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "tslive/catalog/indexes.hpp"
#include "tslive/copy/index_step.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/progress.hpp"
#include "tslive/pg/retry.hpp"

namespace tslive::copy {

/// The indexes that the target is to have: the source's, without those of extensions' tables, which CREATE EXTENSION
/// makes, without those of tables that the target does not have, and without those that somebody else builds or
/// the user does not want.
inline std::vector<catalog::Index> indexes_to_build(const Options& options, pg::Connection& source,
                                                    pg::Connection& target, Progress& progress) {
    const auto relations = target.exec(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
        "c.relnamespace "
        "WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'");
    std::set<catalog::QualifiedName> there;
    for (int r = 0; r < relations.rows(); ++r) there.insert({relations.text(r, 0), relations.text(r, 1)});

    const auto without_only = tables_without_only(options, target);
    const auto elsewhere = options.relations_elsewhere(source);
    std::vector<catalog::Index> wanted;
    for (auto& index : catalog::indexes(source)) {
        if (!index.extension.empty() || elsewhere.contains(index.table) || options.skip_indexes.contains(index.name))
            continue;
        index.on_hypertable = without_only.contains(index.table_name);
        const bool of_view = index.table_kind == catalog::RelationKind::materialized_view;
        if (of_view && !there.contains(index.table_name)) {
            continue;  // a view that comes with post-data: refresh_materialized_views builds it
        } else if (!there.contains(index.table_name)) {
            progress.warn(
                fmt::format("index {} is left out: the target has no table {}", index.name, index.table_name));
        } else if (!index.valid && !index.on_partitioned_table()) {
            progress.warn(fmt::format("index {} of table {} is left out: it is invalid on the source", index.name,
                                      index.table_name));
        } else if (index.definition.empty()) {
            progress.warn(fmt::format("index {} of table {} is left out: it has been dropped on the source", index.name,
                                      index.table_name));
        } else {
            wanted.push_back(std::move(index));
        }
    }
    return wanted;
}

/// Builds each table's indexes as soon as its rows are complete, with `index_jobs` workers.
///
/// A table's indexes are built side by side; when the last one is there, one worker makes constraints of those that
/// are, sets the marks (replica identity, CLUSTER, statistics targets) and runs ANALYZE. Partitioned indexes come when
/// all else is done.
class IndexBuilder {
public:
    IndexBuilder(const Options& options, Progress& progress, std::vector<catalog::Index> indexes)
        : options_(options), progress_(progress) {
        progress_.indexes.total = static_cast<std::int64_t>(indexes.size());
        for (auto& index : indexes) {
            if (index.on_partitioned_table()) {
                partitioned_.push_back(std::move(index));
                continue;
            }
            if (index.parent) attached_.push_back({index.name, *index.parent});
            auto& table = tables_[index.table_name];
            table.indexes.push_back(std::move(index));
        }
        for (auto& [name, table] : tables_) table.left = table.indexes.size();
    }

    /// The table's rows are on the target. Any thread.
    void rows_complete(const catalog::QualifiedName& name) {
        const std::scoped_lock lock(mutex_);
        auto& table = tables_[name];  // one without indexes still gets its statistics
        if (table.released) return;
        table.analyze = true;
        release(name, table);
    }
    /// No more tables complete their rows: those that bring none (left out, materialized views) are built now. Any
    /// thread.
    void no_more_rows() {
        const std::scoped_lock lock(mutex_);
        for (auto& [name, table] : tables_) release(name, table);
        closed_ = true;
        changed_.notify_all();
    }

    /// A worker's life: ends when all tables are done. @throws Error  what made an index fail for good; Stopped
    void work(const std::stop_token& stop) {
        std::optional<pg::Connection> target;
        while (const auto task = take(stop)) {
            with_retries(target, stop,
                         task->index ? "index " + fmt::format("{}", task->index->name)
                                     : fmt::format("indexes of {}", task->name),
                         [&](pg::Connection& connection) {
                             if (task->index) advance_index(connection, *task->index, IndexGoal::built);
                             else finish_table(connection, task->name, *task->table);
                         });
            done(*task);
        }
        if (stop.stop_requested()) throw Stopped{};
    }

    /// The indexes of partitioned tables, and their partitions' to them. @pre all workers have ended well
    void build_partitioned(const std::stop_token& stop) {
        std::optional<pg::Connection> target;
        std::map<RelationId, const catalog::Index*> parents;
        for (const auto& index : partitioned_) {
            with_retries(target, stop, fmt::format("index {}", index.name),
                         [&](pg::Connection& connection) { advance_index(connection, index, IndexGoal::complete); });
            parents.emplace(index.id, &index);
        }
        for (const auto& index : partitioned_)
            if (index.parent) attached_.push_back({index.name, *index.parent});
        for (const auto& [child, parent] : attached_) {
            const auto found = parents.find(parent);
            if (found == parents.end()) continue;
            // Attaching again is harmless: the server sees that it is done.
            const auto sql =
                fmt::format("ALTER INDEX {} ATTACH PARTITION {}", found->second->name.quoted(), child.quoted());
            with_retries(target, stop, fmt::format("index {}", child),
                         [&](pg::Connection& connection) { connection.exec(sql); });
        }
        for (const auto& index : partitioned_)
            with_retries(target, stop, fmt::format("index {}", index.name),
                         [&](pg::Connection& connection) { set_index_marks(connection, index); });
        progress_.indexes.done += static_cast<std::int64_t>(partitioned_.size());
    }

private:
    struct TableIndexes {
        std::vector<catalog::Index> indexes;
        std::size_t left = 0;  ///< to be built
        bool released = false;
        bool analyze = false;
    };
    /// One index of a table, or, without an index, what comes after all of them.
    struct Task {
        catalog::QualifiedName name;
        TableIndexes* table;
        const catalog::Index* index;
    };
    struct Attachment {
        catalog::QualifiedName child;
        RelationId parent;
    };

    /// @pre mutex_ is held
    void release(const catalog::QualifiedName& name, TableIndexes& table) {
        if (std::exchange(table.released, true)) return;
        for (const auto& index : table.indexes) tasks_.push_back({name, &table, &index});
        if (table.indexes.empty()) tasks_.push_back({name, &table, nullptr});
        changed_.notify_all();
    }

    std::optional<Task> take(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, stop, [this] { return !tasks_.empty() || (closed_ && running_ == 0); });
        if (stop.stop_requested() || tasks_.empty()) return std::nullopt;
        auto task = std::move(tasks_.front());
        tasks_.pop_front();
        ++running_;
        return task;
    }
    void done(const Task& task) {
        const std::scoped_lock lock(mutex_);
        --running_;
        if (task.index != nullptr) {
            ++progress_.indexes.done;
            if (--task.table->left == 0) tasks_.push_front({task.name, task.table, nullptr});
        }
        changed_.notify_all();
    }

    template <typename Work>
    void with_retries(std::optional<pg::Connection>& target, const std::stop_token& stop, const std::string& what,
                      Work&& work) {
        const Progress::Running running(progress_, what);
        Waiter waiter(stop);
        pg::retry(what, waiter, [&] {
            try {
                if (!target) target.emplace(pg::Connection::open(options_.target, "copy", stop));
                work(*target);
            } catch (const Error&) {
                target.reset();
                throw;
            }
        });
    }

    void finish_table(pg::Connection& target, const catalog::QualifiedName& name, const TableIndexes& table) {
        for (const auto& index : table.indexes) {
            advance_index(target, index, IndexGoal::complete);
            set_marks(target, index);
        }
        if (table.analyze) analyze(target, name);
    }

    /// Not every release of TimescaleDB lets a hypertable have all of them.
    void set_marks(pg::Connection& target, const catalog::Index& index) {
        try {
            set_index_marks(target, index);
        } catch (const pg::ServerError& error) {
            if (!index.on_hypertable || error.state() != pg::sqlstate::feature_not_supported) throw;
            progress_.warn(fmt::format("index {} of hypertable {}: {}", index.name, index.table_name, error.what()));
        }
    }

    /// Good plans are worth having, but nothing depends on them (CASES F12).
    void analyze(pg::Connection& target, const catalog::QualifiedName& name) {
        try {
            const auto known = target.exec_again(
                "SELECT pg_catalog.pg_stat_get_last_analyze_time(pg_catalog.to_regclass($1)::pg_catalog.oid) IS NULL",
                pg::Params{}.text(name.quoted()));
            if (known.boolean(0, 0)) target.exec(fmt::format("ANALYZE {}", name.quoted()));
        } catch (const Error& error) {
            if (pg::transient(error)) throw;
            progress_.warn(fmt::format("ANALYZE of table {}: {}", name, error.what()));
        }
    }

    const Options& options_;
    Progress& progress_;
    std::vector<catalog::Index> partitioned_;
    std::vector<Attachment> attached_;

    std::mutex mutex_;  // guards what follows; a table's indexes do not change after construction
    std::condition_variable_any changed_;
    std::map<catalog::QualifiedName, TableIndexes> tables_;
    std::deque<Task> tasks_;
    int running_ = 0;
    bool closed_ = false;
};

}  // namespace tslive::copy
