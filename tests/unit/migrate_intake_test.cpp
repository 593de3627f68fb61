// Streamed transactions: kept apart until they commit, void when they roll back, in commit order for the reader.
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/golden_stream.hpp"
#include "support/pgoutput_wire.hpp"
#include "tslive/migrate/intake.hpp"
#include "tslive/migrate/rolled_back.hpp"
#include "tslive/pgoutput/peek.hpp"
#include "tslive/spool/reader.hpp"
#include "tslive/spool/streamed.hpp"
#include "tslive/spool/streamed_writer.hpp"
#include "unit/spool_support.hpp"

namespace tslive::migrate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using pgoutput::MessageType;
using spool::testing::stream;
using test::Wire;

constexpr pgoutput::Protocol v2{.version = 2, .streaming = pgoutput::Streaming::on};

Wire start(std::uint32_t xid, bool first) { return Wire('S').u32(xid).u8(first ? 1 : 0); }
Wire stop() { return Wire('E'); }
Wire row(std::uint32_t xid, std::string_view value, std::uint32_t relation = 9) {
    return Wire('I').u32(xid).u32(relation).character('N').u16(1).text_value(value);
}
Wire relation(std::uint32_t xid, std::uint32_t id, std::string_view name) {
    return Wire('R').u32(xid).u32(id).text("public").text(name).character('d').u16(0);
}
Wire stream_commit(std::uint32_t xid, std::uint64_t at) { return Wire('c').u32(xid).u8(0).u64(at).u64(at + 1).u64(7); }
Wire stream_abort(std::uint32_t xid, std::uint32_t subxid) { return Wire('A').u32(xid).u32(subxid); }
Wire begin(std::uint64_t commits_at) { return Wire('B').u64(commits_at).u64(7).u32(5); }
Wire commit(std::uint64_t at) { return Wire('C').u8(0).u64(at).u64(at + 1).u64(7); }

struct Spools {
    explicit Spools(const std::filesystem::path& folder, const spool::Options& options = spool::testing::small)
        : path(folder), main(spool::Writer<>::open(folder, stream, options)), streamed(folder, stream, options),
          intake(main, streamed, v2, [this](std::span<const Xid> subtransactions, Lsn end) {
              asked.emplace_back(end, std::vector<Xid>(subtransactions.begin(), subtransactions.end()));
              if (source_is_gone) throw Error(Recovery::reconnect, "connection lost");
              return rolled_back;
          }) {
        intake.session_begins({1});
        main.boundary({1});
    }
    void take(const Wire& message) { intake.take({++at}, message); }

    std::filesystem::path path;
    spool::Writer<> main;
    spool::StreamedWriter<> streamed;
    std::vector<Xid> rolled_back = {};  ///< what the source says when it is asked
    bool source_is_gone = false;
    std::vector<std::pair<Lsn, std::vector<Xid>>> asked = {};
    Intake<> intake;
    std::uint64_t at = 1;
};

/// What an applier gets to see: messages in commit order, without what was rolled back except for relations; streamed
/// ones without their transaction id, blocks without their marks.
std::vector<std::string> read_back(const std::filesystem::path& path) {
    std::vector<std::string> seen;
    for (const auto& kept : spool::testing::read_all(path)) {
        if (kept.kind == spool::RecordKind::message) seen.push_back(kept.payload);
        if (kept.kind != spool::RecordKind::streamed) continue;
        const auto transaction = spool::decode_streamed(as_bytes(kept.payload), path);
        auto messages = spool::open_streamed(path, stream, transaction);
        while (const auto message = messages.next()) {
            const auto type = pgoutput::peek(message->payload);
            if (type == MessageType::stream_start || type == MessageType::stream_stop || type == MessageType::origin)
                continue;
            const auto xid = pgoutput::streamed_xid(message->payload);
            if (type != MessageType::relation && std::ranges::count(transaction.void_subtransactions, xid) > 0)
                continue;
            const auto plain = pgoutput::without_streamed_xid(message->payload);
            seen.emplace_back(as_text(plain));
        }
        seen.emplace_back(as_text(transaction.commit));
    }
    return seen;
}
std::string plain(const Wire& message) {
    const auto bytes = pgoutput::without_streamed_xid(message);
    return std::string(as_text(bytes));
}
std::string text(const Wire& message) { return std::string(as_text(message.bytes())); }

