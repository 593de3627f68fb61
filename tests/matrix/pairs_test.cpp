#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "integration/harness/versions.hpp"
#include "integration/support/migration.hpp"
#include "matrix/changing_zoo.hpp"
#include "tslive/schema/tools.hpp"

namespace tslive::harness {
namespace {

struct Versions {
    int source = 0, target = 0;
    friend void PrintTo(const Versions& pair, std::ostream* out) { *out << pair.source << " to " << pair.target; }
};

/// Every pair of versions that is supported.
[[nodiscard]] std::vector<Versions> all_pairs_but(const std::vector<Versions>& others) {
    constexpr int oldest = 12, newest = 18;
    std::vector<Versions> pairs;
    for (int source = oldest; source <= newest; ++source)
        for (int target = source; target <= newest; ++target)
            if (std::ranges::none_of(
                    others, [&](const Versions& other) { return other.source == source && other.target == target; }))
                pairs.push_back({source, target});
    return pairs;
}
const std::vector<Versions> short_form{{12, 18}, {14, 16}};

class Matrix : public testing::TestWithParam<Versions> {
protected:
    void SetUp() override {
        TSLIVE_NEEDS_SERVER(GetParam().source);
        TSLIVE_NEEDS_SERVER(GetParam().target);
        try {
            static_cast<void>(schema::find_tools(std::nullopt, GetParam().source * 10000));
        } catch (const Error& error) {
            GTEST_SKIP() << error.what();
        }
    }
};

TEST_P(Matrix, moves_the_zoo_while_everything_in_it_changes) {
    Migration migration(
        {.source = {.settings = source_settings(GetParam().source), .bin_dir = *bin_dir_of(GetParam().source)},
         .target = {.bin_dir = *bin_dir_of(GetParam().target)}});
    auto& source = migration.pair.source;
    load_changing_zoo(source);
    const auto workload = std::make_shared<MixedWorkload>(MixedOptions{.truncate = true});
    workload->create(source);
    source.sql(
        fmt::format("{} CREATE TABLE public.large (id int PRIMARY KEY, filler text, CHECK (public.gate(id, 9000)));"
                    "INSERT INTO public.large SELECT i, repeat(md5(i::text), 12) FROM generate_series(1, 10000) i",
                    Gate::sql()));

    Writer writer{source, workload};
    migration.take_snapshot();
    Gate gate{migration.pair.target, 9000};
    migration.start({"--split-tables-larger-than", "1MB", "--refresh-matviews"});
    gate.wait_until_reached();
    change_everything(source, 1);  // the base copy cannot end meanwhile
    writer.wait_for_commits(100);
    gate.open();
    migration.wait_until_caught_up();
    change_everything(source, 2);
    writer.wait_for_commits(100);
    writer.stop();
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal({.schema_by_catalog = true}));
    migration.snapshot->expect_exit(0);
    migration.pair.clean()->expect_exit(0);
    EXPECT_THAT(ours_on_source(source), testing::IsEmpty());
    EXPECT_THAT(ours_on_target(migration.pair.target), testing::IsEmpty());
}

[[nodiscard]] std::string name_of(const testing::TestParamInfo<Versions>& info) {
    return fmt::format("from_{}_to_{}", info.param.source, info.param.target);
}
INSTANTIATE_TEST_SUITE_P(Short, Matrix, testing::ValuesIn(short_form), name_of);
INSTANTIATE_TEST_SUITE_P(Full, Matrix, testing::ValuesIn(all_pairs_but(short_form)), name_of);

}  // namespace
}  // namespace tslive::harness
