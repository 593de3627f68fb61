#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/schema/script.hpp"
#include "tslive/schema/settings.hpp"

namespace tslive::schema {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// As pg_restore 17 prints it.
constexpr std::string_view head = R"(--
-- PostgreSQL database dump
--

\restrict ZfQi4QziRKwN1azU

-- Dumped from database version 17.6
-- Dumped by pg_dump version 17.6

SET statement_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'LATIN1';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET row_security = off;

SET default_table_access_method = heap;

--
-- Name: t; Type: TABLE; Schema: public; Owner: alice
--

)";
constexpr std::string_view foot = R"(
--
-- PostgreSQL database dump complete
--

\unrestrict ZfQi4QziRKwN1azU

)";

TEST(Script, settings_of_newer_servers_and_commands_of_psql_are_taken_off) {
    const auto script = read_script(std::string{head} + "CREATE TABLE public.t ();\n" + std::string{foot});
    EXPECT_EQ(script.settings,
              "SET client_encoding = 'LATIN1';\nSET standard_conforming_strings = on;\nSET default_table_access_method "
              "= heap;\n");
    EXPECT_NE(script.body.find("CREATE TABLE public.t ();"), std::string::npos);
    EXPECT_EQ(script.body.find("restrict"), std::string::npos);
    EXPECT_EQ(script.body.find("transaction_timeout"), std::string::npos);
}

TEST(Script, what_a_function_body_holds_stays) {
    const std::string body =
        "CREATE FUNCTION public.f() RETURNS void LANGUAGE sql AS $$\n\\unrestrict other\nSET transaction_timeout = "
        "0;\n-- Name: x\n$$;\n";
    const auto script = read_script(std::string{head} + body + std::string{foot});
    EXPECT_NE(script.body.find(body), std::string::npos);
}

TEST(Script, one_without_entries_has_an_empty_body) {
    const auto script =
        read_script("--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\n" + std::string{foot});
    EXPECT_EQ(script.body, "");
}

TEST(Statements, semicolons_in_names_strings_and_comments_do_not_split) {
    EXPECT_THAT(split_statements("-- Name: a; b\n\nGRANT SELECT ON \"a;\"\"b\" TO \"it's\";\n\n\nCOMMENT ON TABLE "
                                 "\"t\" IS 'x; ''y''; -- z';\n\n"),
                ElementsAre("GRANT SELECT ON \"a;\"\"b\" TO \"it's\"", "COMMENT ON TABLE \"t\" IS 'x; ''y''; -- z'"));
}

TEST(Statements, a_backslash_escapes_only_where_it_does) {
    EXPECT_THAT(split_statements(R"(COMMENT ON A IS E'it\'s; \\'; X)"),
                ElementsAre(R"(COMMENT ON A IS E'it\'s; \\')", "X"));
    EXPECT_THAT(split_statements(R"(COMMENT ON A IS 'a\'; X)"), ElementsAre(R"(COMMENT ON A IS 'a\')", "X"));
    EXPECT_THAT(split_statements(R"(COMMENT ON A IS 'a\'; X'; Y)", true),
                ElementsAre(R"(COMMENT ON A IS 'a\'; X')", "Y"));
}

TEST(Statements, nothing_comes_out_of_nothing) {
    EXPECT_THAT(split_statements("\n--\n-- only words; here\n--\n\n"), IsEmpty());
}

TEST(Setting, a_value_may_hold_the_equals_sign) {
    EXPECT_EQ(parse_setting("app.rule=a=b"), (Setting{"app.rule", "a=b"}));
    EXPECT_EQ(parse_setting("app.empty="), (Setting{"app.empty", ""}));
}

TEST(Setting, a_list_is_split_as_the_server_reads_it) {
    EXPECT_THAT(split_list(R"("$user", public,"a ""b"", c")"), ElementsAre("$user", "public", R"(a "b", c)"));
    EXPECT_THAT(split_list(""), IsEmpty());
    EXPECT_THAT(split_list(R"("")"), ElementsAre(""));
}

TEST(Setting, lists_are_quoted_by_element_and_others_as_one) {
    EXPECT_EQ(set_clause({"search_path", R"("$user", public)"}), R"(SET "search_path" TO '$user', 'public')");
    EXPECT_EQ(set_clause({"search_path", ""}), R"(SET "search_path" TO '')");
    EXPECT_EQ(set_clause({"DateStyle", "ISO, DMY"}), R"(SET "DateStyle" TO 'ISO, DMY')");
    EXPECT_EQ(set_clause({"my app.it's", "a\\b"}), R"(SET "my app"."it's" TO  E'a\\b')");
}

}  // namespace
}  // namespace tslive::schema
