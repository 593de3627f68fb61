#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/pgoutput_encode.hpp"
#include "support/pgoutput_render.hpp"
#include "support/pgoutput_wire.hpp"
#include "tslive/pgoutput/decode.hpp"

namespace {

using namespace tslive;
using namespace tslive::pgoutput;
using test::Wire;

constexpr Protocol v1{};
constexpr Protocol v2{.version = 2, .streaming = Streaming::on};
constexpr Protocol v4{.version = 4, .streaming = Streaming::parallel};

/// One message of every type, and what the renderer says about it.
struct Example {
    std::string what;
    Protocol protocol;
    bool in_block;
    Wire message;
    std::string rendering;
};

std::vector<Example> outside_of_blocks() {
    return {
        {"begin", v1, false, Wire('B').u64(0x16'B374D848).u64(5).u32(740),
         "begin final_lsn 16/B374D848 time 5 xid 740\n"},
        {"a time before 2000", v1, false, Wire('B').u64(1).u64(~std::uint64_t{0}).u32(3),
         "begin final_lsn 0/1 time -1 xid 3\n"},
        {"commit", v1, false, Wire('C').u8(0).u64(0x10).u64(0x28).u64(7),
         "commit flags 0 commit_lsn 0/10 end_lsn 0/28 time 7\n"},
        {"origin", v1, false, Wire('O').u64(0x30).text("other"), "origin commit_lsn 0/30 'other'\n"},
        {"relation", v1, false,
         Wire('R')
             .u32(16385)
             .text("public")
             .text("Or'ders")
             .character('d')
             .u16(2)
             .column(1, "id", 23)
             .column(0, "name", 1043, 24),
         "relation 16385 'public'.'Or\\'ders' identity d columns 'id'!:23 'name':1043(24)\n"},
        {"relation without columns", v1, false, Wire('R').u32(9).text("s").text("t").character('n').u16(0),
         "relation 9 's'.'t' identity n columns\n"},
        {"relation of pg_catalog", v1, false, Wire('R').u32(9).text("").text("t").character('f').u16(0),
         "relation 9 'pg_catalog'.'t' identity f columns\n"},
        {"type", v1, false, Wire('Y').u32(16400).text("public").text("mood"), "type 16400 'public'.'mood'\n"},
        {"type of pg_catalog", v1, false, Wire('Y').u32(16401).text("").text("text"),
         "type 16401 'pg_catalog'.'text'\n"},
        {"insert", v1, false, Wire('I').u32(16385).character('N').u16(3).text_value("1").null().text_value(""),
         "insert 16385 new ('1', null, '')\n"},
        {"insert of binary values", v1, false,
         Wire('I').u32(16385).character('N').u16(1).binary_value(std::string_view("\0\x01\xff", 3)),
         "insert 16385 new (b'\\x00\\x01\\xff')\n"},
        {"insert without columns", v1, false, Wire('I').u32(16385).character('N').u16(0), "insert 16385 new ()\n"},
        {"update", v1, false, Wire('U').u32(16385).character('N').u16(2).text_value("1").unchanged(),
         "update 16385 new ('1', unchanged)\n"},
        {"update of the key", v1, false,
         Wire('U')
             .u32(16385)
             .character('K')
             .u16(2)
             .text_value("1")
             .null()
             .character('N')
             .u16(2)
             .text_value("2")
             .text_value("x"),
         "update 16385 K ('1', null) new ('2', 'x')\n"},
        {"update with full identity", v1, false,
         Wire('U').u32(16385).character('O').u16(1).text_value("1").character('N').u16(1).text_value("2"),
         "update 16385 O ('1') new ('2')\n"},
        {"delete by key", v1, false, Wire('D').u32(16385).character('K').u16(2).text_value("1").null(),
         "delete 16385 K ('1', null)\n"},
        {"delete with full identity", v1, false, Wire('D').u32(16385).character('O').u16(1).text_value("a\nb"),
         "delete 16385 O ('a\\x0ab')\n"},
        {"truncate", v1, false, Wire('T').u32(1).u8(0).u32(16385), "truncate 16385\n"},
        {"truncate of several", v1, false, Wire('T').u32(2).u8(3).u32(1).u32(2),
         "truncate 1 2 cascade restart_identity\n"},
        {"transactional message", v1, false, Wire('M').u8(1).u64(0x40).text("p").counted("c"),
         "message transactional lsn 0/40 'p' 'c'\n"},
        {"message", v1, false, Wire('M').u8(0).u64(0x40).text("").counted(std::string_view("\0", 1)),
         "message lsn 0/40 '' '\\x00'\n"},
        {"stream start", v2, false, Wire('S').u32(740).u8(1), "stream_start xid 740 first_segment\n"},
        {"later stream start", v2, false, Wire('S').u32(740).u8(0), "stream_start xid 740\n"},
        {"stream commit", v2, false, Wire('c').u32(740).u8(0).u64(0x10).u64(0x28).u64(7),
         "stream_commit xid 740 flags 0 commit_lsn 0/10 end_lsn 0/28 time 7\n"},
        {"stream abort", v2, false, Wire('A').u32(740).u32(741),
         "stream_abort xid 740 subxid 741 abort_lsn 0/0 time 0\n"},
        {"stream abort with its position", v4, false, Wire('A').u32(740).u32(740).u64(0x50).u64(9),
         "stream_abort xid 740 subxid 740 abort_lsn 0/50 time 9\n"},
    };
}

std::vector<Example> inside_of_blocks() {
    return {
        {"stream stop", v2, true, Wire('E'), "stream_stop\n"},
        {"streamed origin", v2, true, Wire('O').u64(0).text("other"), "origin commit_lsn 0/0 'other'\n"},
        {"streamed relation", v2, true,
         Wire('R').u32(740).u32(9).text("s").text("t").character('i').u16(1).column(1, "a", 25),
         "[740] relation 9 's'.'t' identity i columns 'a'!:25\n"},
        {"streamed type", v2, true, Wire('Y').u32(740).u32(16400).text("s").text("mood"),
         "[740] type 16400 's'.'mood'\n"},
        {"streamed insert", v2, true, Wire('I').u32(741).u32(9).character('N').u16(1).text_value("1"),
         "[741] insert 9 new ('1')\n"},
        {"streamed update", v2, true, Wire('U').u32(741).u32(9).character('N').u16(1).text_value("1"),
         "[741] update 9 new ('1')\n"},
        {"streamed delete", v2, true, Wire('D').u32(741).u32(9).character('K').u16(1).text_value("1"),
         "[741] delete 9 K ('1')\n"},
        {"streamed truncate", v2, true, Wire('T').u32(740).u32(1).u8(2).u32(9), "[740] truncate 9 restart_identity\n"},
        {"streamed message", v2, true, Wire('M').u32(740).u8(1).u64(0x40).text("p").counted("c"),
         "[740] message transactional lsn 0/40 'p' 'c'\n"},
    };
}

std::vector<Example> examples() {
    auto all = outside_of_blocks();
    for (auto& example : inside_of_blocks()) all.push_back(std::move(example));
    return all;
}

struct Ignore {
    void on(const auto&) {}
    void on(const auto&, std::optional<Xid>) {}
};

struct WhereTheValueIs : Ignore {
    using Ignore::on;
    void on(const Insert& insert, std::optional<Xid>) { data = insert.new_row[0].data.data(); }
    const std::byte* data = nullptr;
};

struct Thrower {
    void on(const auto&) { throw std::runtime_error("stop here"); }
    void on(const auto&, std::optional<Xid>) { throw std::runtime_error("stop here"); }
};

Decoder decoder_for(const Example& example) {
    Decoder decoder(example.protocol);
    Ignore ignore;
    if (example.in_block) decoder.decode(Wire('S').u32(740).u8(1), ignore);
    return decoder;
}

TEST(PgoutputDecode, every_message_type_is_understood) {
    for (const auto& example : examples()) {
        SCOPED_TRACE(example.what);
        auto decoder = decoder_for(example);
        test::Renderer seen;
        decoder.decode(example.message, seen);
        EXPECT_EQ(seen.text(), example.rendering);
    }
}

TEST(PgoutputDecode, every_message_cut_short_is_an_error_and_nothing_is_delivered) {
    for (const auto& example : examples()) {
        auto decoder = decoder_for(example);
        test::Renderer seen;
        for (std::size_t n = 0; n < example.message.bytes().size(); ++n)
            EXPECT_THROW(decoder.decode(example.message.bytes().first(n), seen), DecodeError)
                << example.what << " cut at " << n;
        EXPECT_EQ(seen.text(), "") << example.what;
        EXPECT_EQ(decoder.inside_block(), example.in_block) << example.what;
    }
}

TEST(PgoutputDecode, a_byte_left_over_is_an_error_and_nothing_is_delivered) {
    for (const auto& example : examples()) {
        auto decoder = decoder_for(example);
        test::Renderer seen;
        Wire longer = example.message;
        longer.u8(0);
        EXPECT_THROW(decoder.decode(longer, seen), DecodeError) << example.what;
        EXPECT_EQ(seen.text(), "") << example.what;
        EXPECT_EQ(decoder.inside_block(), example.in_block) << example.what;
    }
}

TEST(PgoutputDecode, decoding_loses_nothing) {
    for (const auto& example : examples()) {
        auto decoder = decoder_for(example);
        test::Encoder again(example.protocol);
        decoder.decode(example.message, again);
        EXPECT_EQ(as_text(again.message()), as_text(example.message)) << example.what;
    }
}

TEST(PgoutputDecode, values_are_views_into_the_message) {
    const Wire message = Wire('I').u32(1).character('N').u16(1).text_value("hello");
    WhereTheValueIs seen;
    Decoder decoder(v1);
    decoder.decode(message, seen);
    EXPECT_EQ(seen.data, message.bytes().data() + message.bytes().size() - 5);
}

TEST(PgoutputDecode, a_narrow_row_after_a_wide_one_has_its_own_width) {
    Wire wide = Wire('I').u32(1).character('N').u16(1600);
    for (int i = 0; i < 1600; ++i) wide.text_value("x");
    Decoder decoder(v1);
    Ignore ignore;
    decoder.decode(wide, ignore);
    test::Renderer seen;
    decoder.decode(Wire('U').u32(1).character('K').u16(1).null().character('N').u16(2).null().unchanged(), seen);
    EXPECT_EQ(seen.text(), "update 1 K (null) new (null, unchanged)\n");
}

TEST(PgoutputDecode, what_the_visitor_throws_passes_through_and_the_message_counts) {
    Thrower thrower;
    Decoder decoder(v2);
    EXPECT_THROW(decoder.decode(Wire('S').u32(740).u8(1), thrower), std::runtime_error);
    EXPECT_TRUE(decoder.inside_block());
}

}  // namespace
