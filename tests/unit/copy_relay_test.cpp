#include "tslive/copy/relay.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/pg/copy.hpp"

namespace tslive::copy {
namespace {

/// Sends its blocks; dies before the block that it is told, or before CommandComplete.
struct ScriptedSource {
    std::vector<std::string> blocks;
    std::int64_t rows = 0;
    std::optional<std::size_t> dies_at = {};
    bool dies_at_the_end = false;
    std::size_t sent = 0;

    bool read(ByteBuffer& out, std::size_t) {
        if (dies_at == sent) throw Error(Recovery::reconnect, "the source died");
        if (sent == blocks.size()) return false;
        append(out, as_bytes(blocks[sent]));
        return ++sent < blocks.size();
    }
    std::int64_t finish() {
        if (dies_at_the_end) throw Error(Recovery::reconnect, "the source died");
        return rows;
    }
};

/// Remembers what it was told; refuses from the block on that it is told.
struct RecordingSink {
    std::int64_t rows = 0;
    std::optional<std::size_t> refuses_at = {};
    std::string taken = {};
    std::size_t blocks = 0;
    bool finished = false;
    bool aborted = false;
    bool abort_fails = false;

    void write(Bytes data) {
        if (refuses_at == blocks++) throw Error(Recovery::operator_action, "the target's disk is full");
        taken += as_text(data);
    }
    std::int64_t finish() {
        finished = true;
        return rows;
    }
    void abort(std::string_view) {
        aborted = true;
        if (abort_fails) throw Error(Recovery::reconnect, "the target died, too");
    }
};

static_assert(CopySource<ScriptedSource> && CopySink<RecordingSink>);
static_assert(CopySource<pg::CopyOut> && CopySink<pg::CopyIn>);
static_assert(!CopySource<std::string> && !CopySink<std::string>);

constexpr auto ignore_bytes = [](std::size_t) {};

TEST(Relay, forwards_every_byte_and_returns_the_rows) {
    ScriptedSource source{.blocks = {"one\n", "two\n", "three\n"}, .rows = 3};
    RecordingSink sink{.rows = 3};
    std::size_t bytes = 0;
    EXPECT_EQ(relay(source, sink, "t", [&](std::size_t count) { bytes += count; }), 3);
    EXPECT_EQ(sink.taken, "one\ntwo\nthree\n");
    EXPECT_EQ(bytes, sink.taken.size());
    EXPECT_TRUE(sink.finished);
    EXPECT_FALSE(sink.aborted);
}

TEST(Relay, an_empty_table_is_zero_rows) {
    ScriptedSource source;
    RecordingSink sink;
    EXPECT_EQ(relay(source, sink, "t", ignore_bytes), 0);
    EXPECT_TRUE(sink.finished);
}

TEST(Relay, a_source_that_dies_in_any_block_never_looks_like_a_shorter_table) {
    for (std::size_t at = 0; at < 3; ++at) {
        ScriptedSource source{.blocks = {"one\n", "two\n", "three\n"}, .rows = 3, .dies_at = at};
        RecordingSink sink{.rows = 3};
        EXPECT_THROW(relay(source, sink, "t", ignore_bytes), Error) << "died at block " << at;
        EXPECT_TRUE(sink.aborted);
        EXPECT_FALSE(sink.finished);
    }
}

TEST(Relay, the_end_of_the_data_without_command_complete_is_not_the_end) {
    ScriptedSource source{.blocks = {"one\n"}, .rows = 1, .dies_at_the_end = true};
    RecordingSink sink{.rows = 1};
    EXPECT_THROW(relay(source, sink, "t", ignore_bytes), Error);
    EXPECT_TRUE(sink.aborted);
    EXPECT_FALSE(sink.finished);
}

TEST(Relay, counts_that_differ_are_an_error_that_names_both) {
    ScriptedSource source{.blocks = {"one\n", "two\n"}, .rows = 2};
    RecordingSink sink{.rows = 1};
    try {
        relay(source, sink, "\"public\".\"t\"", ignore_bytes);
        FAIL() << "accepted 1 of 2 rows";
    } catch (const Error& error) {
        EXPECT_EQ(error.recovery(), Recovery::operator_action);
        EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("\"public\".\"t\""), testing::HasSubstr("sent 2"),
                                                 testing::HasSubstr("took 1")));
    }
}

TEST(Relay, a_target_that_refuses_is_told_to_give_up_and_its_error_is_the_one_that_counts) {
    ScriptedSource source{.blocks = {"one\n", "two\n"}, .rows = 2};
    RecordingSink sink{.rows = 2, .refuses_at = 1, .abort_fails = true};
    try {
        relay(source, sink, "t", ignore_bytes);
        FAIL() << "the target took what it refused";
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "the target's disk is full");
    }
    EXPECT_TRUE(sink.aborted);
    EXPECT_FALSE(sink.finished);
}

}  // namespace
}  // namespace tslive::copy
