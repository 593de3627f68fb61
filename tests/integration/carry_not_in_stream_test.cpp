// What logical decoding does not carry besides large objects: unlogged tables, materialized views, sequences, other DDL.

#include "integration/support/migration.hpp"

namespace tslive::harness {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class CarryAtSwitchOver : public ::testing::Test {
protected:
    void begin(std::string_view sql, std::vector<std::string> arguments = {}) {
        source().sql(sql);
        migration.take_snapshot();
        migration.start(std::move(arguments));
        migration.wait_until_caught_up();
    }
    Database& source() { return migration.pair.source; }
    Database& target() { return migration.pair.target; }

    Migration migration;
};

TEST_F(CarryAtSwitchOver, unlogged_tables_partitions_and_children_are_copied_again) {
    begin(R"sql(
        CREATE UNLOGGED TABLE quick (id int PRIMARY KEY, v text); INSERT INTO quick SELECT i, 'old' FROM generate_series(1, 1000) i;
        CREATE UNLOGGED TABLE refers (id int PRIMARY KEY, quick int REFERENCES quick); INSERT INTO refers VALUES (1, 1);
        CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE p_logged PARTITION OF p FOR VALUES FROM (0) TO (100);
        CREATE UNLOGGED TABLE p_quick PARTITION OF p FOR VALUES FROM (100) TO (200);
        INSERT INTO p SELECT i, 'old' FROM generate_series(50, 150) i;
        CREATE TABLE parent (id int PRIMARY KEY); CREATE UNLOGGED TABLE child () INHERITS (parent);
        INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2);
        CREATE UNLOGGED TABLE became_logged (id int PRIMARY KEY, v text); INSERT INTO became_logged VALUES (1, 'old'), (2, 'old');
        CREATE TABLE became_unlogged (id int, v text); INSERT INTO became_unlogged VALUES (1, 'old');
    )sql");
    EXPECT_THAT(migration.snapshot->output(), AllOf(HasSubstr("source.unlogged_tables"), HasSubstr("public.quick")));
    source().sql(R"sql(
        UPDATE quick SET v = 'new' WHERE id < 500; DELETE FROM quick WHERE id > 900; INSERT INTO quick VALUES (5000, 'new');
        UPDATE refers SET quick = 5000; UPDATE p SET v = 'new'; UPDATE p SET id = 199 WHERE id = 50;
        DELETE FROM child; INSERT INTO child VALUES (3), (4); INSERT INTO parent VALUES (5);
        DELETE FROM became_logged WHERE id = 1; UPDATE became_logged SET v = 'unlogged';
    )sql");
    source().sql("ALTER TABLE became_logged SET LOGGED");
    source().sql(
        "INSERT INTO became_logged VALUES (1, 'logged'), (3, 'logged'); UPDATE became_logged SET v = v || '!'");
    source().sql("ALTER TABLE became_unlogged SET UNLOGGED");
    source().sql("INSERT INTO became_unlogged VALUES (2, 'unlogged'); UPDATE became_unlogged SET v = v || '!'");
    migration.switch_over();
    migration.migrate->wait_for_line("Unlogged table public.quick copied again: 901 rows");
    EXPECT_TRUE(migration.is_equal({.schema = false}));
}

TEST_F(CarryAtSwitchOver, unlogged_tables_survive_a_kill_while_they_are_copied_again) {
    begin(std::string{Gate::sql()} + "CREATE UNLOGGED TABLE quick (id int CHECK (gate(id, 700)), v text)");
    source().sql("INSERT INTO quick SELECT i, 'new' FROM generate_series(1, 1000) i");
    Gate gate(target(), 700);
    migration.migrate->signal(SIGUSR1);
    gate.wait_until_reached();
    migration.migrate->kill_9();
    gate.open();
    migration.resume();
    migration.migrate->wait_for_line("Migration successfully completed");
    migration.migrate->expect_exit(0);
    EXPECT_TRUE(migration.is_equal());
}

constexpr auto views =
    "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10);"
    "CREATE MATERIALIZED VIEW z_first AS SELECT count(*) AS n FROM t; CREATE UNIQUE INDEX ON z_first (n);"
    "CREATE MATERIALIZED VIEW \"a second\" AS SELECT n + 1 AS n FROM z_first;"
    "CREATE MATERIALIZED VIEW empty AS SELECT 1 AS n WITH NO DATA;";

TEST_F(CarryAtSwitchOver, materialized_views_are_listed_in_order_and_not_refreshed_unless_asked) {
    begin(views);
    source().sql(
        "INSERT INTO t VALUES (11); REFRESH MATERIALIZED VIEW z_first; REFRESH MATERIALIZED VIEW \"a second\"");
    migration.switch_over();
    const auto said = migration.migrate->output();
    const auto first = said.find("REFRESH MATERIALIZED VIEW \"public\".\"z_first\";");
    const auto second = said.find("REFRESH MATERIALIZED VIEW \"public\".\"a second\";");
    EXPECT_LT(first, second);
    EXPECT_NE(second, std::string::npos) << said;
    EXPECT_THAT(said, Not(HasSubstr("\"empty\"")));
    EXPECT_EQ(target().value("SELECT n FROM z_first"), "10");
    EXPECT_EQ(target().value("SELECT n FROM \"a second\""), "11");
}

