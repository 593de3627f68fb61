// What it costs to decode one pgoutput message, with a visitor that does nothing. The message stays in the cache.

#include <cstdint>
#include <optional>
#include <string>

#include <benchmark/benchmark.h>

#include "support/pgoutput_wire.hpp"
#include "tslive/pgoutput/decode.hpp"
#include "tslive/pgoutput/peek.hpp"

namespace {

using namespace tslive;
using namespace tslive::pgoutput;
using test::Wire;

struct Opaque {
    template <typename Message>
    void on(const Message& message) {
        benchmark::DoNotOptimize(message);
    }
    template <typename Message>
    void on(const Message& message, std::optional<Xid> xid) {
        benchmark::DoNotOptimize(message);
        benchmark::DoNotOptimize(xid);
    }
};

Wire insert_of(std::uint16_t columns, std::size_t width) {
    Wire message = Wire('I').u32(16385).character('N').u16(columns);
    for (std::uint16_t i = 0; i < columns; ++i) message.text_value(std::string(width, 'x'));
    return message;
}

void decode(benchmark::State& state, const Wire& message) {
    Decoder decoder({});
    Opaque visitor;
    for (auto _ : state) {
        benchmark::ClobberMemory();  // the bytes may have changed
        decoder.decode(message.bytes(), visitor);
    }
    state.SetItemsProcessed(state.iterations());
}

const Wire begin = Wire('B').u64(1).u64(2).u32(3);
const Wire commit = Wire('C').u8(0).u64(1).u64(2).u64(3);
const Wire update = Wire('U').u32(16385).character('N').u16(2).text_value("1").unchanged();
const Wire key_update =
    Wire('U').u32(16385).character('K').u16(2).text_value("1").null().character('N').u16(2).text_value("2").null();
const Wire delete_row = Wire('D').u32(16385).character('K').u16(2).text_value("1").null();

BENCHMARK_CAPTURE(decode, begin, begin);
BENCHMARK_CAPTURE(decode, commit, commit);
BENCHMARK_CAPTURE(decode, insert_1_column, insert_of(1, 8));
BENCHMARK_CAPTURE(decode, insert_3_columns, insert_of(3, 8));
BENCHMARK_CAPTURE(decode, insert_10_columns, insert_of(10, 16));
BENCHMARK_CAPTURE(decode, insert_100_columns, insert_of(100, 16));
BENCHMARK_CAPTURE(decode, insert_of_1_MB, insert_of(1, 1 << 20));  // as one of 8 bytes: values are not copied
BENCHMARK_CAPTURE(decode, update, update);
BENCHMARK_CAPTURE(decode, key_update, key_update);
BENCHMARK_CAPTURE(decode, delete_row, delete_row);

void peek_type(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::ClobberMemory();
        benchmark::DoNotOptimize(peek(update.bytes()));
    }
}
BENCHMARK(peek_type);

}  // namespace
