// What one server of a certain major version does, and what we make of it. The test of a version that is not here is skipped.
#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/harness/versions.hpp"
#include "integration/support/migration.hpp"
#include "tslive/catalog/capabilities.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/checks/run.hpp"
#include "tslive/copy/tables_to_copy.hpp"
#include "tslive/snapshot/publications.hpp"

namespace tslive::harness {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

[[nodiscard]] TestServer server_of(int major, std::vector<std::string> settings = {"wal_level=logical"}) {
    return TestServer{ServerOptions{.settings = std::move(settings), .bin_dir = *bin_dir_of(major)}};
}
/// As ts-snapshot makes them.
[[nodiscard]] snapshot::PublicationPlan publish(const Database& source, const snapshot::Names& names) {
    auto session = pg::Connection::open(source.conninfo(), "test");
    auto plan = snapshot::plan_publications(catalog::tables(session), snapshot::may_publish_all_tables(session),
                                            catalog::Capabilities{session.server_version()});
    snapshot::create_publications(session, names, plan);
    return plan;
}
[[nodiscard]] std::vector<std::string> texts(const std::vector<catalog::QualifiedName>& names) {
    std::vector<std::string> found;
    for (const auto& name : names) found.push_back(fmt::format("{}", name));
    return found;
}

class Source : public testing::TestWithParam<int> {
protected:
    void SetUp() override { TSLIVE_NEEDS_SERVER(GetParam()); }
};

// Law 10, CASES A1 to A3: which identities a server accepts, and for which statements it asks, differs between versions.
TEST_P(Source, refuses_no_statement_of_the_application_because_of_a_publication) {
    const auto server = server_of(GetParam());
    const auto source = server.create_database("app");
    source.load_zoo({"identities", "partitions"});
    source.sql(R"sql(
        CREATE TABLE unique_only (id int UNIQUE, v text);
        CREATE UNLOGGED TABLE unlogged (id int, v text);
        CREATE TABLE stored_full (id int, v text, twice int GENERATED ALWAYS AS (id * 2) STORED); ALTER TABLE stored_full REPLICA IDENTITY FULL;
        CREATE TABLE stored_key (id int, v text, twice int GENERATED ALWAYS AS (id * 2) STORED PRIMARY KEY);
        CREATE TABLE stored_index (id int, v text, twice int NOT NULL GENERATED ALWAYS AS (id * 2) STORED UNIQUE);
        ALTER TABLE stored_index REPLICA IDENTITY USING INDEX stored_index_twice_key;
        CREATE TABLE stored_beside_key (id int, v text, twice int GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (id) INCLUDE (twice));
    )sql");
    const auto change_everything = [&] {
        source.sql(R"sql(DO $do$ DECLARE t regclass; c text; BEGIN
            FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p') AND nspname ~ '^(public|zoo)' LOOP
                SELECT quote_ident(attname) INTO c FROM pg_attribute WHERE attrelid = t AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                    AND attidentity <> 'a' LIMIT 1;
                CONTINUE WHEN c IS NULL;
                EXECUTE format('UPDATE %s SET %s = %s', t, c, c);
                BEGIN EXECUTE format('DELETE FROM %s', t); EXCEPTION WHEN foreign_key_violation THEN NULL; END;
            END LOOP;
            EXECUTE 'INSERT INTO unique_only VALUES (1, ''a'') ON CONFLICT (id) DO UPDATE SET v = ''b''';
            EXECUTE 'INSERT INTO unique_only VALUES (1, ''a'') ON CONFLICT (id) DO UPDATE SET v = ''b''';
            RAISE EXCEPTION 'undo' USING ERRCODE = 'P0099';
        EXCEPTION WHEN SQLSTATE 'P0099' THEN NULL;
        END $do$)sql");
    };
    change_everything();
    const auto plan = publish(source, {.id = "0badcafe"});
    change_everything();

    auto unpublished = texts(plan.inserts_only);
    std::erase_if(unpublished, [](const std::string& name) { return !name.starts_with("public."); });
    // A key that no version sends whole names no row; what is new in 18 is that FULL is refused as well.
    std::vector<std::string> expected{"public.unique_only", "public.stored_key", "public.stored_index"};
    if (GetParam() >= 18) expected.emplace_back("public.stored_full");
    EXPECT_THAT(unpublished, testing::UnorderedElementsAreArray(expected));
}

// CASES F6: only from 14 on is a ctid range read without the rest of the table, and only where ctid is a block of the heap.
TEST_P(Source, is_read_in_block_ranges_only_where_each_is_not_a_full_scan) {
    const auto server = server_of(GetParam());
    const auto source = server.create_database("app");
    source.sql(
        "CREATE ACCESS METHOD another TYPE TABLE HANDLER heap_tableam_handler;"
        "CREATE TABLE heap (id int); CREATE TABLE of_another_kind (id int) USING another");
    auto session = pg::Connection::open(source.conninfo(), "test");
    for (const auto& table : copy::tables_to_copy(session, {}))
        EXPECT_EQ(table.block_ranges, GetParam() >= 14 && table.table.name.name == "heap") << table.table.name.name;
    if (GetParam() >= 14) {
        EXPECT_THAT(source.value("EXPLAIN SELECT * FROM heap WHERE ctid >= '(1,0)' AND ctid < '(2,0)'"),
                    HasSubstr("Tid Range Scan"));
    } else {
        EXPECT_THAT(source.value("EXPLAIN SELECT * FROM heap WHERE ctid >= '(1,0)' AND ctid < '(2,0)'"),
                    HasSubstr("Seq Scan"));
    }
}

// CASES A3.
TEST(Versions, an_identity_with_a_generated_column_is_named_on_18) {
    TSLIVE_NEEDS_SERVER(18);
    const auto server = server_of(18);
    const auto source = server.create_database("app"), target = server.create_database("other");
    source.sql(
        "CREATE TABLE virtual_full (id int, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL); ALTER TABLE virtual_full "
        "REPLICA IDENTITY FULL;"
        "CREATE TABLE virtual_beside_key (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL);"
        "CREATE TABLE stored_beside_key (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)");
    checks::Options options;
    options.source = source.conninfo();
    options.target = target.conninfo();
    const auto findings = checks::run(options);
    const auto found = std::ranges::find(findings, "source.generated_identity", &checks::Finding::check);
    ASSERT_NE(found, findings.end());
    EXPECT_EQ(found->weight, checks::Weight::warning);
    EXPECT_THAT(found->text, testing::AllOf(HasSubstr("1 tables"), HasSubstr("public.virtual_full")));
    for (const auto& finding : findings)
        EXPECT_NE(finding.weight, checks::Weight::fatal) << finding.check << ": " << finding.text;

    EXPECT_THAT(texts(publish(source, {.id = "0badcafe"}).inserts_only), UnorderedElementsAre("public.virtual_full"));
    source.sql(
        "INSERT INTO virtual_full VALUES (1); UPDATE virtual_full SET id = 2; INSERT INTO virtual_beside_key VALUES "
        "(1); UPDATE virtual_beside_key SET id = 2");
}

// CASES A1, A3: an identity may be lost while we publish by it.
TEST_P(Source, has_a_member_that_lost_its_identity_taken_out_so_that_updates_work) {
    const auto server = server_of(GetParam());
    const auto source = server.create_database("app");
    source.sql(
        "CREATE TABLE stays (id int PRIMARY KEY); CREATE TABLE loses (id int PRIMARY KEY, v int); INSERT INTO loses "
        "VALUES (1, 1);"
        "CREATE TABLE full_one (id int); ALTER TABLE full_one REPLICA IDENTITY FULL; INSERT INTO full_one VALUES (1);"
        "CREATE TABLE parent (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parent FOR "
        "VALUES FROM (0) TO (9); INSERT INTO parent VALUES (1)");
    const snapshot::Names names{.id = "0badcafe"};
    static_cast<void>(publish(source, names));
    auto session = pg::Connection::open(source.conninfo(), "test");
    const auto unfit = [&] { return snapshot::member_without_identity(session, names.publication_identity()); };
    EXPECT_FALSE(unfit());
    const auto mend = [&](std::string_view table) {
        const auto found = unfit();
        ASSERT_TRUE(found);
        EXPECT_EQ(found->table, table);
        session.exec(snapshot::drop_member_sql(names.publication_identity(), *found));
        EXPECT_FALSE(unfit());
    };
    source.sql("ALTER TABLE loses DROP CONSTRAINT loses_pkey");
    EXPECT_THROW(source.sql("UPDATE loses SET v = 2"), pg::ServerError);
    mend("public.loses");
    source.sql("UPDATE loses SET v = 2; ALTER TABLE part REPLICA IDENTITY NOTHING");
    EXPECT_THROW(source.sql("UPDATE parent SET id = 2"), pg::ServerError);
    mend("public.part");
    source.sql(
        "UPDATE parent SET id = 2; ALTER TABLE full_one ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED");
    if (GetParam() >= 18) {
        EXPECT_THROW(source.sql("UPDATE full_one SET id = 2"), pg::ServerError);
        mend("public.full_one");
    }
    source.sql("UPDATE full_one SET id = 2");
    EXPECT_FALSE(unfit());
}

// CASES B6: 12, and older minor versions of others, decode a transaction that was open while a table was added to a publication without the
// addition, and then all that follow.
class MigratedSource : public Source {};
TEST_P(MigratedSource, loses_nothing_of_a_table_that_is_published_while_a_transaction_is_open) {
    Migration migration({.source = {.settings = {"wal_level=logical"}, .bin_dir = *bin_dir_of(GetParam())}});
    auto& source = migration.pair.source;
    source.sql("CREATE TABLE t (id int PRIMARY KEY)");
    migration.take_snapshot();
    migration.start();
    migration.wait_until_caught_up();
    migration.pair.target.sql("CREATE TABLE later (id int PRIMARY KEY, v int)");
    source.sql("CREATE TABLE later (id int PRIMARY KEY, v int)");
    auto open = source.connect("open");
    open.exec("BEGIN; INSERT INTO later VALUES (1, 0), (2, 0); INSERT INTO t VALUES (1)");
    source.sql("INSERT INTO later VALUES (3, 0)");
    eventually("it is published", [&] {
        return source.number(
                   "SELECT count(*) FROM pg_publication_tables WHERE tablename = 'later' AND pubname ~ '_identity$'") ==
               1;
    });
    open.exec(
        "UPDATE later SET v = 1 WHERE id = 1; DELETE FROM later WHERE id = 2; INSERT INTO later VALUES (4, 0); UPDATE "
        "t SET id = 2");
    open.exec("COMMIT");
    source.sql("UPDATE later SET v = v + 10");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal({.schema_by_catalog = true}));
}

[[nodiscard]] std::string name_of(const testing::TestParamInfo<int>& info) { return fmt::format("of_{}", info.param); }
INSTANTIATE_TEST_SUITE_P(Short, Source, testing::Values(12, 14, 18), name_of);
INSTANTIATE_TEST_SUITE_P(Full, Source, testing::Values(13, 15, 16, 17), name_of);
INSTANTIATE_TEST_SUITE_P(Short, MigratedSource, testing::Values(12), name_of);
INSTANTIATE_TEST_SUITE_P(Full, MigratedSource, testing::Values(13, 14, 15), name_of);

}  // namespace
}  // namespace tslive::harness
