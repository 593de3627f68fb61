// Tables whose rows are in chunks: where changes go, which ones are nobody's, what follows a transaction.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/apply_support.hpp"

namespace tslive::test {
namespace {

using ::testing::ElementsAre;

/// A Recorder whose tables can have chunks.
class ChunkRecorder : public Recorder {
public:
    const apply::TargetTable* settle(const apply::TargetTable& table, const pgoutput::CachedRelation&) {
        calls.push_back("settle " + table.name.name);
        return &settled;
    }
    void observe(const pgoutput::CachedRelation& relation, const apply::Change& change) {
        calls.push_back(fmt::format("observe {} {}", relation.name, shown(change)));
    }
    bool has_to_follow() { return !to_follow.empty(); }
    void follow(const apply::TransactionName&) { calls.push_back(std::exchange(to_follow, {})); }
    bool has_compressed_rows(const apply::TargetTable&) const { return compressed; }
    std::optional<bool> hides_changes(std::string_view prefix) const {
        if (prefix == "start") return true;
        if (prefix == "end") return false;
        return std::nullopt;
    }

    bool compressed = false;
    apply::TargetTable settled;
    std::string to_follow;
};
static_assert(apply::KnowsChunks<ChunkRecorder> && !apply::KnowsChunks<Recorder>);

class BatcherWithChunks : public ::testing::Test {
protected:
    /// A chunk of the source that is `chunk` on the target; empty: there is none yet.
    apply::TargetTable& chunk(std::uint32_t id, std::string_view chunk) {
        auto& table = target.tables.emplace_back(table_of(id, chunk.empty() ? "root" : chunk));
        table.hypertable = {"public", "root"};
        if (chunk.empty()) table.chunk_missing = true;
        else table.chunk = table.name;
        table.only = !chunk.empty();
        table.one_by_one = chunk.empty();
        return table;
    }
    std::vector<std::string> calls() { return std::exchange(target.calls, {}); }

