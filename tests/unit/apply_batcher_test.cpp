#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/apply_support.hpp"

namespace tslive::apply {
namespace {

using test::Recorder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

using TestBatcher = Batcher<Recorder>;

struct BatcherTest : testing::Test {
    BatcherTest() {
        target.tables = {test::table_of(1, "a"), test::table_of(2, "b"), test::table_of(3, "full", Match::by_content),
                         test::table_of(4, "none", Match::none)};
    }
    /// What the target was told since the last call, without the look-ups of tables.
    std::vector<std::string> told() {
        auto calls = std::exchange(target.calls, {});
        std::erase_if(calls, [](const std::string& call) { return call.starts_with("table "); });
        return calls;
    }
    Recorder target;
    TestBatcher batcher{target, {.rows = 1000, .buffer_bytes = 1U << 20, .age = std::chrono::hours{1}}};
    test::Source<TestBatcher> source{batcher};
};

TEST_F(BatcherTest, several_transactions_are_committed_as_one_at_the_end_of_the_last) {
    source.relation(1, "a").begin(100).insert(1, {"1", "x", "-"}).commit();
    source.begin(200).insert(1, {"2", "y", "-"}).commit();
    EXPECT_THAT(told(), IsEmpty());
    EXPECT_TRUE(batcher.pending());
    EXPECT_EQ(batcher.complete(), Lsn{205});
    EXPECT_EQ(batcher.applied(), Lsn{});
    batcher.commit();
    EXPECT_THAT(told(), ElementsAre("a: insert(1 x -), insert(2 y -)", "commit 205"));
    EXPECT_EQ(batcher.applied(), Lsn{205});
    EXPECT_EQ(batcher.applied_time()->microseconds, 7'000'000);
    EXPECT_FALSE(batcher.pending());
    EXPECT_EQ(batcher.counts().transactions, 2U);
    EXPECT_EQ(batcher.counts().inserts, 2U);
}

TEST_F(BatcherTest, a_batch_is_never_full_inside_a_transaction) {
    TestBatcher small(target, {.rows = 2, .buffer_bytes = 1U << 20, .age = std::chrono::hours{1}});
    test::Source<TestBatcher> from(small);
    from.relation(1, "a").begin(100);
    for (const auto* id : {"1", "2", "3", "4"}) from.insert(1, {id, "x", "-"});
    EXPECT_FALSE(small.full());
    from.commit();
    EXPECT_TRUE(small.full());
    small.commit();
    EXPECT_FALSE(small.full());
    from.begin(200).insert(1, {"5", "x", "-"}).commit();
    EXPECT_FALSE(small.full());
}

// CASES C12: before version 15 the source sends a transaction also when nothing in it was for us.
TEST_F(BatcherTest, a_flood_of_empty_transactions_is_one_commit) {
    for (std::uint64_t at = 1; at <= 100'000; ++at) source.begin(10 * at).commit();
    EXPECT_THAT(told(), IsEmpty());
    EXPECT_TRUE(batcher.pending());
    batcher.commit();
    EXPECT_THAT(told(), ElementsAre("commit 1000005"));
    EXPECT_EQ(batcher.applied(), Lsn{1'000'005});
    EXPECT_EQ(batcher.counts().batches, 1U);
}

TEST_F(BatcherTest, an_old_batch_is_full) {
    TestBatcher impatient(target, {.age = std::chrono::milliseconds{0}});
    test::Source<TestBatcher> from(impatient);
    from.relation(1, "a").begin(100).insert(1, {"1", "x", "-"});
    EXPECT_FALSE(impatient.full());
    from.commit();
    EXPECT_TRUE(impatient.full());
}

TEST_F(BatcherTest, a_batch_over_many_tables_is_full) {
    TestBatcher few(target, {.tables = 2, .age = std::chrono::hours{1}});
    test::Source<TestBatcher> from(few);
    from.relation(1, "a").relation(2, "b");
    for (const std::uint64_t at : {100, 200, 300}) from.begin(at).insert(1, {fmt::format("{}", at), "x", "-"}).commit();
    EXPECT_FALSE(few.full());
    from.begin(400).insert(2, {"1", "x", "-"}).insert(1, {"1", "x", "-"});
    EXPECT_FALSE(few.full());
    from.commit();
    EXPECT_TRUE(few.full());
    few.commit();
    from.begin(500).insert(2, {"2", "x", "-"}).commit();
    EXPECT_FALSE(few.full());
}

TEST_F(BatcherTest, a_large_transaction_is_handed_over_before_it_is_complete) {
    TestBatcher small(target, {.rows = 1000, .buffer_bytes = 1000, .age = std::chrono::hours{1}});
    test::Source<TestBatcher> from(small);
    const std::string large(600, 'x');
    from.relation(1, "a").begin(100).insert(1, {"1", large, "-"});
    EXPECT_THAT(told(), IsEmpty());
    from.insert(1, {"2", large, "-"});
    EXPECT_EQ(told().size(), 1U);
    EXPECT_FALSE(small.full());
    EXPECT_FALSE(small.pending());
}

TEST_F(BatcherTest, rows_without_bytes_are_bounded_too) {
    auto& empty = target.tables.emplace_back();
    empty.source = {9};
    empty.name = {"public", "empty"};
    TestBatcher small(target, {.rows = 1000, .buffer_bytes = 100 * sizeof(Change), .age = std::chrono::hours{1}});
    test::Source<TestBatcher> from(small);
    from.send(test::Wire('R').u32(9).text("public").text("empty").character('d').u16(0));
    from.begin(100);
    for (int i = 0; i < 101; ++i) from.insert(9, {});
    EXPECT_EQ(told().size(), 1U);
}

TEST_F(BatcherTest, transactions_on_the_target_are_passed_over_by_their_commit_position) {
    batcher.start_after({205});
    source.relation(1, "a");
    source.begin(100).insert(1, {"1", "x", "-"}).commit();
    source.begin(200).insert(1, {"2", "x", "-"}).update(1, {"2", "y", "-"}).message("m").commit();
    EXPECT_FALSE(batcher.pending());
    source.begin(205).insert(1, {"3", "x", "-"}).commit();  // begins where the other ends
    batcher.commit();
    EXPECT_THAT(told(), ElementsAre("a: insert(3 x -)", "commit 210"));
    EXPECT_EQ(batcher.counts().transactions, 1U);
}

TEST_F(BatcherTest, a_transaction_that_comes_twice_before_the_commit_is_applied_once) {
    source.relation(4, "none").begin(100).insert(4, {"1", "x", "-"}).commit();
    EXPECT_FALSE(batcher.session_begins());
    source.relation(4, "none").begin(100).insert(4, {"1", "x", "-"}).commit();
    source.begin(200).insert(4, {"2", "x", "-"}).commit();
    batcher.commit();
    EXPECT_THAT(told(), ElementsAre("none: insert(1 x -)", "none: insert(2 x -)", "commit 205"));
}

TEST_F(BatcherTest, changes_that_the_tables_copy_holds_are_passed_over) {
    target.tables[0].copied_at = {150};
    source.relation(1, "a").relation(2, "b");
    source.begin(100).insert(1, {"1", "x", "-"}).insert(2, {"1", "x", "-"}).truncate({1, 2}).commit();
    source.begin(150).insert(1, {"2", "x", "-"}).truncate({1, 2}).commit();
    batcher.commit();
    EXPECT_THAT(told(),
                ElementsAre("b: insert(1 x -)", "truncate only b", "a: insert(2 x -)", "truncate a b", "commit 155"));
}

TEST_F(BatcherTest, changes_of_tables_that_are_left_out_are_counted) {
    source.relation(7, "not_ours").begin(100).insert(7, {"1", "x", "-"}).truncate({7}).commit();
    source.relation(7, "not_ours", {"more"}).begin(200).insert(7, {"1", "x", "-", "-"}).commit();
    batcher.commit();
    EXPECT_THAT(told(), ElementsAre("commit 205"));
    EXPECT_EQ(batcher.counts().left_out, 3U);
}

TEST_F(BatcherTest, a_session_that_begins_between_transactions_forgets_the_relations_and_loses_nothing) {
    source.relation(1, "a").begin(100).insert(1, {"1", "x", "-"}).commit();
    EXPECT_FALSE(batcher.session_begins());
    EXPECT_TRUE(batcher.pending());
    EXPECT_THROW(source.begin(200).insert(1, {"2", "x", "-"}), DecodeError);
}

TEST_F(BatcherTest, a_session_that_begins_inside_a_transaction_makes_it_void) {
    source.relation(1, "a").begin(100).insert(1, {"1", "x", "-"}).commit().begin(200).insert(1, {"2", "x", "-"});
    EXPECT_TRUE(batcher.session_begins());
    batcher.rollback();
    EXPECT_FALSE(batcher.in_transaction());
    EXPECT_FALSE(batcher.pending());
    EXPECT_EQ(batcher.complete(), Lsn{});
    EXPECT_THAT(told(), ElementsAre("rollback"));
    source.relation(1, "a")
        .begin(100)
        .insert(1, {"1", "x", "-"})
        .commit()
        .begin(200)
        .insert(1, {"2", "x", "-"})
        .commit();
    batcher.commit();
    EXPECT_THAT(told(), ElementsAre("a: insert(1 x -), insert(2 x -)", "commit 205"));
}

TEST_F(BatcherTest, a_void_transaction_that_is_on_the_target_already_is_no_loss) {
    batcher.start_after({300});
    source.relation(1, "a").begin(200).insert(1, {"1", "x", "-"});
    EXPECT_FALSE(batcher.session_begins());
    EXPECT_FALSE(batcher.in_transaction());
}

TEST_F(BatcherTest, a_relation_that_changes_in_the_middle_ends_its_wave) {
    source.relation(1, "a").relation(2, "b").begin(100).insert(1, {"1", "x", "-"}).insert(2, {"1", "x", "-"});
    source.relation(1, "a");  // the same again
    source.insert(1, {"2", "x", "-"});
    EXPECT_THAT(told(), IsEmpty());
    source.relation(1, "a", {"more"}).insert(1, {"3", "x", "-", "y"}).commit();
    batcher.commit();
    EXPECT_THAT(told(),
                ElementsAre("a: insert(1 x -), insert(2 x -)", "b: insert(1 x -)", "a: insert(3 x - y)", "commit 105"));
}

TEST_F(BatcherTest, each_tables_changes_make_one_wave_whatever_their_order) {
    source.relation(1, "a").relation(2, "b").begin(100);
    source.insert(2, {"1", "x", "-"})
        .insert(1, {"1", "x", "-"})
        .insert(2, {"2", "x", "-"})
        .update(1, {"5", "y", "-"})
        .commit();
    batcher.commit();
    EXPECT_THAT(told(),
                ElementsAre("b: insert(1 x -), insert(2 x -)", "a: insert(1 x -), update(5 to 5 y -)", "commit 105"));
}

TEST_F(BatcherTest, what_cannot_be_part_of_a_set_comes_after_what_was_before_it) {
    source.relation(1, "a").relation(3, "full", {}, 'f').begin(100);
    source.insert(1, {"1", "x", "-"}).update(1, 'K', {"1", "-", "-"}, {"2", "x", "~"}).update(1, {"2", "y", "~"});
    source.insert(3, {"1", "x", "-"})
        .update(3, 'O', {"1", "x", "-"}, {"1", "y", "-"})
        .remove(3, {"1", "y", "-"}, 'O')
        .insert(3, {"2", "x", "-"})
        .commit();
    batcher.commit();
    EXPECT_THAT(told(), ElementsAre("a: insert(1 x -)", "a: single update_key(1 to 2 x ~)", "full: insert(1 x -)",
                                    "full: single update(1 to 1 y -)", "full: single remove(1)",
                                    "a: update(2 to 2 y ~)", "full: insert(2 x -)", "commit 105"));
}

TEST_F(BatcherTest, an_old_key_that_equals_the_new_one_is_no_change_of_key) {
    source.relation(1, "a")
        .begin(100)
        .update(1, 'K', {"1", "-", "-"}, {"~", "x", "-"})
        .update(1, 'O', {"2", "a", "b"}, {"2", "x", "-"})
        .commit();
    batcher.commit();
    EXPECT_THAT(told(), ElementsAre("a: update(1 to ~ x -), update(2 to 2 x -)", "commit 105"));
}

TEST_F(BatcherTest, a_truncate_stands_between_what_was_before_and_after_it) {
    source.relation(1, "a").relation(2, "b").begin(100).insert(1, {"1", "x", "-"}).insert(2, {"1", "x", "-"});
    source.truncate({1}, 2).insert(1, {"2", "x", "-"}).commit();
    batcher.commit();
    EXPECT_THAT(told(), ElementsAre("a: insert(1 x -)", "b: insert(1 x -)", "truncate a restart", "a: insert(2 x -)",
                                    "commit 105"));
    EXPECT_EQ(batcher.counts().truncates, 1U);
}

TEST_F(BatcherTest, a_truncate_of_which_a_part_is_not_ours_says_so) {
    target.tables[1].copied_at = Lsn{1000};
    source.relation(1, "a").relation(2, "b").begin(100).truncate({1, 2}).commit();
    EXPECT_THAT(told(), ElementsAre("truncate only a"));
}

TEST_F(BatcherTest, a_key_found_by_content_need_not_come_apart_from_its_row) {
    target.tables[2].whole_rows = false;
    source.relation(3, "full").begin(100).update(3, {"1", "x", "-"}).commit();
    EXPECT_THAT(told(), ElementsAre("full: single update(1 to 1 x -)"));
}

TEST_F(BatcherTest, a_truncate_of_what_shares_its_table_with_others_stops) {
    target.tables[0].shared = true;
    source.relation(1, "a").begin(100);
    EXPECT_THAT([&] { source.truncate({1}); }, ThrowsMessage<Error>(HasSubstr("TRUNCATE of a arrived")));
}

TEST_F(BatcherTest, row_by_row_keeps_the_sources_order) {
    batcher.set_mode(TestBatcher::Mode::row_by_row);
    source.relation(1, "a").relation(2, "b").begin(100);
    source.insert(1, {"1", "x", "-"})
        .insert(2, {"1", "x", "-"})
        .update(1, {"1", "y", "-"})
        .update(1, 'K', {"1", "-", "-"}, {"2", "y", "-"});
    source.remove(1, {"2", "-", "-"}).truncate({2}).insert(1, {"2", "z", "-"}).commit();
    batcher.commit();
    EXPECT_THAT(told(), ElementsAre("a: insert(1 x -)", "b: insert(1 x -)", "a: update(1 to 1 y -)",
                                    "a: single update_key(1 to 2 y -)", "a: remove(2)", "truncate b",
                                    "a: insert(2 z -)", "commit 105"));
}

TEST_F(BatcherTest, a_change_without_identity_stops_and_names_table_and_position) {
    source.relation(4, "none", {}, 'n').begin(100);
    EXPECT_THAT(
        [&] {
            source.update(4, {"1", "x", "-"});
        },
        ThrowsMessage<Error>(testing::AllOf(HasSubstr("public.none"), HasSubstr("commit at 0/64"))));
    EXPECT_THAT([&] { source.remove(4, {"1", "-", "-"}); }, ThrowsMessage<Error>(HasSubstr("a DELETE arrived")));
    EXPECT_THAT(
        [&] {
            source.relation(1, "a").remove(1, {"-", "-", "-"});
        },
        ThrowsMessage<Error>(HasSubstr("without a value for its key column id")));
}

TEST_F(BatcherTest, a_stream_out_of_order_is_an_error) {
    source.relation(1, "a");
    EXPECT_THROW(source.insert(1, {"1", "x", "-"}), Error);
    EXPECT_THROW(source.commit(), Error);
    source.begin(100);
    EXPECT_THROW(source.begin(200), Error);
    EXPECT_THROW(source.send(test::Wire('C').u8(0).u64(101).u64(102).u64(0)), Error);
    EXPECT_THROW(source.insert(1, {"1", "x"}), DecodeError);
}

TEST_F(BatcherTest, messages_are_told_with_their_position_unless_they_are_passed_over) {
    std::vector<std::string> seen;
    batcher.on_message = [&](std::string_view prefix, Lsn at) { seen.push_back(fmt::format("{} {}", prefix, at)); };
    batcher.start_after({105});
    source.begin(100).message("old").commit().begin(200).message("new").commit().message("outside");
    EXPECT_THAT(seen, ElementsAre("new 0/2A", "outside 0/2A"));
}

/// A few transactions of every kind of call.
void play(test::Source<TestBatcher>& source, TestBatcher& batcher) {
    source.relation(1, "a").relation(2, "b").relation(3, "full", {}, 'f');
    source.begin(100)
        .insert(1, {"1", "x", "-"})
        .insert(2, {"1", "x", "-"})
        .update(1, 'K', {"1", "-", "-"}, {"2", "x", "-"})
        .commit();
    source.begin(200)
        .truncate({2})
        .remove(3, {"1", "x", "-"}, 'O')
        .relation(1, "a", {"more"})
        .insert(1, {"7", "x", "-", "-"})
        .commit();
    batcher.commit();
    source.begin(300).insert(2, {"9", "x", "-"}).commit();
    batcher.commit();
}

TEST_F(BatcherTest, whatever_call_fails_a_rollback_and_the_same_again_give_the_same) {
    play(source, batcher);
    const auto whole = std::exchange(target.calls, {});
    for (int fail_at = 0; fail_at < static_cast<int>(whole.size()); ++fail_at) {
        Recorder failing;
        failing.tables = target.tables;
        failing.fail_at = fail_at;
        TestBatcher tried(failing, {.age = std::chrono::hours{1}});
        test::Source<TestBatcher> from(tried);
        EXPECT_THROW(play(from, tried), Error) << fail_at;
        tried.rollback();
        EXPECT_EQ(failing.calls.back(), "rollback");
        const bool first_batch_applied = tried.applied() == Lsn{205};
        failing.fail_at = -1;
        failing.calls.clear();
        test::Source<TestBatcher> again(tried);
        play(again, tried);
        EXPECT_EQ(tried.applied(), Lsn{305});
        if (first_batch_applied)
            EXPECT_THAT(failing.calls, ElementsAre("table b", "b: insert(9 x -)", "commit 305")) << fail_at;
        else EXPECT_EQ(failing.calls, whole) << fail_at;
    }
}

}  // namespace
}  // namespace tslive::apply
