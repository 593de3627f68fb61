// TRUNCATE of tables that partitioned tables refer to: the stream names partitions only, and TRUNCATE on the target asks about the rest.
#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ApplyTruncate : public ApplyTest {};

// Found by random_workload --seed=2.
TEST_F(ApplyTruncate, reaches_partitioned_tables_that_refer_to_it) {
    everywhere(R"sql(
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE p (id int, parent int REFERENCES parent, PRIMARY KEY (id)) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10) PARTITION BY HASH (id);
        CREATE TABLE "p 1.1" PARTITION OF p1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        CREATE TABLE p2 PARTITION OF p DEFAULT;
        CREATE TABLE "Em""pty" (id int REFERENCES parent) PARTITION BY RANGE (id);
        CREATE TABLE grandchild (id int PRIMARY KEY, p int REFERENCES p);
        CREATE TABLE "Par.ts" (p int REFERENCES p) PARTITION BY LIST (p);
        CREATE TABLE part PARTITION OF "Par.ts" DEFAULT;
        CREATE TABLE other (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE other1 PARTITION OF other DEFAULT;
        INSERT INTO parent VALUES (1), (2);
        INSERT INTO p VALUES (1, 1), (20, 2);
        INSERT INTO grandchild VALUES (1, 20);
        INSERT INTO "Par.ts" VALUES (1);
        INSERT INTO other VALUES (1);
    )sql");
    start();
    source.sql("BEGIN; INSERT INTO parent VALUES (3); TRUNCATE parent CASCADE; INSERT INTO parent VALUES (4); COMMIT");
    source.sql("INSERT INTO p VALUES (5, 4); INSERT INTO \"Par.ts\" VALUES (5)");
    source.sql("TRUNCATE p CASCADE");
    source.sql(
        "INSERT INTO p VALUES (6, 4), (60, 4); TRUNCATE parent, p, grandchild, \"Par.ts\", \"Em\"\"pty\" RESTART "
        "IDENTITY");
    source.sql(
        "INSERT INTO parent VALUES (7); INSERT INTO p VALUES (7, 7), (70, 7); INSERT INTO grandchild VALUES (8, 70)");
    apply_and_compare();
}

TEST_F(ApplyTruncate, reaches_unlogged_tables_that_refer_to_it) {
    everywhere(R"sql(
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE UNLOGGED TABLE u (id int PRIMARY KEY, parent int REFERENCES parent);
        CREATE UNLOGGED TABLE "Of u" (u int REFERENCES u);
        INSERT INTO parent VALUES (1);
        INSERT INTO u VALUES (1, 1);
        INSERT INTO "Of u" VALUES (1);
    )sql");
    start();
    source.sql("TRUNCATE parent CASCADE; INSERT INTO parent VALUES (2)");
    apply_and_compare();
    EXPECT_EQ(target.count("u"), 0);
}

TEST_F(ApplyTruncate, does_not_reach_rows_that_only_the_target_has) {
    everywhere(R"sql(
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE p (id int, parent int REFERENCES parent) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
        INSERT INTO parent VALUES (1);
    )sql");
    on_targets("CREATE TABLE p2 PARTITION OF p DEFAULT; INSERT INTO p VALUES (20, 1)");
    start();
    source.sql("TRUNCATE parent CASCADE");
    EXPECT_THAT(failure(), AllOf(HasSubstr("TRUNCATE"), HasSubstr("\"public\".\"parent\""), HasSubstr("foreign key")));
    EXPECT_EQ(target.count("p"), 1);
}

}  // namespace
}  // namespace tslive::apply
