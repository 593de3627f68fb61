// How often memory is asked for on the way from a message to the target: once a block or a row at most, never once a
// column. Every allocation of this program is counted.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/pgoutput_wire.hpp"
#include "tslive/apply/batcher.hpp"
#include "tslive/apply/encode.hpp"
#include "tslive/pgoutput/decode.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
}

// The other forms (array, nothrow) come down to these two; what is over-aligned is not on this way.
[[gnu::noinline]] void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;  // NOLINT(cppcoreguidelines-no-malloc)
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}  // NOLINT(cppcoreguidelines-no-malloc)
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}  // NOLINT(cppcoreguidelines-no-malloc)

namespace {

using namespace tslive;
using test::Wire;

constexpr std::uint32_t relation_id = 16385;

std::size_t allocations_of(const auto& what) {
    const std::size_t before = allocations;
    what();
    return allocations - before;
}

/// A row whose first column is its key; NULL, TOAST that did not change and a binary value are among the others.
Wire& add_row(Wire& wire, char marker, std::size_t columns, std::string_view key) {
    wire.character(marker).u16(static_cast<std::uint16_t>(columns)).text_value(key);
    for (std::size_t i = 1; i < columns; ++i) {
        if (i % 7 == 0) wire.null();
        else wire.text_value("a value of some length, more than a string holds in itself");
    }
    return wire;
}

struct CountsValues {
    std::size_t values = 0;
    void on(const auto&) {}
    void on(const auto&, std::optional<Xid>) {}
    void on(const pgoutput::Insert& m, std::optional<Xid>) { values += m.new_row.size(); }
    void on(const pgoutput::Update& m, std::optional<Xid>) { values += m.old_row.size() + m.new_row.size(); }
    void on(const pgoutput::Delete& m, std::optional<Xid>) { values += m.old_row.size(); }
};

TEST(Allocations, are_counted) {
    std::vector<std::string> kept;
    EXPECT_EQ(allocations_of([&] { kept.assign(3, std::string(100, 'x')); }), 5U);
}

TEST(Allocations, decoding_needs_none_once_the_widest_row_was_seen) {
    constexpr std::size_t columns = 1600;
    constexpr std::size_t rounds = 50;
    for (const bool streamed : {false, true}) {
        const auto start = [&](char type) {
            Wire wire(type);
            if (streamed) wire.u32(741);
            return wire.u32(relation_id);
        };
        auto relation = Wire('R');
        if (streamed) relation.u32(741);
        relation.u32(relation_id).text("public").text("wide").character('f').u16(columns);
        for (std::size_t i = 0; i < columns; ++i) relation.column(1, "name", 25);
        auto insert = start('I');
        add_row(insert, 'N', columns, "1");
        auto update = start('U');
        add_row(add_row(update, 'O', columns, "1"), 'N', columns, "2");
        auto remove = start('D');
        add_row(remove, 'O', columns, "2");
        auto truncate = Wire('T');
        if (streamed) truncate.u32(741);
        truncate.u32(3).u8(0).u32(1).u32(2).u32(3);

        pgoutput::Decoder decoder({.version = 2, .streaming = pgoutput::Streaming::on});
        CountsValues seen;
        if (streamed) decoder.decode(Wire('S').u32(741).u8(1), seen);
        const auto round = [&] {
            for (const Wire* message : {&relation, &insert, &update, &remove, &truncate})
                decoder.decode(message->bytes(), seen);
        };
        round();
        EXPECT_EQ(allocations_of([&] {
                      for (std::size_t i = 0; i < rounds; ++i) round();
                  }),
                  0U)
            << (streamed ? "inside" : "outside") << " of a streamed block";
        EXPECT_EQ(seen.values, (rounds + 1) * 4 * columns);
    }
}

/// A target that looks at everything and keeps nothing.
class Sink {
public:
    explicit Sink(std::size_t columns) {
        table_.source = {relation_id};
        table_.name = {"public", "wide"};
        table_.match = apply::Match::by_key;
        for (std::size_t i = 0; i < columns; ++i)
            table_.columns.push_back(
                {.source_index = i, .name = "c", .type_name = "text", .identity = i == 0, .always_generated = false});
        table_.key.push_back({0, "="});
    }
    std::size_t values = 0;

    const apply::TargetTable* table(const pgoutput::CachedRelation&, const apply::TransactionName&) { return &table_; }
    void apply(const apply::Wave& wave, const apply::TransactionName&) {
        for (const auto& change : wave.changes) values += change.identity.size() + change.row.size();
    }
    void apply_single(const apply::TargetTable&, const apply::Change&, const apply::TransactionName&) {}
    void truncate(std::span<const apply::TargetTable* const>, apply::TruncateList, bool,
                  const apply::TransactionName&) {}
    void commit(Lsn, ServerTime) {}
    void rollback() {}

private:
    apply::TargetTable table_;
};
static_assert(apply::ApplyTarget<Sink>);

/// One transaction of `rows` inserts, as many updates of other rows and as many deletes of still others.
std::size_t allocations_of_a_batch(std::size_t columns, std::size_t rows) {
    std::vector<Wire> messages{Wire('B').u64(100).u64(0).u32(7)};
    for (std::size_t i = 0; i < rows; ++i) {
        add_row(messages.emplace_back(Wire('I').u32(relation_id)), 'N', columns, fmt::format("{}", i));
        add_row(messages.emplace_back(Wire('U').u32(relation_id)), 'N', columns, fmt::format("u{}", i));
        add_row(messages.emplace_back(Wire('D').u32(relation_id)), 'K', columns, fmt::format("d{}", i));
    }
    messages.push_back(Wire('C').u8(0).u64(100).u64(105).u64(0));
    auto relation =
        Wire('R').u32(relation_id).text("public").text("wide").character('d').u16(static_cast<std::uint16_t>(columns));
    for (std::size_t i = 0; i < columns; ++i) relation.column(i == 0 ? 1 : 0, "c", 25);

    Sink sink(columns);
    apply::Batcher<Sink> batcher(sink, {});
    pgoutput::Decoder decoder({});
    decoder.decode(relation, batcher);
    const auto counted = allocations_of([&] {
        for (const auto& message : messages) decoder.decode(message.bytes(), batcher);
        batcher.commit();
    });
    EXPECT_EQ(sink.values, rows * (1 + 2 + 1) * columns);
    return counted;
}

TEST(Allocations, a_batch_needs_some_a_row_and_some_a_megabyte_and_none_a_column) {
    constexpr std::size_t rows = 500;
    const auto narrow = allocations_of_a_batch(4, rows);
    const auto wide = allocations_of_a_batch(200, rows);
    EXPECT_LT(narrow, 3 * rows + 100);
    // 500 × 3 × 200 values of some 80 bytes: blocks of the arena, and more flushes of it.
    EXPECT_LT(wide, narrow + 200);
}

TEST(Allocations, encoding_a_row_needs_none_once_there_is_room) {
    constexpr std::size_t columns = 200;
    apply::TargetTable table;
    std::vector<apply::Value> row(columns,
                                  {apply::ValueKind::text, as_bytes("tab\tand \\ and more than a string holds")});
    for (std::size_t i = 0; i < columns; ++i)
        table.columns.push_back(
            {.source_index = i, .name = "c", .type_name = "text", .identity = false, .always_generated = false});
    ByteBuffer out;
    apply::encode::TextArray array;
    const auto encode = [&] {
        out.clear();
        apply::encode::copy_row(out, table, row);
        array.begin(row.size());
        for (const auto& value : row) array.add(value);
    };
    encode();
    EXPECT_EQ(allocations_of(encode), 0U);
}

}  // namespace
