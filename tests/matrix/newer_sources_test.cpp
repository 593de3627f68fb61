// Sources for which there is no pg_dump here: all of a migration but its schema, between databases whose tables are made by hand.
#include <algorithm>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/apply_fixture.hpp"
#include "integration/harness/versions.hpp"
#include "matrix/changing_zoo.hpp"
#include "tslive/copy/base_copy.hpp"

namespace tslive::harness {
namespace {

class NewerSource : public testing::TestWithParam<int> {
protected:
    void SetUp() override { TSLIVE_NEEDS_SERVER(GetParam()); }

    /// What a migration's schema has only when the rows are there, and its triggers not at all while it replays.
    static constexpr const char* what_comes_after_the_rows =
        "ALTER TABLE zoo_tables.checks DROP CONSTRAINT w_not_checked; DROP TRIGGER always ON zoo_tables.with_triggers;"
        "DROP TRIGGER only_replica ON zoo_tables.with_triggers; DROP TRIGGER noted ON versions.identified";

    /// Everything but temporary tables and what an extension made, rows gone.
    static void empty(const Database& database) {
        database.sql(R"sql(DO $$ DECLARE t regclass; BEGIN
            FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind = 'r' AND c.oid >= 16384 AND n.nspname !~ '^pg_' LOOP EXECUTE format('TRUNCATE %s CASCADE', t); END LOOP; END $$)sql");
    }
};

TEST_P(NewerSource, is_copied_and_followed_through_changes_of_all_kinds) {
    const ServerOptions options{.settings = source_settings(GetParam()), .bin_dir = *bin_dir_of(GetParam())};
    const TestServer source_server(options), target_server(options);
    const auto source = source_server.create_database("app"), target = target_server.create_database("app");
    for (const auto& database : {source, target}) {
        load_changing_zoo(database);
        database.sql(what_comes_after_the_rows);
    }
    empty(target);

    apply::Stream stream(source, {}, {});
    // A snapshot of another slot, as for tables that are copied later: their changes until then are passed over.
    auto keeper = pg::Connection::open(source.conninfo(), "keeper", {}, pg::ConnectionKind::replication);
    const auto slot = pg::read_created_slot(keeper.exec(pg::create_slot_command("keeper", pg::SlotLife::temporary)));
    change_everything(source, 1);
    copy::Options how;
    how.source = source.conninfo();
    how.target = target.conninfo();
    how.migration_id = "0badcafe";
    how.snapshot = slot.snapshot;
    how.consistent_point = slot.consistent_point;
    how.split_tables_larger_than = 32 << 10;
    copy::Progress progress;
    const auto copied = copy::copy_rows_and_indexes(how, progress, {});
    change_everything(source, 2);

    auto apply = stream.applier_options(target);
    apply.knowledge.copied_at = [&](const catalog::QualifiedName& name) {
        const auto found =
            std::ranges::find(copied.copied, name, [](const copy::CopiedTable& one) { return one.table.name; });
        return found == copied.copied.end() ? std::nullopt : std::optional{found->consistent_point};
    };
    apply::Applier applier(std::move(apply));
    applier.end_at(stream.mark());
    EXPECT_EQ(applier.run({}), apply::Applier::Outcome::reached_end);
    target.sql(
        "REFRESH MATERIALIZED VIEW zoo_tables.z_first; REFRESH MATERIALIZED VIEW zoo_tables.a_second;"
        "REFRESH MATERIALIZED VIEW \"Zoo \"\"of\"\".names\".\"mat \"\"view\"");
    EXPECT_TRUE(databases_are_equal(source, target, {.schema_by_catalog = true, .sequences = false}));
}

[[nodiscard]] std::string name_of(const testing::TestParamInfo<int>& info) { return fmt::format("of_{}", info.param); }
INSTANTIATE_TEST_SUITE_P(Short, NewerSource, testing::Values(18), name_of);
INSTANTIATE_TEST_SUITE_P(Full, NewerSource, testing::Values(16, 17), name_of);

}  // namespace
}  // namespace tslive::harness
