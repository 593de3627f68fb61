#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/pgoutput/relation_cache.hpp"

namespace {

using namespace tslive;
using namespace tslive::pgoutput;

const std::array columns{RelationColumn{.key = true, .name = "id", .type = {23}},
                         RelationColumn{.name = "name", .type = {1043}, .type_modifier = 24}};

Relation orders() {
    return {.id = {16385},
            .schema = "public",
            .name = "orders",
            .replica_identity = ReplicaIdentity::primary_key,
            .columns = columns};
}

TEST(RelationCache, finds_what_was_told) {
    RelationCache cache;
    cache.update(orders());
    const auto& found = cache.find({16385});
    EXPECT_TRUE(found.matches(orders()));
    EXPECT_EQ(found.name, "orders");
    ASSERT_EQ(found.columns.size(), 2U);
    EXPECT_TRUE(found.columns[0].key);
    EXPECT_EQ(found.columns[1].type_modifier, 24);
}

TEST(RelationCache, owns_its_text) {
    RelationCache cache;
    std::string name = "orders";
    auto relation = orders();
    relation.name = name;
    cache.update(relation);
    name = "gone!!";
    EXPECT_EQ(cache.find({16385}).name, "orders");
}

TEST(RelationCache, the_same_again_keeps_its_version) {
    RelationCache cache;
    const auto first = cache.update(orders()).version;
    EXPECT_TRUE(cache.knows(orders()));
    EXPECT_EQ(cache.update(orders()).version, first);
}

TEST(RelationCache, every_change_of_the_definition_is_another_version) {
    RelationCache cache;
    auto version = cache.update(orders()).version;
    auto key = columns, type = columns, modifier = columns, renamed = columns;
    key[1].key = true;
    type[1].type = {25};
    modifier[1].type_modifier = -1;
    renamed[1].name = "title";
    std::vector<Relation> others(8, orders());
    others[0].schema = "archive";
    others[1].name = "invoices";
    others[2].replica_identity = ReplicaIdentity::full;
    others[3].columns = std::span(columns).first(1);
    others[4].columns = key;
    others[5].columns = type;
    others[6].columns = modifier;
    others[7].columns = renamed;
    for (const auto& other : others) {
        EXPECT_FALSE(cache.knows(other));
        const auto changed = cache.update(other).version;
        EXPECT_GT(changed, version);
        EXPECT_TRUE(cache.knows(other));
        version = cache.update(orders()).version;
        EXPECT_GT(version, changed);
    }
    EXPECT_EQ(cache.size(), 1U);
}

TEST(RelationCache, a_version_is_not_used_again_after_clear) {
    RelationCache cache;
    const auto before = cache.update(orders()).version;
    cache.clear();
    EXPECT_FALSE(cache.knows(orders()));
    EXPECT_GT(cache.update(orders()).version, before);
}

TEST(RelationCache, an_unknown_relation_is_an_error_with_its_id) {
    RelationCache cache;
    cache.update(orders());
    cache.clear();
    try {
        (void)cache.find({16385});
        FAIL() << "found";
    } catch (const DecodeError& error) {
        EXPECT_STREQ(error.what(), "a change of relation 16385 came before any Relation message about it");
    }
}

TEST(RelationCache, a_row_of_another_width_is_an_error_with_the_relation) {
    RelationCache cache;
    const auto& relation = cache.update(orders());
    const std::array<Value, 3> row{};
    EXPECT_NO_THROW(relation.expect_width_of(std::span(row).first(2)));
    try {
        relation.expect_width_of(row);
        FAIL() << "accepted";
    } catch (const DecodeError& error) {
        EXPECT_THAT(
            error.what(),
            ::testing::HasSubstr("relation 16385 \"public\".\"orders\": a row has 3 columns, its Relation message 2"));
    }
}

}  // namespace
