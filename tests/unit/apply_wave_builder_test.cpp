// What becomes of two changes to one key, for every pair, and of what is told between the lines: TOAST that did not
// change.
#include <deque>
#include <initializer_list>
#include <random>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/apply_support.hpp"

namespace tslive::apply {
namespace {

using Outcome = WaveBuilder::Outcome;
using test::shown;
using test::Values;

struct WaveBuilderTest : testing::Test {
    /// A row that lives as long as the test; what the builder keeps, it must copy, so `spoil` overwrites them all.
    Row row(const Values& values) {
        auto& texts = texts_.emplace_back();
        auto& out = rows_.emplace_back();
        for (const auto value : values) texts.emplace_back(value);
        for (const auto& text : texts) {
            if (text == "-") out.push_back({ValueKind::null, {}});
            else if (text == "~") out.push_back({ValueKind::unchanged_toast, {}});
            else out.push_back({ValueKind::text, as_bytes(text)});
        }
        return out;
    }
    void spoil() {
        for (auto& texts : texts_)
            for (auto& text : texts) std::fill(text.begin(), text.end(), '!');
    }
    Outcome insert(const Values& values) { return builder.insert(arena, row(values)); }
    Outcome update(const Values& values) { return builder.update(arena, {}, row(values)); }
    Outcome update(const Values& identity, const Values& values) {
        return builder.update(arena, row(identity), row(values));
    }
    Outcome remove(const Values& identity) { return builder.remove(arena, row(identity)); }
    std::string wave() {
        spoil();
        return shown(builder.wave());
    }

