// Large objects, whose changes are in no stream: compared and sent again at the switch-over.

#include "integration/support/migration.hpp"

namespace tslive::harness {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// Owner, rights and comment of each.
constexpr auto descriptions =
    "SELECT l.oid, r.rolname, coalesce(obj_description(l.oid, 'pg_largeobject'), ''), "
    "(SELECT string_agg(coalesce(g.rolname, 'PUBLIC') || a.privilege_type, ',' ORDER BY 1) FROM aclexplode(l.lomacl) a "
    "LEFT JOIN pg_roles g ON g.oid = a.grantee WHERE a.grantee <> l.lomowner) "
    "FROM pg_largeobject_metadata l JOIN pg_roles r ON r.oid = l.lomowner ORDER BY 1";

class CarryLargeObjects : public ::testing::Test {
protected:
    void begin(std::string_view sql) {
        source().sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
        source().sql(sql);
        migration.take_snapshot();
        migration.start();
        migration.wait_until_caught_up();
    }
    void expect_same() {
        EXPECT_TRUE(migration.is_equal());
        EXPECT_EQ(target().rows(descriptions), source().rows(descriptions));
    }
    Database& source() { return migration.pair.source; }
    Database& target() { return migration.pair.target; }

    Migration migration;
};

TEST_F(CarryLargeObjects, made_changed_and_removed_after_the_snapshot_are_the_same_in_the_end) {
    begin(
        "CREATE ROLE carry_owner; CREATE ROLE carry_reader;"
        "SELECT lo_from_bytea(i, convert_to('content ' || i, 'UTF8')) FROM generate_series(100001, 100450) i;"
        "SELECT lo_from_bytea(200001, decode(repeat('00ff', 1100000), 'hex'));"
        "GRANT SELECT ON LARGE OBJECT 100002 TO carry_reader; COMMENT ON LARGE OBJECT 100002 IS 'two'");
    EXPECT_THAT(migration.snapshot->output(), AllOf(HasSubstr("source.large_objects"), HasSubstr("451 large objects")));
    source().sql(
        "SELECT lo_from_bytea(100900, 'new'), lo_from_bytea(99000, ''), lo_unlink(100001), lo_unlink(100450);"
        "SELECT lo_put(100003, 3, 'X'), lo_put(200001, 2100000, 'tail');"  // in the middle of the third piece
        "SELECT lo_put(100004, 5000000, 'far away');"                      // zeros in between
        "REVOKE SELECT ON LARGE OBJECT 100002 FROM carry_reader; GRANT UPDATE ON LARGE OBJECT 100002 TO PUBLIC;"
        "COMMENT ON LARGE OBJECT 100002 IS NULL; ALTER LARGE OBJECT 100005 OWNER TO carry_owner;"
        "GRANT SELECT, UPDATE ON LARGE OBJECT 100900 TO carry_reader");
    migration.switch_over();
    migration.migrate->wait_for_line("451 large objects compared: 5 sent again, 2 removed, 2 with other owners");
    expect_same();
}

TEST_F(CarryLargeObjects, that_the_source_got_only_later_are_brought) {
    begin("SELECT 1");
    source().sql("SELECT lo_from_bytea(4711, 'the first one'); INSERT INTO t VALUES (2)");
    migration.switch_over();
    expect_same();
}

TEST_F(CarryLargeObjects, survive_a_kill_between_the_objects_of_the_switch_over) {
    begin("SELECT lo_from_bytea(i, 'old') FROM generate_series(100001, 101000) i");
    source().sql("SELECT lo_put(oid, 0, 'changed') FROM pg_largeobject_metadata; SELECT lo_from_bytea(7, 'new')");
    // The comparison stands still before an object in the middle of its ranges.
    auto lock = target().connect("holder");
    lock.exec("BEGIN; COMMENT ON LARGE OBJECT 100500 IS 'held'");
    migration.migrate->signal(SIGUSR1);
    eventually("the switch-over waits for the object",
               [&] { return target().holds("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"); });
    migration.migrate->kill_9();
    lock.exec("ROLLBACK");
    migration.resume();
    migration.migrate->wait_for_line("Migration successfully completed");
    migration.migrate->expect_exit(0);
    expect_same();
}

}  // namespace
}  // namespace tslive::harness
