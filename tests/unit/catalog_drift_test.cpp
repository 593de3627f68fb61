#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/catalog/drift.hpp"

namespace tslive::catalog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr TypeId int4{23}, text{25};

ShapeColumn column(std::int16_t number, std::string name, TypeId type = text) {
    return {.number = number, .name = std::move(name), .type = type, .type_modifier = -1, .generated = false};
}

/// A table `s.t` with columns id (1), a (2), b (3) that was copied into one that is the same.
class CatalogDrift : public testing::Test {
protected:
    CatalogDrift() { follow(seen.columns); }

    void source_is(std::vector<ShapeColumn> columns, std::int16_t attributes) {
        now.columns.clear();
        for (const auto& one : columns) {
            ColumnDefinition definition;
            static_cast<ShapeColumn&>(definition) = one;
            definition.type_text = one.type == int4 ? "integer" : "text";
            now.columns.push_back(std::move(definition));
        }
        now.attributes = attributes;
    }
    void follow(const std::vector<ShapeColumn>& columns) {
        there.clear();
        for (const auto& one : columns) {
            Column target;
            target.name = one.name;
            target.full_type = one.type == int4 ? "integer" : "text";
            there.push_back(std::move(target));
        }
    }
    [[nodiscard]] Drift drift(const std::vector<ShapeColumn>& sent) const {
        return drift_of(seen, sent, now, {"s", "t"}, there);
    }

    TableShape seen{
        .file_node = 1, .attributes = 3, .columns = {column(1, "id", int4), column(2, "a"), column(3, "b")}};
    TableDefinition now{.name = {"s", "t"}, .file_node = 1, .attributes = 3, .columns = {}};
    std::vector<Column> there;
};

TEST_F(CatalogDrift, is_none_while_the_source_is_ahead_of_what_was_seen) {
    source_is({column(1, "id", int4), column(3, "c"), column(4, "d")}, 4);
    EXPECT_TRUE(drift({column(0, "id", int4), column(0, "a"), column(0, "b")}).none());
}

TEST_F(CatalogDrift, tells_a_renamed_column_from_a_dropped_and_an_added_one_by_its_number) {
    source_is({column(1, "id", int4), column(2, "c"), column(3, "b")}, 3);
    EXPECT_THAT(drift({column(0, "id", int4), column(0, "c"), column(0, "b")}).statements,
                ElementsAre("ALTER TABLE \"s\".\"t\" RENAME COLUMN \"a\" TO \"c\";"));
    source_is({column(1, "id", int4), column(3, "b"), column(4, "c")}, 4);
    const auto replaced = drift({column(0, "id", int4), column(0, "b"), column(0, "c")});
    EXPECT_THAT(replaced.statements, ElementsAre("ALTER TABLE \"s\".\"t\" DROP COLUMN \"a\";",
                                                 "ALTER TABLE \"s\".\"t\" ADD COLUMN \"c\" text;"));
    EXPECT_FALSE(replaced.copy_again);
}

TEST_F(CatalogDrift, lets_later_columns_wait_for_their_own_message) {
    source_is({column(1, "id", int4), column(2, "a"), column(3, "b"), column(4, "c"), column(5, "d")}, 5);
    const auto first = drift({column(0, "id", int4), column(0, "a"), column(0, "b"), column(0, "c")});
    EXPECT_THAT(first.statements, ElementsAre("ALTER TABLE \"s\".\"t\" ADD COLUMN \"c\" text;"));
    EXPECT_FALSE(first.copy_again);
}

TEST_F(CatalogDrift, is_none_once_the_target_has_followed) {
    source_is({column(1, "id", int4), column(2, "c"), column(4, "d")}, 4);
    follow({column(0, "id", int4), column(0, "c"), column(0, "d"), column(0, "only here")});
    EXPECT_TRUE(drift({column(0, "id", int4), column(0, "c"), column(0, "d")}).none());
}

TEST_F(CatalogDrift, copies_again_where_the_definitions_do_not_tell_what_rows_hold) {
    // Rewritten.
    source_is({column(1, "id", int4), column(2, "a"), column(3, "b"), column(4, "c")}, 4);
    now.file_node = 2;
    EXPECT_TRUE(drift({column(0, "id", int4), column(0, "a"), column(0, "b"), column(0, "c")}).copy_again);
    now.file_node = 1;
    // Another column came and went in between.
    source_is({column(1, "id", int4), column(2, "a"), column(3, "b"), column(5, "c")}, 5);
    EXPECT_TRUE(drift({column(0, "id", int4), column(0, "a"), column(0, "b"), column(0, "c")}).copy_again);
    // The source is past this definition already.
    source_is({column(1, "id", int4), column(2, "a"), column(3, "z"), column(4, "c")}, 4);
    EXPECT_TRUE(drift({column(0, "id", int4), column(0, "a"), column(0, "b"), column(0, "c")}).copy_again);
    // The same words for another column.
    source_is({column(1, "id", int4), column(2, "a"), column(4, "b")}, 4);
    const auto made_again = drift({column(0, "id", int4), column(0, "a"), column(0, "b")});
    EXPECT_TRUE(made_again.copy_again);
    EXPECT_THAT(made_again.statements, IsEmpty());
    // Names that were swapped.
    source_is({column(1, "id", int4), column(2, "b"), column(3, "a")}, 3);
    EXPECT_TRUE(drift({column(0, "id", int4), column(0, "b"), column(0, "a")}).copy_again);
}

TEST_F(CatalogDrift, gives_rows_that_are_older_than_a_column_the_value_they_have) {
    source_is({column(1, "id", int4), column(2, "a"), column(3, "b"), column(4, "c")}, 4);
    now.columns.back().missing_text = "it's old";
    now.columns.back().default_text = "new()";
    now.columns.back().not_null = true;
    EXPECT_THAT(drift({column(0, "id", int4), column(0, "a"), column(0, "b"), column(0, "c")}).statements,
                ElementsAre("ALTER TABLE \"s\".\"t\" ADD COLUMN \"c\" text DEFAULT 'it''s old' NOT NULL;",
                            "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"c\" SET DEFAULT new();"));
}

}  // namespace
}  // namespace tslive::catalog
