#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spool_support.hpp"

namespace tslive::spool::testing {
namespace {

using ::testing::HasSubstr;

/// Smaller still: a death for each operation takes its time.
constexpr Options tiny{.segment_bytes = 500, .block_bytes = 96, .compression_level = 1};

/// What the disk is to hold after the process died.
enum class Fate {
    all,         ///< the process was killed, the system went on
    synced,      ///< power was lost, and nothing reached the disk that was not synced
    half,        ///< power was lost, and half of it had
    zeros,       ///< power was lost; the file has its length, but zeros where data was not written
    first_lost,  ///< power was lost, and of what was not synced the first bytes only did not reach the disk
};

struct Killed {};

/// A machine that dies at a chosen operation. Every operation counts, those of all files together.
struct Machine {
    int operations_left;
    Fate fate;
    std::map<fs::path, std::uint64_t> synced_bytes{};

    /// At the chosen operation every file gets what its fate is, and nothing happens any more.
    void step() {
        if (operations_left-- > 0) return;
        for (const auto& [path, synced] : synced_bytes)
            if (fs::exists(path)) meet_fate(path, synced);
        throw Killed{};
    }

    void meet_fate(const fs::path& path, std::uint64_t synced) const {
        auto bytes = read_file(path);
        const auto fresh = bytes.size() - synced;
        if (fate == Fate::synced) bytes.resize(synced);
        if (fate == Fate::half) bytes.resize(synced + fresh / 2);
        if (fate == Fate::zeros) std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(synced), bytes.end(), '\0');
        if (fate == Fate::first_lost && fresh > 0) bytes[synced] = static_cast<char>(bytes[synced] + 1);
        write_file(path, bytes);
    }
};

class MortalFile {
public:
    MortalFile(const fs::path& path, std::shared_ptr<Machine> machine)
        : path_(path), file_(path), machine_(std::move(machine)) {
        // The writer opens new files, durable ones, and those that it has just renamed.
        const auto renamed = machine_->synced_bytes.extract(path_.string() + ".new");
        machine_->synced_bytes[path_] = renamed.empty() ? fs::file_size(path_) : renamed.mapped();
    }
    void append(Bytes bytes) {
        machine_->step();
        file_.append(bytes);
        machine_->step();
    }
    void sync() {
        machine_->step();
        file_.sync();
        machine_->synced_bytes[path_] = fs::file_size(path_);
        machine_->step();
    }

private:
    fs::path path_;
    PosixFile file_;
    std::shared_ptr<Machine> machine_;
};
static_assert(SegmentFile<MortalFile> && !SegmentFile<std::string>);

Writer<MortalFile> open_mortal(const fs::path& directory, const std::shared_ptr<Machine>& machine) {
    return Writer<MortalFile>::open(directory, stream, tiny,
                                    [machine](const fs::path& path) { return MortalFile(path, machine); });
}

/// Records, the newest boundary among them, and how many of them were synced, as the receiver knew it.
struct Life {
    std::size_t appended = 0;
    std::size_t synced_records = 0;
    Lsn confirmed;
    bool died = false;
};

Life live(const fs::path& directory, const std::vector<Step>& steps, int operations, Fate fate) {
    Life life;
    try {
        auto writer = open_mortal(directory, std::make_shared<Machine>(Machine{operations, fate, {}}));
        for (const auto& step : steps) {
            if (step.kind == Step::Kind::append) ++life.appended;
            if (const auto confirmed = take_step(writer, step)) {
                life.confirmed = *confirmed;
                life.synced_records = life.appended;
            }
        }
    } catch (const Killed&) {
        life.died = true;
    }
    return life;
}

/// Newest boundary before record `count` is followed by another record: where a file with `count` records may resume.
Lsn newest_boundary(const std::vector<Step>& steps, std::size_t count) {
    Lsn newest;
    for (const auto& step : steps) {
        if (step.kind == Step::Kind::append && count-- == 0) break;
        if (step.kind == Step::Kind::boundary) newest = step.end;
    }
    return newest;
}

class SpoolCrash : public ::testing::TestWithParam<Fate> {};

TEST_P(SpoolCrash, after_any_operation_nothing_that_was_confirmed_is_lost_and_nothing_is_invented) {
    const auto steps = make_steps(11, 30, 400);
    const auto records = records_of(steps);
    bool died = true;
    int operations = 0;
    for (; died; ++operations) {
        SCOPED_TRACE(::testing::Message() << "died at operation " << operations);
        const ScratchDirectory scratch;
        const auto life = live(scratch / "spool", steps, operations, GetParam());
        died = life.died;

        auto writer = Writer<>::open(scratch / "spool", stream, tiny);
        const auto resume = writer.durable_boundary();
        ASSERT_GE(resume, life.confirmed);
        const auto left = read_all(scratch / "spool");
        ASSERT_GE(left.size(), life.synced_records);
        ASSERT_LE(left.size(), life.appended);
        ASSERT_TRUE(std::equal(left.begin(), left.end(), records.begin()));
        ASSERT_LE(resume, newest_boundary(steps, left.size()));

        // Life goes on: the source sends again what commits after the resume position.
        writer.append(RecordKind::session, resume, {});
        writer.append(RecordKind::message, {resume.value + 1}, as_bytes("again"));
        writer.boundary({resume.value + 2});
        ASSERT_EQ(writer.sync().value, resume.value + 2);
        const auto whole = read_all(scratch / "spool");
        ASSERT_GE(whole.size(), 2U);
        ASSERT_EQ(whole.back().payload, "again");
        ASSERT_EQ(whole[whole.size() - 2].kind, RecordKind::session);
    }
    EXPECT_GT(operations, 60);
}

INSTANTIATE_TEST_SUITE_P(EveryFate, SpoolCrash,
                         ::testing::Values(Fate::all, Fate::synced, Fate::half, Fate::zeros, Fate::first_lost));

/// The only segment of a short stream, and what a cut at each of its bytes must leave.
struct Example {
    std::string bytes;
    fs::path name;
    struct Mark {
        std::uint64_t end;
        std::size_t records;
        Lsn boundary;
    };
    std::vector<Mark> marks;
    std::vector<Kept> records;
};

Example make_example() {
    Example example;
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, {.block_bytes = 128});
    const auto mark = [&](std::size_t records) {
        const auto boundary = writer.sync();
        example.marks.push_back({writer.published().offset, records, boundary});
    };
    mark(0);
    for (std::uint64_t i = 1; i <= 24; ++i) {
        // Some do not fit into a block, some are compressible.
        const Kept record{RecordKind::message,
                          {i * 10},
                          i % 6 == 0 ? std::string(300 + i, 'z') : fmt::format("row {}", i * 7919 * i)};
        example.records.push_back(record);
        writer.append(record.kind, record.lsn, as_bytes(record.payload));
        // A long record has a block of its own, so its boundary may be cut off alone.
        if (i % 6 == 0) mark(i);
        if (i % 2 == 0) writer.boundary({i * 10 + 5});
        mark(i);
    }
    const auto path = segments(scratch / "spool").front();
    example.name = path.filename();
    example.bytes = read_file(path);
    return example;
}

