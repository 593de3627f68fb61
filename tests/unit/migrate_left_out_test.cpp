#include "tslive/migrate/left_out.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tslive::migrate {
namespace {

const LeftOut objects{
    {.kind = timescale::ObjectKind::index,
     .table = {"s", "a:b\n\"c\""},
     .name = "key",
     .index = {"s", "key"},
     .catalog_oid = 1259,
     .oid = 4'000'000'000,
     .constraint = 77,
     .definition = "ALTER TABLE …\n12:x"},
    {.kind = timescale::ObjectKind::foreign_key, .table = {"s", "t"}, .name = "", .index = {"s", "key"}},
    {.kind = timescale::ObjectKind::rule, .table = {"s", "t"}, .name = "r", .catalog_oid = 2618, .oid = 5},
};

TEST(LeftOut, comes_back_whatever_names_hold) {
    EXPECT_EQ(restore_left_out(save_left_out(objects)), objects);
    EXPECT_EQ(restore_left_out(""), LeftOut{});
}

TEST(LeftOut, text_that_is_not_ours_is_refused) {
    const auto whole = save_left_out(objects);
    for (std::size_t n = 1; n < whole.size(); ++n) {
        try {
            EXPECT_LT(restore_left_out(whole.substr(0, n)).size(), objects.size()) << "cut at " << n;
        } catch (const Error& error) {
            EXPECT_EQ(error.recovery(), Recovery::operator_action);
        }
    }
    EXPECT_THROW(static_cast<void>(restore_left_out("x")), Error);
    EXPECT_THROW(static_cast<void>(restore_left_out("99999999999999999999:x\n")), Error);
}

TEST(LeftOut, is_known_by_the_names_and_numbers_of_each_step) {
    EXPECT_THAT(indexes_of(objects), testing::ElementsAre(catalog::QualifiedName{"s", "key"}));
    EXPECT_EQ(foreign_keys_of(objects).size(), 1U);
    EXPECT_TRUE(oids_of(objects).contains({2606, 77}));
    EXPECT_TRUE(oids_of(objects).contains({1259, 4'000'000'000}));
}

}  // namespace
}  // namespace tslive::migrate
