#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spool_support.hpp"

namespace tslive::spool::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Spool, what_was_appended_is_read_back_in_order) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream);
    const std::vector<Kept> records{{RecordKind::session, {0x16B374D848}, ""},
                                    message(5, "BEGIN"),
                                    message(6, ""),
                                    message(7, std::string("\0x\xff", 3)),
                                    {RecordKind::progress, {9}, ""}};
    for (const auto& record : records) append(writer, record);
    writer.boundary({9});
    EXPECT_EQ(writer.sync(), Lsn{9});
    EXPECT_EQ(read_all(scratch / "spool"), records);
}

struct CountedSyncs {
    int* syncs;
    void append(Bytes) {}
    void sync() { ++*syncs; }
};

TEST(Spool, thousands_of_transactions_are_made_durable_together) {
    const ScratchDirectory scratch;
    int syncs = 0;
    auto writer = Writer<CountedSyncs>::open(scratch / "spool", stream, {}, [&](const fs::path& path) {
        if (!fs::exists(path)) write_file(path, "");
        return CountedSyncs{&syncs};
    });
    const int before = syncs;
    for (std::uint64_t end = 10; end <= 50'000; end += 10) {
        writer.append(RecordKind::message, {end - 1}, as_bytes("a row"));
        writer.boundary({end});
    }
    EXPECT_EQ(writer.sync(), Lsn{50'000});
    EXPECT_EQ(syncs - before, 1);
}

TEST(Spool, random_streams_come_back_whatever_the_sizes_of_blocks_and_segments) {
    for (std::uint32_t seed = 1; seed <= 40; ++seed) {
        const ScratchDirectory scratch;
        const Options options{
            .segment_bytes = 200 + seed * 97 % 3000, .block_bytes = 64 + seed * 31 % 900, .compression_level = 1};
        const auto steps = make_steps(seed, 60, 3000);
        auto writer = Writer<>::open(scratch / "spool", stream, options);
        for (const auto& step : steps) take_step(writer, step);
        EXPECT_EQ(read_all(scratch / "spool"), records_of(steps)) << "seed " << seed;
    }
}

TEST(Spool, a_record_of_many_blocks_comes_back_whole) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream);
    std::string payload(std::size_t{24} << 20, 'x');
    for (std::size_t i = 0; i < payload.size(); i += 61) payload[i] = static_cast<char>(i * 2654435761U >> 13);
    append(writer, message(1, "before"));
    append(writer, message(2, payload));
    append(writer, message(3, "after"));
    writer.sync();
    const auto read = read_all(scratch / "spool");
    ASSERT_EQ(read.size(), 3U);
    EXPECT_TRUE(read[1].payload == payload);
    EXPECT_EQ(read[2].payload, "after");
}

TEST(Spool, the_directory_is_for_its_owner_only) {
    const ScratchDirectory scratch;
    const auto writer = Writer<>::open(scratch / "spool", stream);
    EXPECT_EQ(fs::status(scratch / "spool").permissions(), fs::perms::owner_all);
}

TEST(Spool, sync_returns_the_newest_boundary_and_not_the_newest_record) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream);
    EXPECT_FALSE(writer.sync().valid());
    append(writer, message(10, "a"));
    EXPECT_FALSE(writer.sync().valid());
    writer.boundary({11});
    append(writer, message(20, "b"));
    EXPECT_EQ(writer.durable_boundary(), Lsn{}) << "nothing was synced since";
    EXPECT_EQ(writer.sync(), Lsn{11});
    writer.boundary({5});
    EXPECT_EQ(writer.sync(), Lsn{11}) << "a keepalive may be older than the last commit";
}

TEST(Spool, idle_keepalives_do_not_make_the_spool_grow) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream);
    transaction(writer, 10);
    writer.sync();
    const auto bytes = writer.bytes_on_disk();
    for (int i = 0; i < 100; ++i) {
        writer.boundary({10});
        EXPECT_EQ(writer.sync(), Lsn{10});
    }
    EXPECT_EQ(writer.bytes_on_disk(), bytes);
}

