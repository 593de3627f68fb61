#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tslive/core/log.hpp"

namespace tslive::test {

/// What is logged while it lives, from all threads. One at a time: it takes away all sinks in the end.
class CapturedLog {
public:
    CapturedLog() {
        log::add_sink([this](const log::Line& line) {
            const std::scoped_lock lock(mutex_);
            lines_.emplace_back(line.text);
            changed_.notify_all();
        });
    }
    CapturedLog(const CapturedLog&) = delete;
    CapturedLog& operator=(const CapturedLog&) = delete;
    ~CapturedLog() { log::clear_sinks(); }

    [[nodiscard]] std::vector<std::string> lines() const {
        const std::scoped_lock lock(mutex_);
        return lines_;
    }
    /// @returns whether a line with this text comes, or has come, within a minute
    [[nodiscard]] bool wait_for(std::string_view text) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::minutes{1}, [&] {
            for (const auto& line : lines_)
                if (line.find(text) != std::string::npos) return true;
            return false;
        });
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> lines_;
};

}  // namespace tslive::test
