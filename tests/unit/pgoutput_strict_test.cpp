#include <array>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/pgoutput_render.hpp"
#include "support/pgoutput_wire.hpp"
#include "tslive/pgoutput/decode.hpp"
#include "tslive/pgoutput/peek.hpp"

namespace {

using namespace tslive;
using namespace tslive::pgoutput;
using ::testing::HasSubstr;
using test::Wire;

constexpr Protocol v2{.version = 2, .streaming = Streaming::on};

/// What the decoder says about a message that must not be accepted.
DecodeError error_of(Bytes message, Protocol protocol = {}) {
    Decoder decoder(protocol);
    test::Renderer seen;
    try {
        decoder.decode(message, seen);
    } catch (const DecodeError& error) {
        EXPECT_EQ(seen.text(), "");
        EXPECT_EQ(error.recovery(), Recovery::operator_action);
        return error;
    }
    ADD_FAILURE() << "accepted as " << seen.text();
    return {"", 0};
}

TEST(PgoutputStrict, an_error_tells_message_offset_and_problem) {
    const auto error = error_of(Wire('I').u32(16385).character('N').u16(1).character('t').u32(9).raw("abc"));
    EXPECT_EQ(error.message_type(), 'I');
    EXPECT_EQ(error.offset(), 9U);
    EXPECT_STREQ(error.what(),
                 "pgoutput message Insert ('I'): a length of 9 with 3 bytes left at offset 9 of 16 bytes");
}

TEST(PgoutputStrict, only_the_known_type_bytes_are_accepted) {
    const std::string known = "BCORYIUDTMSEcA";
    for (int byte = 0; byte < 256; ++byte) {
        const char type = static_cast<char>(byte);
        if (known.find(type) != std::string::npos) {
            EXPECT_EQ(peek(Wire(type)), MessageType{type});
            continue;
        }
        EXPECT_THROW((void)peek(Wire(type)), DecodeError) << byte;
        EXPECT_EQ(error_of(Wire(type)).message_type(), type);
    }
    EXPECT_THAT(error_of(Wire('Z')).what(), HasSubstr("message 'Z': unknown message type"));
    EXPECT_THAT(error_of(Wire('\x80')).what(), HasSubstr("message 0x80: unknown message type"));
}

TEST(PgoutputStrict, a_two_phase_message_is_refused_by_its_name) {
    const std::array<std::pair<char, const char*>, 5> names{{{'b', "Begin Prepare"},
                                                             {'P', "Prepare"},
                                                             {'K', "Commit Prepared"},
                                                             {'r', "Rollback Prepared"},
                                                             {'p', "Stream Prepare"}}};
    for (const auto& [type, name] : names)
        EXPECT_THAT(error_of(Wire(type).u64(1)).what(),
                    HasSubstr(std::string(name) + " belongs to two-phase decoding"));
}

TEST(PgoutputStrict, an_empty_message_is_an_error) {
    EXPECT_EQ(error_of(Bytes{}).message_type(), '\0');
    EXPECT_THROW((void)peek(Bytes{}), DecodeError);
}

TEST(PgoutputStrict, unknown_flags_are_refused) {
    EXPECT_THAT(error_of(Wire('C').u8(1).u64(1).u64(2).u64(3)).what(), HasSubstr("unknown flags 0x01 at offset 1"));
    EXPECT_THAT(error_of(Wire('T').u32(1).u8(4).u32(1)).what(), HasSubstr("unknown flags 0x04"));
    EXPECT_THAT(error_of(Wire('M').u8(2).u64(1).text("p").counted("")).what(), HasSubstr("unknown flags 0x02"));
    EXPECT_THAT(error_of(Wire('S').u32(740).u8(2), v2).what(), HasSubstr("unknown flags 0x02"));
    EXPECT_THAT(error_of(Wire('c').u32(740).u8(1).u64(1).u64(2).u64(3), v2).what(), HasSubstr("unknown flags 0x01"));
    EXPECT_THAT(error_of(Wire('R').u32(1).text("s").text("t").character('d').u16(1).column(2, "a", 23)).what(),
                HasSubstr("unknown flags 0x02"));
}

TEST(PgoutputStrict, an_unknown_kind_of_value_or_row_or_identity_is_refused) {
    EXPECT_THAT(error_of(Wire('I').u32(1).character('N').u16(1).character('x').u32(0)).what(),
                HasSubstr("unknown kind of column value 0x78"));
    EXPECT_THAT(error_of(Wire('I').u32(1).character('K').u16(0)).what(), HasSubstr("unexpected row marker 0x4b"));
    EXPECT_THAT(error_of(Wire('U').u32(1).character('Q').u16(0)).what(), HasSubstr("unexpected row marker 0x51"));
    EXPECT_THAT(error_of(Wire('U').u32(1).character('K').u16(0).character('O').u16(0)).what(),
                HasSubstr("unexpected row marker 0x4f"));
    EXPECT_THAT(error_of(Wire('D').u32(1).character('N').u16(0)).what(), HasSubstr("unexpected row marker 0x4e"));
    EXPECT_THAT(error_of(Wire('R').u32(1).text("s").text("t").character('q').u16(0)).what(),
                HasSubstr("unknown replica identity 0x71"));
}

TEST(PgoutputStrict, a_count_that_the_message_cannot_hold_is_refused_before_memory_is_taken) {
    EXPECT_THAT(error_of(Wire('I').u32(1).character('N').u16(65535).null()).what(),
                HasSubstr("65535 bytes expected, 1 left"));
    EXPECT_THAT(error_of(Wire('T').u32(0xFFFFFFFF).u8(0).u32(1)).what(),
                HasSubstr("17179869180 bytes expected, 4 left"));
    EXPECT_THAT(error_of(Wire('R').u32(1).text("s").text("t").character('d').u16(2).column(0, "", 23)).what(),
                HasSubstr("20 bytes expected, 10 left"));
    EXPECT_THAT(error_of(Wire('I').u32(1).character('N').u16(1).character('t').u32(0xFFFFFFFF)).what(),
                HasSubstr("a length of -1 with 0 bytes left"));
}

TEST(PgoutputStrict, a_truncate_of_nothing_is_refused) {
    EXPECT_THAT(error_of(Wire('T').u32(0).u8(0)).what(), HasSubstr("no relation"));
}

TEST(PgoutputStrict, what_is_never_zero_is_refused_when_zero) {
    EXPECT_THAT(error_of(Wire('B').u64(0).u64(5).u32(740)).what(), HasSubstr("LSN 0/0 at offset 1"));
    EXPECT_THAT(error_of(Wire('B').u64(1).u64(5).u32(0)).what(), HasSubstr("transaction id 0 at offset 17"));
    EXPECT_THAT(error_of(Wire('C').u8(0).u64(1).u64(0).u64(3)).what(), HasSubstr("LSN 0/0 at offset 10"));
    EXPECT_THAT(error_of(Wire('S').u32(0).u8(1), v2).what(), HasSubstr("transaction id 0 at offset 1"));
}

TEST(PgoutputStrict, a_string_without_an_end_is_refused) {
    EXPECT_THAT(error_of(Wire('O').u64(1).raw("name")).what(), HasSubstr("the string has no end at offset 9"));
}

TEST(PgoutputStrict, an_unknown_protocol_is_refused) {
    EXPECT_THROW(Decoder({.version = 0}), DecodeError);
    EXPECT_THROW(Decoder({.version = 5}), DecodeError);
    EXPECT_THROW(Decoder({.version = 1, .streaming = Streaming::on}), DecodeError);
    EXPECT_THROW(Decoder({.version = 3, .streaming = Streaming::parallel}), DecodeError);
    EXPECT_NO_THROW(Decoder({.version = 4, .streaming = Streaming::parallel}));
}

}  // namespace
