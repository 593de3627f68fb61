#include <cstdint>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tslive/snapshot/retention.hpp"

namespace tslive::snapshot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t gigabyte = std::uint64_t{1} << 30;

TEST(Retention, is_said_when_it_has_doubled_and_when_the_slot_is_about_to_be_given_up) {
    RetentionWarnings warnings("our_slot");
    EXPECT_THAT(warnings.take({.bytes = 7 * gigabyte, .safe_bytes = {}}), IsEmpty());
    EXPECT_THAT(warnings.take({.bytes = 8 * gigabyte, .safe_bytes = {}}),
                ElementsAre(HasSubstr("keeps 8.0 GB of WAL for replication slot our_slot")));
    EXPECT_THAT(warnings.take({.bytes = 9 * gigabyte, .safe_bytes = {}}), IsEmpty()) << "said already";
    EXPECT_THAT(warnings.take({.bytes = 40 * gigabyte, .safe_bytes = {}}), ElementsAre(HasSubstr("40.0 GB")));
    EXPECT_THAT(warnings.take({.bytes = 63 * gigabyte, .safe_bytes = {}}), IsEmpty());
    EXPECT_THAT(warnings.take({.bytes = gigabyte, .safe_bytes = {}}), IsEmpty());
    EXPECT_THAT(warnings.take({.bytes = 8 * gigabyte, .safe_bytes = {}}), ElementsAre(HasSubstr("8.0 GB")))
        << "it was over, and comes again";
}

TEST(Retention, that_the_source_will_not_keep_for_long_is_said_once) {
    RetentionWarnings warnings("our_slot");
    EXPECT_THAT(warnings.take({.bytes = 0, .safe_bytes = 2 * gigabyte}), IsEmpty());
    EXPECT_THAT(warnings.take({.bytes = 0, .safe_bytes = gigabyte / 2}),
                ElementsAre(HasSubstr("After 512.0 MB more of WAL the source gives up replication slot our_slot")));
    EXPECT_THAT(warnings.take({.bytes = 0, .safe_bytes = 0}), IsEmpty());
    EXPECT_THAT(warnings.take({.bytes = 0, .safe_bytes = gigabyte + 1}), IsEmpty());
    EXPECT_THAT(warnings.take({.bytes = 0, .safe_bytes = gigabyte / 2}), IsEmpty()) << "it has not been well meanwhile";
    EXPECT_THAT(warnings.take({.bytes = 0, .safe_bytes = 2 * gigabyte}), IsEmpty());
    EXPECT_THAT(warnings.take({.bytes = 0, .safe_bytes = 1}), ElementsAre(HasSubstr("After 1 B more")));
}

}  // namespace
}  // namespace tslive::snapshot
