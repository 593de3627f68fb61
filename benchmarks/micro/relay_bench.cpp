// The loop between two servers, with neither: what forwarding a byte costs us beyond libpq's own work.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "tslive/copy/plan.hpp"
#include "tslive/copy/relay.hpp"

namespace {

using namespace tslive;

/// Hands out `rows` rows of `row_bytes` each, row by row as libpq does.
struct RowSource {
    std::int64_t rows;
    std::size_t row_bytes;
    std::int64_t sent = 0;
    std::byte row[8192] = {};

    bool read(ByteBuffer& out, std::size_t enough_bytes) {
        while (out.size() < enough_bytes) {
            if (sent == rows) return false;
            ++sent;
            append(out, Bytes{row, row_bytes});
        }
        return true;
    }
    std::int64_t finish() const { return sent; }
};

struct NullSink {
    std::int64_t rows;
    void write(Bytes data) {
        benchmark::DoNotOptimize(data.data());
        benchmark::ClobberMemory();
    }
    std::int64_t finish() const { return rows; }
    void abort(std::string_view) {}
};

/// Arguments: bytes of a row, bytes of a block.
void relay_rows(benchmark::State& state) {
    const auto row_bytes = static_cast<std::size_t>(state.range(0));
    const auto block_bytes = static_cast<std::size_t>(state.range(1));
    const std::int64_t rows = (std::int64_t{16} << 20) / state.range(0);
    for (auto _ : state) {
        RowSource source{.rows = rows, .row_bytes = row_bytes};
        NullSink sink{.rows = rows};
        benchmark::DoNotOptimize(copy::relay(
            source, sink, "benchmark", [](std::size_t bytes) { benchmark::DoNotOptimize(bytes); }, block_bytes));
    }
    state.SetBytesProcessed(state.iterations() * rows * state.range(0));
    state.SetItemsProcessed(state.iterations() * rows);
}
BENCHMARK(relay_rows)->ArgNames({"row", "block"})->ArgsProduct({{32, 200, 4096}, {16 << 10, 256 << 10, 1 << 20}});

/// Argument: tables, one in ten of them over the limit.
void plan_tables(benchmark::State& state) {
    std::vector<copy::TableToCopy> tables(static_cast<std::size_t>(state.range(0)));
    for (std::size_t i = 0; i < tables.size(); ++i) {
        tables[i].block_ranges = true;
        tables[i].table.heap_blocks = i % 10 == 0 ? 1'000'000 : 100;
        tables[i].table.bytes = tables[i].table.heap_blocks * 8192;
    }
    for (auto _ : state) benchmark::DoNotOptimize(copy::split_tables(tables, std::int64_t{1} << 30, 8));
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(plan_tables)->Arg(1000)->Arg(20'000);

}  // namespace
