#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/snapshot/publications.hpp"

namespace tslive::snapshot {
namespace {

using catalog::Capabilities;
using catalog::Persistence;
using catalog::RelationKind;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Capabilities version_12{120020}, version_15{150010};

/// Tables as the catalog lists them, numbered from 1.
struct Tables {
    std::vector<catalog::Table> list;

    std::uint32_t add(std::string_view name, bool usable_identity) {
        auto& table = list.emplace_back();
        table.id = {static_cast<std::uint32_t>(list.size())};
        table.name = {"s", std::string(name)};
        table.usable_identity = usable_identity;
        return table.id.value;
    }
    std::uint32_t root(std::string_view name, bool usable_identity) {
        const auto id = add(name, usable_identity);
        list.back().kind = RelationKind::partitioned_table;
        return id;
    }
    std::uint32_t under(std::uint32_t parent, std::uint32_t id) {
        list[id - 1].parent = RelationId{parent};
        list[id - 1].is_partition = true;
        return id;
    }
};

TEST(Publications, tables_without_identity_are_published_for_inserts_only) {
    Tables tables;
    tables.add("with", true);
    tables.add("with\"out", false);
    const auto plan = plan_publications(tables.list, false, version_15);
    EXPECT_FALSE(plan.all_tables);
    EXPECT_THAT(plan.members, ElementsAre(R"(ONLY "s"."with")", R"(ONLY "s"."with""out")"));
    EXPECT_THAT(plan.identity_members, ElementsAre(R"(ONLY "s"."with")"));
    EXPECT_THAT(plan.inserts_only, ElementsAre(catalog::QualifiedName{"s", "with\"out"}));
    EXPECT_TRUE(plan_publications(tables.list, true, version_15).all_tables);
}

TEST(Publications, what_is_not_permanent_is_not_published) {
    Tables tables;
    tables.add("unlogged", true);
    tables.list.back().persistence = Persistence::unlogged;
    const auto plan = plan_publications(tables.list, false, version_15);
    EXPECT_THAT(plan.members, IsEmpty());
    EXPECT_THAT(plan.identity_members, IsEmpty());
    EXPECT_THAT(plan.inserts_only, IsEmpty());
}

TEST(Publications, a_root_covers_partitions_that_all_have_an_identity) {
    Tables tables;
    const auto root = tables.root("root", true);
    tables.under(root, tables.add("p1", true));
    const auto middle = tables.under(root, tables.root("middle", true));
    tables.under(middle, tables.add("p2", true));
    const auto plan = plan_publications(tables.list, false, version_15);
    EXPECT_THAT(plan.identity_members, ElementsAre(R"("s"."root")"));
    EXPECT_THAT(plan.members, ElementsAre(R"("s"."root")", R"(ONLY "s"."p1")", R"(ONLY "s"."p2")"));
    EXPECT_THAT(plan.inserts_only, IsEmpty());
}

TEST(Publications, one_partition_without_identity_keeps_the_root_out_and_nobody_else) {
    Tables tables;
    const auto root = tables.root("root", true);
    tables.under(root, tables.add("good", true));
    const auto bad_half = tables.under(root, tables.root("bad_half", true));
    tables.under(bad_half, tables.add("bad", false));
    tables.under(bad_half, tables.add("beside", true));
    const auto good_half = tables.under(root, tables.root("good_half", true));
    tables.under(good_half, tables.add("within", true));
    const auto plan = plan_publications(tables.list, false, version_15);
    EXPECT_THAT(plan.identity_members, ElementsAre(R"(ONLY "s"."good")", R"(ONLY "s"."beside")", R"("s"."good_half")"));
    EXPECT_THAT(plan.inserts_only, ElementsAre(catalog::QualifiedName{"s", "bad"}));
}

TEST(Publications, a_root_without_a_key_of_its_own_promises_nothing_for_partitions_to_come) {
    Tables tables;
    const auto root = tables.root("root", false);
    tables.under(root, tables.add("p1", true));
    const auto plan = plan_publications(tables.list, false, version_15);
    EXPECT_THAT(plan.identity_members, ElementsAre(R"(ONLY "s"."p1")"));
    EXPECT_THAT(plan.inserts_only, IsEmpty()) << "the root has no rows";
}

TEST(Publications, a_root_without_partitions_is_ready_for_them) {
    Tables tables;
    tables.root("root", true);
    EXPECT_THAT(plan_publications(tables.list, false, version_15).identity_members, ElementsAre(R"("s"."root")"));
}

TEST(Publications, children_by_inheritance_are_tables_of_their_own) {
    Tables tables;
    const auto parent = tables.add("parent", true);
    const auto child = tables.add("child", false);
    tables.list[child - 1].parent = RelationId{parent};
    const auto plan = plan_publications(tables.list, false, version_15);
    EXPECT_THAT(plan.members, ElementsAre(R"(ONLY "s"."parent")", R"(ONLY "s"."child")"));
    EXPECT_THAT(plan.identity_members, ElementsAre(R"(ONLY "s"."parent")"));
}

TEST(Publications, version_12_publishes_leaves_only) {
    Tables tables;
    const auto root = tables.root("root", true);
    tables.under(root, tables.add("p1", true));
    tables.under(root, tables.add("p2", true));
    const auto plan = plan_publications(tables.list, false, version_12);
    EXPECT_THAT(plan.members, ElementsAre(R"(ONLY "s"."p1")", R"(ONLY "s"."p2")"));
    EXPECT_THAT(plan.identity_members, ElementsAre(R"(ONLY "s"."p1")", R"(ONLY "s"."p2")"));
}

}  // namespace
}  // namespace tslive::snapshot
