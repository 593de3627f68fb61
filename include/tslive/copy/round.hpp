#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "tslive/copy/ledger.hpp"
#include "tslive/copy/options.hpp"
#include "tslive/copy/part_copy.hpp"
#include "tslive/copy/plan.hpp"
#include "tslive/copy/progress.hpp"
#include "tslive/copy/source_session.hpp"
#include "tslive/copy/target_session.hpp"
#include "tslive/copy/workers.hpp"
#include "tslive/pg/retry.hpp"

namespace tslive::copy {

/// A table's way through a round.
struct RoundTable {
    TableToCopy table;
    std::size_t parts_left = 0;
    bool gone = false;       ///< dropped on the source
    bool abandoned = false;  ///< this snapshot cannot show it: another round's
};

/// What is to be read from one snapshot.
struct RoundPlan {
    std::vector<RoundTable> tables;
    std::vector<Part> parts;
};

/// Called by a worker when the last part of a table is on the target.
using TableComplete = std::function<void(const catalog::QualifiedName&)>;

/// Copies the parts of one snapshot with `table_jobs` workers, each with a session on either side.
///
/// It ends with all parts done, or with tables that this snapshot cannot show (rewritten, gone, or the snapshot itself
/// is gone): what the ledger does not say is done is another round's. One owner thread.
class Round {
public:
    Round(const Options& options, Progress& progress, std::string snapshot, RoundPlan plan, TableComplete on_complete)
        : options_(options), progress_(progress), ledger_(options.migration_id), snapshot_(std::move(snapshot)),
          tables_(std::move(plan.tables)), on_complete_(std::move(on_complete)) {
        sort_largest_first(plan.parts);
        queue_.assign(plan.parts.begin(), plan.parts.end());
    }

    /// @throws Error  what made a part fail for good, after all workers have ended; Stopped
    void run(const std::stop_token& stop) {
        Workers workers(stop);
        const auto count =
            std::min<std::size_t>(queue_.size(), static_cast<std::size_t>(std::max(options_.table_jobs, 1)));
        for (std::size_t i = 0; i < count; ++i)
            workers.start([this](std::stop_token token) { work(std::move(token)); });
        workers.join();
    }

    [[nodiscard]] const std::vector<RoundTable>& tables() const noexcept { return tables_; }

private:
    struct Sessions {
        std::optional<SourceSession> source;
        std::optional<TargetSession> target;
        std::optional<pg::Connection> now;  ///< on the source, without a snapshot
    };

    void work(const std::stop_token& stop) {
        Sessions sessions;
        while (auto part = take()) {
            if (copy_with_retries(sessions, *part, stop)) continue;
            give_back(std::move(*part));  // to a worker that still has the snapshot, if there is one
            return;
        }
    }

    /// @returns false when this worker has lost the snapshot for good
    bool copy_with_retries(Sessions& sessions, const Part& part, const std::stop_token& stop) {
        const Progress::Running running(progress_, "copy of " + part.key);
        Waiter waiter(stop);
        pg::Backoff backoff;
        for (;;) {
            try {
                if (!sessions.source) sessions.source.emplace(SourceSession::open(options_.source, snapshot_, stop));
                if (!sessions.target) sessions.target.emplace(TargetSession::open(options_.target, stop));
                record(part, copy(sessions, part, stop));
                return true;
            } catch (const SnapshotGone& error) {
                log::warning("{}", error.what());
                return false;
            } catch (const Error& error) {
                if (!pg::transient(error) && error.recovery() != Recovery::unknown_outcome)
                    throw with_part(error, part);
                sessions.target.reset();
                sessions.now.reset();
                if (sessions.source && !sessions.source->recover()) sessions.source.reset();
                backoff.failed("copy of " + part.key, error, waiter);
            }
        }
    }

    [[nodiscard]] PartOutcome copy(Sessions& sessions, const Part& part, const std::stop_token& stop) {
        const auto& table = tables_[part.table].table;
        std::function<bool()> unmoved;
        if (table.whole) {
            if (!sessions.now) sessions.now.emplace(pg::Connection::open(options_.source, "copy", stop));
            unmoved = [this, &sessions, &name = table.table.name] {
                return options_.halves.state(sessions.source->connection(), name) ==
                       options_.halves.state(*sessions.now, name);
            };
        }
        return copy_part(*sessions.source, *sessions.target, ledger_, table, part, progress_, unmoved,
                         options_.read_as);
    }

    [[nodiscard]] static Error with_part(const Error& error, const Part& part) {
        return {error.recovery(), fmt::format("copy of {}: {}", part.key, error.what()), error.remedy()};
    }

    std::optional<Part> take() {
        const std::scoped_lock lock(mutex_);
        while (!queue_.empty()) {
            auto part = std::move(queue_.front());
            queue_.pop_front();
            const auto& table = tables_[part.table];
            if (!table.gone && !table.abandoned) return part;
        }
        return std::nullopt;
    }
    void give_back(Part part) {
        const std::scoped_lock lock(mutex_);
        queue_.push_front(std::move(part));
    }

    void record(const Part& part, const PartOutcome& outcome) {
        bool complete = false;
        {
            const std::scoped_lock lock(mutex_);
            auto& table = tables_[part.table];
            switch (outcome.kind) {
                case PartOutcome::Kind::copied:
                case PartOutcome::Kind::already_done: complete = --table.parts_left == 0; break;
                case PartOutcome::Kind::rewritten: table.abandoned = true; break;
                case PartOutcome::Kind::gone: table.gone = true; break;
            }
        }
        const auto& name = tables_[part.table].table.table.name;
        if (outcome.kind == PartOutcome::Kind::rewritten)
            log::warning("table {} was rewritten on the source since the snapshot; it will be copied under a new one",
                         name);
        if (outcome.kind == PartOutcome::Kind::rewritten || outcome.kind == PartOutcome::Kind::gone) return;
        progress_.bytes.total +=
            outcome.bytes - part.bytes;  // small tables: a page each on disk, and some bytes to send
        progress_.rows += outcome.rows;
        ++progress_.parts.done;
        if (!complete) return;
        ++progress_.tables.done;
        on_complete_(name);
    }

    const Options& options_;
    Progress& progress_;
    Ledger ledger_;
    std::string snapshot_;
    std::vector<RoundTable> tables_;
    TableComplete on_complete_;
    std::mutex mutex_;  // guards queue_ and what changes in tables_
    std::deque<Part> queue_;
};

}  // namespace tslive::copy
