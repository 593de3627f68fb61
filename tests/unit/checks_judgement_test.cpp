#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/checks/both_ends.hpp"
#include "tslive/checks/sessions.hpp"
#include "tslive/checks/source_objects.hpp"
#include "tslive/checks/source_server.hpp"
#include "tslive/checks/target.hpp"

namespace tslive::checks {
namespace {

using catalog::Capabilities;
using testing::HasSubstr;
using testing::Not;

MATCHER_P(Weighs, weight, "") {
    *result_listener << name(arg.weight) << ": " << arg.text << " / " << arg.remedy;
    const bool says_what_to_do = arg.weight < Weight::warning || !arg.remedy.empty();
    return arg.weight == weight && !arg.text.empty() && says_what_to_do;
}

TEST(Findings, list_the_first_few_and_count_the_rest) {
    EXPECT_EQ(listed(std::vector<std::string>{}), "");
    EXPECT_EQ(listed(std::vector<std::string>{"a", "b"}), "a, b");
    EXPECT_EQ(listed(std::vector<std::string>{"a", "b", "c", "d"}, 2), "a, b and 2 more");
}

TEST(Findings, are_as_grave_as_the_worst_one) {
    EXPECT_EQ(worst({}), Weight::passed);
    const std::vector<Finding> findings{
        {"a", Weight::note, "", ""}, {"b", Weight::fatal, "", ""}, {"c", Weight::warning, "", ""}};
    EXPECT_EQ(worst(findings), Weight::fatal);
}

TEST(Findings, print_as_one_line) {
    EXPECT_EQ(fmt::format("{}", Finding{"source.x", Weight::warning, "it leaks", "Mend it"}),
              "warning: source.x: it leaks. Mend it");
    EXPECT_EQ(fmt::format("{}", Finding{"source.x", Weight::passed, "fine", ""}), "ok: source.x: fine");
}

TEST(WalLevel, must_be_logical) {
    EXPECT_THAT(judge_wal_level("logical"), Weighs(Weight::passed));
    EXPECT_THAT(judge_wal_level("replica"), Weighs(Weight::fatal));
}

TEST(FreeSlots, must_be_as_many_as_are_needed) {
    EXPECT_THAT(judge_free("replication slots", "max_replication_slots", 10, 8, 2), Weighs(Weight::passed));
    const auto verdict = judge_free("replication slots", "max_replication_slots", 10, 9, 2);
    EXPECT_THAT(verdict, Weighs(Weight::fatal));
    EXPECT_THAT(verdict.remedy, HasSubstr("max_replication_slots to at least 11"));
}

TEST(OpenTransactions, are_named_with_who_and_how_long) {
    using namespace std::chrono_literals;
    EXPECT_THAT(judge_transactions({}, 10s), Weighs(Weight::passed));
    const auto verdict = judge_transactions(
        {{.pid = 42, .prepared = "", .user = "app", .database = "shop", .age = 3700s, .query = "UPDATE x"},
         {.pid = 0, .prepared = "tx1", .user = "bob", .database = "shop", .age = 90s, .query = ""}},
        10s);
    EXPECT_THAT(verdict, Weighs(Weight::warning));
    EXPECT_THAT(verdict.text, HasSubstr("process 42 of app in shop, 1h 1m old: UPDATE x"));
    EXPECT_THAT(verdict.text, HasSubstr("prepared transaction 'tx1' of bob in shop, 1m 30s old"));
}

TEST(SlotLimits, are_warned_of) {
    EXPECT_THAT(judge_slot_limits("-1", "0"), Weighs(Weight::passed));
    EXPECT_THAT(judge_slot_limits("1GB", "0"), Weighs(Weight::warning));
    EXPECT_THAT(judge_slot_limits("-1", "1h"), Weighs(Weight::warning));
}

TEST(OldSnapshotThreshold, is_warned_of) {
    EXPECT_THAT(judge_old_snapshot_threshold("-1"), Weighs(Weight::passed));
    EXPECT_THAT(judge_old_snapshot_threshold("1h"), Weighs(Weight::warning));
}

TEST(Connections, are_counted_against_every_limit) {
    EXPECT_THAT(judge_connections({.limit = 97, .used = 70}, 22), Weighs(Weight::passed));
    EXPECT_THAT(judge_connections({.limit = 97, .used = 80}, 22), Weighs(Weight::fatal));
    EXPECT_THAT(judge_connections({.limit = 97, .used = 0, .role_limit = 10}, 22).text, HasSubstr("role's"));
    EXPECT_THAT(judge_connections({.limit = 97, .used = 0, .database_limit = 30, .database_used = 20}, 22).text,
                HasSubstr("database's"));
    EXPECT_THAT(judge_connections({.limit = 10, .used = 12}, 1).text, HasSubstr("and 0 are free"));
}

TEST(Timeouts, that_a_session_could_not_turn_off_are_fatal) {
    EXPECT_THAT(judge_timeouts({{"statement_timeout", "0"}}), Weighs(Weight::passed));
    const auto verdict = judge_timeouts({{"statement_timeout", "0"}, {"transaction_timeout", "5min"}});
    EXPECT_THAT(verdict, Weighs(Weight::fatal));
    EXPECT_THAT(verdict.text, HasSubstr("transaction_timeout = 5min"));
    EXPECT_THAT(verdict.text, Not(HasSubstr("statement_timeout")));
}

TEST(Pooler, is_known_by_a_session_that_changes_its_process) {
    EXPECT_THAT(judge_pooler({.announced = 7, .first = 7, .second = 8, .again = 7}), Weighs(Weight::passed));
    EXPECT_THAT(judge_pooler({.announced = 1, .first = 7, .second = 7, .again = 8}), Weighs(Weight::fatal));
    EXPECT_THAT(judge_pooler({.announced = 1, .first = 7, .second = 8, .again = 9}), Weighs(Weight::fatal));
    EXPECT_THAT(judge_pooler({.announced = 1, .first = 7, .second = 8, .again = 7}), Weighs(Weight::warning));
}

TEST(OneServer, is_what_every_connection_must_lead_to) {
    const catalog::ServerIdentity one{.system_identifier = "1", .address = "10.0.0.1:5432", .started_at = "noon"};
    auto standby = one;
    standby.address = "10.0.0.2:5432";
    standby.in_recovery = true;
    EXPECT_THAT(judge_same_server({one, one, one}), Weighs(Weight::passed));
    EXPECT_THAT(judge_same_server({one, one, standby}), Weighs(Weight::fatal));
}

catalog::Table table(std::string name, bool usable_identity) {
    catalog::Table made;
    made.name = {"public", std::move(name)};
    made.usable_identity = usable_identity;
    return made;
}

TEST(ReplicaIdentity, is_warned_of_where_it_is_missing) {
    auto partitioned = table("parent", false);
    partitioned.kind = catalog::RelationKind::partitioned_table;
    auto member = table("member", false);
    member.extension = "postgis";
    EXPECT_THAT(judge_replica_identity({table("a", true), partitioned, member}), Weighs(Weight::passed));
    const auto verdict = judge_replica_identity({table("a", true), table("b", false)});
    EXPECT_THAT(verdict, Weighs(Weight::warning));
    EXPECT_THAT(verdict.text, HasSubstr("public.b"));
}

TEST(Locks, must_be_enough_for_every_table_at_once) {
    EXPECT_EQ(judge_locks(3'000, 64, 100).weight, Weight::passed);
    EXPECT_EQ(judge_locks(6'000, 64, 100).weight, Weight::warning);
    const auto too_many = judge_locks(20'000, 64, 100);
    EXPECT_EQ(too_many.weight, Weight::fatal);
    EXPECT_THAT(too_many.text, HasSubstr("20000 tables are locked at once"));
    EXPECT_THAT(too_many.text, HasSubstr("room for 6400 locks"));
    EXPECT_THAT(too_many.remedy, HasSubstr("max_locks_per_transaction = 401"));
    EXPECT_EQ(judge_locks(20'000, 401, 100).weight, Weight::passed) << "what the remedy says is enough";
}

TEST(Publication, needs_a_superuser_or_the_tables_owner) {
    const Capabilities patched{150013}, unpatched{150001};
    EXPECT_THAT(judge_publication(true, true, {}, unpatched), Weighs(Weight::passed));
    EXPECT_THAT(judge_publication(false, false, {}, patched), Weighs(Weight::fatal));
    EXPECT_THAT(judge_publication(false, true, {{"public", "t"}}, patched), Weighs(Weight::fatal));
    EXPECT_THAT(judge_publication(false, true, {}, patched), Weighs(Weight::note));
    EXPECT_THAT(judge_publication(false, true, {}, unpatched).text, HasSubstr("may lose changes"));
}

TEST(Origin, is_not_necessary) {
    EXPECT_THAT(judge_origin({}, 5), Weighs(Weight::passed));
    EXPECT_THAT(judge_origin({"pg_replication_origin_create"}, 5), Weighs(Weight::note));
    EXPECT_THAT(judge_origin({}, 0), Weighs(Weight::note));
}

TEST(TargetPrivileges, are_create_on_the_database_and_on_shared_schemas) {
    EXPECT_THAT(judge_target_privileges("bob", true, {}), Weighs(Weight::passed));
    EXPECT_THAT(judge_target_privileges("bob", false, {}), Weighs(Weight::fatal));
    EXPECT_THAT(judge_target_privileges("bob", true, {"public"}), Weighs(Weight::fatal));
}

TEST(Roles, that_are_missing_need_somebody_who_may_make_them) {
    EXPECT_THAT(judge_roles(false, {}), Weighs(Weight::passed));
    EXPECT_THAT(judge_roles(true, {"app"}), Weighs(Weight::passed));
    EXPECT_THAT(judge_roles(false, {"app"}), Weighs(Weight::fatal));
}

TEST(Versions, may_rise_but_not_fall) {
    EXPECT_THAT(judge_versions(Capabilities{150010}, Capabilities{150004}), Weighs(Weight::passed));
    EXPECT_THAT(judge_versions(Capabilities{120000}, Capabilities{180000}), Weighs(Weight::passed));
    EXPECT_THAT(judge_versions(Capabilities{160000}, Capabilities{150000}), Weighs(Weight::fatal));
    EXPECT_THAT(judge_versions(Capabilities{110000}, Capabilities{150000}), Weighs(Weight::fatal));
    EXPECT_THAT(judge_versions(Capabilities{150000}, Capabilities{190000}).text,
                HasSubstr("the target has version 19.0"));
}

TEST(Databases, must_be_two) {
    catalog::Database one;
    one.system_identifier = "1";
    one.name = "shop";
    one.oid = 5;
    auto elsewhere = one;
    elsewhere.system_identifier = "2";
    auto beside = one;
    beside.name = "shop2";
    beside.oid = 6;
    EXPECT_THAT(judge_different_databases(one, elsewhere), Weighs(Weight::passed));
    EXPECT_THAT(judge_different_databases(one, beside), Weighs(Weight::note));
    EXPECT_THAT(judge_different_databases(one, one), Weighs(Weight::fatal));
}

TEST(Encodings, are_compatible_when_every_text_has_a_place) {
    EXPECT_THAT(judge_encodings("UTF8", "UTF8"), Weighs(Weight::passed));
    EXPECT_THAT(judge_encodings("SQL_ASCII", "SQL_ASCII"), Weighs(Weight::passed));
    EXPECT_THAT(judge_encodings("LATIN1", "UTF8"), Weighs(Weight::note));
    EXPECT_THAT(judge_encodings("UTF8", "SQL_ASCII"), Weighs(Weight::warning));
    EXPECT_THAT(judge_encodings("UTF8", "LATIN1"), Weighs(Weight::fatal));
    EXPECT_THAT(judge_encodings("SQL_ASCII", "UTF8"), Weighs(Weight::fatal));
}

TEST(Extensions, are_looked_for_by_name_and_version) {
    const std::vector<catalog::Extension> installed{
        {.name = "citext", .version = "1.6", .schema = "public", .configuration = {}}};
    const std::map<std::string, catalog::AvailableExtension> same{{"citext", {"1.6", {"1.5", "1.6"}}}};
    const std::map<std::string, catalog::AvailableExtension> older{{"citext", {"1.5", {"1.5"}}}};
    EXPECT_THAT(judge_extensions(installed, {}, same), Weighs(Weight::passed));
    EXPECT_THAT(judge_extensions(installed, {}, older), Weighs(Weight::warning));
    EXPECT_THAT(judge_extensions(installed, {}, {}), Weighs(Weight::fatal));
    EXPECT_THAT(judge_extensions(installed, {"citext"}, {}), Weighs(Weight::passed));
}

TEST(Collations, are_looked_for_where_their_kind_comes_from) {
    const OfferedCollations offered{
        .built_in = {"de_DE.utf8", "C"}, .libc_locales = {normal_locale("de_DE.UTF-8")}, .icu = false};
    EXPECT_THAT(judge_collations({{{"pg_catalog", "de_DE.utf8"}, 'c', "de_DE.utf8"}}, offered), Weighs(Weight::passed));
    EXPECT_THAT(judge_collations({{{"pg_catalog", "sv_SE.utf8"}, 'c', "sv_SE.utf8"}}, offered), Weighs(Weight::fatal));
    EXPECT_THAT(judge_collations({{{"public", "german"}, 'c', "de_DE.utf8"}}, offered), Weighs(Weight::passed));
    EXPECT_THAT(judge_collations({{{"public", "swedish"}, 'c', "sv_SE.utf8"}}, offered), Weighs(Weight::fatal));
    EXPECT_THAT(judge_collations({{{"public", "unicode"}, 'i', ""}}, offered), Weighs(Weight::fatal));
}

TEST(Target, must_not_hold_what_is_to_come_unless_a_run_resumes) {
    EXPECT_THAT(judge_empty_target({}, false), Weighs(Weight::passed));
    EXPECT_THAT(judge_empty_target({"relation public.t"}, false), Weighs(Weight::fatal));
    EXPECT_THAT(judge_empty_target({"relation public.t"}, true), Weighs(Weight::passed));
}

}  // namespace
}  // namespace tslive::checks
