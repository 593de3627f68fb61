#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stdlib.h>

#include <fmt/format.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/log.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/spool/reader.hpp"
#include "tslive/spool/writer.hpp"

/// What the spool's tests share.
namespace tslive::spool::testing {

namespace fs = std::filesystem;

inline constexpr StreamId stream{std::byte{7}, std::byte{1}};

/// In memory where the system has a place for that: the tests sync thousands of times, and lose power in a model only.
class ScratchDirectory {
public:
    ScratchDirectory() {
        const fs::path memory = "/dev/shm";
        const auto base = fs::is_directory(memory) ? memory : fs::temp_directory_path();
        auto name = (base / "tslive-spool-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;
    ~ScratchDirectory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] fs::path operator/(std::string_view name) const { return path_ / name; }

private:
    fs::path path_;
};

/// Collects the log's lines while it lives.
class LogCapture {
public:
    LogCapture() {
        log::add_sink([lines = lines_](const log::Line& line) {
            lines->push_back(fmt::format("{}: {}", name(line.severity), line.text));
        });
    }
    LogCapture(const LogCapture&) = delete;
    LogCapture& operator=(const LogCapture&) = delete;
    ~LogCapture() { log::clear_sinks(); }
    [[nodiscard]] const std::vector<std::string>& lines() const { return *lines_; }

private:
    std::shared_ptr<std::vector<std::string>> lines_ = std::make_shared<std::vector<std::string>>();
};

/// A record that outlives its reader.
struct Kept {
    RecordKind kind;
    Lsn lsn;
    std::string payload;
    friend bool operator==(const Kept&, const Kept&) = default;
    friend void PrintTo(const Kept& kept, std::ostream* out) {
        *out << fmt::format("{{kind {} at {}, {} bytes}}", static_cast<int>(kept.kind), kept.lsn, kept.payload.size());
    }
};

[[nodiscard]] inline Kept keep(const Record& record) {
    return {record.kind, record.lsn, std::string(as_text(record.payload))};
}

[[nodiscard]] inline std::vector<Kept> read_all(Reader& reader) {
    std::vector<Kept> result;
    while (const auto record = reader.next()) result.push_back(keep(*record));
    return result;
}
[[nodiscard]] inline std::vector<Kept> read_all(const fs::path& directory, Lsn from = {}) {
    Reader reader(directory, stream, nullptr, from);
    return read_all(reader);
}

[[nodiscard]] inline std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
inline void write_file(const fs::path& path, std::string_view bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

[[nodiscard]] inline std::vector<fs::path> segments(const fs::path& directory) {
    std::vector<fs::path> result;
    for (const auto& name : detail::list_segments(directory)) result.push_back(name.path);
    return result;
}

/// One step of a receiver.
struct Step {
    enum class Kind { append, boundary, sync } kind;
    Kept record{RecordKind::message, {}, {}};
    Lsn end{};
};

/// Transactions of one to several messages, some longer than a block, a boundary after most, a sync now and then.
[[nodiscard]] inline std::vector<Step> make_steps(std::uint32_t seed, int transactions, std::size_t longest_payload) {
    std::mt19937 random(seed);
    const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    std::vector<Step> steps{{Step::Kind::append, {RecordKind::session, {1}, ""}, {}}};
    std::uint64_t lsn = 1;
    for (int transaction = 0; transaction < transactions; ++transaction) {
        for (auto messages = 1 + below(4); messages > 0; --messages) {
            std::string payload(below(8) == 0 ? below(longest_payload) : below(40), '\0');
            for (auto& c : payload) c = static_cast<char>(random());
            steps.push_back({Step::Kind::append, {RecordKind::message, {++lsn}, std::move(payload)}, {}});
        }
        ++lsn;
        if (below(5) != 0) steps.push_back({Step::Kind::boundary, {RecordKind::message, {}, {}}, {lsn}});
        if (below(4) == 0) steps.push_back({Step::Kind::append, {RecordKind::progress, {lsn}, ""}, {}});
        if (below(3) == 0) steps.push_back({Step::Kind::sync, {RecordKind::message, {}, {}}, {}});
    }
    steps.push_back({Step::Kind::boundary, {RecordKind::message, {}, {}}, {++lsn}});
    steps.push_back({Step::Kind::sync, {RecordKind::message, {}, {}}, {}});
    return steps;
}

/// @returns what sync() said; nothing for the other steps
template <typename File>
std::optional<Lsn> take_step(Writer<File>& writer, const Step& step) {
    switch (step.kind) {
        case Step::Kind::append: writer.append(step.record.kind, step.record.lsn, as_bytes(step.record.payload)); break;
        case Step::Kind::boundary: writer.boundary(step.end); break;
        case Step::Kind::sync: return writer.sync();
    }
    return std::nullopt;
}

/// What the applier must get; the rest may be left out where a reader starts.
[[nodiscard]] inline std::vector<Kept> messages_of(std::vector<Kept> records) {
    std::erase_if(records, [](const Kept& kept) { return kept.kind != RecordKind::message; });
    return records;
}

[[nodiscard]] inline std::vector<Kept> records_of(const std::vector<Step>& steps) {
    std::vector<Kept> result;
    for (const auto& step : steps)
        if (step.kind == Step::Kind::append) result.push_back(step.record);
    return result;
}

/// Many blocks and segments from little data.
inline constexpr Options small{.segment_bytes = 600, .block_bytes = 128, .compression_level = 1};

[[nodiscard]] inline Kept message(std::uint64_t lsn, std::string payload) {
    return {RecordKind::message, {lsn}, std::move(payload)};
}

inline void append(Writer<>& writer, const Kept& record) {
    writer.append(record.kind, record.lsn, as_bytes(record.payload));
}

/// A transaction of one message that ends at `end`.
inline void transaction(Writer<>& writer, std::uint64_t end, std::size_t bytes = 60) {
    std::string payload = fmt::format("{} ", end);
    std::uint64_t noise = end;
    while (payload.size() < bytes)
        payload += static_cast<char>((noise = noise * 6364136223846793005U + 1442695040888963407U) >> 56);
    append(writer, message(end - 1, payload));
    writer.boundary({end});
}

}  // namespace tslive::spool::testing
