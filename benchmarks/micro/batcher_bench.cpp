// From the message to the wave: decoding, assembling and folding, with a target that does nothing.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "support/pgoutput_wire.hpp"
#include "tslive/apply/batcher.hpp"
#include "tslive/pgoutput/decode.hpp"

namespace {

using namespace tslive;
using test::Wire;

class NullTarget {
public:
    NullTarget() {
        table_.match = apply::Match::by_key;
        for (const auto* name : {"id", "a", "b"})
            table_.columns.push_back({.source_index = table_.columns.size(), .name = name, .type_name = "text"});
        table_.key = {{0, "="}};
    }
    const apply::TargetTable* table(const pgoutput::CachedRelation&, const apply::TransactionName&) const {
        return &table_;
    }
    void apply(const apply::Wave& wave, const apply::TransactionName&) {
        benchmark::DoNotOptimize(wave.changes.data());
        changes += wave.changes.size();
    }
    void apply_single(const apply::TargetTable&, const apply::Change& change, const apply::TransactionName&) {
        benchmark::DoNotOptimize(change.row.data());
    }
    void truncate(std::span<const apply::TargetTable* const>, apply::TruncateList, bool,
                  const apply::TransactionName&) {}
    void commit(Lsn, ServerTime) {}
    void rollback() {}

    std::uint64_t changes = 0;

private:
    apply::TargetTable table_;
};

Wire row(Wire wire, std::uint64_t id, std::string_view value) {
    return wire.character('N').u16(3).text_value(std::to_string(id)).text_value(value).text_value("1234567");
}

/// Messages of `transactions` transactions with `rows` changes each.
template <typename Change>
std::vector<Wire> stream(std::uint64_t transactions, std::uint64_t rows, Change&& change) {
    std::vector<Wire> messages{Wire('R')
                                   .u32(1)
                                   .text("public")
                                   .text("t")
                                   .character('d')
                                   .u16(3)
                                   .column(1, "id", 20)
                                   .column(0, "a", 25)
                                   .column(0, "b", 23)};
    std::uint64_t lsn = 1;
    for (std::uint64_t t = 0; t < transactions; ++t, lsn += 10) {
        messages.push_back(Wire('B').u64(lsn + 5).u64(0).u32(static_cast<std::uint32_t>(t + 1)));
        for (std::uint64_t r = 0; r < rows; ++r) messages.push_back(change(t * rows + r));
        messages.push_back(Wire('C').u8(0).u64(lsn + 5).u64(lsn + 9).u64(0));
    }
    return messages;
}

void batch(benchmark::State& state, const std::vector<Wire>& messages, std::int64_t rows) {
    NullTarget target;
    for (auto _ : state) {
        benchmark::ClobberMemory();  // the bytes may have changed
        apply::Batcher<NullTarget> batcher(target, {});
        pgoutput::Decoder decoder({});
        for (const auto& message : messages) {
            decoder.decode(message.bytes(), batcher);
            if (batcher.full()) batcher.commit();
        }
        batcher.commit();
    }
    state.SetItemsProcessed(state.iterations() * rows);
    state.counters["changes left"] = static_cast<double>(target.changes) / static_cast<double>(state.iterations());
}

constexpr std::uint64_t rows = 50'000;
Wire insert(std::uint64_t n) { return row(Wire('I').u32(1), n, "a value of some length"); }
Wire update(std::uint64_t id) { return row(Wire('U').u32(1), id, "another value of some length"); }

BENCHMARK_CAPTURE(batch, inserts_of_one_transaction, stream(1, rows, insert), rows)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(batch, inserts_of_a_transaction_each, stream(rows, 1, insert), rows)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(batch, updates_of_different_rows, stream(rows / 5, 5, update), rows)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(batch, updates_of_few_rows, stream(rows / 5, 5, [](std::uint64_t n) { return update(n * 7 % 100); }),
                  rows)
    ->Unit(benchmark::kMillisecond);

}  // namespace
