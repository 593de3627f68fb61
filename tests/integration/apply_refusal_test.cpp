// What the target refuses or has not: the applier stops with a name, nothing later is applied, and goes on once it is
// mended.
#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ApplyRefusal : public ApplyTest {
protected:
    /// A table of 50 rows everywhere, and a stream.
    void begin_with_table(std::string_view more = "") {
        everywhere(
            "CREATE TABLE t (id int PRIMARY KEY, v text, u int UNIQUE); INSERT INTO t SELECT i, 'v' || i, i FROM "
            "generate_series(1, 50) i");
        everywhere(more);
        start();
    }
    /// The position of the next transaction's commit lies between this and the next call.
    [[nodiscard]] Lsn position() const { return *Lsn::parse(source.value("SELECT pg_current_wal_insert_lsn()")); }
    [[nodiscard]] Lsn progress() const {
        return Lsn::parse(target.value(fmt::format(
                              "SELECT remote_lsn FROM pg_replication_origin_status WHERE external_id = '{}'",
                              stream->names().origin())))
            .value_or(Lsn{});
    }
};

TEST_F(ApplyRefusal, a_row_missing_on_the_target_is_named_and_mended) {
    begin_with_table();
    target.sql("DELETE FROM t WHERE id = 7");
    source.sql("INSERT INTO t VALUES (100, 'before')");
    const auto before = position();
    source.sql(
        "BEGIN; UPDATE t SET v = 'x' WHERE id BETWEEN 5 AND 9; INSERT INTO t VALUES (101, 'same transaction'); COMMIT");
    const auto after = position();
    source.sql("INSERT INTO t VALUES (102, 'later')");
    const auto message = failure();
    EXPECT_THAT(message, AllOf(HasSubstr("UPDATE of public.t touched 0 rows where 1 was expected: id = 7"),
                               HasSubstr("transaction "), HasSubstr("--resume")));
    // The position it names is that of the transaction's commit.
    const auto at = message.find("commit at ") + 10;
    const auto named = Lsn::parse(message.substr(at, message.find(')', at) - at));
    ASSERT_TRUE(named);
    EXPECT_GT(*named, before);
    EXPECT_LT(*named, after);
    EXPECT_EQ(target.number("SELECT count(*) FROM t WHERE id IN (101, 102) OR v = 'x'"), 0);
    EXPECT_LE(progress(), before);

    target.sql("INSERT INTO t VALUES (7, 'v7', 7)");
    apply();
    expect_equal();
}

TEST_F(ApplyRefusal, deletes_and_rows_found_by_content_are_counted_too) {
    begin_with_table(
        "CREATE TABLE f (a int, b text); ALTER TABLE f REPLICA IDENTITY FULL; INSERT INTO f VALUES (1, 'x'), (2, 'y')");
    target.sql("DELETE FROM t WHERE id IN (20, 21); DELETE FROM f WHERE a = 1");
    source.sql("DELETE FROM t WHERE id BETWEEN 10 AND 30");
    EXPECT_THAT(failure(), HasSubstr("DELETE of public.t touched 0 rows where 1 was expected: id = 20"));
    target.sql("INSERT INTO t VALUES (20, '', NULL), (21, '', NULL)");
    source.sql("UPDATE f SET b = 'z'");
    EXPECT_THAT(failure(), HasSubstr("UPDATE of public.f touched 0 rows where 1 was expected: a = 1, b = x"));
    target.sql("INSERT INTO f VALUES (1, 'x')");
    source.sql("UPDATE t SET id = 400 WHERE id = 40");
    target.sql("UPDATE t SET id = -40 WHERE id = 40");
    EXPECT_THAT(failure(), HasSubstr("UPDATE of public.t touched 0 rows where 1 was expected: id = 40"));
    target.sql("UPDATE t SET id = 40 WHERE id = -40");
    apply();
    expect_equal();
}

TEST_F(ApplyRefusal, a_duplicate_key_on_the_target_is_named_and_mended) {
    begin_with_table();
    target.sql("INSERT INTO t VALUES (1007, 'in the way')");
    source.sql("INSERT INTO t SELECT i, 'new' FROM generate_series(1000, 1100) i");
    source.sql("INSERT INTO t VALUES (2000, 'later')");
    EXPECT_THAT(failure(), AllOf(HasSubstr("INSERT of public.t: id = 1007"), HasSubstr("duplicate key value"),
                                 HasSubstr("SQLSTATE 23505"), HasSubstr("commit at ")));
    EXPECT_EQ(target.count("t"), 51);
    target.sql("DELETE FROM t WHERE id = 1007");
    apply();
    expect_equal();
}