TEST(SpoolTail, a_cut_at_any_byte_leaves_whole_blocks_and_their_boundary) {
    const auto example = make_example();
    for (std::size_t cut = detail::segment_header_bytes; cut <= example.bytes.size(); ++cut) {
        SCOPED_TRACE(::testing::Message() << "cut at " << cut);
        const ScratchDirectory scratch;
        fs::create_directory(scratch / "spool");
        write_file(scratch / "spool" / example.name, std::string_view(example.bytes).substr(0, cut));
        const auto mark =
            *std::find_if(example.marks.rbegin(), example.marks.rend(), [&](const auto& m) { return m.end <= cut; });

        const std::vector expected(example.records.begin(),
                                   example.records.begin() + static_cast<std::ptrdiff_t>(mark.records));
        ASSERT_EQ(read_all(scratch / "spool"), expected) << "without a writer";
        auto writer = Writer<>::open(scratch / "spool", stream);
        ASSERT_EQ(writer.durable_boundary(), mark.boundary);
        ASSERT_EQ(fs::file_size(scratch / "spool" / example.name), mark.end);
        ASSERT_EQ(read_all(scratch / "spool"), expected);
        writer.append(RecordKind::message, {1000}, as_bytes("after"));
        writer.sync();
        ASSERT_EQ(read_all(scratch / "spool").size(), mark.records + 1);
    }
}

