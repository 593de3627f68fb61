// The spool alone: what a receiver pays to make a message durable, what an applier pays to read it back.
// "memory" is a file system without a disk, so that the code is measured; "disk" is where TMPDIR is, fsync included.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include <stdlib.h>

#include <benchmark/benchmark.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/lsn.hpp"
#include "tslive/spool/reader.hpp"
#include "tslive/spool/writer.hpp"

namespace {

namespace fs = std::filesystem;
namespace spool = tslive::spool;

constexpr spool::StreamId stream{std::byte{1}};
constexpr std::size_t group_bytes = std::size_t{1} << 20;  // one sync for each: a receiver's gulp

enum class Place : std::int64_t { memory, disk };

class ScratchDirectory {
public:
    explicit ScratchDirectory(Place place) {
        const fs::path memory = "/dev/shm";
        const bool use_memory = place == Place::memory && fs::is_directory(memory);
        auto name = ((use_memory ? memory : fs::temp_directory_path()) / "tslive-bench-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
    }
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;
    ~ScratchDirectory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] fs::path spool() const { return path_ / "spool"; }

private:
    fs::path path_;
};

/// Rows such as a time series has: repeated names, digits that differ. They compress about 3:1.
std::vector<std::string> make_messages(std::size_t bytes) {
    std::mt19937_64 random(1);
    std::vector<std::string> messages(4096);
    for (auto& message : messages) {
        message.assign(1, 'I');
        while (message.size() < bytes) {
            message += "2024-03-25 12:40:";
            message += std::to_string(random() % 60'000'000);
            message += "+00 sensor-";
            message += std::to_string(random() % 1000);
            message += " ";
            message += std::to_string(random() % 100'000'000);
        }
        message.resize(bytes);
    }
    return messages;
}

/// Appends `group_bytes` of messages, each its own transaction, and syncs.
void append_group(spool::Writer<>& writer, const std::vector<std::string>& messages, std::uint64_t& lsn) {
    const auto count = group_bytes / messages[0].size();
    for (std::size_t i = 0; i < count; ++i) {
        ++lsn;
        writer.append(spool::RecordKind::message, {lsn}, tslive::as_bytes(messages[lsn % messages.size()]));
        if (i % 10 == 9) writer.boundary({lsn});
    }
    writer.boundary({lsn});
    benchmark::DoNotOptimize(writer.sync());
}

void append_and_sync(benchmark::State& state) {
    const auto messages = make_messages(static_cast<std::size_t>(state.range(0)));
    const ScratchDirectory scratch(static_cast<Place>(state.range(1)));
    auto writer = spool::Writer<>::open(scratch.spool(), stream, {.segment_bytes = std::uint64_t{64} << 20});
    std::uint64_t lsn = 0;
    for (auto _ : state) {
        benchmark::ClobberMemory();
        append_group(writer, messages, lsn);
        writer.retire_before({lsn});
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(lsn));
    state.SetBytesProcessed(static_cast<std::int64_t>(lsn) * state.range(0));
}

void read_back(benchmark::State& state) {
    const auto messages = make_messages(static_cast<std::size_t>(state.range(0)));
    const ScratchDirectory scratch(Place::memory);
    auto writer = spool::Writer<>::open(scratch.spool(), stream);
    std::uint64_t lsn = 0;
    for (int i = 0; i < 64; ++i) append_group(writer, messages, lsn);
    spool::Reader reader(scratch.spool(), stream, writer.frontier(), {});
    const auto start = reader.position();
    std::int64_t records = 0;
    for (auto _ : state) {
        while (const auto record = reader.next()) {
            benchmark::DoNotOptimize(record->payload.data());
            ++records;
        }
        reader.seek(start);
    }
    state.SetItemsProcessed(records);
    state.SetBytesProcessed(records * state.range(0));
}

/// The least that a confirmation costs: one small transaction and its fsync.
void one_transaction(benchmark::State& state) {
    const auto messages = make_messages(100);
    const ScratchDirectory scratch(static_cast<Place>(state.range(0)));
    auto writer = spool::Writer<>::open(scratch.spool(), stream);
    std::uint64_t lsn = 0;
    for (auto _ : state) {
        ++lsn;
        writer.append(spool::RecordKind::message, {lsn}, tslive::as_bytes(messages[lsn % messages.size()]));
        writer.boundary({lsn});
        benchmark::DoNotOptimize(writer.sync());
    }
}

constexpr auto memory = static_cast<std::int64_t>(Place::memory);
constexpr auto disk = static_cast<std::int64_t>(Place::disk);
BENCHMARK(append_and_sync)->ArgNames({"bytes", "disk"})->ArgsProduct({{100, 1000}, {memory, disk}})->UseRealTime();
BENCHMARK(read_back)->ArgName("bytes")->Arg(100)->Arg(1000)->UseRealTime();
BENCHMARK(one_transaction)->ArgName("disk")->Arg(memory)->Arg(disk)->UseRealTime();

}  // namespace
