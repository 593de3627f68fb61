#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/golden_stream.hpp"
#include "support/pgoutput_encode.hpp"
#include "support/pgoutput_render.hpp"
#include "tslive/pgoutput/decode.hpp"
#include "tslive/pgoutput/peek.hpp"
#include "tslive/pgoutput/relation_cache.hpp"

namespace {

using namespace tslive;
using namespace tslive::pgoutput;

class PgoutputGolden : public ::testing::TestWithParam<std::filesystem::path> {
protected:
    test::GoldenStream stream_ = test::GoldenStream::load(GetParam());
};

std::string contents(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

TEST_P(PgoutputGolden, a_captured_stream_reads_as_expected) {
    Decoder decoder(stream_.protocol);
    test::Renderer seen;
    for (const auto& message : stream_.messages) decoder.decode(message.bytes, seen);
    EXPECT_FALSE(decoder.inside_block());

    auto expected = GetParam();
    expected.replace_extension(".expected");
    if (std::getenv("TSLIVE_GOLDEN_UPDATE") != nullptr) std::ofstream(expected) << seen.text();
    EXPECT_EQ(seen.text(), contents(expected));
}

TEST_P(PgoutputGolden, decoding_a_captured_stream_loses_nothing) {
    Decoder decoder(stream_.protocol);
    test::Encoder again(stream_.protocol);
    for (const auto& message : stream_.messages) {
        decoder.decode(message.bytes, again);
        ASSERT_EQ(as_text(again.message()), as_text(message.bytes)) << message.lsn.value;
    }
}

/// Looks up the relation of each change, as the applier does.
struct WidthChecker {
    RelationCache cache;
    std::size_t rows = 0;

    void on(const auto&) {}
    void on(const auto&, std::optional<Xid>) {}
    void on(const Relation& relation, std::optional<Xid>) { cache.update(relation); }
    void on(const Insert& insert, std::optional<Xid>) { check(insert.relation, insert.new_row); }
    void on(const Update& update, std::optional<Xid>) {
        check(update.relation, update.new_row);
        if (update.old_kind != OldRow::none) check(update.relation, update.old_row);
    }
    void on(const Delete& deleted, std::optional<Xid>) { check(deleted.relation, deleted.old_row); }
    void check(RelationId id, Row row) {
        cache.find(id).expect_width_of(row);
        ++rows;
    }
};

TEST_P(PgoutputGolden, every_row_has_the_columns_that_its_relation_message_promised) {
    Decoder decoder(stream_.protocol);
    WidthChecker checker;
    for (const auto& message : stream_.messages) decoder.decode(message.bytes, checker);
    EXPECT_GT(checker.rows, 0U);
}

TEST_P(PgoutputGolden, boundaries_agree_with_what_the_server_says_beside_the_message) {
    for (const auto& message : stream_.messages) {
        switch (peek(message.bytes)) {
            case MessageType::begin: EXPECT_EQ(read_begin(message.bytes).xid.value, message.xid); break;
            case MessageType::commit: EXPECT_EQ(read_commit(message.bytes).end_lsn, message.lsn); break;
            case MessageType::stream_start: EXPECT_EQ(read_stream_start(message.bytes).xid.value, message.xid); break;
            case MessageType::stream_commit: EXPECT_EQ(read_stream_commit(message.bytes).end_lsn, message.lsn); break;
            case MessageType::stream_abort:
                EXPECT_EQ(read_stream_abort(message.bytes, stream_.protocol).subxid.value, message.xid);
                break;
            default: break;
        }
    }
}

std::string test_name(const ::testing::TestParamInfo<std::filesystem::path>& info) {
    return info.param.parent_path().filename().string() + "_" + info.param.stem().string();
}
INSTANTIATE_TEST_SUITE_P(Captured, PgoutputGolden, ::testing::ValuesIn(test::golden_streams()), test_name);

TEST(PgoutputGoldenSet, holds_every_message_type) {
    std::string types;
    for (const auto& path : test::golden_streams()) {
        for (const auto& message : test::GoldenStream::load(path).messages) {
            const char type = static_cast<char>(peek(message.bytes));
            if (types.find(type) == std::string::npos) types += type;
        }
    }
    EXPECT_THAT(types, ::testing::UnorderedElementsAreArray(std::string("BCORYIUDTMSEcA")));
}

}  // namespace
