// The text of the statements; that servers take them is shown by tests/integration/apply_*_test.cpp.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/apply/sql.hpp"

namespace tslive::apply {
namespace {

using testing::HasSubstr;
using testing::Not;

TargetTable odd_table() {
    TargetTable table;
    table.name = {"my.schema", "Tab\"le"};
    table.match = Match::by_key;
    table.columns = {{.source_index = 0, .name = "I'd", .type_name = "integer", .identity = true},
                     {.source_index = 1, .name = "v\"1", .type_name = "character varying"}};
    table.key = {{0, "OPERATOR(\"pg_catalog\".=)"}};
    return table;
}

TEST(Sql, names_are_quoted_and_values_are_parameters) {
    const auto table = odd_table();
    EXPECT_EQ(
        sql::insert(table),
        "INSERT INTO \"my.schema\".\"Tab\"\"le\" (\"I'd\", \"v\"\"1\") OVERRIDING SYSTEM VALUE SELECT v.a1::integer, "
        "v.a2::character varying FROM unnest($1::text[], $2::text[]) AS v(a1, a2)");
    EXPECT_EQ(sql::copy(table), "COPY \"my.schema\".\"Tab\"\"le\" (\"I'd\", \"v\"\"1\") FROM STDIN");
    EXPECT_EQ(sql::update(table, {1}),
              "UPDATE ONLY \"my.schema\".\"Tab\"\"le\" AS t SET \"v\"\"1\" = v.a1::character varying FROM "
              "unnest($1::text[], $2::text[]) AS v(a1, a2) WHERE t.\"I'd\" OPERATOR(\"pg_catalog\".=) v.a2::integer");
    EXPECT_EQ(sql::remove(table),
              "DELETE FROM ONLY \"my.schema\".\"Tab\"\"le\" AS t USING unnest($1::text[]) AS v(a1) WHERE "
              "t.\"I'd\" OPERATOR(\"pg_catalog\".=) v.a1::integer");
    EXPECT_EQ(
        sql::update_single(table, {0, 1}),
        "UPDATE ONLY \"my.schema\".\"Tab\"\"le\" AS t SET \"I'd\" = $1::integer, \"v\"\"1\" = $2::character varying "
        "WHERE t.\"I'd\" OPERATOR(\"pg_catalog\".=) $3::integer");
}

TEST(Sql, a_root_of_partitions_is_not_written_with_only) {
    auto table = odd_table();
    table.only = false;
    EXPECT_THAT(sql::remove(table), Not(HasSubstr("ONLY")));
    table.match = Match::by_content;
    table.whole_rows = true;
    EXPECT_THAT(sql::remove_single(table), HasSubstr("(t.tableoid, t.ctid) = (SELECT s.tableoid, s.ctid FROM"));
}

TEST(Sql, one_row_is_found_by_its_content) {
    auto table = odd_table();
    table.match = Match::by_content;
    table.whole_rows = true;
    const auto text = sql::update_single(table, {1});
    EXPECT_THAT(text, HasSubstr("t.ctid = (SELECT s.ctid FROM ONLY"));
    EXPECT_THAT(text, HasSubstr("LIMIT 1)"));
    EXPECT_THAT(text, HasSubstr("format('%s', s.\"I'd\") = $2::text COLLATE \"C\""));
    EXPECT_THAT(text, Not(HasSubstr("s.\"v\"\"1\""))) << "not part of the identity";
}

TEST(Sql, what_is_a_key_on_the_source_names_one_row_by_its_content_or_several) {
    auto table = odd_table();
    table.match = Match::by_content;
    EXPECT_THAT(sql::remove_single(table), Not(HasSubstr("LIMIT")));
}

TEST(Sql, a_key_compares_as_its_index_does) {
    auto table = odd_table();
    table.key[0].collation = "\"public\".\"ignoring_case\"";
    EXPECT_THAT(sql::remove(table),
                HasSubstr("t.\"I'd\" COLLATE \"public\".\"ignoring_case\" OPERATOR(\"pg_catalog\".=) v.a1"));
}

TEST(Sql, an_always_generated_column_is_compared_and_not_set) {
    auto table = odd_table();
    table.columns.push_back({.source_index = 2, .name = "g", .type_name = "bigint", .always_generated = true});
    const auto text = sql::update(table, {1, 2});
    EXPECT_THAT(text, HasSubstr("SET \"v\"\"1\" = v.a1::character varying FROM"));
    EXPECT_THAT(text, HasSubstr("AND t.\"g\" OPERATOR(pg_catalog.=) v.a2::bigint"));
    table.target_only = {"extra"};
    const auto single = sql::replace_single(table, {0, 2});
    EXPECT_THAT(
        single,
        HasSubstr(
            "INSERT INTO \"my.schema\".\"Tab\"\"le\" (\"I'd\", \"v\"\"1\", \"g\", \"extra\") OVERRIDING SYSTEM VALUE "
            "SELECT $1::integer, gone.\"v\"\"1\", $2::bigint, gone.\"extra\" FROM gone"));
}

TEST(Sql, an_update_of_nothing_still_finds_its_row) {
    auto table = odd_table();
    EXPECT_THAT(sql::update(table, {}), HasSubstr("SET \"I'd\" = t.\"I'd\""));
    table.columns[0].always_generated = true;
    EXPECT_THAT(sql::update(table, {}), testing::EndsWith("FOR UPDATE OF t"));
    table.match = Match::by_content;
    EXPECT_THAT(sql::update_single(table, {}), testing::EndsWith("FOR UPDATE"));
}

TEST(Sql, a_table_without_columns_takes_a_number_of_rows) {
    TargetTable table;
    table.name = {"public", "e"};
    EXPECT_EQ(sql::insert(table), "INSERT INTO \"public\".\"e\" SELECT FROM generate_series(1, $1::bigint)");
    table.match = Match::by_content;
    table.whole_rows = true;
    EXPECT_THAT(sql::remove_single(table), HasSubstr("WHERE true LIMIT 1"));
}

TEST(Sql, a_cast_that_is_no_input_function_is_gone_around) {
    auto table = odd_table();
    table.columns[0].type_name = "regclass";
    table.columns[0].read_from = "bpchar";
    EXPECT_THAT(sql::insert(table), HasSubstr("v.a1::bpchar::regclass"));
    EXPECT_THAT(sql::remove(table), HasSubstr("v.a1::bpchar::regclass"));
}

TEST(Sql, a_key_of_a_domain_is_compared_as_what_it_is_over) {
    auto table = odd_table();
    table.columns[0].type_name = "public.d";
    table.columns[0].base_type = "public.mood";
    EXPECT_THAT(sql::remove(table),
                HasSubstr("t.\"I'd\"::public.mood OPERATOR(\"pg_catalog\".=) v.a1::public.d::public.mood"));
}

}  // namespace
}  // namespace tslive::apply