TEST(SpoolTail, a_torn_tail_is_cut_and_said) {
    const auto example = make_example();
    const ScratchDirectory scratch;
    fs::create_directory(scratch / "spool");
    write_file(scratch / "spool" / example.name, example.bytes + "torn");
    const LogCapture log;
    static_cast<void>(Writer<>::open(scratch / "spool", stream));
    static_cast<void>(Writer<>::open(scratch / "spool", stream));
    ASSERT_EQ(log.lines().size(), 1U);
    EXPECT_THAT(log.lines().front(), HasSubstr(fmt::format("cut 4 bytes after offset {}", example.bytes.size())));
    EXPECT_THAT(log.lines().front(), HasSubstr(example.name.string()));
}

TEST(SpoolTail, a_header_that_is_cut_is_damage_because_a_segment_gets_its_name_later) {
    const auto example = make_example();
    for (std::size_t cut = 0; cut < detail::segment_header_bytes; ++cut) {
        const ScratchDirectory scratch;
        fs::create_directory(scratch / "spool");
        write_file(scratch / "spool" / example.name, std::string_view(example.bytes).substr(0, cut));
        EXPECT_THROW(static_cast<void>(Writer<>::open(scratch / "spool", stream)), StateError) << cut;
        EXPECT_THROW(static_cast<void>(read_all(scratch / "spool")), StateError) << cut;
    }
}

TEST(SpoolTail, a_segment_that_was_never_finished_is_removed) {
    const ScratchDirectory scratch;
    static_cast<void>(Writer<>::open(scratch / "spool", stream));
    const auto unfinished = scratch / "spool" / "0000000000000002-0000000000000000.segment.new";
    write_file(unfinished, "TSL");
    static_cast<void>(Writer<>::open(scratch / "spool", stream));
    EXPECT_FALSE(fs::exists(unfinished));
}

TEST(SpoolDamage, a_changed_bit_in_durable_bytes_of_the_last_segment_is_found_and_never_cut_away) {
    const auto example = make_example();
    const auto last_group = example.marks[example.marks.size() - 2].end;
    std::size_t without_meaning = 0;
    for (std::size_t at = 0; at < example.bytes.size(); ++at) {
        SCOPED_TRACE(::testing::Message() << "byte " << at);
        for (const int bit : {0, 4, 7}) {
            const ScratchDirectory scratch;
            fs::create_directory(scratch / "spool");
            auto bytes = example.bytes;
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
            write_file(scratch / "spool" / example.name, bytes);
            try {
                const auto writer = Writer<>::open(scratch / "spool", stream);
                const auto left = read_all(scratch / "spool");
                ASSERT_TRUE(std::equal(left.begin(), left.end(), example.records.begin()));
                // zstd ignores some reserved bits. And what was synced last cannot be told from a torn tail.
                if (at < last_group) {
                    ASSERT_EQ(left.size(), example.records.size());
                    ++without_meaning;
                } else {
                    ASSERT_GE(left.size() + 1, example.records.size());
                }
            } catch (const StateError& e) {
                ASSERT_LT(at, last_group);
                ASSERT_THAT(e.what(), HasSubstr(example.name.string()));
                ASSERT_THAT(e.what(), HasSubstr("at offset "));
                ASSERT_FALSE(e.remedy().empty());
                ASSERT_EQ(fs::file_size(scratch / "spool" / example.name), bytes.size());
            }
        }
    }
    EXPECT_LT(without_meaning, example.bytes.size() / 20);
}

