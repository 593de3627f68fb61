// CASES E14: a transaction over thousands of tables.
#include <algorithm>
#include <string>
#include <string_view>

#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

class ApplyManyTables : public ApplyTest {
protected:
    /// `count` tables on both sides, with a row each.
    void make_tables(int count) {
        constexpr int at_once = 500;  // a transaction has room for so many locks
        for (int first = 0; first < count; first += at_once)
            for (const auto& database : {source, target})
                database.sql(
                    for_each(first, std::min(first + at_once, count),
                             "CREATE TABLE t%1$s (id int PRIMARY KEY, v text); INSERT INTO t%1$s VALUES (1, ''a'')"));
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

}  // namespace
}  // namespace tslive::apply
