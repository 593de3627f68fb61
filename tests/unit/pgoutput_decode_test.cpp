#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
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

/// All that a server can agree to.
constexpr Protocol protocols[] = {{},
                                  {.version = 2},
                                  {.version = 2, .streaming = Streaming::on},
                                  {.version = 3},
                                  {.version = 3, .streaming = Streaming::on},
                                  {.version = 4},
                                  {.version = 4, .streaming = Streaming::on},
                                  {.version = 4, .streaming = Streaming::parallel}};

/// One message of every type, and what the renderer says about it.
struct Example {
    std::string what;
    Protocol protocol;
    bool in_block;
    Wire message;
    std::string rendering;
};

std::vector<Example> outside_of_blocks(Protocol protocol) {
    return {
        {"begin", protocol, false, Wire('B').u64(0x16'B374D848).u64(5).u32(740),
         "begin final_lsn 16/B374D848 time 5 xid 740\n"},
        {"a time before 2000", protocol, false, Wire('B').u64(1).u64(~std::uint64_t{0}).u32(3),
         "begin final_lsn 0/1 time -1 xid 3\n"},
        {"commit", protocol, false, Wire('C').u8(0).u64(0x10).u64(0x28).u64(7),
         "commit flags 0 commit_lsn 0/10 end_lsn 0/28 time 7\n"},
        {"origin", protocol, false, Wire('O').u64(0x30).text("other"), "origin commit_lsn 0/30 'other'\n"},
        {"relation", protocol, false,
         Wire('R')
             .u32(16385)
             .text("public")
             .text("Or'ders")
             .character('d')
             .u16(2)
             .column(1, "id", 23)
             .column(0, "name", 1043, 24),
         "relation 16385 'public'.'Or\\'ders' identity d columns 'id'!:23 'name':1043(24)\n"},
        {"relation without columns", protocol, false, Wire('R').u32(9).text("s").text("t").character('n').u16(0),
         "relation 9 's'.'t' identity n columns\n"},
        {"relation of pg_catalog", protocol, false, Wire('R').u32(9).text("").text("t").character('f').u16(0),
         "relation 9 'pg_catalog'.'t' identity f columns\n"},
        {"type", protocol, false, Wire('Y').u32(16400).text("public").text("mood"), "type 16400 'public'.'mood'\n"},
        {"type of pg_catalog", protocol, false, Wire('Y').u32(16401).text("").text("text"),
         "type 16401 'pg_catalog'.'text'\n"},
        {"insert", protocol, false, Wire('I').u32(16385).character('N').u16(3).text_value("1").null().text_value(""),
         "insert 16385 new ('1', null, '')\n"},
        {"insert of binary values", protocol, false,
         Wire('I').u32(16385).character('N').u16(1).binary_value(std::string_view("\0\x01\xff", 3)),
         "insert 16385 new (b'\\x00\\x01\\xff')\n"},
        {"insert without columns", protocol, false, Wire('I').u32(16385).character('N').u16(0),
         "insert 16385 new ()\n"},
        {"update", protocol, false, Wire('U').u32(16385).character('N').u16(2).text_value("1").unchanged(),
         "update 16385 new ('1', unchanged)\n"},
        {"update of the key", protocol, false,
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
        {"update with full identity", protocol, false,
         Wire('U').u32(16385).character('O').u16(1).text_value("1").character('N').u16(1).text_value("2"),
         "update 16385 O ('1') new ('2')\n"},
        {"update of binary values", protocol, false,
         Wire('U')
             .u32(16385)
             .character('O')
             .u16(2)
             .binary_value(std::string_view("\0\0\0\1", 4))
             .null()
             .character('N')
             .u16(2)
             .binary_value(std::string_view("\0\0\0\2", 4))
             .binary_value(""),
         "update 16385 O (b'\\x00\\x00\\x00\\x01', null) new (b'\\x00\\x00\\x00\\x02', b'')\n"},
        {"delete by a binary key", protocol, false,
         Wire('D').u32(16385).character('K').u16(2).binary_value("\x7f").text_value("t"),
         "delete 16385 K (b'\\x7f', 't')\n"},
        {"delete by key", protocol, false, Wire('D').u32(16385).character('K').u16(2).text_value("1").null(),
         "delete 16385 K ('1', null)\n"},
        {"delete with full identity", protocol, false, Wire('D').u32(16385).character('O').u16(1).text_value("a\nb"),
         "delete 16385 O ('a\\x0ab')\n"},
        {"truncate", protocol, false, Wire('T').u32(1).u8(0).u32(16385), "truncate 16385\n"},
        {"truncate of several", protocol, false, Wire('T').u32(2).u8(3).u32(1).u32(2),
         "truncate 1 2 cascade restart_identity\n"},
        {"transactional message", protocol, false, Wire('M').u8(1).u64(0x40).text("p").counted("c"),
         "message transactional lsn 0/40 'p' 'c'\n"},
        {"message", protocol, false, Wire('M').u8(0).u64(0x40).text("").counted(std::string_view("\0", 1)),
         "message lsn 0/40 '' '\\x00'\n"},
    };
}

std::vector<Example> around_blocks(Protocol protocol) {
    std::vector<Example> all{
        {"stream start", protocol, false, Wire('S').u32(740).u8(1), "stream_start xid 740 first_segment\n"},
        {"later stream start", protocol, false, Wire('S').u32(740).u8(0), "stream_start xid 740\n"},
        {"stream commit", protocol, false, Wire('c').u32(740).u8(0).u64(0x10).u64(0x28).u64(7),
         "stream_commit xid 740 flags 0 commit_lsn 0/10 end_lsn 0/28 time 7\n"},
    };
    if (protocol.streaming == Streaming::parallel) {
        all.push_back({"stream abort with its position", protocol, false, Wire('A').u32(740).u32(741).u64(0x50).u64(9),
                       "stream_abort xid 740 subxid 741 abort_lsn 0/50 time 9\n"});
        all.push_back({"stream abort of what a crash of the server ended", protocol, false,
                       Wire('A').u32(740).u32(740).u64(0).u64(0),
                       "stream_abort xid 740 subxid 740 abort_lsn 0/0 time 0\n"});
    } else {
        all.push_back({"stream abort", protocol, false, Wire('A').u32(740).u32(741),
                       "stream_abort xid 740 subxid 741 abort_lsn 0/0 time 0\n"});
    }
    return all;
}

std::vector<Example> inside_of_blocks(Protocol protocol) {
    return {
        {"stream stop", protocol, true, Wire('E'), "stream_stop\n"},
        {"streamed origin", protocol, true, Wire('O').u64(0).text("other"), "origin commit_lsn 0/0 'other'\n"},
        {"streamed relation", protocol, true,
         Wire('R').u32(740).u32(9).text("s").text("t").character('i').u16(1).column(1, "a", 25),
         "[740] relation 9 's'.'t' identity i columns 'a'!:25\n"},
        {"streamed type", protocol, true, Wire('Y').u32(740).u32(16400).text("s").text("mood"),
         "[740] type 16400 's'.'mood'\n"},
        {"streamed insert", protocol, true, Wire('I').u32(741).u32(9).character('N').u16(1).text_value("1"),
         "[741] insert 9 new ('1')\n"},
        {"streamed insert of binary values", protocol, true,
         Wire('I').u32(741).u32(9).character('N').u16(2).binary_value("\x01").unchanged(),
         "[741] insert 9 new (b'\\x01', unchanged)\n"},
        {"streamed update", protocol, true, Wire('U').u32(741).u32(9).character('N').u16(1).text_value("1"),
         "[741] update 9 new ('1')\n"},
        {"streamed delete", protocol, true, Wire('D').u32(741).u32(9).character('K').u16(1).text_value("1"),
         "[741] delete 9 K ('1')\n"},
        {"streamed truncate", protocol, true, Wire('T').u32(740).u32(1).u8(2).u32(9),
         "[740] truncate 9 restart_identity\n"},
        {"streamed message", protocol, true, Wire('M').u32(740).u8(1).u64(0x40).text("p").counted("c"),
         "[740] message transactional lsn 0/40 'p' 'c'\n"},
    };
}

/// Every message type in every protocol that has it.
std::vector<Example> examples() {
    std::vector<Example> all;
    const auto add = [&](std::vector<Example> some) {
        for (auto& example : some) {
            example.what += fmt::format(" (protocol {}, streaming {})", example.protocol.version,
                                        static_cast<int>(example.protocol.streaming));
            all.push_back(std::move(example));
        }
    };
    for (const auto protocol : protocols) {
        add(outside_of_blocks(protocol));
        if (protocol.streaming == Streaming::off) continue;
        add(around_blocks(protocol));
        add(inside_of_blocks(protocol));
    }
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
