// Quoting, parameters, SQLSTATEs and errors: what needs no server.
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/pg/error.hpp"
#include "tslive/pg/params.hpp"
#include "tslive/pg/quote.hpp"
#include "tslive/pg/retry.hpp"
#include "tslive/pg/sqlstate.hpp"

namespace tslive::pg {
namespace {

TEST(Quote, a_name_stays_a_name) {
    EXPECT_EQ(quote_identifier("plain"), "\"plain\"");
    EXPECT_EQ(quote_identifier("My\".Tab,le"), "\"My\"\".Tab,le\"");
    EXPECT_EQ(quote_identifier("\"; DROP TABLE t; --"), "\"\"\"; DROP TABLE t; --\"");
    EXPECT_EQ(quote_identifier(""), "\"\"");
    EXPECT_EQ(qualified("a.b", "c\"d"), "\"a.b\".\"c\"\"d\"");
}

TEST(Quote, a_constant_stays_a_constant_whatever_the_servers_settings) {
    EXPECT_EQ(quote_literal("it's"), "'it''s'");
    EXPECT_EQ(quote_literal(""), "''");
    EXPECT_EQ(quote_literal("a\\'b"), " E'a\\\\''b'");
}

TEST(Params, keep_their_values_while_more_are_added) {
    Params params;
    for (int i = 0; i < 1000; ++i) params.text(fmt::format("value {}", i));
    params.null().number(-5).boolean(true).binary(as_bytes(std::string_view("\0x", 2)));
    ASSERT_EQ(params.count(), 1004);
    EXPECT_STREQ(params.values()[0], "value 0");
    EXPECT_STREQ(params.values()[999], "value 999");
    EXPECT_EQ(params.values()[1000], nullptr);
    EXPECT_STREQ(params.values()[1001], "-5");
    EXPECT_STREQ(params.values()[1002], "t");
    EXPECT_EQ(params.formats()[1002], 0);
    EXPECT_EQ(params.formats()[1003], 1);
    EXPECT_EQ(params.lengths()[1003], 2);
    EXPECT_EQ(std::string_view(params.values()[1003], 2), std::string_view("\0x", 2));
    const auto bytes = params.bytes();
    EXPECT_EQ(params.text("four").bytes(), bytes + 4);
    params.clear();
    EXPECT_EQ(params.count(), 0);
    EXPECT_EQ(params.bytes(), 0U);
}

TEST(SqlState, keeps_codes_that_are_not_known_here) {
    const SqlState odd{"XX0Z9"};
    EXPECT_EQ(odd.code(), "XX0Z9");
    EXPECT_EQ(odd.code_class(), "XX");
    EXPECT_TRUE(odd.known());
    EXPECT_EQ(SqlState{"23505"}, sqlstate::unique_violation);
    for (const auto* text : {"", "2350", "235055"}) EXPECT_FALSE(SqlState{text}.known()) << text;
    EXPECT_EQ(SqlState{}.code_class(), "");
    EXPECT_EQ(fmt::format("{} {}", odd, SqlState{}), "XX0Z9 no SQLSTATE");
}

TEST(ServerError, says_what_the_server_said_and_what_was_done) {
    const ServerError error(Recovery::operator_action, {.state = sqlstate::unique_violation,
                                                        .severity = "ERROR",
                                                        .primary = "duplicate key",
                                                        .detail = "Key (id)=(1) exists.",
                                                        .hint = "a hint",
                                                        .context = ""});
    EXPECT_STREQ(error.what(), "duplicate key (Key (id)=(1) exists.) [SQLSTATE 23505]");
    EXPECT_EQ(error.remedy(), "a hint");
    const auto more = error.with_context("INSERT of t", "mend it");
    EXPECT_STREQ(more.what(), "INSERT of t: duplicate key (Key (id)=(1) exists.) [SQLSTATE 23505]");
    EXPECT_EQ(more.remedy(), "mend it");
    EXPECT_EQ(more.state(), sqlstate::unique_violation);
    EXPECT_EQ(error.with_context("x").remedy(), "a hint");
}

TEST(Recovery, follows_the_sqlstate) {
    EXPECT_EQ(recovery_for(sqlstate::deadlock_detected), Recovery::retry_transaction);
    EXPECT_EQ(recovery_for(sqlstate::serialization_failure), Recovery::retry_transaction);
    for (const auto* code : {"08006", "08P01", "57P01", "57P02", "57P03", "53300"})
        EXPECT_EQ(recovery_for(SqlState{code}), Recovery::reconnect) << code;
    for (const auto* code : {"23505", "42P01", "53100", "57014", "XX000"})
        EXPECT_EQ(recovery_for(SqlState{code}), Recovery::operator_action) << code;
}

TEST(Retry, goes_on_until_it_works_and_gives_up_on_what_does_not_pass) {
    Waiter waiter;
    const RetryBudget quick{.first_wait = std::chrono::milliseconds{0}, .longest_wait = std::chrono::milliseconds{0}};
    int tries = 0;
    EXPECT_EQ(
        retry(
            "trying", waiter, [&] { return ++tries < 4 ? throw Error(Recovery::reconnect, "gone") : tries; }, quick),
        4);
    tries = 0;
    EXPECT_THROW(retry(
                     "trying", waiter,
                     [&] {
                         ++tries;
                         throw Error(Recovery::operator_action, "no");
                     },
                     quick),
                 Error);
    EXPECT_EQ(tries, 1);
    tries = 0;
    const RetryBudget none{.first_wait = std::chrono::milliseconds{1},
                           .longest_wait = std::chrono::milliseconds{1},
                           .total = std::chrono::seconds{0}};
    EXPECT_THROW(retry(
                     "trying", waiter,
                     [&] {
                         ++tries;
                         throw Error(Recovery::reconnect, "gone");
                     },
                     none),
                 Error);
    EXPECT_GE(tries, 2);
    std::stop_source stop;
    stop.request_stop();
    Waiter stopped(stop.get_token());
    EXPECT_THROW(retry("trying", stopped, [] { throw Error(Recovery::reconnect, "gone"); }), Stopped);
}

}  // namespace
}  // namespace tslive::pg
