#include <gtest/gtest.h>

#include "integration/harness/versions.hpp"
#include "integration/support/migration.hpp"

namespace tslive::harness {
namespace {

// Before 14 the stream has no messages, so that the end mark is a position alone. What commits without waiting for the disk lies beyond
// what is flushed at that moment.
TEST(SwitchOver, has_an_end_mark_behind_commits_that_did_not_wait_for_the_disk) {
    TSLIVE_NEEDS_SERVER(12);
    Migration migration({.source = {.settings = {"wal_level=logical", "synchronous_commit=off", "wal_writer_delay=10s",
                                                 "bgwriter_delay=10s"},
                                    .bin_dir = *bin_dir_of(12)}});
    auto& source = migration.pair.source;
    source.sql("CREATE TABLE t (id int PRIMARY KEY)");
    migration.take_snapshot();
    migration.start();
    migration.wait_until_caught_up();
    source.sql("INSERT INTO t SELECT generate_series(1, 100)");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

}  // namespace
}  // namespace tslive::harness
