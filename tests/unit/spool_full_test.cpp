#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spool_support.hpp"

namespace tslive::spool::testing {
namespace {

using ::testing::HasSubstr;

/// Full after so many appends; the last of them gets half of its bytes in.
class FullAfter {
public:
    FullAfter(const fs::path& path, std::shared_ptr<int> appends_left)
        : path_(path), file_(path), appends_left_(std::move(appends_left)) {}
    void append(Bytes bytes) {
        if ((*appends_left_)-- > 0) return file_.append(bytes);
        file_.append(bytes.first(bytes.size() / 2));
        throw detail::file_error(path_.string(), fmt::format("wrote {} of {} bytes", bytes.size() / 2, bytes.size()),
                                 ENOSPC);
    }
    void sync() { file_.sync(); }

private:
    fs::path path_;
    PosixFile file_;
    std::shared_ptr<int> appends_left_;
};
static_assert(SegmentFile<FullAfter>);

TEST(SpoolFull, a_full_disk_stops_the_writer_and_goes_on_with_the_same_readers_when_there_is_space) {
    const auto steps = make_steps(21, 30, 400);
    for (int appends = 1; appends < 60; ++appends) {
        SCOPED_TRACE(::testing::Message() << "full after " << appends);
        const ScratchDirectory scratch;
        const auto left = std::make_shared<int>(appends);
        auto writer = Writer<FullAfter>::open(scratch / "spool", stream, small,
                                              [left](const fs::path& path) { return FullAfter(path, left); });
        Reader reader(scratch / "spool", stream, writer.frontier(), {});
        std::size_t appended = 0;
        try {
            for (const auto& step : steps) {
                take_step(writer, step);
                if (step.kind == Step::Kind::append) ++appended;
            }
            FAIL() << "never full";
        } catch (const StateError& e) {
            EXPECT_THAT(e.what(), HasSubstr("the disk is full"));
            EXPECT_THAT(e.what(), HasSubstr((scratch / "spool").string()));
            EXPECT_THAT(e.remedy(), HasSubstr("Free space"));
        }
        EXPECT_THROW(writer.append(RecordKind::message, {1}, {}), StateError);
        EXPECT_THROW(writer.boundary({1'000'000}), StateError);
        EXPECT_THROW(writer.sync(), StateError);
        const auto confirmed = writer.durable_boundary();
        const auto seen = read_all(reader);

        auto again = Writer<>::open(
            scratch / "spool", stream, small, [](const fs::path& path) { return PosixFile(path); }, writer.frontier());
        ASSERT_GE(again.durable_boundary(), confirmed);
        again.append(RecordKind::session, again.durable_boundary(), {});
        again.sync();
        auto whole = seen;
        for (auto& kept : read_all(reader)) whole.push_back(std::move(kept));
        ASSERT_GE(whole.size(), seen.size() + 1);
        ASSERT_EQ(whole.back().kind, RecordKind::session);
        whole.pop_back();
        const auto records = records_of(steps);
        ASSERT_LE(whole.size(), appended + 1);
        ASSERT_TRUE(std::equal(whole.begin(), whole.end(), records.begin()));
    }
}

/// Runs `action` while files of this process may not grow past `bytes`.
template <typename Action>
void with_file_limit(rlim_t bytes, Action action) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    action();
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    static_cast<void>(std::signal(SIGXFSZ, handler));
}

TEST(SpoolFull, the_system_s_refusal_names_the_file_and_the_bytes) {
    const ScratchDirectory scratch;
    auto writer = Writer<>::open(scratch / "spool", stream, {.block_bytes = 1024, .compression_level = 1});
    std::string error, remedy;
    Lsn confirmed;
    with_file_limit(10'000, [&] {
        try {
            for (std::uint64_t i = 1; i < 10'000; ++i) {
                writer.append(RecordKind::message, {i * 10}, as_bytes(fmt::format("{}", i * i * 2654435761U)));
                writer.boundary({i * 10 + 1});
                if (i % 50 == 0) confirmed = writer.sync();
            }
        } catch (const StateError& e) {
            error = e.what();
            remedy = e.remedy();
        }
    });
    EXPECT_THAT(error, HasSubstr(segments(scratch / "spool").front().string() + ": the disk is full: wrote "));
    EXPECT_THAT(error, HasSubstr(" bytes at offset "));
    EXPECT_THAT(remedy, HasSubstr("resume"));
    EXPECT_TRUE(confirmed.valid());

    auto again = Writer<>::open(scratch / "spool", stream);
    EXPECT_GE(again.durable_boundary(), confirmed);
    const auto count = read_all(scratch / "spool").size();
    EXPECT_GE(count * 10 + 1, confirmed.value);
    again.append(RecordKind::session, again.durable_boundary(), {});
    again.sync();
    EXPECT_EQ(read_all(scratch / "spool").size(), count + 1);
}

TEST(SpoolFull, a_device_without_space_is_refused_in_the_same_words) {
    if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
    PosixFile file("/dev/full");
    try {
        file.append(as_bytes("x"));
        FAIL();
    } catch (const StateError& e) {
        EXPECT_THAT(e.what(), HasSubstr("/dev/full: the disk is full: wrote 0 of 1 bytes at offset 0"));
        EXPECT_EQ(e.recovery(), Recovery::operator_action);
    }
}

TEST(SpoolFull, free_space_can_be_asked_for) {
    const ScratchDirectory scratch;
    EXPECT_GT(free_bytes(scratch / ""), 0U);
    EXPECT_THROW(static_cast<void>(free_bytes(scratch / "nothing here")), StateError);
}

}  // namespace
}  // namespace tslive::spool::testing