    TargetTable table = test::table_of(1, "t");
    Arena arena;
    WaveBuilder builder{table};
    std::deque<std::vector<std::string>> texts_;
    std::deque<std::vector<Value>> rows_;
};

TEST_F(WaveBuilderTest, insert_then_update_is_an_insert_of_the_new_row) {
    EXPECT_EQ(insert({"1", "a", "large"}), Outcome::taken);
    EXPECT_EQ(update({"1", "b", "~"}), Outcome::taken);
    EXPECT_EQ(wave(), "insert(1 b large)");
}

TEST_F(WaveBuilderTest, insert_then_remove_is_nothing_and_an_insert_may_follow) {
    insert({"1", "a", "-"});
    EXPECT_EQ(remove({"1", "-", "-"}), Outcome::taken);
    EXPECT_EQ(shown(builder.wave()), "nothing");
    EXPECT_EQ(insert({"1", "b", "-"}), Outcome::taken);
    EXPECT_EQ(update({"1", "c", "-"}), Outcome::taken);
    EXPECT_EQ(wave(), "insert(1 c -)");
}

TEST_F(WaveBuilderTest, insert_after_insert_of_one_key_waits_for_the_server_to_judge) {
    insert({"1", "a", "-"});
    update({"1", "a", "-"});
    EXPECT_EQ(insert({"1", "b", "-"}), Outcome::flush_first);
}

TEST_F(WaveBuilderTest, update_then_update_keeps_what_either_brought) {
    update({"1", "a", "first"});
    EXPECT_EQ(update({"1", "b", "~"}), Outcome::taken);
    EXPECT_EQ(shown(builder.wave()), "update(1 to 1 b first)");
    EXPECT_EQ(update({"1", "-", "second"}), Outcome::taken);
    EXPECT_EQ(wave(), "update(1 to 1 - second)");
}

TEST_F(WaveBuilderTest, toast_that_no_update_changed_stays_untold) {
    update({"1", "a", "~"});
    update({"1", "b", "~"});
    EXPECT_EQ(wave(), "update(1 to 1 b ~)");
}

TEST_F(WaveBuilderTest, update_then_remove_is_a_remove) {
    update({"1", "a", "~"});
    EXPECT_EQ(remove({"1", "-", "-"}), Outcome::taken);
    EXPECT_EQ(wave(), "remove(1)");
}

TEST_F(WaveBuilderTest, update_then_insert_of_one_key_waits_for_the_server_to_judge) {
    update({"1", "a", "-"});
    update({"2", "a", "-"});
    EXPECT_EQ(insert({"1", "b", "-"}), Outcome::flush_first);
}

TEST_F(WaveBuilderTest, remove_then_insert_replaces_whole) {
    update({"1", "a", "~"});
    remove({"1", "-", "-"});
    EXPECT_EQ(insert({"1", "b", "-"}), Outcome::taken);
    EXPECT_EQ(shown(builder.wave()), "replace(1 by 1 b -)");
    EXPECT_EQ(update({"1", "c", "~"}), Outcome::taken);
    EXPECT_EQ(shown(builder.wave()), "replace(1 by 1 c -)");
    EXPECT_EQ(remove({"1", "-", "-"}), Outcome::taken);
    EXPECT_EQ(wave(), "remove(1)");
}

TEST_F(WaveBuilderTest, remove_then_insert_without_an_index_are_two_changes_that_fold_further) {
    remove({"1", "-", "-"});
    EXPECT_EQ(insert({"1", "b", "-"}), Outcome::taken);
    EXPECT_EQ(shown(builder.wave()), "remove(1), insert(1 b -)");
    EXPECT_EQ(update({"1", "c", "-"}), Outcome::taken);
    EXPECT_EQ(shown(builder.wave()), "remove(1), insert(1 c -)");
    EXPECT_EQ(remove({"1", "-", "-"}), Outcome::taken);
    EXPECT_EQ(shown(builder.wave()), "remove(1), nothing");
    EXPECT_EQ(insert({"1", "d", "-"}), Outcome::taken);
    EXPECT_EQ(wave(), "remove(1), insert(1 d -)");
}

TEST_F(WaveBuilderTest, what_the_source_cannot_have_done_is_left_to_the_server) {
    remove({"1", "-", "-"});
    EXPECT_EQ(update({"1", "a", "-"}), Outcome::flush_first);
    EXPECT_EQ(remove({"1", "-", "-"}), Outcome::flush_first);
    insert({"2", "a", "-"});
    remove({"2", "-", "-"});
    EXPECT_EQ(update({"2", "a", "-"}), Outcome::flush_first);
    EXPECT_EQ(remove({"2", "-", "-"}), Outcome::flush_first);
}

TEST_F(WaveBuilderTest, an_identity_that_came_along_names_the_row) {
    update({"1", "old", "old large"}, {"~", "a", "~"});
    update({"1", "-", "-"}, {"1", "b", "~"});
    EXPECT_EQ(wave(), "update(1 to 1 b ~)");
}

TEST_F(WaveBuilderTest, keys_of_several_columns_are_not_confused) {
    table.key.push_back({1, "="});
    insert({"a", "bc", "-"});
    remove({"ab", "c", "-"});
    update({"a", "bc", "x"});
    EXPECT_EQ(wave(), "insert(a bc x), remove(ab)");
}

TEST_F(WaveBuilderTest, an_empty_key_is_a_key_and_a_missing_one_an_error) {
    insert({"", "a", "-"});
    EXPECT_EQ(update({"", "b", "-"}), Outcome::taken);
    EXPECT_EQ(shown(builder.wave()), "insert(b -)");
    EXPECT_THROW(update({"-", "b", "-"}), Error);
    EXPECT_THROW(update({"~", "b", "-"}), Error);
}

TEST_F(WaveBuilderTest, tables_without_a_key_take_inserts_as_they_come) {
    table.match = Match::by_content;
    table.key.clear();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(insert({"1", "a", "-"}), Outcome::taken);
    EXPECT_EQ(wave(), "insert(1 a -), insert(1 a -), insert(1 a -)");
}

TEST_F(WaveBuilderTest, whole_rows_of_one_key_are_not_taken_for_each_other) {
    table.whole_rows = true;
    EXPECT_EQ(insert({"1", "new", "large"}), Outcome::taken);
    EXPECT_EQ(remove({"1", "old", "large"}), Outcome::flush_first);
    EXPECT_EQ(update({"1", "old", "large"}, {"1", "older", "-"}), Outcome::flush_first);
    EXPECT_EQ(update({"1", "new", "large"}, {"1", "newer", "~"}), Outcome::taken);
    EXPECT_EQ(remove({"1", "newer", "-"}), Outcome::flush_first);
    EXPECT_EQ(remove({"1", "newer", "large"}), Outcome::taken);
    EXPECT_EQ(wave(), "nothing");
}

TEST_F(WaveBuilderTest, clear_forgets_all) {
    update({"1", "a", "-"});
    builder.clear();
    EXPECT_TRUE(builder.empty());
    arena.reset();
    EXPECT_EQ(insert({"1", "b", "-"}), Outcome::taken);
    EXPECT_EQ(wave(), "insert(1 b -)");
}

TEST_F(WaveBuilderTest, a_change_of_key_is_seen) {
    EXPECT_FALSE(WaveBuilder::key_changes(table, row({"1", "-", "-"}), row({"1", "x", "y"})));
    EXPECT_FALSE(WaveBuilder::key_changes(table, row({"1", "-", "-"}), row({"~", "x", "y"})));
    EXPECT_TRUE(WaveBuilder::key_changes(table, row({"1", "-", "-"}), row({"2", "x", "y"})));
    EXPECT_TRUE(WaveBuilder::key_changes(table, row({"a", "-", "-"}), row({"A", "x", "y"})));
}

/// A table as a server has it: applies a wave as Executor does, removes first, then updates, then inserts.
struct Rows {
    std::map<std::string, std::vector<std::string>> rows;

