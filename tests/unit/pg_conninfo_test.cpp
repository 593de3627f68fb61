#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/pg/conninfo.hpp"

namespace tslive::pg {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ConnInfo, reads_a_uri_pairs_and_a_bare_name) {
    const auto uri = ConnInfo::parse("postgresql://user:p%40ss@host:5433/my%20db?sslmode=require&application_name=x");
    EXPECT_EQ(uri.value("user"), "user");
    EXPECT_EQ(uri.value("password"), "p@ss");
    EXPECT_EQ(uri.value("port"), "5433");
    EXPECT_EQ(uri.value("dbname"), "my db");
    EXPECT_EQ(uri.value("sslmode"), "require");
    EXPECT_EQ(ConnInfo::parse("host=h dbname='a b' password='it\\'s'").value("password"), "it's");
    EXPECT_EQ(ConnInfo::parse("shop").value("dbname"), "shop");
    EXPECT_EQ(uri.value("host"), "host");
    EXPECT_EQ(uri.value("service"), std::nullopt);
}

TEST(ConnInfo, what_libpq_cannot_read_is_refused_without_repeating_it) {
    for (const std::string text :
         {"", "host=h password=secret nonsense", "postgresql://u:secret@[h/db", "unknown_key=secret"}) {
        try {
            static_cast<void>(ConnInfo::parse(text));
            ADD_FAILURE() << text;
        } catch (const Error& error) {
            EXPECT_EQ(error.recovery(), Recovery::operator_action);
            EXPECT_THAT(std::string{error.what()} + error.remedy(), Not(HasSubstr("secret")));
        }
    }
}

TEST(ConnInfo, is_written_as_libpq_reads_it) {
    const auto info = ConnInfo{}
                          .with("host", "/tmp/it's \\ here")
                          .with("password", "'")
                          .with("dbname", "")
                          .with("options", "-c a=b c");
    EXPECT_EQ(ConnInfo::parse(info.to_string()).values(), info.values());
}

TEST(ConnInfo, secrets_can_be_taken_out_and_are_never_described) {
    const auto info = ConnInfo::parse("host=h user=u dbname=d password=secret sslpassword=other");
    EXPECT_THAT(info.describe(), Not(HasSubstr("secret")));
    EXPECT_EQ(info.describe(), "host=h dbname=d user=u");
    EXPECT_THAT(info.without_secrets().to_string(), Not(testing::AnyOf(HasSubstr("secret"), HasSubstr("other"))));
    EXPECT_EQ(info.secrets().size(), 2U);
    EXPECT_EQ(ConnInfo{}.describe(), "libpq's defaults");
}

TEST(ConnInfo, a_default_does_not_overrule_the_user) {
    const auto info = ConnInfo::parse("host=h keepalives_idle=7")
                          .with_default("keepalives_idle", "30")
                          .with_default("port", "1")
                          .without("host");
    EXPECT_EQ(info.value("keepalives_idle"), "7");
    EXPECT_EQ(info.value("port"), "1");
    EXPECT_EQ(info.value("host"), std::nullopt);
}

}  // namespace
}  // namespace tslive::pg
