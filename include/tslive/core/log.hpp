#pragma once

#include <chrono>
#include <cstdio>
#include <ctime>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace tslive {

enum class Severity { debug, info, warning, error };

[[nodiscard]] constexpr std::string_view name(Severity severity) noexcept {
    switch (severity) {
        case Severity::debug: return "DEBUG";
        case Severity::info: return "INFO";
        case Severity::warning: return "WARNING";
        case Severity::error: return "ERROR";
    }
    return "?";
}

}  // namespace tslive

/// The process's log: lines go to every sink that was added. With no sink (a vendored library), nothing is written.
/// Any thread may log; sinks are called one at a time. Never hand it a connection string or a row's values (law 9).
namespace tslive::log {

struct Line {
    std::chrono::system_clock::time_point time;
    Severity severity;
    std::string_view text;
};

/// `2024-03-25T12:40:40.884 WARNING: text`, local time, without a line end.
[[nodiscard]] inline std::string format(const Line& line) {
    const auto seconds = std::chrono::system_clock::to_time_t(line.time);
    const auto millis =
        std::chrono::duration_cast<std::chrono::milliseconds>(line.time.time_since_epoch()).count() % 1000;
    std::tm local{};
    localtime_r(&seconds, &local);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03} {}: {}", local.tm_year + 1900, local.tm_mon + 1,
                       local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec, millis, name(line.severity),
                       line.text);
}

using Sink = std::function<void(const Line&)>;

namespace detail {
struct Sinks {
    std::mutex mutex;
    std::vector<Sink> list;
};
inline Sinks& sinks() {
    static Sinks instance;
    return instance;
}
}  // namespace detail

inline void add_sink(Sink sink) {
    auto& sinks = detail::sinks();
    const std::scoped_lock lock(sinks.mutex);
    sinks.list.push_back(std::move(sink));
}
inline void clear_sinks() {
    auto& sinks = detail::sinks();
    const std::scoped_lock lock(sinks.mutex);
    sinks.list.clear();
}

inline void write(Severity severity, std::string_view text) {
    auto& sinks = detail::sinks();
    const std::scoped_lock lock(sinks.mutex);
    const Line line{std::chrono::system_clock::now(), severity, text};
    for (const auto& sink : sinks.list) sink(line);
}

template <typename... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
    write(Severity::debug, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
    write(Severity::info, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> text, Args&&... args) {
    write(Severity::warning, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> text, Args&&... args) {
    write(Severity::error, fmt::format(text, std::forward<Args>(args)...));
}

/// Lines of at least `least` go to standard error.
[[nodiscard]] inline Sink stderr_sink(Severity least = Severity::info) {
    return [least](const Line& line) {
        if (line.severity >= least) fmt::print(stderr, "{}\n", format(line));
    };
}

}  // namespace tslive::log