TEST_F(CarryAtSwitchOver, materialized_views_are_refreshed_on_request_and_never_stop_the_replay) {
    begin(views, {"--refresh-matviews"});
    // Dropped, made and refreshed under FOR ALL TABLES: the server logs INSERTs into them.
    source().sql("INSERT INTO t VALUES (11); REFRESH MATERIALIZED VIEW z_first");
    source().sql("REFRESH MATERIALIZED VIEW CONCURRENTLY z_first; REFRESH MATERIALIZED VIEW \"a second\"");
    source().sql(
        "DROP MATERIALIZED VIEW \"a second\"; CREATE MATERIALIZED VIEW \"a second\" AS SELECT n + 1 AS n FROM z_first");
    source().sql(
        "INSERT INTO t VALUES (12); REFRESH MATERIALIZED VIEW z_first; REFRESH MATERIALIZED VIEW \"a second\"");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
    EXPECT_EQ(target().value("SELECT n FROM \"a second\""), "13");
    EXPECT_THAT(migration.migrate->output(), Not(HasSubstr("REFRESH MATERIALIZED VIEW")));
}

TEST_F(CarryAtSwitchOver, sequences_of_every_kind_stand_where_they_stood) {
    begin(R"sql(
        CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, s serial);
        CREATE SEQUENCE unowned START 100; CREATE SEQUENCE down INCREMENT -5 MINVALUE -1000 MAXVALUE -1 START -1;
        CREATE SEQUENCE round MAXVALUE 3 CYCLE; CREATE SEQUENCE small AS smallint CACHE 20; CREATE SEQUENCE never;
        CREATE SEQUENCE "Odd "" name"; CREATE UNLOGGED SEQUENCE quick;
    )sql");
    source().sql(R"sql(
        INSERT INTO t SELECT FROM generate_series(1, 7); SELECT nextval('unowned'), nextval('down'), nextval('down'), nextval('small');
        SELECT nextval('round') FROM generate_series(1, 5); SELECT setval('"Odd "" name"', 77, false); SELECT nextval('quick'), nextval('quick');
        CREATE SEQUENCE made_later INCREMENT 3 START 10; SELECT nextval('made_later'); CREATE TABLE later_too (id int PRIMARY KEY);
        CREATE SEQUENCE made_on_both_sides; SELECT nextval('made_on_both_sides') FROM generate_series(1, 9);
    )sql");
    target().sql("CREATE SEQUENCE made_on_both_sides; CREATE TABLE later_too (id int PRIMARY KEY)");
    migration.switch_over();
    const std::string statement =
        "CREATE SEQUENCE public.made_later AS bigint INCREMENT BY 3 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH "
        "10 CACHE 1;";
    EXPECT_THAT(migration.migrate->output(), HasSubstr("sequence public.made_later: " + statement));
    target().sql(statement + "SELECT nextval('made_later')");
    EXPECT_TRUE(migration.is_equal());
    EXPECT_EQ(target().value("SELECT nextval('\"Odd \"\" name\"')"), "77");
    EXPECT_EQ(target().value("SELECT nextval('down')"), "-11");
}

TEST_F(CarryAtSwitchOver, other_objects_that_were_made_later_are_listed_with_what_makes_them) {
    begin("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)");
    source().sql(R"sql(
        CREATE INDEX "by V" ON t (v) WHERE v > 0; ALTER TABLE t ADD CONSTRAINT positive CHECK (v >= 0);
        CREATE VIEW seen AS SELECT v FROM t; CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'; CREATE TYPE mood AS ENUM ('good');
    )sql");
    migration.switch_over();
    const auto said = migration.migrate->output();
    for (const std::string wanted :
         {"CREATE INDEX \"by V\" ON public.t USING btree (v) WHERE (v > 0);",
          "ALTER TABLE public.t ADD CONSTRAINT positive CHECK ((v >= 0));", "CREATE VIEW public.seen AS SELECT",
          "CREATE OR REPLACE FUNCTION public.twice(integer)", "type public.mood"})
        EXPECT_THAT(said, HasSubstr(wanted));
}

TEST_F(CarryAtSwitchOver, temporary_tables_of_other_sessions_are_no_matter) {
    auto session = source().connect("temporary");
    session.exec("CREATE TEMPORARY TABLE hidden (id int); INSERT INTO hidden VALUES (1)");
    begin("CREATE TABLE t (id int PRIMARY KEY)");
    session.exec(
        "UPDATE hidden SET id = 2; CREATE TEMPORARY TABLE more AS SELECT 1 AS id; DROP TABLE hidden; CREATE TEMPORARY "
        "TABLE t (id int)");
    session.exec("INSERT INTO t VALUES (1); INSERT INTO public.t VALUES (2)");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
    EXPECT_THAT(migration.migrate->output(), Not(HasSubstr("pg_temp")));
}

}  // namespace
}  // namespace tslive::harness
