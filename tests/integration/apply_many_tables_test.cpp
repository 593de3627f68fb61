// CASES E14: transactions, and batches of them, over thousands of tables.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

class ApplyManyTables : public ApplyTest {
protected:
    /// `count` tables on both sides, with a row each.
    void make_tables(int count, std::string_view more = "") {
        constexpr int at_once = 100;  // a transaction has room for so many locks
        for (int first = 0; first < count; first += at_once)
            for (const auto& database : {source, target})
                database.sql(for_each(
                    first, std::min(first + at_once, count),
                    fmt::format(
                        "CREATE TABLE t%1$s (id int PRIMARY KEY, v text); INSERT INTO t%1$s VALUES (1, ''a''){}",
                        more)));
        start();
    }
    /// Runs SQL, with %1$s for its number, for each of some tables.
    [[nodiscard]] static std::string for_each(int first, int end, std::string_view sql) {
        return fmt::format("DO $do$ BEGIN FOR i IN {}..{} LOOP EXECUTE format('{}', i); END LOOP; END $do$", first,
                           end - 1, sql);
    }
};

TEST_F(ApplyManyTables, one_transaction_changes_thousands) {
    constexpr int tables = 2'000;
    make_tables(tables);
    source.sql(
        for_each(0, tables, "INSERT INTO t%1$s VALUES (2, ''b''); UPDATE t%1$s SET v = v || ''u'' WHERE id = 1"));
    source.sql(for_each(0, tables, "DELETE FROM t%1$s WHERE id = 2"));
    EXPECT_EQ(apply().counts.transactions, 2U);
    expect_equal();
}

TEST_F(ApplyManyTables, a_batch_of_small_transactions_takes_no_more_locks_than_the_target_has_room_for) {
    constexpr int tables = 1'000;  // four locks each
    target_server = std::make_unique<harness::TestServer>(harness::ServerOptions{
        .settings = {"max_locks_per_transaction=90", "max_connections=20", "max_worker_processes=1",
                     "max_wal_senders=2", "max_prepared_transactions=0", "autovacuum=off"}});
    target = target_server->create_database(name);
    make_tables(tables, "; CREATE INDEX ON t%1$s (v); CREATE INDEX ON t%1$s (id, v)");
    {
        auto session = source.connect();
        for (int i = 0; i < tables; ++i) session.exec(fmt::format("INSERT INTO t{} VALUES (2, 'b')", i));
    }
    auto chosen = options();
    chosen.limits.age = std::chrono::hours{1};  // neither rows nor time end the batch
    auto endless = chosen;
    endless.limits.tables = tables + 1;
    EXPECT_THROW(apply_to(endless), pg::ServerError) << "there is room for all of them, and nothing to be seen here";
    EXPECT_EQ(apply_to(chosen).counts.inserts, static_cast<std::uint64_t>(tables));
    expect_equal();
}

}  // namespace
}  // namespace tslive::apply