TEST_F(ApplyRefusal, a_missing_table_is_named_and_may_be_made) {
    begin_with_table();
    source.sql("CREATE TABLE late (id int PRIMARY KEY); INSERT INTO t VALUES (99); INSERT INTO late VALUES (1)");
    EXPECT_THAT(failure(), AllOf(HasSubstr("public.late"), HasSubstr("no such table"),
                                 HasSubstr("Create public.late on the target")));
    on_targets("CREATE TABLE late (id int PRIMARY KEY)");
    apply();
    expect_equal();
}

TEST_F(ApplyRefusal, a_missing_column_is_named_with_the_statement_that_adds_it) {
    begin_with_table();
    source.sql("ALTER TABLE t ADD COLUMN \"New Column\" int; INSERT INTO t VALUES (99, 'x', NULL, 5)");
    EXPECT_THAT(failure(), AllOf(HasSubstr("\"New Column\""),
                                 HasSubstr("ALTER TABLE \"public\".\"t\" ADD COLUMN \"New Column\"")));
    on_targets("ALTER TABLE t ADD COLUMN \"New Column\" int");
    apply();
    expect_equal();
}

TEST_F(ApplyRefusal, a_value_that_does_not_fit_is_not_cut) {
    everywhere("CREATE TABLE t (id int PRIMARY KEY)");
    source.sql("ALTER TABLE t ADD v varchar(10), ADD n numeric(20, 4), ADD c char(8)");
    on_targets("ALTER TABLE t ADD v varchar(5), ADD n numeric(20, 4), ADD c char(8)");
    start();
    source.sql("INSERT INTO t VALUES (1, 'seven__', 1.25, 'a')");
    EXPECT_THAT(failure(), AllOf(HasSubstr("INSERT of public.t: id = 1"), HasSubstr("too long")));
    on_targets("ALTER TABLE t ALTER v TYPE varchar(10)");
    apply();
    expect_equal();
}

TEST_F(ApplyRefusal, a_truncate_that_a_foreign_key_forbids_is_named) {
    begin_with_table();
    target.sql("CREATE TABLE referrer (id int REFERENCES t)");
    source.sql("TRUNCATE t");
    EXPECT_THAT(failure(), AllOf(HasSubstr("TRUNCATE"), HasSubstr("\"public\".\"t\""), HasSubstr("foreign key")));
    target.sql("DROP TABLE referrer");
    apply();
    expect_equal();
}

TEST_F(ApplyRefusal, rows_missing_from_data_that_was_left_out_are_counted_and_nothing_else) {
    begin_with_table("CREATE TABLE other (id int PRIMARY KEY)");
    target.sql("TRUNCATE t; INSERT INTO other VALUES (3)");
    source.sql(
        "INSERT INTO t VALUES (99, 'kept'); UPDATE t SET v = 'x' WHERE id > 20; DELETE FROM t WHERE id < 10; UPDATE t "
        "SET id = 1000 WHERE id = 20");
    auto chosen = options();
    chosen.knowledge.data_left_out = [](const catalog::QualifiedName& table) { return table.name == "t"; };
    EXPECT_EQ(apply_to(chosen).missing_rows, 30U + 9U + 1U);
    EXPECT_EQ(target.rows("SELECT id, v FROM t"), std::vector<std::string>{"99|x"});
    source.sql("INSERT INTO other VALUES (3)");
    try {
        apply_to(chosen);
        ADD_FAILURE() << "an INSERT was lost";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("INSERT of public.other: id = 3"));
    }
}

TEST_F(ApplyRefusal, changes_that_the_copy_of_a_table_holds_are_skipped) {
    begin_with_table("CREATE TABLE other (id int PRIMARY KEY)");
    source.sql(
        "INSERT INTO t VALUES (60); UPDATE t SET v = 'x' WHERE id = 1; INSERT INTO other VALUES (1); TRUNCATE other; "
        "INSERT INTO other VALUES (2)");
    const auto copied_at = stream->mark();
    target.sql("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (60, NULL, NULL), (1, 'x', 1)");
    source.sql("UPDATE t SET v = 'y' WHERE id IN (1, 60); INSERT INTO other VALUES (3)");
    auto chosen = options();
    chosen.knowledge.copied_at = [copied_at](const catalog::QualifiedName& table) {
        return table.name == "t" ? std::optional{copied_at} : std::nullopt;
    };
    apply_to(chosen);
    expect_equal();
}