std::vector<std::string> folders(const std::filesystem::path& spool) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(spool::streamed_folder(spool)))
        found.push_back(entry.path().filename().string());
    std::ranges::sort(found);
    return found;
}

class IntakeTest : public ::testing::Test {
protected:
    spool::testing::ScratchDirectory scratch;
    std::filesystem::path path = scratch / "spool";
};

TEST_F(IntakeTest, interleaved_transactions_come_out_in_commit_order) {
    Spools spools(path);
    spools.take(start(70, true));
    spools.take(row(70, "a1"));
    spools.take(stop());
    spools.take(start(80, true));
    spools.take(row(80, "b1"));
    spools.take(stop());
    spools.take(begin(20));
    spools.take(Wire('I').u32(9).character('N').u16(1).text_value("small"));
    spools.take(commit(20));
    spools.take(start(70, false));
    spools.take(row(70, "a2"));
    spools.take(stop());
    spools.take(stream_commit(80, 30));
    spools.take(stream_commit(70, 40));
    EXPECT_EQ(spools.main.sync(), Lsn{41});
    EXPECT_THAT(read_back(path), ElementsAre(text(begin(20)), plain(row(1, "small")), text(commit(20)),
                                             plain(row(80, "b1")), text(stream_commit(80, 30)), plain(row(70, "a1")),
                                             plain(row(70, "a2")), text(stream_commit(70, 40))));
}

TEST_F(IntakeTest, nothing_of_a_transaction_in_progress_is_confirmed_or_shown) {
    Spools spools(path);
    spools.take(start(70, true));
    spools.take(row(70, "a"));
    spools.take(stop());
    EXPECT_FALSE(spools.intake.transaction_open());
    EXPECT_EQ(spools.main.sync(), Lsn{1});
    EXPECT_THAT(read_back(path), IsEmpty());
}

TEST_F(IntakeTest, what_was_rolled_back_is_left_out) {
    Spools spools(path);
    spools.take(start(70, true));
    spools.take(row(70, "kept"));
    spools.take(row(71, "rolled back"));
    spools.take(stop());
    spools.take(stream_abort(70, 71));
    spools.take(start(70, false));
    spools.take(row(72, "kept too"));
    spools.take(stop());
    spools.take(start(90, true));
    spools.take(row(90, "all of it rolled back"));
    spools.take(stop());
    spools.take(stream_abort(90, 90));
    spools.take(stream_commit(70, 30));
    spools.main.sync();
    EXPECT_THAT(read_back(path),
                ElementsAre(plain(row(70, "kept")), plain(row(72, "kept too")), text(stream_commit(70, 30))));
    EXPECT_THAT(folders(path), ElementsAre("000000000000001f-00000000"));
    EXPECT_THROW(spools.take(stream_commit(90, 50)), DecodeError);
}

TEST_F(IntakeTest, a_rollback_that_the_source_did_not_tell_is_found_out_before_the_commit_counts) {
    Spools spools(path);
    spools.rolled_back = {{72}};
    spools.take(start(70, true));
    spools.take(row(70, "kept"));
    spools.take(row(71, "rolled back, and told"));
    spools.take(row(72, "rolled back"));
    spools.take(relation(72, 9, "told for the others, too"));
    spools.take(stop());
    spools.take(stream_abort(70, 71));
    spools.take(start(70, false));
    spools.take(row(73, "kept too"));
    spools.take(row(72, "rolled back as well"));
    spools.take(stop());
    spools.take(stream_commit(70, 30));
    spools.main.sync();
    EXPECT_EQ(spools.asked, (std::vector<std::pair<Lsn, std::vector<Xid>>>{{Lsn{31}, {{72}, {73}}}}));
    EXPECT_THAT(read_back(path), ElementsAre(plain(row(70, "kept")), plain(relation(72, 9, "told for the others, too")),
                                             plain(row(73, "kept too")), text(stream_commit(70, 30))));
}

TEST_F(IntakeTest, the_source_is_asked_about_subtransactions_only) {
    Spools spools(path);
    spools.take(start(70, true));
    spools.take(row(70, "a"));
    spools.take(row(71, "b"));
    spools.take(stop());
    spools.take(stream_abort(70, 71));
    spools.take(stream_commit(70, 30));
    EXPECT_THAT(spools.asked, IsEmpty());
}

