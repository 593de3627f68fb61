#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/schema/selection.hpp"
#include "tslive/schema/toc.hpp"

namespace tslive::schema {
namespace {

using testing::ElementsAre;

/// As pg_restore 15 prints it with --list --verbose.
constexpr std::string_view listing = R"(;
; Archive created at 2024-03-25 12:40:40 UTC
;     dbname: app
;     TOC Entries: 20
;
;
; Selected TOC Entries:
;
3453; 0 0 ENCODING - ENCODING 
3456; 1262 5 DATABASE - app postgres
5; 2615 2200 SCHEMA - public alice
3458; 0 0 COMMENT - SCHEMA "public" alice
;	depends on: 5
2; 3079 16384 EXTENSION - hstore 
3459; 0 0 COMMENT - EXTENSION "hstore" 
;	depends on: 2
215; 1259 16512 TABLE public t alice
3461; 0 0 ACL public TABLE "t" alice
;	depends on: 215
278; 1255 16528 FUNCTION public f(integer, text) alice
;	depends on: 215 2
216; 1259 16519 MATERIALIZED VIEW public mv alice
;	depends on: 215
2100; 826 16999 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES alice
3305; 2606 16518 CONSTRAINT public t t_pkey alice
;	depends on: 215
3462; 0 0 COMMENT public CONSTRAINT "t_pkey" ON "t" alice
;	depends on: 3305
3306; 1259 16523 INDEX public mv_a_idx alice
;	depends on: 216
3464; 0 0 COMMENT public INDEX "mv_a_idx" alice
;	depends on: 3306
3310; 2606 16600 FK CONSTRAINT public t t_other_fkey alice
;	depends on: 215
3465; 0 0 COMMENT public CONSTRAINT "t_other_fkey" ON "t" alice
;	depends on: 3310
3450; 2618 16527 RULE public v _RETURN alice
;	depends on: 215 3305 215 217
3303; 3466 16529 EVENT TRIGGER - et alice
;	depends on: 278
3463; 0 0 COMMENT - EVENT TRIGGER "et" alice
;	depends on: 3303
3400; 6104 16700 PUBLICATION - feed alice
3466; 0 0 COMMENT - PUBLICATION "feed" alice
;	depends on: 3400
)";
const std::vector<int> pre_data{5, 3458, 2, 3459, 3461, 215, 278, 216};
const std::vector<int> post_data{2100, 3305, 3462, 3306, 3464, 3310, 3465, 3450, 3303, 3463, 3400, 3466};

std::vector<std::string> texts(const std::vector<Selected>& selected) {
    std::vector<std::string> out;
    for (const auto& one : selected) out.push_back((one.may_fail ? "may fail: " : "") + one.entry->text());
    return out;
}

TEST(Toc, an_entry_has_numbers_kind_rest_and_dependencies) {
    const auto toc = parse_toc(listing);
    EXPECT_EQ(toc.created, "2024-03-25 12:40:40 UTC");
    const auto& function = toc.entries.at(8);
    EXPECT_EQ(function.dump_id, 278);
    EXPECT_EQ(function.catalog_oid, 1255U);
    EXPECT_EQ(function.object_oid, 16528U);
    EXPECT_EQ(function.kind, "FUNCTION");
    EXPECT_EQ(function.rest, "public f(integer, text) alice");
    EXPECT_THAT(function.depends_on, ElementsAre(215, 2));
}

TEST(Toc, names_may_hold_what_looks_like_syntax) {
    const auto toc = parse_toc("7; 1259 16512 TABLE we; ird 8; 1259 1 TABLE \"x\" \xF0\x9F\x90\x98 owner\n");
    ASSERT_EQ(toc.entries.size(), 1U);
    EXPECT_EQ(toc.entries[0].rest, "we; ird 8; 1259 1 TABLE \"x\" \xF0\x9F\x90\x98 owner");
}

TEST(Toc, a_schema_named_like_the_second_word_of_a_kind_is_not_taken_for_it) {
    const auto toc = parse_toc(
        "1; 1259 10 SEQUENCE SET s owner\n2; 0 0 SEQUENCE SET public s owner\n3; 2604 11 DEFAULT ACL t column owner\n"
        "4; 826 12 DEFAULT ACL - DEFAULT PRIVILEGES FOR TABLES owner\n5; 1259 13 TABLE DATA t owner\n6; 0 14 TABLE "
        "DATA public t owner\n");
    std::vector<std::string> kinds;
    for (const auto& entry : toc.entries) kinds.push_back(entry.kind);
    EXPECT_THAT(kinds, ElementsAre("SEQUENCE", "SEQUENCE SET", "DEFAULT", "DEFAULT ACL", "TABLE", "TABLE DATA"));
}

TEST(Toc, an_unknown_kind_is_kept_with_its_words) {
    const auto toc = parse_toc("9; 9999 10 PROPERTY GRAPH public g owner\n");
    EXPECT_EQ(toc.entries.at(0).kind, "");
    EXPECT_EQ(toc.entries.at(0).text(), "PROPERTY GRAPH public g owner");
    EXPECT_THAT(texts(in_order(toc, {9}, Section::pre_data)), ElementsAre("PROPERTY GRAPH public g owner"));
}

TEST(Toc, a_line_of_an_unknown_form_is_an_error) {
    for (const std::string line : {"hello", "12 1259 16512 TABLE public t owner", "12; 1259 TABLE public t owner",
                                   "12; 1259 16512 ", "99999999999; 1 1 TABLE a b c", ";\tdepends on: 12"})
        EXPECT_THROW(static_cast<void>(parse_toc(line + "\n")), DecodeError) << line;
    EXPECT_THROW(static_cast<void>(parse_toc("12; 1259 16512 TABLE public t owner\n;\tdepends on: x\n")), DecodeError);
}

TEST(Selection, pre_data_holds_objects_then_comments_then_grants) {
    const auto toc = parse_toc(listing);
    EXPECT_THAT(texts(in_order(toc, pre_data, Section::pre_data)),
                ElementsAre("EXTENSION - hstore ", "TABLE public t alice", "FUNCTION public f(integer, text) alice",
                            "MATERIALIZED VIEW public mv alice", "may fail: SCHEMA - public alice",
                            "may fail: COMMENT - SCHEMA \"public\" alice", "may fail: ACL public TABLE \"t\" alice"));
}

TEST(Selection, post_data_leaves_indexes_keys_and_publications_out_but_not_their_comments) {
    const auto toc = parse_toc(listing);
    EXPECT_THAT(
        texts(in_order(toc, post_data, Section::post_data)),
        ElementsAre("RULE public v _RETURN alice", "may fail: COMMENT public CONSTRAINT \"t_pkey\" ON \"t\" alice",
                    "may fail: COMMENT public INDEX \"mv_a_idx\" alice",
                    "may fail: DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES alice"));
}

TEST(Selection, event_triggers_and_comments_on_foreign_keys_wait_for_the_switch_over) {
    const auto toc = parse_toc(listing);
    EXPECT_THAT(texts(in_order(toc, post_data, Section::after_switch_over)),
                ElementsAre("may fail: EVENT TRIGGER - et alice",
                            "may fail: COMMENT public CONSTRAINT \"t_other_fkey\" ON \"t\" alice",
                            "may fail: COMMENT - EVENT TRIGGER \"et\" alice"));
}

TEST(Selection, a_materialized_view_made_after_its_key_brings_its_indexes) {
    const auto toc = parse_toc(
        "3305; 2606 16518 CONSTRAINT public t t_pkey alice\n216; 1259 16519 MATERIALIZED VIEW public mv "
        "alice\n;\tdepends on: 3305\n"
        "3306; 1259 16523 INDEX public mv_a_idx alice\n;\tdepends on: 216\n3307; 1259 16524 INDEX public t_a_idx "
        "alice\n");
    EXPECT_THAT(texts(in_order(toc, {3305, 216, 3306, 3307}, Section::post_data)),
                ElementsAre("MATERIALIZED VIEW public mv alice", "INDEX public mv_a_idx alice"));
}

TEST(Selection, what_is_built_upon_objects_that_others_make_comes_after_these) {
    // A table, a chunk of it, a view over the chunk that somebody else makes, and what leans on that.
    const auto toc = parse_toc(
        "1; 1259 100 TABLE public t alice\n"
        "2; 1259 101 TABLE internal chunk alice\n;\tdepends on: 1\n"
        "3; 2604 102 DEFAULT internal chunk a alice\n;\tdepends on: 2\n"
        "4; 1259 103 VIEW public aggregate alice\n;\tdepends on: 2\n"
        "5; 0 0 COMMENT public VIEW aggregate alice\n;\tdepends on: 4\n"
        "6; 1259 104 VIEW public upon alice\n;\tdepends on: 4 1\n"
        "7; 1259 105 VIEW public upon_that alice\n;\tdepends on: 6\n"
        "8; 1259 106 VIEW public other alice\n;\tdepends on: 1\n"
        "9; 2620 107 TRIGGER public t blocker alice\n;\tdepends on: 1\n");
    const auto found = dependents(toc, {.skip_wholly = {{1259, 101}, {2620, 107}}, .made_elsewhere = {{1259, 103}}});
    const auto wanted_in = [&](Section section) {
        std::vector<int> ids;
        for (const auto& entry : toc.entries)
            if (found.wanted(entry, section)) ids.push_back(entry.dump_id);
        return ids;
    };
    EXPECT_THAT(wanted_in(Section::pre_data), ElementsAre(1, 8));
    EXPECT_THAT(wanted_in(Section::dependents), ElementsAre(5, 6, 7));
    EXPECT_THAT(wanted_in(Section::post_data), ElementsAre(1, 5, 6, 7, 8));
    EXPECT_THAT(dependents(toc, {}).skipped, testing::IsEmpty());
}

TEST(Selection, extensions_and_grants_can_be_left_out) {
    const auto toc = parse_toc(listing);
    const auto& extension = toc.entries.at(4);
    EXPECT_TRUE(wanted(extension, {}));
    EXPECT_FALSE(wanted(extension, {.skip_all_extensions = true}));
    EXPECT_FALSE(wanted(extension, {.skip_extensions = {"postgis", "hstore"}}));
    EXPECT_TRUE(wanted(extension, {.skip_extensions = {"hstore2"}}));
    const auto& grant = toc.entries.at(7);
    EXPECT_TRUE(wanted(grant, {}));
    EXPECT_FALSE(wanted(grant, {.no_acl = true}));
}

TEST(UseList, it_names_the_entries_in_the_order_given) {
    const auto toc = parse_toc(listing);
    EXPECT_EQ(use_list({&toc.entries.at(6), &toc.entries.at(2)}), "215;\n5;\n");
}

}  // namespace
}  // namespace tslive::schema