TEST(SpoolDamage, a_changed_bit_in_a_finished_segment_stops_the_reader) {
    const ScratchDirectory scratch;
    const auto steps = make_steps(5, 25, 300);
    {
        auto writer = Writer<>::open(scratch / "spool", stream, tiny);
        for (const auto& step : steps) take_step(writer, step);
    }
    const auto records = records_of(steps);
    const auto files = segments(scratch / "spool");
    ASSERT_GT(files.size(), 3U);
    const auto middle = files[1];
    const auto good = read_file(middle);
    std::size_t without_meaning = 0;  // zstd ignores some reserved bits
    for (std::size_t at = 0; at < good.size(); ++at) {
        auto bytes = good;
        bytes[at] = static_cast<char>(bytes[at] ^ 2);
        write_file(middle, bytes);
        try {
            ASSERT_EQ(read_all(scratch / "spool"), records) << "byte " << at;
            ++without_meaning;
        } catch (const StateError& e) {
            ASSERT_EQ(e.path(), middle.string());
            ASSERT_THAT(e.what(), HasSubstr("at offset "));
        }
    }
    EXPECT_LT(without_meaning, good.size() / 20);
    for (std::size_t cut = 0; cut < good.size(); ++cut) {
        write_file(middle, std::string_view(good).substr(0, cut));
        ASSERT_THROW(static_cast<void>(read_all(scratch / "spool")), StateError) << "cut at " << cut;
        ASSERT_THROW(static_cast<void>(Writer<>::open(scratch / "spool", stream)), StateError) << "cut at " << cut;
    }
}

TEST(SpoolDamage, a_missing_segment_is_named) {
    const ScratchDirectory scratch;
    {
        auto writer = Writer<>::open(scratch / "spool", stream, tiny);
        for (const auto& step : make_steps(5, 25, 300)) take_step(writer, step);
    }
    fs::remove(segments(scratch / "spool")[1]);
    EXPECT_THROW(static_cast<void>(Writer<>::open(scratch / "spool", stream)), StateError);
    try {
        static_cast<void>(read_all(scratch / "spool"));
        FAIL();
    } catch (const StateError& e) {
        EXPECT_THAT(e.what(), HasSubstr("segment 2 is missing"));
    }
}

TEST(SpoolDamage, another_migration_another_version_and_another_name_are_refused) {
    const auto example = make_example();
    const auto message_of = [&](auto change, StreamId reader = stream) {
        const ScratchDirectory scratch;
        fs::create_directory(scratch / "spool");
        auto bytes = example.bytes;
        auto name = example.name;
        change(bytes, name);
        write_file(scratch / "spool" / name, bytes);
        try {
            static_cast<void>(Writer<>::open(scratch / "spool", reader));
        } catch (const StateError& e) {
            return std::string(e.what()) + " / " + e.remedy();
        }
        return std::string("no error");
    };
    const auto nothing = [](auto&, auto&) {};
    EXPECT_EQ(message_of(nothing), "no error");
    EXPECT_THAT(message_of(nothing, StreamId{}), HasSubstr("belongs to another migration"));
    EXPECT_THAT(message_of([](auto& bytes, auto&) { bytes[8] = 2; }),
                HasSubstr("segment version 2, this program knows 1"));
    EXPECT_THAT(message_of([](auto& bytes, auto&) { bytes[0] = 'x'; }),
                HasSubstr("not the beginning of a spool segment"));
    EXPECT_THAT(message_of([](auto&, auto& name) { name = "0000000000000009-0000000000000000.segment"; }),
                HasSubstr("its name is 0000000000000001-"));
    EXPECT_THAT(message_of([](auto&, auto& name) { name = "copy of.segment"; }), HasSubstr("not a segment's name"));
}

TEST(SpoolDamage, a_reader_with_published_bytes_that_are_gone_says_so) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream);
    for (std::uint64_t i = 0; i < 100; ++i) writer.append(RecordKind::message, {i}, as_bytes("x"));
    writer.sync();
    Reader reader(scratch / "spool", stream, writer.frontier(), {});
    fs::resize_file(segments(scratch / "spool").front(), writer.published().offset - 1);
    EXPECT_THROW(static_cast<void>(reader.next()), StateError);
    EXPECT_THROW(
        static_cast<void>(Writer<>::open(
            scratch / "spool", stream, {}, [](const fs::path& path) { return PosixFile(path); }, writer.frontier())),
        StateError)
        << "what readers may have seen is not cut";
}

}  // namespace
}  // namespace tslive::spool::testing
