#include <array>
#include <cstdint>
#include <string_view>

#include <gtest/gtest.h>

#include "tslive/core/bytes.hpp"
#include "tslive/core/clock.hpp"

namespace tslive {
namespace {

constexpr std::string_view eight("\x01\x02\x03\x04\x05\x06\x07\xf8", 8);

TEST(Bytes, are_read_in_both_orders) {
    const auto* at = as_bytes(eight).data();
    EXPECT_EQ(load_be<std::uint8_t>(at), 0x01);
    EXPECT_EQ(load_be<std::uint16_t>(at), 0x0102);
    EXPECT_EQ(load_be<std::uint32_t>(at), 0x01020304U);
    EXPECT_EQ(load_be<std::uint64_t>(at), 0x01020304050607f8U);
    EXPECT_EQ(load_le<std::uint16_t>(at), 0x0201);
    EXPECT_EQ(load_le<std::uint64_t>(at), 0xf807060504030201U);
    EXPECT_EQ(load_be<std::uint32_t>(at + 1), 0x02030405U) << "unaligned";
}

TEST(Bytes, what_is_written_is_read_back) {
    std::array<std::byte, 8> room{};
    store_be(room.data(), std::uint64_t{0x01020304050607f8});
    EXPECT_EQ(as_text(room), eight);
    store_le(room.data(), std::uint32_t{0xdeadbeef});
    EXPECT_EQ(load_le<std::uint32_t>(room.data()), 0xdeadbeefU);
    ByteBuffer buffer;
    append_be(buffer, std::uint16_t{0x0102});
    append_le(buffer, std::uint16_t{0x0403});
    append(buffer, as_bytes("xyz"));
    append(buffer, {});
    EXPECT_EQ(as_text(buffer), "\x01\x02\x03\x04xyz");
}

TEST(ServerTime, counts_microseconds_from_the_year_2000) {
    const auto epoch = ServerTime{0}.to_system();
    EXPECT_EQ(std::chrono::system_clock::to_time_t(epoch), 946'684'800);
    EXPECT_EQ(ServerTime::from(epoch + std::chrono::microseconds{5}).microseconds, 5);
    EXPECT_EQ(ServerTime::from(std::chrono::system_clock::time_point{}).microseconds, -946'684'800'000'000);
}

}  // namespace
}  // namespace tslive