TEST_F(IntakeTest, no_answer_means_no_commit) {
    Spools spools(path);
    const auto again = [&] {
        spools.intake.session_begins({1});
        spools.take(start(70, true));
        spools.take(row(71, "a"));
        spools.take(stop());
        spools.take(stream_commit(70, 30));
    };
    spools.source_is_gone = true;
    EXPECT_THROW(again(), Error);
    EXPECT_EQ(spools.main.sync(), Lsn{1});
    EXPECT_THAT(read_back(path), IsEmpty());
    spools.source_is_gone = false;
    again();
    EXPECT_EQ(spools.main.sync(), Lsn{31});
    EXPECT_THAT(read_back(path), ElementsAre(plain(row(71, "a")), text(stream_commit(70, 30))));
}

TEST_F(IntakeTest, a_hundred_thousand_subtransactions_are_asked_about_once_each) {
    Spools spools(path, {});
    spools.take(start(70, true));
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        spools.take(row(1'000 + i, "in"));
        spools.take(row(70, "out"));
        spools.take(row(999, "a savepoint around them"));
    }
    spools.take(stop());
    spools.take(stream_commit(70, 30));
    ASSERT_EQ(spools.asked.size(), 1U);
    const auto& xids = spools.asked[0].second;
    ASSERT_EQ(xids.size(), 100'001U);
    for (std::uint32_t i = 0; i < xids.size(); ++i) ASSERT_EQ(xids[i], Xid{999 + i});
}

TEST(RolledBack, gives_a_transaction_the_epoch_that_is_nearest) {
    constexpr std::uint64_t epoch = std::uint64_t{1} << 32;
    EXPECT_EQ(with_epoch({740}, 750), 740U);
    EXPECT_EQ(with_epoch({760}, 750), 760U);
    EXPECT_EQ(with_epoch({0xffff'fff0}, 3 * epoch + 5), 2 * epoch + 0xffff'fff0);
    EXPECT_EQ(with_epoch({5}, 2 * epoch + 0xffff'fff0), 3 * epoch + 5);
}

TEST_F(IntakeTest, relations_told_by_a_streamed_transaction_stand_behind_it) {
    Spools spools(path);
    spools.take(start(70, true));
    spools.take(relation(71, 9, "told, then rolled back"));
    spools.take(stop());
    spools.take(stream_abort(70, 71));
    spools.take(start(70, false));
    spools.take(relation(70, 9, "first"));
    spools.take(relation(70, 9, "renamed"));
    spools.take(row(70, "a"));
    spools.take(stop());
    spools.take(stream_commit(70, 30));
    spools.main.sync();
    EXPECT_THAT(read_back(path),
                ElementsAre(plain(relation(71, 9, "told, then rolled back")), plain(relation(70, 9, "first")),
                            plain(relation(70, 9, "renamed")), plain(row(70, "a")), text(stream_commit(70, 30)),
                            plain(relation(70, 9, "renamed"))));
    // A reader that begins in a later segment gets it as well, when the transaction's own folder is long gone.
    std::uint64_t end = 100;
    while (spool::testing::segments(path).size() < 4) spool::testing::transaction(spools.main, ++end);
    spools.main.sync();
    spools.main.retire_before({end});
    spools.streamed.retire_before({end});
    EXPECT_LT(spool::testing::segments(path).size(), 4U);
    EXPECT_THAT(folders(path), IsEmpty());
    std::vector<std::string> context;
    for (const auto& kept : spool::testing::read_all(path, {end}))
        if (kept.kind == spool::RecordKind::context) context.push_back(kept.payload);
    EXPECT_THAT(context, ElementsAre(plain(relation(70, 9, "renamed"))));
}

TEST_F(IntakeTest, a_new_session_makes_what_is_in_progress_void) {
    Spools spools(path);
    spools.take(start(70, true));
    spools.take(row(70, "cut off"));
    EXPECT_THAT(folders(path), ElementsAre("open-00000046"));
    spools.intake.session_begins({1});
    EXPECT_THAT(folders(path), IsEmpty());
    spools.take(start(70, true));
    spools.take(row(70, "sent again"));
    spools.take(stop());
    spools.take(stream_commit(70, 30));
    spools.main.sync();
    EXPECT_THAT(read_back(path), ElementsAre(plain(row(70, "sent again")), text(stream_commit(70, 30))));
}

TEST_F(IntakeTest, a_killed_receiver_leaves_nothing_but_what_was_committed) {
    {
        Spools spools(path);
        spools.take(start(70, true));
        spools.take(row(70, "committed"));
        spools.take(stop());
        spools.take(stream_commit(70, 30));
        spools.main.sync();
        spools.take(start(80, true));
        spools.take(row(80, "in progress"));
    }
    EXPECT_THAT(folders(path), ElementsAre("000000000000001f-00000000", "open-00000050"));
    const Spools spools(path);
    EXPECT_THAT(folders(path), ElementsAre("000000000000001f-00000000"));
    EXPECT_THAT(read_back(path), ElementsAre(plain(row(70, "committed")), text(stream_commit(70, 30))));
    EXPECT_GT(spools.streamed.bytes_on_disk(), 0U);
}

TEST_F(IntakeTest, a_transaction_that_is_sent_twice_is_kept_twice) {
    Spools spools(path);
    for (int time = 0; time < 2; ++time) {
        spools.intake.session_begins({1});
        spools.take(start(70, true));
        spools.take(row(70, time == 0 ? "a" : "the same, in blocks of another size"));
        spools.take(stop());
        spools.take(stream_commit(70, 30));
    }
    spools.main.sync();
    EXPECT_THAT(folders(path), ElementsAre("000000000000001f-00000000", "000000000000001f-00000001"));
    EXPECT_EQ(read_back(path).size(), 4U);
    spools.streamed.retire_before({30});
    EXPECT_EQ(folders(path).size(), 2U);
    spools.streamed.retire_before({31});
    EXPECT_THAT(folders(path), IsEmpty());
    EXPECT_EQ(spools.streamed.bytes_on_disk(), 0U);
}

TEST_F(IntakeTest, a_transaction_whose_end_was_lost_is_damage) {
    Spools spools(path);
    spools.take(start(70, true));
    for (int i = 0; i < 50; ++i) spools.take(row(70, fmt::format("a row with some length to it {}", i * 7919)));
    spools.take(stop());
    spools.take(stream_commit(70, 30));
    spools.main.sync();
    const auto folder = spool::streamed_folder(path) / "000000000000001f-00000000";
    const auto last = spool::testing::segments(folder).back();
    const auto bytes = spool::testing::read_file(last);
    for (const std::size_t missing : {std::size_t{1}, bytes.size() / 3}) {
        spool::testing::write_file(last, std::string_view(bytes).substr(0, bytes.size() - missing));
        EXPECT_THROW(read_back(path), StateError) << missing;
    }
    std::filesystem::remove_all(folder);
    EXPECT_THROW(read_back(path), StateError);
}

TEST_F(IntakeTest, what_cannot_be_is_refused) {
    Spools spools(path);
    const auto problem = [&](const Wire& message) {
        try {
            spools.take(message);
        } catch (const DecodeError& error) {
            return std::string{error.what()};
        }
        return std::string{"accepted"};
    };
    EXPECT_THAT(problem(stream_commit(70, 30)), HasSubstr("transaction 70 commits, and nothing of it came before"));
    EXPECT_THAT(problem(start(70, false)), HasSubstr("came before its first block"));
    EXPECT_THAT(problem(stop()), HasSubstr("no streamed block is open"));
    spools.take(start(70, true));
    spools.take(stop());
    EXPECT_THAT(problem(start(70, true)), HasSubstr("says that it is the first, and is not"));
    spools.take(start(70, false));
    for (const auto& message : {start(80, true), begin(20), commit(20), stream_commit(70, 30), stream_abort(70, 70)})
        EXPECT_THAT(problem(message), HasSubstr("no transaction id inside a streamed block"));
    spools.take(stop());
    spools.take(begin(20));
    EXPECT_THAT(problem(start(80, true)), HasSubstr("begins inside a transaction"));
}

/// An independent reading of the same stream: everything in memory.
std::vector<std::string> expected_of(const test::GoldenStream& golden) {
    struct Part {
        Xid xid;
        std::string message;
    };
    std::map<Xid, std::vector<Part>> open;
    std::optional<Xid> block;
    std::vector<std::string> expected;
    for (const auto& message : golden.messages) {
        const auto type = pgoutput::peek(message.bytes);
        if (type == MessageType::stream_start) {
            block = pgoutput::read_stream_start(message.bytes).xid;
        } else if (type == MessageType::stream_stop) {
            block.reset();
        } else if (type == MessageType::stream_abort) {
            const auto gone = pgoutput::read_stream_abort(message.bytes, golden.protocol);
            if (gone.xid == gone.subxid) open.erase(gone.xid);
            else std::erase_if(open[gone.xid], [&](const Part& part) { return part.xid == gone.subxid; });
        } else if (type == MessageType::stream_commit) {
            const auto xid = pgoutput::read_stream_commit(message.bytes).xid;
            for (const auto& part : open[xid]) expected.push_back(part.message);
            expected.emplace_back(as_text(message.bytes));
            open.erase(xid);
        } else if (block) {
            if (type == MessageType::origin) continue;
            const auto bytes = pgoutput::without_streamed_xid(message.bytes);
            open[*block].push_back({pgoutput::streamed_xid(message.bytes), std::string(as_text(bytes))});
        } else {
            expected.emplace_back(as_text(message.bytes));
        }
    }
    return expected;
}

TEST_F(IntakeTest, captured_streams_come_out_as_they_were_committed) {
    int streams = 0;
    for (const auto& file : test::golden_streams()) {
        const auto golden = test::GoldenStream::load(file);
        if (golden.protocol.streaming == pgoutput::Streaming::parallel) continue;
        const auto at = scratch / fmt::format("golden{}", ++streams);
        Spools spools(at, {.segment_bytes = 20'000, .block_bytes = 4'096, .compression_level = 1});
        for (const auto& message : golden.messages) spools.intake.take(message.lsn, message.bytes);
        spools.main.boundary({~std::uint64_t{0}});
        spools.main.sync();
        // Relations that stand behind a streamed transaction are there in addition.
        auto seen = read_back(at);
        auto expected = expected_of(golden);
        const auto is_relation = [](const std::string& message) { return message.starts_with('R'); };
        std::erase_if(seen, is_relation);
        std::erase_if(expected, is_relation);
        EXPECT_EQ(seen, expected) << file;
    }
    EXPECT_GT(streams, 1);
}

/// A disk that takes so many bytes and no more.
struct SmallDisk {
    explicit SmallDisk(std::size_t* left) : left_(left) {}
    void append(Bytes bytes) {
        if (bytes.size() > *left_) throw StateError("spool", "the disk is full");
        *left_ -= bytes.size();
    }
    void sync() {}
    std::size_t* left_;
};

TEST_F(IntakeTest, a_full_disk_stops_a_streamed_transaction_before_it_counts) {
    std::size_t left = 5'000;
    const auto opener = [&left](const std::filesystem::path& file) {
        if (!std::filesystem::exists(file)) spool::testing::write_file(file, "");
        return SmallDisk(&left);
    };
    auto main = spool::Writer<SmallDisk>::open(path, stream, spool::testing::small, opener);
    spool::StreamedWriter<SmallDisk> streamed(path, stream, spool::testing::small, opener);
    Intake<SmallDisk> intake(main, streamed, v2, [](std::span<const Xid>, Lsn) { return std::vector<Xid>{}; });
    intake.session_begins({1});
    main.boundary({1});
    intake.take({2}, start(70, true));
    const auto fill = [&] {
        std::uint64_t noise = 1;
        for (int i = 0; i < 1'000; ++i) {
            std::string value;
            while (value.size() < 100)
                value += static_cast<char>((noise = noise * 6364136223846793005U + 1442695040888963407U) >> 56);
            intake.take({3}, row(70, value));
        }
        intake.take({4}, stop());
        intake.take({5}, stream_commit(70, 30));
    };
    EXPECT_THROW(fill(), StateError);
    EXPECT_EQ(main.durable_boundary(), Lsn{0});
}

}  // namespace
}  // namespace tslive::migrate
