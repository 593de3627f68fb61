// What would not come, or come empty, is said or refused before anything is made.

#include "integration/support/migration.hpp"

namespace tslive::harness {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto by_search_path =
    "CREATE SCHEMA app; CREATE TABLE app.factor (n int); INSERT INTO app.factor VALUES (3);"
    "CREATE FUNCTION public.scaled(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1 * (SELECT n FROM "
    "factor); END $$;"
    "SET search_path = app, public; CREATE TABLE app.t (id int PRIMARY KEY, v int CHECK (public.scaled(v) > 0));"
    "INSERT INTO app.t SELECT i, i FROM generate_series(1, 10) i; CREATE INDEX scaled_v ON app.t (public.scaled(v));"
    "CREATE MATERIALIZED VIEW app.seen AS SELECT public.scaled(v) AS v FROM app.t";

TEST(CarryPreflight, functions_that_need_a_search_path_are_named_and_get_one_on_request) {
    Migration migration;
    migration.pair.source.sql(by_search_path);
    migration.take_snapshot();
    EXPECT_THAT(
        migration.snapshot->output(),
        AllOf(HasSubstr("source.search_path"), HasSubstr("public.scaled(integer)"), HasSubstr("--search-path-for")));
    expect_outcome(migration.pair.migrate({"--search-path-for", "public.scaled"}), 3,
                   {"'public.scaled' is not of the form FUNCTION=SCHEMA,SCHEMA"});
    migration.start({"--search-path-for", "public.scaled(integer)=app,public", "--refresh-matviews"});
    migration.wait_until_caught_up();
    migration.pair.source.sql(
        "SET search_path = app, public; INSERT INTO t VALUES (11, 11); REFRESH MATERIALIZED VIEW seen");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());  // the function's own settings included
}

TEST(CarryPreflight, what_left_out_extensions_drag_along_is_listed) {
    Pair pair;
    if (pair.source.number("SELECT count(*) FROM pg_available_extensions WHERE name = 'hstore'") == 0)
        GTEST_SKIP() << "needs the extension hstore";
    pair.source.sql(
        "CREATE EXTENSION hstore; CREATE TABLE t (id int PRIMARY KEY, h hstore); CREATE INDEX by_h ON t USING gin (h)");
    auto snapshot = pair.snapshot({"--yes", "--skip-extensions", "hstore"});
    snapshot->wait_for_line("source.skipped_extensions");
    EXPECT_THAT(snapshot->output(),
                AllOf(HasSubstr("column h of table public.t (hstore)"), HasSubstr("index public.by_h (hstore)")));
}

TEST(CarryPreflight, a_role_that_row_security_applies_to_is_refused_and_not_given_zero_rows) {
    Pair pair;
    pair.source.sql(
        "CREATE ROLE mover LOGIN REPLICATION; GRANT pg_read_all_data TO mover; GRANT CREATE ON DATABASE app TO mover;"
        "CREATE TABLE secured (id int PRIMARY KEY); INSERT INTO secured VALUES (1); ALTER TABLE secured OWNER TO mover;"
        "ALTER TABLE secured ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY nobody ON secured "
        "USING (false)");
    expect_outcome(pair.program("ts-snapshot", {"--yes", "--source", pair.source.as("mover").uri()}), 3,
                   {"source.row_security", "public.secured", "BYPASSRLS"});
    expect_untouched(pair);
}

}  // namespace
}  // namespace tslive::harness
