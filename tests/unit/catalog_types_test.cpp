#include <unordered_set>

#include <gtest/gtest.h>

#include "tslive/catalog/binary_types.hpp"
#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/materialized_views.hpp"
#include "tslive/catalog/name.hpp"
#include "tslive/catalog/triggers.hpp"

namespace tslive::catalog {
namespace {

TEST(QualifiedName, for_people_is_quoted_only_where_it_must_be) {
    EXPECT_EQ(fmt::format("{}", QualifiedName{"public", "orders_2024"}), "public.orders_2024");
    EXPECT_EQ(fmt::format("{}", QualifiedName{"Sales", "a\"b"}), R"("Sales"."a""b")");
    EXPECT_EQ(fmt::format("{}", QualifiedName{"a.b", "1st"}), R"("a.b"."1st")");
    EXPECT_EQ(fmt::format("{:>12}|", QualifiedName{"s", "t"}), "         s.t|");
}

TEST(QualifiedName, for_sql_is_always_quoted) {
    EXPECT_EQ((QualifiedName{"public", "user"}.quoted()), R"("public"."user")");
}

TEST(QualifiedName, tells_apart_what_a_dot_could_blur) {
    EXPECT_NE((QualifiedName{"a.b", "c"}), (QualifiedName{"a", "b.c"}));
    const std::unordered_set<QualifiedName> names{{"a", "b"}, {"b", "a"}, {"a", "b"}};
    EXPECT_EQ(names.size(), 2U);
}

TEST(Capabilities, follow_the_version) {
    constexpr Capabilities old{120022}, middle{150020}, newest{180001};
    static_assert(!old.streaming() && !old.tid_range_scan() && old.old_snapshot_threshold());
    static_assert(middle.streaming() && middle.logical_messages() && middle.grant_set_on_parameter());
    static_assert(!middle.generated_columns_published() && newest.generated_columns_published());
    static_assert(!newest.old_snapshot_threshold() && newest.idle_replication_slot_timeout());
    EXPECT_EQ(middle.text(), "15.20");
}

TEST(Capabilities, know_the_minor_versions_that_mended_something) {
    EXPECT_FALSE(Capabilities{150012}.safe_publication_change());
    EXPECT_TRUE(Capabilities{150013}.safe_publication_change());
    EXPECT_FALSE(Capabilities{120099}.safe_publication_change());
    EXPECT_TRUE(Capabilities{180000}.safe_publication_change());
    EXPECT_FALSE(Capabilities{150014}.checks_identity_of_upserts());
    EXPECT_TRUE(Capabilities{150015}.checks_identity_of_upserts());
}

TEST(Capabilities, are_known_for_12_to_18_only) {
    EXPECT_FALSE(Capabilities{110022}.known());
    EXPECT_TRUE(Capabilities{120000}.known());
    EXPECT_TRUE(Capabilities{180099}.known());
    EXPECT_FALSE(Capabilities{190000}.known());
}

TEST(BinaryTypes, hold_plain_types_and_their_arrays) {
    static_assert(binary_copy_safe(TypeId{23}) && binary_copy_safe(TypeId{1007}));
    static_assert(binary_copy_safe(TypeId{3802}) && binary_copy_safe(TypeId{1700}));
}

TEST(BinaryTypes, hold_nothing_whose_bytes_mean_something_on_one_server_only) {
    constexpr std::uint32_t regclass = 2205, xml = 142, record = 2249, aclitem = 1033, first_user_type = 16384;
    for (const auto oid : {regclass, xml, record, aclitem, first_user_type, 0U})
        EXPECT_FALSE(binary_copy_safe(TypeId{oid})) << oid;
}

using Ids = std::vector<RelationId>;

TEST(DependencyOrder, puts_what_is_needed_first) {
    const Ids order{{1}, {2}, {3}};
    EXPECT_EQ(detail::dependency_order(order, {{RelationId{1}, {{3}}}, {RelationId{3}, {{2}}}}), (Ids{{2}, {3}, {1}}));
}

TEST(DependencyOrder, goes_through_what_is_not_in_the_list) {
    const auto sorted = detail::dependency_order({{1}, {2}}, {{RelationId{1}, {{9}}}, {RelationId{9}, {{2}}}});
    EXPECT_EQ(sorted, (Ids{{2}, {9}, {1}}));
}

TEST(DependencyOrder, ends_for_a_cycle_and_for_deep_chains) {
    EXPECT_EQ(detail::dependency_order({{1}, {2}}, {{RelationId{1}, {{2}}}, {RelationId{2}, {{1}}}}).size(), 2U);
    std::map<RelationId, Ids> chain;
    for (std::uint32_t i = 1; i < 200'000; ++i) chain[RelationId{i}] = {{i + 1}};
    EXPECT_EQ(detail::dependency_order({{1}}, chain).front(), RelationId{200'000});
}

TEST(ReplicaTrigger, says_how_it_is_disabled_and_put_back) {
    ReplicaTrigger trigger;
    trigger.table_name = {"public", "t"};
    trigger.name = "audit";
    trigger.firing = Firing::replica;
    EXPECT_EQ(trigger.disable_sql(), R"(ALTER TABLE "public"."t" DISABLE TRIGGER "audit")");
    EXPECT_EQ(trigger.restore_sql(), R"(ALTER TABLE "public"."t" ENABLE REPLICA TRIGGER "audit")");
    trigger.kind = FiringKind::rule;
    trigger.firing = Firing::always;
    EXPECT_EQ(trigger.restore_sql(), R"(ALTER TABLE "public"."t" ENABLE ALWAYS RULE "audit")");
}

}  // namespace
}  // namespace tslive::catalog
