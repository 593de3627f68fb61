#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spool_support.hpp"

namespace tslive::spool::testing {
namespace {

using ::testing::HasSubstr;

TEST(SpoolContext, what_is_remembered_comes_first_for_a_reader_that_starts_later) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    append(writer, {RecordKind::session, {1}, ""});
    append(writer, message(2, "relation 7, version 1"));
    writer.remember(7, {2}, as_bytes("relation 7, version 1"));
    writer.remember(8, {3}, as_bytes(std::string(500, '8')));  // longer than a block
    for (std::uint64_t end = 10; end <= 400; end += 10) transaction(writer, end);
    writer.remember(7, {401}, as_bytes("relation 7, version 2"));
    for (std::uint64_t end = 410; end <= 800; end += 10) transaction(writer, end);
    writer.sync();

    const auto early = read_all(scratch / "spool", {300});
    EXPECT_EQ(early[0], (Kept{RecordKind::context, {2}, "relation 7, version 1"}));
    EXPECT_EQ(early[1], (Kept{RecordKind::context, {3}, std::string(500, '8')}));
    const auto late = read_all(scratch / "spool", {780});
    EXPECT_EQ(late[0].payload, "relation 7, version 2");
    for (const auto& read : {early, late})
        for (std::size_t i = 2; i < read.size(); ++i) EXPECT_NE(read[i].kind, RecordKind::context) << i;
    for (const auto& record : read_all(scratch / "spool")) EXPECT_NE(record.kind, RecordKind::context);
}

TEST(SpoolContext, a_new_session_remembers_nothing) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    writer.remember(7, {2}, as_bytes("old"));
    transaction(writer, 10);
    append(writer, {RecordKind::session, {10}, ""});
    for (std::uint64_t end = 20; end <= 400; end += 10) transaction(writer, end);
    writer.sync();
    for (const auto& record : read_all(scratch / "spool", {390})) EXPECT_NE(record.kind, RecordKind::context);
}

TEST(SpoolContext, more_context_than_a_segment_does_not_keep_the_spool_from_going_on) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    for (std::uint64_t key = 0; key < 200; ++key)
        writer.remember(key, {1}, as_bytes(fmt::format("relation {}", key * key * 7919)));
    for (std::uint64_t end = 10; end <= 600; end += 10) transaction(writer, end);
    writer.sync();
    const auto files = segments(scratch / "spool");
    ASSERT_GT(files.size(), 2U);
    EXPECT_LT(files.size(), 30U);
    EXPECT_EQ(read_all(scratch / "spool").size(), 60U);
}

TEST(SpoolReader, goes_back_to_any_position) {
    const ScratchDirectory scratch;
    const auto steps = make_steps(3, 60, 1500);
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    for (const auto& step : steps) take_step(writer, step);
    Reader reader(scratch / "spool", stream, writer.frontier(), {});
    std::vector<Position> positions{reader.position()};
    std::vector<Kept> records;
    while (const auto record = reader.next()) {
        records.push_back(keep(*record));
        positions.push_back(reader.position());
    }
    EXPECT_EQ(records, records_of(steps));
    EXPECT_TRUE(std::is_sorted(positions.begin(), positions.end()));
    std::mt19937 random(1);
    for (int i = 0; i < 2000; ++i) {
        const auto at = random() % positions.size();
        reader.seek(positions[at]);
        for (auto n = at; n < std::min<std::size_t>(at + 4, records.size()); ++n) {
            ASSERT_EQ(reader.position().segment, positions[n].segment) << n;
            ASSERT_EQ(keep(reader.next().value()), records[n]) << n;
        }
    }
    reader.seek(positions.back());
    EXPECT_FALSE(reader.next());
    transaction(writer, 1'000'000);
    writer.sync();
    EXPECT_EQ(reader.next().value().lsn, Lsn{999'999});
}

TEST(SpoolReader, going_back_within_a_block_needs_no_file) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream);
    for (std::uint64_t end = 10; end <= 100; end += 10) transaction(writer, end);
    writer.sync();
    Reader reader(scratch / "spool", stream, writer.frontier(), {});
    static_cast<void>(reader.next());
    const auto second = reader.position();
    while (reader.next()) {
    }
    write_file(segments(scratch / "spool").front(), "");  // a read would fail
    reader.seek(second);
    EXPECT_EQ(reader.next().value().lsn, Lsn{19});
}

TEST(SpoolReader, going_back_to_a_retired_segment_is_an_error_with_its_name) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    for (std::uint64_t end = 10; end <= 1000; end += 10) transaction(writer, end);
    writer.sync();
    Reader reader(scratch / "spool", stream, writer.frontier(), {});
    const auto start = reader.position();
    while (reader.next()) {
    }
    writer.retire_before({1000});
    try {
        reader.seek(start);
        FAIL();
    } catch (const StateError& e) {
        EXPECT_THAT(e.what(), HasSubstr("segment 1 is missing, or was retired"));
    }
}

TEST(SpoolReader, waits_until_more_is_published) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    std::vector<Kept> read;
    std::jthread thread([&, frontier = writer.frontier()] {
        Reader reader(scratch / "spool", stream, frontier, {});
        Waiter waiter;
        do {
            while (const auto record = reader.next()) read.push_back(keep(*record));
        } while (read.size() < 200 && reader.wait(waiter, std::chrono::hours(1)));
    });
    for (std::uint64_t end = 10; end <= 2000; end += 10) {
        transaction(writer, end);
        writer.sync();
    }
    thread.join();
    EXPECT_EQ(read.size(), 200U);
}

TEST(SpoolReader, a_stop_request_ends_the_wait) {
    const ScratchDirectory scratch;
    const auto writer = Writer<>::open(scratch / "spool", stream);
    std::jthread thread([&](std::stop_token stop) {
        Reader reader(scratch / "spool", stream, writer.frontier(), {});
        Waiter waiter(std::move(stop));
        EXPECT_FALSE(reader.wait(waiter, std::chrono::hours(1)));
    });
    thread.request_stop();
}

TEST(SpoolReader, a_wait_that_finds_nothing_says_so) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream);
    Reader reader(scratch / "spool", stream, writer.frontier(), {});
    Waiter waiter;
    EXPECT_FALSE(reader.wait(waiter, std::chrono::milliseconds(1)));
    waiter.wake();
    EXPECT_FALSE(reader.wait(waiter, std::chrono::hours(1)));
    transaction(writer, 10);
    writer.sync();
    EXPECT_TRUE(reader.wait(waiter, std::chrono::hours(1)));
    EXPECT_TRUE(reader.next());
}

TEST(SpoolReader, may_be_moved_while_it_listens) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream);
    Reader first(scratch / "spool", stream, writer.frontier(), {});
    Reader reader = std::move(first);
    first = Reader(scratch / "spool", stream, writer.frontier(), {});
    transaction(writer, 10);
    auto moved = std::move(writer);
    moved.sync();
    Waiter waiter;
    EXPECT_TRUE(reader.wait(waiter, std::chrono::hours(1)));
    EXPECT_EQ(read_all(reader), read_all(first));
}

}  // namespace
}  // namespace tslive::spool::testing
