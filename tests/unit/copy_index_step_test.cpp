#include "tslive/copy/index_step.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/copy/foreign_keys.hpp"

namespace tslive::copy {
namespace {

using catalog::ConstraintKind;

catalog::Index plain() {
    catalog::Index index;
    index.name = {"s", "t_pkey"};
    index.table_name = {"s", "t"};
    index.definition = "CREATE UNIQUE INDEX t_pkey ON s.t USING btree (id)";
    index.access_method = "btree";
    return index;
}
catalog::Index of_constraint(ConstraintKind kind) {
    auto index = plain();
    index.constraint = catalog::IndexConstraint{.name = "t_pkey", .kind = kind, .definition = "PRIMARY KEY (id)"};
    return index;
}
catalog::Index partitioned(catalog::Index index) {
    index.table_kind = catalog::RelationKind::partitioned_table;
    return index;
}
const IndexState absent{};
const IndexState built{.exists = true, .valid = true, .table = {"s", "t"}};
const IndexState broken{.exists = true, .valid = false, .table = {"s", "t"}};
const IndexState owned{.exists = true, .valid = true, .of_constraint = true, .table = {"s", "t"}};

TEST(IndexStep, a_plain_index_is_created_once) {
    EXPECT_EQ(next_step(plain(), absent), IndexStep::create);
    EXPECT_EQ(next_step(plain(), built), std::nullopt);
}

TEST(IndexStep, of_a_hypertable_is_added_with_its_constraint_and_without_ONLY) {
    auto key = of_constraint(ConstraintKind::primary_key);
    key.on_hypertable = true;
    EXPECT_EQ(next_step(key, absent), IndexStep::add_constraint);
    EXPECT_EQ(step_command(key, IndexStep::add_constraint, absent),
              "ALTER TABLE \"s\".\"t\" ADD CONSTRAINT \"t_pkey\" PRIMARY KEY (id)");
    EXPECT_EQ(next_step(key, owned), std::nullopt);
    EXPECT_EQ(next_step(key, built), IndexStep::remove);
}

TEST(IndexStep, a_primary_key_is_an_index_first_and_a_constraint_then) {
    const auto key = of_constraint(ConstraintKind::primary_key);
    EXPECT_EQ(next_step(key, absent), IndexStep::create);
    EXPECT_EQ(next_step(key, built), IndexStep::attach_constraint);
    EXPECT_EQ(next_step(key, owned), std::nullopt);
}

TEST(IndexStep, an_exclusion_constraint_is_made_in_one_step_and_only_once) {
    const auto exclusion = of_constraint(ConstraintKind::exclusion);
    EXPECT_EQ(next_step(exclusion, absent), IndexStep::add_constraint);
    EXPECT_EQ(next_step(exclusion, owned), std::nullopt);
    EXPECT_EQ(next_step(exclusion, built), IndexStep::remove) << "an index cannot become one";
}

TEST(IndexStep, what_a_failed_build_left_is_removed_and_built_again) {
    EXPECT_EQ(next_step(plain(), broken), IndexStep::remove);
    EXPECT_EQ(step_command(plain(), IndexStep::remove, broken), R"(DROP INDEX "s"."t_pkey")");
}

TEST(IndexStep, a_partitioned_index_is_invalid_until_its_partitions_come) {
    EXPECT_EQ(next_step(partitioned(plain()), broken), std::nullopt);
    EXPECT_EQ(next_step(partitioned(of_constraint(ConstraintKind::primary_key)), absent), IndexStep::add_constraint);
}

TEST(IndexStep, a_name_that_something_else_has_is_an_error) {
    EXPECT_THROW(static_cast<void>(next_step(plain(), {.exists = true, .valid = true, .table = {"s", "other"}})),
                 Error);
}

TEST(IndexStep, the_constraint_takes_over_name_and_deferrability) {
    auto index = of_constraint(ConstraintKind::unique);
    index.constraint->deferrable = index.constraint->initially_deferred = true;
    EXPECT_EQ(
        step_command(index, IndexStep::attach_constraint, built),
        R"(ALTER TABLE ONLY "s"."t" ADD CONSTRAINT "t_pkey" UNIQUE USING INDEX "t_pkey" DEFERRABLE INITIALLY DEFERRED)");
}

TEST(ForeignKey, is_added_without_a_look_at_the_rows_except_where_that_is_impossible) {
    catalog::Constraint key;
    key.name = "fk";
    key.table_name = {"s", "t"};
    key.definition = "FOREIGN KEY (a) REFERENCES s.u(id)";
    EXPECT_EQ(detail::add_foreign_key(key),
              R"(ALTER TABLE ONLY "s"."t" ADD CONSTRAINT "fk" FOREIGN KEY (a) REFERENCES s.u(id) NOT VALID)");
    key.on_partitioned_table = true;
    EXPECT_EQ(detail::add_foreign_key(key),
              R"(ALTER TABLE "s"."t" ADD CONSTRAINT "fk" FOREIGN KEY (a) REFERENCES s.u(id))");
    key.on_partitioned_table = false;
    key.definition += " NOT VALID";
    EXPECT_THAT(detail::add_foreign_key(key), testing::Not(testing::HasSubstr("NOT VALID NOT VALID")));
}

}  // namespace
}  // namespace tslive::copy
