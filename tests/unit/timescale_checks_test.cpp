#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/timescale/checks.hpp"

namespace tslive::timescale {
namespace {

using checks::Weight;
using testing::HasSubstr;

constexpr catalog::Capabilities version_13{130020}, version_14{140010}, version_15{150020};

TEST(TimescaleChecks, know_the_releases_2_10_to_2_28_on_postgresql_13_and_later) {
    for (const auto& unknown : {Release{2, 9, 9}, Release{2, 29, 0}, Release{3, 0, 0}})
        EXPECT_EQ(judge_release(unknown, version_15).weight, Weight::fatal) << unknown.text();
    for (const auto& known : {Release{2, 10, 0}, Release{2, 28, 3}})
        EXPECT_EQ(judge_release(known, version_13).weight, Weight::passed) << known.text();
    EXPECT_THAT(judge_release({2, 11, 0}, catalog::Capabilities{120010}).text, HasSubstr("from PostgreSQL 13 on"));
}

TEST(TimescaleChecks, ask_for_the_same_version_on_both_ends) {
    const catalog::AvailableExtension offered{.default_version = "2.22.1", .versions = {"2.19.3", "2.22.1"}};
    EXPECT_EQ(judge_same_version("2.19.3", std::nullopt, offered).weight, Weight::passed);
    EXPECT_EQ(judge_same_version("2.19.3", "2.19.3", offered).weight, Weight::passed);
    EXPECT_THAT(judge_same_version("2.20.0", std::nullopt, offered).text,
                HasSubstr("does not offer: it has 2.19.3, 2.22.1"));
    EXPECT_THAT(judge_same_version("2.20.0", std::nullopt, std::nullopt).text, HasSubstr("has no TimescaleDB"));
    EXPECT_THAT(judge_same_version("2.19.3", "2.22.1", offered).remedy,
                HasSubstr("or migrate across versions: --migrate-across-timescaledb-versions"));
}

TEST(TimescaleChecks, refuse_compression_where_its_marks_are_not_sent) {
    EXPECT_EQ(judge_messages(version_13, {}).weight, Weight::passed);
    CompressionInUse some;
    some.hypertables = {{"public", "metrics"}};
    EXPECT_THAT(judge_messages(version_13, some).text, HasSubstr("public.metrics"));
    EXPECT_EQ(judge_messages(version_13, some).weight, Weight::fatal);
    EXPECT_EQ(judge_messages(version_14, some).weight, Weight::passed);
}

TEST(TimescaleChecks, refuse_unmarked_decompression_where_rows_could_double) {
    CompressionInUse some;
    some.hypertables = {{"public", "metrics"}};
    EXPECT_EQ(judge_markers({2, 11, 0}, false, some).weight, Weight::warning);
    some.keyless = some.hypertables;
    EXPECT_EQ(judge_markers({2, 11, 0}, false, some).weight, Weight::fatal);
    EXPECT_THAT(judge_markers({2, 11, 0}, false, some).remedy, Not(HasSubstr("logrep")));
    EXPECT_THAT(judge_markers({2, 15, 0}, false, some).remedy, HasSubstr("logrep"));
    some.marks_decompression = true;
    EXPECT_EQ(judge_markers({2, 15, 0}, true, some).weight, Weight::warning);
    EXPECT_EQ(judge_markers({2, 16, 0}, true, some).weight, Weight::passed);
    EXPECT_EQ(judge_markers({2, 16, 0}, false, some).weight, Weight::fatal);
}

TEST(TimescaleChecks, refuse_hypertables_that_cannot_be_given_an_identity) {
    MissingIdentity bare;
    bare.name = {"public", "bare"};
    EXPECT_EQ(judge_identities({2, 11, 0}, {bare}).weight, Weight::warning) << "a plain table can";
    bare.kind = MissingIdentity::Kind::hypertable;
    EXPECT_EQ(judge_identities({2, 11, 0}, {bare}).weight, Weight::fatal);
    EXPECT_EQ(judge_identities({2, 12, 0}, {bare}).weight, Weight::warning);
    bare.kind = MissingIdentity::Kind::own;
    EXPECT_EQ(judge_identities({2, 11, 0}, {bare}).weight, Weight::passed);
}

TEST(TimescaleChecks, refuse_chunks_of_other_kinds) {
    EXPECT_EQ(judge_kinds({}).weight, Weight::passed);
    EXPECT_THAT(judge_kinds({"tables of the hypercore access method: public.h"}).text, HasSubstr("hypercore"));
}

TEST(TimescaleSettings, are_compared_as_the_server_reads_them) {
    for (const auto* on : {"on", "TRUE", "1", "yes"}) EXPECT_TRUE(same_switch(on, "on")) << on;
    for (const auto* off : {"off", "False", "0", "n"}) EXPECT_TRUE(same_switch(off, "off")) << off;
    EXPECT_FALSE(same_switch("", "on"));
    EXPECT_FALSE(same_switch("", "off"));
}

TEST(TimescaleIdentities, are_given_and_taken_back_by_one_statement_that_quotes_names) {
    MissingIdentity table;
    table.id = {4711};
    table.kind = MissingIdentity::Kind::hypertable;
    table.before = 'i';
    table.index_before = "100% it's";
    const auto sql = restore_identity_sql(table);
    EXPECT_THAT(sql, testing::StartsWith("DO '"));
    EXPECT_THAT(sql, HasSubstr("USING INDEX \"100%% it''''s\""));
    EXPECT_THAT(sql, Not(HasSubstr("pg_inherits"))) << "the index has another name on a chunk";
    table.before = 'n';
    table.index_before.clear();
    EXPECT_THAT(restore_identity_sql(table), HasSubstr("c.oid = 4711 OR c.oid IN"));
    EXPECT_THAT(restore_identity_sql(table), HasSubstr("REPLICA IDENTITY NOTHING"));
}

}  // namespace
}  // namespace tslive::timescale
