#include <gtest/gtest.h>

#include <fmt/format.h>

#include "integration/random_workload/run.hpp"

namespace tslive::random_workload {
namespace {

/// One run of the generator; what fails says how to do it again.
void expect_equal(const RunOptions& options) {
    const auto outcome = Run{options}.go();
    testing::Test::RecordProperty("run", outcome.line);
    EXPECT_EQ(outcome.failure, "") << outcome.line << "\nAgain with:\n    " << command_to_repeat(options)
                                   << "\nEverything is in " << outcome.kept;
    EXPECT_THAT(outcome.mistakes, testing::IsEmpty());
}

void expect_equal(std::uint64_t seed, bool faults) {
    expect_equal({.seed = seed, .transactions = 1000, .faults = faults, .most_tables = 15, .largest_bytes = 300'000});
}

TEST(Random, databases_and_transactions_arrive_as_they_are) {
    for (const std::uint64_t seed : {1, 3}) expect_equal(seed, false);
}

TEST(Random, databases_and_transactions_arrive_whatever_is_killed) {
    for (const std::uint64_t seed : {5, 6}) expect_equal(seed, true);
}

TEST(Random, the_same_seed_makes_the_same_schema_and_the_same_transactions) {
    const auto everything = [] {
        const Chance chance{7};
        const auto schema = SchemaMaker{chance.branch("schema"), {}}.make();
        auto text = fmt::format("{}", fmt::join(schema.sql, "\n"));
        StatementMaker maker{schema, chance.branch("session", 3), {}};
        for (int transaction = 0; transaction < 200; ++transaction) {
            const auto script = maker.transaction();
            text += script.begin;
            for (const auto& statement : script.statements) text += statement.sql + '\n';
            text += fmt::format("{}", static_cast<int>(script.end));
        }
        return text;
    };
    const auto once = everything();
    EXPECT_GT(once.size(), 10'000U);
    EXPECT_EQ(once, everything());
}

}  // namespace
}  // namespace tslive::random_workload