TEST(Spool, a_reader_sees_nothing_before_it_is_synced) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    Reader reader(scratch / "spool", stream, writer.frontier(), {});
    for (std::uint64_t end = 1; end < 20; ++end) transaction(writer, end * 10);  // several blocks are in the file
    const auto published = writer.published();
    const auto early = read_all(reader);
    EXPECT_LT(early.size(), 19U);
    EXPECT_EQ(published.boundary.value, early.size() * 10) << "what a finished segment holds is durable, no more";
    writer.sync();
    EXPECT_EQ(early.size() + read_all(reader).size(), 19U);
}

TEST(Spool, it_resumes_where_the_last_boundary_was) {
    const ScratchDirectory scratch;
    {
        auto writer = Writer<>::open(scratch / "spool", stream, small);
        transaction(writer, 10);
        append(writer, message(11, "half a transaction"));
        writer.sync();
    }
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    EXPECT_EQ(writer.durable_boundary(), Lsn{10});
    append(writer, {RecordKind::session, {10}, ""});
    append(writer, message(11, "the whole"));
    writer.boundary({12});
    EXPECT_EQ(writer.sync(), Lsn{12});
    const auto read = read_all(scratch / "spool");
    ASSERT_EQ(read.size(), 4U);
    EXPECT_EQ(read[1].payload, "half a transaction");
    EXPECT_EQ(read[2].kind, RecordKind::session);
    EXPECT_EQ(read[3].payload, "the whole");
}

TEST(Spool, the_resume_position_survives_a_segment_without_a_boundary) {
    const ScratchDirectory scratch;
    {
        auto writer = Writer<>::open(scratch / "spool", stream, small);
        transaction(writer, 10);
        for (int i = 0; i < 5; ++i) append(writer, message(11, std::string(700, static_cast<char>(i))));
        writer.sync();
        ASSERT_GT(segments(scratch / "spool").size(), 1U);
    }
    EXPECT_EQ(Writer<>::open(scratch / "spool", stream, small).durable_boundary(), Lsn{10});
}

TEST(Spool, what_is_not_synced_is_dropped_with_the_writer) {
    const ScratchDirectory scratch;
    {
        auto writer = Writer<>::open(scratch / "spool", stream);
        transaction(writer, 10);
        writer.sync();
        transaction(writer, 20);
    }
    EXPECT_EQ(Writer<>::open(scratch / "spool", stream).durable_boundary(), Lsn{10});
}

TEST(SpoolRetire, keeps_what_a_reader_from_that_position_needs) {
    for (std::uint32_t seed = 1; seed <= 60; ++seed) {
        const ScratchDirectory scratch;
        const auto steps = make_steps(seed, 80, 900);
        auto writer = Writer<>::open(scratch / "spool", stream, small);
        for (const auto& step : steps) take_step(writer, step);
        const Lsn from{std::mt19937(seed)() % (writer.durable_boundary().value + 10)};
        const auto files_before = segments(scratch / "spool").size();
        const auto bytes_before = writer.bytes_on_disk();
        const auto before = read_all(scratch / "spool", from);
        writer.retire_before(from);
        writer.retire_before(from);
        const auto files = segments(scratch / "spool");
        EXPECT_FALSE(files.empty());
        EXPECT_EQ(read_all(scratch / "spool", from), before) << "seed " << seed;
        EXPECT_EQ(files.size() < files_before, writer.bytes_on_disk() < bytes_before);
        std::uint64_t bytes = 0;
        for (const auto& file : files) bytes += fs::file_size(file);
        EXPECT_EQ(writer.bytes_on_disk(), bytes);
        // Every boundary is a transaction's end: what commits after `from` must still be there, with its first message.
        auto needed = messages_of(records_of(steps));
        const auto found = messages_of(before);
        std::size_t first_needed = 0, seen = 0;
        for (const auto& step : steps) {
            if (step.kind == Step::Kind::append && step.record.kind == RecordKind::message) ++seen;
            if (step.kind == Step::Kind::boundary && step.end <= from) first_needed = seen;
        }
        needed.erase(needed.begin(), needed.begin() + static_cast<std::ptrdiff_t>(first_needed));
        ASSERT_GE(found.size(), needed.size()) << "seed " << seed;
        EXPECT_TRUE(std::equal(needed.rbegin(), needed.rend(), found.rbegin())) << "seed " << seed;
    }
}