    ChunkRecorder target;
    apply::Batcher<ChunkRecorder> batcher{target, {}};
    Source<apply::Batcher<ChunkRecorder>> source{batcher};
};

TEST_F(BatcherWithChunks, what_stands_between_markers_is_left_out_for_chunks_only) {
    chunk(1, "c1");
    target.tables.push_back(table_of(2, "plain"));
    source.begin(100).relation(1, "a").relation(2, "plain").insert(1, {"1", "x", "-"}).message("start");
    source.insert(1, {"2", "x", "-"})
        .remove(1, {"1", "-", "-"})
        .truncate({1})
        .insert(2, {"7", "y", "-"})
        .message("end");
    source.insert(1, {"3", "x", "-"}).commit();
    batcher.commit();
    EXPECT_THAT(calls(), ElementsAre("table a", "table plain", "c1: insert(1 x -), insert(3 x -)",
                                     "plain: insert(7 y -)", "commit 105"));
    EXPECT_EQ(batcher.counts().left_out, 3U);
}

TEST_F(BatcherWithChunks, a_marker_that_does_not_end_in_its_transaction_is_an_error) {
    chunk(1, "c1");
    source.begin(100).message("start");
    EXPECT_THROW(source.commit(), Error);
    batcher.rollback();
    source.begin(100);
    EXPECT_THROW(source.message("end"), Error);
}

TEST_F(BatcherWithChunks, markers_of_a_transaction_that_is_passed_over_count_for_nothing) {
    batcher.start_after(Lsn{200});
    source.begin(100).message("start").commit();
    EXPECT_THAT(calls(), ElementsAre());
}

TEST_F(BatcherWithChunks, a_missing_chunk_is_looked_for_when_its_rows_are_sought_and_not_before) {
    chunk(1, "");
    target.settled = table_of(1, "c1");
    target.settled.hypertable = {"public", "root"};
    target.settled.chunk = target.settled.name;
    source.begin(100).relation(1, "a").insert(1, {"1", "x", "-"}).insert(1, {"2", "x", "-"});
    source.update(1, {"1", "y", "-"}).remove(1, {"2", "-", "-"}).commit();
    batcher.commit();
    EXPECT_THAT(calls(), ElementsAre("table a", "root: insert(1 x -), insert(2 x -)", "settle root",
                                     "c1: update(1 to 1 y -), remove(2)", "commit 105"));
}

TEST_F(BatcherWithChunks, rows_of_a_chunk_that_takes_changes_through_its_table_are_changed_one_by_one) {
    auto& table = chunk(1, "c1");
    table.name = {"public", "root"};
    table.one_by_one = true;
    source.begin(100)
        .relation(1, "a")
        .insert(1, {"1", "x", "-"})
        .update(1, {"1", "y", "-"})
        .remove(1, {"1", "-", "-"})
        .commit();
    batcher.commit();
    EXPECT_THAT(calls(), ElementsAre("table a", "root: insert(1 x -)", "root: single update(1 to 1 y -)",
                                     "root: single remove(1)", "commit 105"));
}

TEST_F(BatcherWithChunks, an_update_that_may_move_a_row_is_made_by_itself_unless_its_key_tells) {
    auto& table = target.tables.emplace_back(table_of(1, "root"));
    table.hypertable = table.name;
    table.dimensions = {"v"};
    source.begin(100).relation(1, "a").update(1, {"1", "y", "-"}).commit();
    batcher.commit();
    EXPECT_THAT(calls(), ElementsAre("table a", "root: single update(1 to 1 y -)", "commit 105"));
    table.dimensions_in_key = true;
    source.begin(200).update(1, {"1", "y", "-"}).update(1, 'K', {"1", "-", "-"}, {"2", "y", "-"}).commit();
    batcher.commit();
    EXPECT_THAT(calls(), ElementsAre("root: update(1 to 1 y -)", "root: single update_key(1 to 2 y -)", "commit 205"));
}

TEST_F(BatcherWithChunks, a_truncate_of_the_whole_table_takes_its_chunks_along) {
    chunk(1, "c1");
    auto& root = target.tables.emplace_back(table_of(2, "root"));
    root.hypertable = root.name;
    source.begin(100).relation(1, "a").relation(2, "r").insert(1, {"1", "x", "-"}).truncate({2, 1}).commit();
    batcher.commit();
    EXPECT_THAT(calls(), ElementsAre("table a", "table r", "c1: insert(1 x -)", "truncate root", "commit 105"));
}

TEST_F(BatcherWithChunks, a_truncate_of_a_chunk_empties_the_one_that_is_there_now) {
    chunk(1, "c1");
    target.settled = table_of(1, "c9");
    target.settled.hypertable = {"public", "root"};
    target.settled.chunk = {"public", "c9"};
    source.begin(100).relation(1, "a").truncate({1}).commit();
    batcher.commit();
    EXPECT_THAT(calls(), ElementsAre("table a", "settle c1", "truncate c9", "commit 105"));
    target.settled.chunk.reset();
    target.settled.chunk_missing = true;
    source.begin(200).truncate({1}).commit();
    batcher.commit();
    EXPECT_THAT(calls(), ElementsAre("settle c9", "commit 205"));
}

TEST_F(BatcherWithChunks, a_truncate_that_cascades_to_compressed_rows_stops) {
    auto& root = target.tables.emplace_back(table_of(1, "root"));
    root.hypertable = root.name;
    target.tables.push_back(table_of(2, "plain"));
    constexpr std::uint8_t cascade = 1;
    source.begin(100).relation(1, "r").relation(2, "p").truncate({2, 1}, cascade).truncate({1}, cascade);
    target.compressed = true;
    source.truncate({1}, cascade).truncate({1, 2});
    EXPECT_THROW(source.truncate({2, 1}, cascade), Error);
}

TEST_F(BatcherWithChunks, a_table_of_compressed_rows_is_only_truncated) {
    chunk(1, "c1").truncate_only = true;
    target.settled = target.tables[0];
    source.begin(100).relation(1, "compressed").insert(1, {"1", "x", "-"}).truncate({1}).commit();
    batcher.commit();
    EXPECT_THAT(calls(), ElementsAre("table compressed", "settle c1", "truncate c1", "commit 105"));
}

TEST_F(BatcherWithChunks, rows_of_the_sources_catalog_are_told_and_what_follows_comes_at_the_end) {
    auto& catalog = target.tables.emplace_back(table_of(1, "mirror"));
    catalog.observed = true;
    chunk(2, "c1");
    source.begin(100).relation(1, "chunk").relation(2, "a").insert(1, {"5", "x", "-"}).insert(2, {"1", "x", "-"});
    target.to_follow = "drop";
    source.remove(1, {"4", "-", "-"}).commit();
    batcher.commit();
    EXPECT_THAT(calls(), ElementsAre("table chunk", "observe chunk insert(5 x -)", "table a", "observe chunk remove(4)",
                                     "mirror: insert(5 x -), remove(4)", "c1: insert(1 x -)", "drop", "commit 105"));
}

TEST_F(BatcherWithChunks, what_follows_a_drop_comes_before_the_rows_that_come_after_it) {
    target.tables.push_back(table_of(1, "mirror"));
    target.tables.back().observed = true;
    chunk(2, "c1");
    source.begin(100).relation(1, "chunk").relation(2, "a").insert(2, {"1", "x", "-"}).remove(1, {"4", "-", "-"});
    target.to_follow = "drop";
    source.insert(2, {"1", "again", "-"}).commit();
    batcher.commit();
    EXPECT_THAT(calls(), ElementsAre("table a", "table chunk", "observe chunk remove(4)", "c1: insert(1 x -)",
                                     "mirror: remove(4)", "drop", "c1: insert(1 again -)", "commit 105"));
}

}  // namespace
}  // namespace tslive::test
