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
constexpr Protocol v4{.version = 4, .streaming = Streaming::parallel};

const Wire start = Wire('S').u32(740).u8(1);
const Wire stop = Wire('E');
const Wire begin = Wire('B').u64(1).u64(2).u32(3);
const Wire commit = Wire('C').u8(0).u64(1).u64(2).u64(3);
const Wire stream_commit = Wire('c').u32(740).u8(0).u64(1).u64(2).u64(3);
const Wire stream_abort = Wire('A').u32(740).u32(741);

std::string problem_of(Decoder& decoder, Bytes message) {
    test::Renderer seen;
    try {
        decoder.decode(message, seen);
    } catch (const DecodeError& error) {
        return error.what();
    }
    return "accepted: " + seen.text();
}

TEST(PgoutputStream, the_same_bytes_carry_a_transaction_id_inside_a_block_only) {
    const Wire inside = Wire('I').u32(741).u32(9).character('N').u16(0);
    const Wire outside = Wire('I').u32(9).character('N').u16(0);
    Decoder decoder(v2);
    test::Renderer seen;
    decoder.decode(outside, seen);
    decoder.decode(start, seen);
    decoder.decode(inside, seen);
    EXPECT_THROW(decoder.decode(outside, seen), DecodeError);
    decoder.decode(stop, seen);
    EXPECT_THROW(decoder.decode(inside, seen), DecodeError);
    decoder.decode(outside, seen);
    EXPECT_EQ(
        seen.text(),
        "insert 9 new ()\nstream_start xid 740 first_segment\n[741] insert 9 new ()\nstream_stop\ninsert 9 new ()\n");
}

TEST(PgoutputStream, a_change_with_transaction_id_zero_is_refused) {
    Decoder decoder(v2);
    test::Renderer seen;
    decoder.decode(start, seen);
    EXPECT_THAT(problem_of(decoder, Wire('I').u32(0).u32(9).character('N').u16(0)), HasSubstr("transaction id 0"));
}

TEST(PgoutputStream, no_transaction_begins_or_ends_inside_a_block) {
    Decoder decoder(v2);
    test::Renderer seen;
    decoder.decode(start, seen);
    for (const Wire* message : {&begin, &commit, &start, &stream_commit, &stream_abort})
        EXPECT_THAT(problem_of(decoder, *message), HasSubstr("not allowed inside a streamed block"));
    EXPECT_TRUE(decoder.inside_block());
}

TEST(PgoutputStream, a_block_that_was_not_opened_cannot_be_closed) {
    Decoder decoder(v2);
    EXPECT_THAT(problem_of(decoder, stop), HasSubstr("no streamed block is open"));
}

TEST(PgoutputStream, stream_messages_are_refused_when_streaming_was_not_asked_for) {
    for (const int version : {1, 2, 4}) {
        Decoder decoder({.version = version});
        for (const Wire* message : {&start, &stream_commit, &stream_abort})
            EXPECT_THAT(problem_of(decoder, *message), HasSubstr("streaming was not asked for"));
        EXPECT_THAT(problem_of(decoder, stop), HasSubstr("no streamed block is open"));
    }
}

TEST(PgoutputStream, stream_abort_tells_its_position_with_parallel_streaming_only) {
    Decoder four({.version = 4, .streaming = Streaming::on});
    EXPECT_EQ(problem_of(four, stream_abort), "accepted: stream_abort xid 740 subxid 741 abort_lsn 0/0 time 0\n");
    Decoder parallel(v4);
    EXPECT_THAT(problem_of(parallel, stream_abort), HasSubstr("8 bytes expected, 0 left"));
}

TEST(PgoutputStream, reset_closes_the_block) {
    Decoder decoder(v2);
    test::Renderer seen;
    decoder.decode(start, seen);
    decoder.reset();
    EXPECT_FALSE(decoder.inside_block());
    decoder.decode(begin, seen);
}

TEST(PgoutputPeek, boundaries_are_read_without_a_decoder) {
    EXPECT_EQ(read_begin(begin).xid, Xid{3});
    EXPECT_EQ(read_commit(commit).end_lsn, Lsn{2});
    EXPECT_EQ(read_stream_start(start).xid, Xid{740});
    EXPECT_EQ(read_stream_commit(stream_commit).end_lsn, Lsn{2});
    EXPECT_EQ(read_stream_abort(stream_abort, v2).subxid, Xid{741});
    EXPECT_THROW((void)read_begin(commit), DecodeError);
    EXPECT_THROW((void)read_commit(commit.bytes().first(3)), DecodeError);
    EXPECT_THROW((void)read_commit(Wire(commit).u8(0)), DecodeError);
}

TEST(PgoutputPeek, a_streamed_change_tells_its_transaction) {
    EXPECT_EQ(streamed_xid(Wire('I').u32(741).u32(9).character('N').u16(0)), Xid{741});
    EXPECT_EQ(streamed_xid(Wire('M').u32(741)), Xid{741});
    EXPECT_THROW((void)streamed_xid(Wire('O').u64(0).text("o")), DecodeError);
    EXPECT_THROW((void)streamed_xid(Wire('I').u16(1)), DecodeError);
}

}  // namespace
