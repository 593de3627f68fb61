// CASES C7: rows of a byte to 64 MB, transactions that go on over any number of segments, floods of tiny ones.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "spool_support.hpp"
#include "tslive/spool/detail/format.hpp"

namespace tslive::spool::testing {
namespace {

/// Bytes of a row, different for each, half of them such as do not compress. Cheap, because there are hundreds of MB.
ByteBuffer row(std::size_t bytes, std::uint64_t seed) {
    ByteBuffer payload(bytes, std::byte{'r'});
    std::uint64_t noise = seed * 6364136223846793005U + 1442695040888963407U;
    for (std::size_t at = 0; at + sizeof noise <= bytes; at += 2 * sizeof noise) {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        std::memcpy(payload.data() + at, &noise, sizeof noise);
    }
    if (bytes > 0) payload.back() = static_cast<std::byte>(seed);
    return payload;
}

/// Around everything that the format has a limit for, up to the longest row we promise (64 MB).
std::vector<std::size_t> sizes_around(const Options& options) {
    std::vector<std::size_t> sizes{0, 1, 2, 13, 63, 64, 65, 1'000};
    for (const std::size_t limit :
         {options.block_bytes, 2 * options.block_bytes, std::size_t{512} << 10, std::size_t{1} << 20})
        for (const std::size_t size : {limit - detail::record_header_bytes - 1, limit - detail::record_header_bytes,
                                       limit - detail::record_header_bytes + 1, limit - 1, limit, limit + 1})
            sizes.push_back(size);
    sizes.push_back(std::size_t{64} << 20);
    return sizes;
}

constexpr Options half_a_megabyte{.segment_bytes = 512U << 10, .block_bytes = 64U << 10, .compression_level = 1};
constexpr Options as_in_production{};

TEST(SpoolSizes, rows_of_a_byte_to_64_megabytes_come_back_whatever_stands_beside_them) {
    for (const auto& options : {half_a_megabyte, as_in_production}) {
        const ScratchDirectory scratch;
        const auto sizes = sizes_around(options);
        auto writer = Writer<>::open(scratch / "spool", stream, options);
        Reader reader(scratch / "spool", stream, writer.frontier(), {});
        std::uint64_t lsn = 0;
        for (const auto size : sizes)
            for (const auto bytes : {std::size_t{1}, size}) {
                ++lsn;
                writer.append(RecordKind::message, {lsn}, row(bytes, lsn));
            }
        writer.boundary({lsn + 1});
        EXPECT_EQ(writer.sync(), Lsn{lsn + 1});
        lsn = 0;
        for (const auto size : sizes)
            for (const auto expected : {std::size_t{1}, size}) {
                const auto read = reader.next();
                ASSERT_TRUE(read.has_value()) << size;
                ASSERT_EQ(read->lsn, Lsn{++lsn});
                ASSERT_TRUE(std::ranges::equal(read->payload, row(expected, lsn))) << expected << " bytes at " << lsn;
            }
        EXPECT_FALSE(reader.next().has_value());
    }
}

TEST(SpoolSizes, a_transaction_over_many_segments_is_whole_for_whoever_starts_before_its_end) {
    const ScratchDirectory scratch;
    constexpr std::uint64_t rows = 3'000;
    std::uint64_t lsn = 0;
    {
        auto writer = Writer<>::open(scratch / "spool", stream, half_a_megabyte);
        for (int transaction = 0; transaction < 3; ++transaction) {
            for (std::uint64_t i = 0; i < rows; ++i) {
                ++lsn;
                writer.append(RecordKind::message, {lsn}, row(i * 7919 % 2'000, lsn));
                if (i % 500 == 0) writer.sync();
            }
            writer.boundary({++lsn});
        }
        writer.sync();
        EXPECT_GT(segments(scratch / "spool").size(), 5U);
    }
    for (std::uint64_t applied = 0; applied <= 2; ++applied) {
        const Lsn from{applied * (rows + 1)};
        auto expected = from.value + 1;
        Reader reader(scratch / "spool", stream, nullptr, from);
        while (const auto read = reader.next()) {
            if (read->lsn < Lsn{expected}) continue;  // of a transaction that is on the target
            ASSERT_EQ(read->lsn, Lsn{expected});
            const auto i = (expected - 1) % (rows + 1);
            ASSERT_TRUE(std::ranges::equal(read->payload, row(i * 7919 % 2'000, expected)));
            expected += i + 1 == rows ? 2 : 1;
        }
        EXPECT_EQ(expected, lsn + 1) << "from " << from.value;
    }
}

TEST(SpoolSizes, a_million_records_of_nothing_cost_next_to_nothing) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream);
    constexpr std::uint64_t records = 1'000'000;
    for (std::uint64_t lsn = 1; lsn <= records; ++lsn) {
        writer.append(RecordKind::message, {lsn}, {});
        writer.boundary({lsn});
    }
    EXPECT_EQ(writer.sync(), Lsn{records});
    EXPECT_LT(writer.bytes_on_disk(), 8 * records);
    Reader reader(scratch / "spool", stream, nullptr, {});
    std::uint64_t lsn = 0;
    while (const auto read = reader.next()) ASSERT_EQ(read->lsn, Lsn{++lsn});
    EXPECT_EQ(lsn, records);
}

}  // namespace
}  // namespace tslive::spool::testing