TEST_F(ApplyRefusal, a_role_without_the_right_to_origins_keeps_its_progress_in_a_row) {
    begin_with_table();
    target.sql(
        fmt::format("CREATE ROLE {0} LOGIN; GRANT CREATE ON DATABASE {0} TO {0}; GRANT SET ON PARAMETER "
                    "session_replication_role TO {0}; "
                    "ALTER TABLE t OWNER TO {0}; ALTER SCHEMA public OWNER TO {0}",
                    name));
    auto chosen = options();
    chosen.target = chosen.target.with("user", name);
    const auto progress_row = [&] {
        return Lsn::parse(target.value(fmt::format("SELECT lsn FROM {0}.progress WHERE origin = '{0}'",
                                                   stream->names().origin())))
            .value_or(Lsn{});
    };
    source.sql("UPDATE t SET v = 'x'; INSERT INTO t SELECT generate_series(100, 200)");
    apply_to(chosen);
    expect_equal();
    const auto first = progress_row();
    EXPECT_GE(first, chosen.start);

    source.sql("INSERT INTO t VALUES (300)");
    target_server->drop_connections();
    apply_to(chosen);
    EXPECT_GT(progress_row(), first);
    expect_equal();
    // No origin was made beside it: two truths would be none.
    EXPECT_EQ(
        target.number("SELECT count(*) FROM pg_replication_origin WHERE roname = '" + stream->names().origin() + "'"),
        0);
}

TEST_F(ApplyRefusal, a_role_that_may_not_switch_off_triggers_is_told_how_to_get_the_right) {
    begin_with_table();
    target.sql(fmt::format("CREATE ROLE {0} LOGIN; GRANT CREATE ON DATABASE {0} TO {0}", name));
    auto chosen = options();
    chosen.target = chosen.target.with("user", name);
    try {
        apply_to(chosen);
        ADD_FAILURE() << "it had the right";
    } catch (const Error& error) {
        EXPECT_THAT(error.remedy(), HasSubstr("GRANT SET ON PARAMETER session_replication_role"));
    }
}

TEST_F(ApplyRefusal, triggers_and_foreign_keys_of_the_target_keep_still) {
    begin_with_table("CREATE TABLE c (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE)");
    everywhere(
        "CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (1); RETURN "
        "NEW; END $$; "
        "CREATE TABLE seen (a int); CREATE TRIGGER log AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION log()");
    source.sql("INSERT INTO t VALUES (70); INSERT INTO c VALUES (1, 70), (2, 1); DELETE FROM t WHERE id = 70");
    source.sql(
        "BEGIN; INSERT INTO t SELECT generate_series(100, 150); INSERT INTO c SELECT i, i FROM generate_series(100, "
        "150) i; COMMIT");
    apply_and_compare();
}

TEST_F(ApplyRefusal, after_the_end_position_nothing_is_applied) {
    begin_with_table();
    source.sql("INSERT INTO t VALUES (60)");
    const auto end = stream->mark();
    source.sql("INSERT INTO t VALUES (61)");
    stream->wait_until_received(stream->mark());
    Applier applier(options());
    applier.end_at(end);
    EXPECT_EQ(applier.run({}), Applier::Outcome::reached_end);
    EXPECT_EQ(target.number("SELECT count(*) FROM t WHERE id > 50"), 1);
    EXPECT_GE(progress(), end);
    EXPECT_GE(applier.status().covered, end);
    apply();
    expect_equal();
}

TEST_F(ApplyRefusal, an_end_position_on_an_idle_source_is_reached) {
    begin_with_table();
    source.sql("INSERT INTO t VALUES (60)");
    apply();
    // Nothing follows that is decoded: the server's word that there is nothing has to do.
    const auto end = *Lsn::parse(source.value("SELECT pg_switch_wal()"));
    Applier applier(options());
    applier.end_at(end);
    EXPECT_EQ(applier.run({}), Applier::Outcome::reached_end);
    EXPECT_GE(progress(), end);
    expect_equal();
}

}  // namespace
}  // namespace tslive::apply