    void apply(const Wave& wave) {
        for (const auto& change : wave.changes)
            if (change.kind == ChangeKind::remove || change.kind == ChangeKind::replace) {
                ASSERT_EQ(rows.erase(text(change.identity[0])), 1U);
            }
        for (const auto& change : wave.changes)
            if (change.kind == ChangeKind::update) {
                auto& row = rows.at(text(change.identity[0]));
                for (std::size_t i = 0; i < row.size(); ++i)
                    if (change.row[i].kind != ValueKind::unchanged_toast) row[i] = text(change.row[i]);
            }
        for (const auto& change : wave.changes)
            if (change.kind == ChangeKind::insert || change.kind == ChangeKind::replace) {
                std::vector<std::string> row;
                for (const auto& value : change.row) {
                    ASSERT_NE(value.kind, ValueKind::unchanged_toast);
                    row.push_back(text(value));
                }
                ASSERT_TRUE(rows.emplace(row[0], row).second);
            }
    }
    static std::string text(const Value& value) {
        return value.kind == ValueKind::null ? "-" : std::string{as_text(value.data)};
    }
};

TEST_F(WaveBuilderTest, any_history_folded_ends_as_it_does_row_by_row) {
    std::mt19937 random(7);
    Rows folded, plain;
    for (int step = 0; step < 20'000; ++step) {
        const auto id = fmt::format("{}", random() % 8);
        const auto v = fmt::format("v{}", step);
        const auto large = fmt::format("l{}", step);
        const bool there = plain.rows.contains(id);
        const auto choice = random() % 4;
        const auto take = [&](auto&& add) {
            if (add() != Outcome::flush_first) return;
            folded.apply(builder.wave());
            builder.clear();
            ASSERT_EQ(add(), Outcome::taken);
        };
        if (!there) {
            take([&] { return insert({id, v, large}); });
            plain.rows[id] = {id, v, large};
        } else if (choice == 0) {
            take([&] { return remove({id, "-", "-"}); });
            plain.rows.erase(id);
        } else if (choice == 1) {
            take([&] { return update({id, v, large}); });
            plain.rows[id] = {id, v, large};
        } else {
            take([&] { return update({id, v, "~"}); });
            plain.rows[id][1] = v;
        }
        if (random() % 50 == 0) {
            spoil();
            folded.apply(builder.wave());
            builder.clear();
            arena.reset();
            texts_.clear();
            rows_.clear();
            ASSERT_EQ(folded.rows, plain.rows) << "after step " << step;
        }
    }
}

}  // namespace
}  // namespace tslive::apply
