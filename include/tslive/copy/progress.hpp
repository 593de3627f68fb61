#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tslive/core/log.hpp"

namespace tslive::copy {

/// Where a base copy stands, for status lines. Workers write, any thread reads.
class Progress {
public:
    struct Counter {
        std::atomic<std::int64_t> done{0};
        std::atomic<std::int64_t> total{0};
    };
    /// Something that runs now: the longest-running ones explain why a phase takes long.
    struct Item {
        std::string what;
        std::chrono::steady_clock::time_point since;
    };

    Counter tables;
    Counter parts;
    Counter
        bytes;  ///< done: as COPY sends them; total: that of parts that are done, and what the files of the rest hold
    Counter indexes;
    Counter foreign_keys;
    Counter large_objects;
    Counter views;
    std::atomic<std::int64_t> rows{0};

    void enter(std::string_view phase) {
        const std::scoped_lock lock(mutex_);
        phase_ = phase;
    }
    [[nodiscard]] std::string phase() const {
        const std::scoped_lock lock(mutex_);
        return phase_;
    }

    /// Shows `what` as running while it lives.
    class Running {
    public:
        Running(Progress& progress, std::string what)
            : progress_(&progress), ticket_(progress.begin(std::move(what))) {}
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;
        ~Running() { progress_->end(ticket_); }

    private:
        Progress* progress_;
        std::int64_t ticket_;
    };
    /// What runs now, the oldest first.
    [[nodiscard]] std::vector<Item> running() const {
        const std::scoped_lock lock(mutex_);
        std::vector<Item> items;
        items.reserve(running_.size());
        for (const auto& [ticket, item] : running_) items.push_back(item);
        return items;
    }

    /// Something the user has to know at the end, such as a foreign key that could not be validated. It is logged, too.
    void warn(std::string text) {
        log::warning("{}", text);
        const std::scoped_lock lock(mutex_);
        warnings_.push_back(std::move(text));
    }
    [[nodiscard]] std::vector<std::string> warnings() const {
        const std::scoped_lock lock(mutex_);
        return warnings_;
    }

private:
    std::int64_t begin(std::string what) {
        const std::scoped_lock lock(mutex_);
        running_.emplace(next_ticket_, Item{std::move(what), std::chrono::steady_clock::now()});
        return next_ticket_++;
    }
    void end(std::int64_t ticket) {
        const std::scoped_lock lock(mutex_);
        running_.erase(ticket);
    }

    mutable std::mutex mutex_;
    std::string phase_;
    std::map<std::int64_t, Item> running_;
    std::int64_t next_ticket_ = 0;
    std::vector<std::string> warnings_;
};

}  // namespace tslive::copy