TEST(SpoolRetire, removes_whole_segments_as_progress_is_flushed_and_never_the_last) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    for (std::uint64_t end = 10; end <= 1000; end += 10) transaction(writer, end);
    writer.sync();
    const auto all = segments(scratch / "spool");
    ASSERT_GT(all.size(), 5U);
    writer.retire_before({});
    EXPECT_EQ(segments(scratch / "spool"), all) << "no progress, nothing to remove";
    writer.retire_before({500});
    const auto some = segments(scratch / "spool");
    EXPECT_LT(some.size(), all.size());
    EXPECT_GT(some.size(), 1U);
    writer.retire_before({~std::uint64_t{0}});
    EXPECT_THAT(segments(scratch / "spool"), ElementsAre(all.back()));
    EXPECT_EQ(Writer<>::open(scratch / "spool", stream, small).durable_boundary(), Lsn{1000});
}

TEST(SpoolRetire, a_segment_inside_a_transaction_is_no_place_to_start) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    transaction(writer, 10);
    for (int i = 0; i < 20; ++i) append(writer, message(11, std::string(300, static_cast<char>(i))));
    writer.boundary({12});
    writer.sync();
    const auto all = segments(scratch / "spool");
    ASSERT_GT(all.size(), 1U);
    writer.retire_before({12});
    EXPECT_EQ(segments(scratch / "spool"), all) << "every later segment begins inside the transaction";
    EXPECT_EQ(read_all(scratch / "spool", {12}).size(), 21U);
}

TEST(SpoolRetire, a_new_session_makes_void_what_was_open_so_that_the_next_segment_is_a_place_to_start) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, {.segment_bytes = 1, .block_bytes = 128});  // one each sync
    transaction(writer, 10);
    writer.sync();
    for (const auto& record : {message(11, "half"), Kept{RecordKind::session, {10}, ""}, message(11, "whole")}) {
        append(writer, record);
        writer.sync();
    }
    ASSERT_EQ(segments(scratch / "spool").size(), 4U);
    writer.retire_before({10});
    EXPECT_EQ(segments(scratch / "spool").size(), 1U);
    EXPECT_THAT(read_all(scratch / "spool", {10}), ElementsAre(message(11, "whole")));
}

TEST(SpoolRetire, a_reader_that_comes_too_late_is_told) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    for (std::uint64_t end = 10; end <= 1000; end += 10) transaction(writer, end);
    writer.sync();
    writer.retire_before({500});
    try {
        static_cast<void>(read_all(scratch / "spool", {100}));
        FAIL();
    } catch (const StateError& e) {
        EXPECT_THAT(e.what(), HasSubstr("changes are needed from 0/64"));
        EXPECT_FALSE(e.remedy().empty());
    }
}

TEST(SpoolRetire, may_be_called_while_the_writer_writes_and_a_reader_reads) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, small);
    std::atomic<std::uint64_t> applied{0};
    constexpr std::uint64_t last = 6000;
    std::jthread applier([&] {
        Reader reader(scratch / "spool", stream, writer.frontier(), {});
        Waiter waiter;
        do {
            while (const auto record = reader.next()) {
                ASSERT_EQ(record->lsn.value, applied + 9);
                applied = record->lsn.value + 1;
            }
            writer.retire_before({applied});
        } while (applied < last && reader.wait(waiter, std::chrono::hours(1)));
    });
    for (std::uint64_t end = 10; end <= last; end += 10) {
        transaction(writer, end);
        if (end % 50 == 0) writer.sync();
    }
    writer.sync();
    applier.join();
    EXPECT_EQ(applied, last);
}

}  // namespace
}  // namespace tslive::spool::testing
