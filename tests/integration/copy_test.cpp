#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/harness/compare.hpp"
#include "integration/harness/eventually.hpp"
#include "integration/harness/server.hpp"
#include "tslive/copy/base_copy.hpp"
#include "tslive/copy/foreign_keys.hpp"
#include "tslive/copy/large_objects.hpp"
#include "tslive/copy/materialized_views.hpp"

namespace tslive::copy {
namespace {

using harness::CompareOptions;
using harness::Database;
using harness::TestServer;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* migration_id = "0badcafe";

/// Contents alone: these tests restore no post-data and move no sequences.
const CompareOptions contents_only{.schema = false, .sequences = false};

/// A database on each of two servers that all tests share, and a snapshot of the source's.
class CopyTest : public testing::Test {
protected:
    static void SetUpTestSuite() { servers_ = std::make_unique<Servers>(); }
    static void TearDownTestSuite() { servers_.reset(); }

    CopyTest()
        : source_(source_server().create_database(database_name())),
          target_(target_server().create_database(database_name())) {}
    ~CopyTest() override { keeper_.reset(); }

    static TestServer& source_server() { return servers_->source; }
    static TestServer& target_server() { return servers_->target; }

    void keep_only_snapshot() {
        keeper_.emplace(pg::Connection::open(source_.conninfo(), "keeper", {}, pg::ConnectionKind::replication));
        const auto slot = keeper_->exec(fmt::format(
            "CREATE_REPLICATION_SLOT keeper_{} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT", keeper_->backend_pid()));
        snapshot_ = slot.text(0, 2);
        consistent_point_ = slot.lsn(0, 1);
    }
    /// From here on the source's schema stands and its snapshot is taken; the target gets the pre-data section.
    void take_snapshot() {
        keep_only_snapshot();
        const auto file = (harness::Scratch::instance().make_directory("d") / "dump").string();
        harness::run_tool_or_fail({.arguments = {(harness::default_bin_dir() / "pg_dump").string(), "-Fc",
                                                 "--section=pre-data", "-f", file, "-d", source_.uri()}});
        harness::run_tool_or_fail(
            {.arguments = {(harness::default_bin_dir() / "pg_restore").string(), "-e", "-d", target_.uri(), file}});
    }
    void lose_snapshot() { keeper_.reset(); }

    [[nodiscard]] Options options() const {
        Options made;
        made.source = source_.conninfo();
        made.target = target_.conninfo();
        made.migration_id = migration_id;
        made.snapshot = snapshot_;
        made.consistent_point = consistent_point_;
        made.table_jobs = made.index_jobs = 3;
        return made;
    }
    CopyResult copy(const Options& how, std::stop_token stop = {}) {
        return copy_rows_and_indexes(how, progress_, std::move(stop));
    }
    CopyResult copy() { return copy(options()); }

    [[nodiscard]] static const CopiedTable& find(const CopyResult& result, std::string_view table) {
        const auto found = std::find_if(result.copied.begin(), result.copied.end(),
                                        [&](const auto& entry) { return entry.table.name.name == table; });
        if (found == result.copied.end()) throw harness::Failure(fmt::format("table {} was not copied", table));
        return *found;
    }
    [[nodiscard]] std::vector<std::string> marked_parts() const {
        return target_.rows("SELECT part FROM tslive_0badcafe.part_done WHERE part <> 'durable' ORDER BY 1");
    }
    /// What pg_get_indexdef and pg_get_constraintdef say, and the marks that they do not tell.
    [[nodiscard]] static std::vector<std::string> definitions(const Database& database) {
        auto connection = pg::Connection::open(database.conninfo(), "definitions");
        const auto result = connection.exec(R"(
            SELECT 'index ' || pg_get_indexdef(i.indexrelid) || concat_ws(' ', ' valid', i.indisvalid, 'identity', i.indisreplident, 'cluster', i.indisclustered,
                     'parent', (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = i.indexrelid),
                     'statistics', (SELECT string_agg(attstattarget::text, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = i.indexrelid))
                FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname !~ '^(pg_|tslive_)' AND n.nspname <> 'information_schema' AND (i.indisvalid OR c.relkind = 'I')
            UNION ALL
            SELECT 'constraint ' || k.conrelid::regclass || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid) || ' ' || k.conislocal || ' ' || k.coninhcount
                FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
                WHERE (k.contype IN ('p', 'u', 'x') OR k.contype = 'f' AND k.conparentid = 0) AND n.nspname !~ '^(pg_|tslive_)' AND n.nspname <> 'information_schema'
            ORDER BY 1)");
        std::vector<std::string> lines;
        for (int r = 0; r < result.rows(); ++r) lines.push_back(result.text(r, 0));
        return lines;
    }
    /// A table of about `megabytes`, in many blocks.
    void make_large_table(std::string_view name, int megabytes) const {
        source_.sql(fmt::format(
            "CREATE TABLE {0} (id bigint PRIMARY KEY, v text); INSERT INTO {0} SELECT i, repeat(md5(i::text), 30) FROM "
            "generate_series(1, {1}) i",
            name, megabytes * 1000));
    }

    Database source_;
    Database target_;
    Progress progress_;
    Lsn consistent_point_;

private:
    struct Servers {
        TestServer source{"wal_level=logical"};
        TestServer target;
    };
    [[nodiscard]] static std::string database_name() {
        return testing::UnitTest::GetInstance()->current_test_info()->name();
    }

    inline static std::unique_ptr<Servers> servers_;
    std::optional<pg::Connection> keeper_;
    std::string snapshot_;
};

TEST_F(CopyTest, everything_in_the_zoo_arrives_with_its_indexes_and_keys) {
    source_.load_zoo({"names", "types", "tables", "partitions", "identities"});
    take_snapshot();
    auto how = options();
    how.split_tables_larger_than = 64 << 10;
    const auto result = copy(how);
    build_foreign_keys(how, progress_, {});
    copy_large_objects(how, progress_, {});
    refresh_materialized_views(how, progress_, {});

    EXPECT_EQUAL_DATABASES(source_, target_, contents_only);
    EXPECT_THAT(definitions(target_), testing::ContainerEq(definitions(source_)));
    EXPECT_THAT(result.gone, IsEmpty());
    for (const auto& table : result.copied)
        EXPECT_EQ(table.consistent_point, consistent_point_) << table.table.name.quoted();
    EXPECT_EQ(progress_.tables.done, progress_.tables.total);
    EXPECT_EQ(progress_.parts.done, progress_.parts.total);
    EXPECT_EQ(progress_.indexes.done, progress_.indexes.total);
    EXPECT_THAT(progress_.running(), IsEmpty());
}

TEST_F(CopyTest, doing_all_of_it_again_changes_nothing) {
    source_.load_zoo({"names", "tables", "partitions"});
    take_snapshot();
    const auto everything = [&] {
        copy();
        build_foreign_keys(options(), progress_, {});
        copy_large_objects(options(), progress_, {});
        refresh_materialized_views(options(), progress_, {});
    };
    everything();
    const auto first = definitions(target_);
    lose_snapshot();  // a run that has nothing to copy needs none
    everything();
    EXPECT_EQUAL_DATABASES(source_, target_, contents_only);
    EXPECT_THAT(definitions(target_), testing::ContainerEq(first));
}

TEST_F(CopyTest, a_large_table_travels_in_block_ranges) {
    make_large_table("large", 8);
    source_.sql(
        "CREATE TABLE toasted (id int PRIMARY KEY, v text); ALTER TABLE toasted ALTER v SET STORAGE EXTERNAL;"
        "INSERT INTO toasted SELECT i, repeat(md5(i::text), 3000) FROM generate_series(1, 60) i; DELETE FROM large "
        "WHERE id % 7 = 0");
    take_snapshot();
    source_.sql("INSERT INTO large SELECT i, 'after the snapshot' FROM generate_series(100001, 150000) i");
    auto how = options();
    how.split_tables_larger_than = 1 << 20;
    const auto result = copy(how);
    EXPECT_GE(std::ssize(marked_parts()), 8);
    EXPECT_EQ(find(result, "large").rows, 8000 - 8000 / 7);
    EXPECT_EQ(target_.count("large"), 8000 - 8000 / 7);
    source_.sql("DELETE FROM large WHERE id > 100000");
    EXPECT_EQUAL_DATABASES(source_, target_, contents_only);
}

TEST_F(CopyTest, a_table_truncated_or_rewritten_after_the_snapshot_is_read_under_a_later_one) {
    make_large_table("rewritten", 3);
    source_.sql(
        "CREATE TABLE truncated (id int PRIMARY KEY); INSERT INTO truncated SELECT generate_series(1, 100);"
        "CREATE TABLE untouched (id int PRIMARY KEY); INSERT INTO untouched SELECT generate_series(1, 100)");
    take_snapshot();
    source_.sql("TRUNCATE truncated");
    source_.sql("INSERT INTO truncated VALUES (7)");
    source_.sql("DELETE FROM rewritten WHERE id > 500");
    source_.sql("VACUUM FULL rewritten");
    source_.sql("INSERT INTO untouched VALUES (101)");
    auto how = options();
    how.split_tables_larger_than = 1 << 20;
    const auto result = copy(how);
    EXPECT_EQ(find(result, "untouched").consistent_point, consistent_point_);
    EXPECT_EQ(find(result, "untouched").rows, 100);
    EXPECT_GT(find(result, "truncated").consistent_point, consistent_point_);
    EXPECT_EQ(find(result, "truncated").rows, 1);
    EXPECT_GT(find(result, "rewritten").consistent_point, consistent_point_);
    EXPECT_EQ(find(result, "rewritten").rows, 500);
    source_.sql("DELETE FROM untouched WHERE id = 101");
    EXPECT_EQUAL_DATABASES(source_, target_, contents_only);
    EXPECT_EQ(source_.number("SELECT count(*) FROM pg_replication_slots WHERE slot_name ~ 'tmp'"), 0);

    // Resumed, it still knows under which snapshot each was copied.
    const auto again = copy(how);
    EXPECT_EQ(find(again, "rewritten").consistent_point, find(result, "rewritten").consistent_point);
    EXPECT_EQ(find(again, "untouched").consistent_point, consistent_point_);
}

TEST_F(CopyTest, a_table_dropped_after_the_snapshot_is_named_and_the_rest_arrives) {
    source_.sql(
        "CREATE TABLE dropped (id int PRIMARY KEY); INSERT INTO dropped VALUES (1); CREATE TABLE stays (id int PRIMARY "
        "KEY); INSERT INTO stays VALUES (1)");
    take_snapshot();
    source_.sql("DROP TABLE dropped");
    const auto result = copy();
    EXPECT_THAT(result.gone, testing::ElementsAre(catalog::QualifiedName{"public", "dropped"}));
    EXPECT_EQ(find(result, "stays").rows, 1);
    EXPECT_THAT(progress_.warnings(), Contains(AllOf(HasSubstr("public.dropped"), HasSubstr("dropped"))));
}

TEST_F(CopyTest, a_table_renamed_after_the_snapshot_is_an_error_that_names_it) {
    source_.sql("CREATE TABLE was (id int)");
    take_snapshot();
    source_.sql("ALTER TABLE was RENAME TO is_now; CREATE TABLE was (other int)");
    try {
        copy();
        FAIL() << "read another table";
    } catch (const Error& error) {
        EXPECT_EQ(error.recovery(), Recovery::operator_action);
        EXPECT_THAT(error.what(), AllOf(HasSubstr("public.was"), HasSubstr("renamed")));
    }
}

TEST_F(CopyTest, without_its_snapshot_everything_is_read_under_a_new_one) {
    make_large_table("large", 3);
    source_.sql("CREATE TABLE small (id int); INSERT INTO small VALUES (1)");
    take_snapshot();
    lose_snapshot();
    source_.sql("INSERT INTO small VALUES (2)");
    const auto result = copy();
    EXPECT_GT(find(result, "small").consistent_point, consistent_point_);
    EXPECT_EQ(find(result, "small").rows, 2);
    EXPECT_EQUAL_DATABASES(source_, target_, contents_only);
}

TEST_F(CopyTest, a_table_half_done_under_a_lost_snapshot_is_done_from_the_beginning) {
    make_large_table("large", 12);
    source_.sql("CREATE TABLE small (id int); INSERT INTO small VALUES (1)");
    take_snapshot();
    auto how = options();
    how.split_tables_larger_than = 1 << 20;
    how.table_jobs = 1;
    std::stop_source stop;
    auto run = std::async(std::launch::async, [&] { EXPECT_THROW(copy(how, stop.get_token()), Stopped); });
    harness::eventually("some parts are done", [&] { return progress_.parts.done >= 2; });
    stop.request_stop();
    run.get();
    const auto half = marked_parts();
    ASSERT_GE(std::ssize(half), 2);
    ASSERT_LT(std::ssize(half), progress_.parts.total.load());

    lose_snapshot();
    source_.sql("DELETE FROM large WHERE id <= 100");
    const auto result = copy(how);
    EXPECT_GT(find(result, "large").consistent_point, consistent_point_);
    EXPECT_EQUAL_DATABASES(source_, target_, contents_only);
    for (const auto& part : half) EXPECT_THAT(marked_parts(), testing::Not(Contains(part)));
}

TEST_F(CopyTest, a_stopped_run_goes_on_where_it_was_with_the_plan_it_had) {
    make_large_table("large", 12);
    take_snapshot();
    auto how = options();
    how.split_tables_larger_than = 1 << 20;
    how.table_jobs = 1;
    std::stop_source stop;
    auto run = std::async(std::launch::async, [&] { EXPECT_THROW(copy(how, stop.get_token()), Stopped); });
    harness::eventually("some parts are done", [&] { return progress_.parts.done >= 2; });
    stop.request_stop();
    run.get();
    const auto planned = target_.number("SELECT count(*) FROM tslive_0badcafe.part_plan");

    how.split_tables_larger_than = 3 << 20;  // other settings must not mix with the parts that are done
    how.table_jobs = 4;
    EXPECT_EQ(find(copy(how), "large").rows, 12'000);
    EXPECT_EQ(target_.number("SELECT count(*) FROM tslive_0badcafe.part_plan"), planned);
    EXPECT_EQUAL_DATABASES(source_, target_, contents_only);
}

TEST_F(CopyTest, sessions_that_die_on_either_side_cost_a_repetition_and_no_row) {
    make_large_table("large", 24);
    take_snapshot();
    auto how = options();
    how.split_tables_larger_than = 1 << 20;
    auto run = std::async(std::launch::async, [&] { return copy(how); });
    for (const int parts : {1, 4, 8}) {
        harness::eventually("parts are done", [&] { return progress_.parts.done >= parts; });
        target_server().drop_connections("ts-live copy");
        source_server().drop_connections("ts-live copy");
    }
    const auto result = run.get();
    EXPECT_EQ(find(result, "large").rows, 24'000);
    EXPECT_EQUAL_DATABASES(source_, target_, contents_only);
}

TEST_F(CopyTest, a_part_whose_commit_got_through_unheard_is_not_copied_twice) {
    source_.sql("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 10)");
    take_snapshot();
    auto target_session = TargetSession::open(target_.conninfo(), {});
    create_helper_schema(target_session.connection(), migration_id);
    auto source_session = SourceSession::open(source_.conninfo(), options().snapshot, {});
    const auto tables = tables_to_copy(source_session.connection(), {});
    ASSERT_EQ(tables.size(), 1U);
    const Part part{.table = 0, .range = {}, .bytes = 0, .key = part_key(tables[0].table.name, consistent_point_, {})};
    const Ledger ledger(migration_id);
    EXPECT_EQ(copy_part(source_session, target_session, ledger, tables[0], part, progress_).kind,
              PartOutcome::Kind::copied);
    const auto again = copy_part(source_session, target_session, ledger, tables[0], part, progress_);
    EXPECT_EQ(again.kind, PartOutcome::Kind::already_done);
    EXPECT_EQ(again.rows, 10);
    EXPECT_EQ(target_.count("t"), 10);
}

TEST_F(CopyTest, a_failure_at_the_target_leaves_the_source_session_and_its_snapshot_alive) {
    make_large_table("t", 4);
    take_snapshot();
    target_.sql("ALTER TABLE t ADD CHECK (id <> 3000)");
    auto target_session = TargetSession::open(target_.conninfo(), {});
    create_helper_schema(target_session.connection(), migration_id);
    auto source_session = SourceSession::open(source_.conninfo(), options().snapshot, {});
    lose_snapshot();
    const auto tables = tables_to_copy(source_session.connection(), {});
    const Part part{.table = 0,
                    .range = {},
                    .bytes = tables[0].table.bytes,
                    .key = part_key(tables[0].table.name, consistent_point_, {})};
    const Ledger ledger(migration_id);
    EXPECT_THROW(copy_part(source_session, target_session, ledger, tables[0], part, progress_), pg::ServerError);
    ASSERT_TRUE(source_session.recover());
    target_.sql("ALTER TABLE t DROP CONSTRAINT t_id_check");
    auto new_target = TargetSession::open(target_.conninfo(), {});
    EXPECT_EQ(copy_part(source_session, new_target, ledger, tables[0], part, progress_).rows, 4000);
    // Its lock on the table is gone with the part.
    EXPECT_EQ(
        source_.number("SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessShareLock'"), 0);
}

TEST_F(CopyTest, a_part_that_cannot_be_copied_ends_the_run_with_its_name) {
    source_.sql("CREATE TABLE t (id int, extra int); INSERT INTO t VALUES (1, 1); CREATE TABLE other (id int)");
    take_snapshot();
    target_.sql("ALTER TABLE t DROP COLUMN extra, ADD COLUMN extra int GENERATED ALWAYS AS (id) STORED");
    try {
        copy();
        FAIL() << "copied into a generated column";
    } catch (const Error& error) {
        EXPECT_EQ(error.recovery(), Recovery::operator_action);
        EXPECT_THAT(error.what(), AllOf(HasSubstr("public.t"), HasSubstr("extra"), HasSubstr("generated")));
        EXPECT_THAT(error.remedy(), testing::Not(IsEmpty()));
    }
}

TEST_F(CopyTest, indexes_go_on_from_wherever_a_crash_left_them) {
    source_.load_zoo({"tables"});
    source_.sql(
        "CREATE TABLE two (id int CONSTRAINT two_pkey PRIMARY KEY, a int); INSERT INTO two SELECT i, i FROM "
        "generate_series(1, 10) i; CREATE INDEX two_a ON two (a)");
    take_snapshot();
    target_.sql(
        "CREATE UNIQUE INDEX two_pkey ON two (id); CREATE INDEX two_a ON two (a); UPDATE pg_index SET indisvalid = "
        "false WHERE indexrelid = 'two_a'::regclass");
    copy();
    EXPECT_EQ(target_.number("SELECT count(*) FROM pg_constraint WHERE conname = 'two_pkey'"), 1);
    EXPECT_TRUE(target_.holds("SELECT indisvalid FROM pg_index WHERE indexrelid = 'two_a'::regclass"));
    EXPECT_TRUE(target_.holds("SELECT reltuples = 10 FROM pg_class WHERE oid = 'two'::regclass")) << "ANALYZE has run";
}

TEST_F(CopyTest, an_invalid_index_of_the_source_is_left_out_and_named) {
    source_.sql(
        "CREATE TABLE t (id int); CREATE INDEX half_built ON t (id); UPDATE pg_index SET indisvalid = false WHERE "
        "indexrelid = 'half_built'::regclass");
    take_snapshot();
    copy();
    EXPECT_EQ(target_.number("SELECT count(*) FROM pg_class WHERE relname = 'half_built'"), 0);
    EXPECT_THAT(progress_.warnings(), Contains(HasSubstr("half_built")));
}

TEST_F(CopyTest, a_foreign_key_that_rows_break_becomes_not_valid_and_is_named) {
    source_.sql(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE good (id int REFERENCES parent); CREATE TABLE bad (id "
        "int REFERENCES parent);"
        "INSERT INTO parent VALUES (1); INSERT INTO good VALUES (1), (NULL); SET session_replication_role = replica; "
        "INSERT INTO bad VALUES (2)");
    take_snapshot();
    copy();
    for (int run = 0; run < 2; ++run) {
        build_foreign_keys(options(), progress_, {});
        EXPECT_THAT(target_.rows("SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f' ORDER BY 1"),
                    testing::ElementsAre("bad_id_fkey|f", "good_id_fkey|t"));
    }
    EXPECT_THAT(progress_.warnings(), Contains(AllOf(HasSubstr("bad_id_fkey"), HasSubstr("NOT VALID"))));
}

TEST_F(CopyTest, of_an_extensions_configuration_only_the_users_rows_move) {
    const auto* setup =
        "CREATE EXTENSION citext; CREATE TABLE settings (name text PRIMARY KEY, built_in bool, value int); ALTER "
        "EXTENSION citext ADD TABLE settings;"
        "UPDATE pg_extension SET extconfig = ARRAY['settings'::regclass::oid], extcondition = ARRAY['WHERE NOT "
        "built_in'] WHERE extname = 'citext';"
        "INSERT INTO settings VALUES ('a', true, 1), ('b', false, 1)";
    source_.sql(setup);
    source_.sql("UPDATE settings SET value = 2; INSERT INTO settings VALUES ('c', false, 2)");
    target_.sql(setup);
    keep_only_snapshot();
    copy();
    EXPECT_THAT(target_.rows("SELECT name, value FROM settings ORDER BY 1"), testing::ElementsAre("a|1", "b|2", "c|2"));
}

TEST_F(CopyTest, data_left_out_stays_behind_and_its_indexes_are_built) {
    source_.sql(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE other (id int PRIMARY KEY); "
        "INSERT INTO other VALUES (1)");
    take_snapshot();
    auto how = options();
    how.skip_data = {{"public", "t"}};
    const auto result = copy(how);
    EXPECT_EQ(result.copied.size(), 1U);
    EXPECT_EQ(target_.count("t"), 0);
    EXPECT_THAT(definitions(target_), testing::ContainerEq(definitions(source_)));
}

TEST_F(CopyTest, a_target_role_that_may_not_silence_triggers_is_told_what_it_lacks) {
    source_.sql("CREATE TABLE t (id int)");
    take_snapshot();
    target_server().sql("postgres", "DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN");
    try {
        static_cast<void>(TargetSession::open(target_.as("plain").conninfo(), {}));
        FAIL() << "may set session_replication_role";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("session_replication_role"));
        EXPECT_THAT(error.remedy(), HasSubstr("GRANT SET ON PARAMETER"));
    }
}

TEST_F(CopyTest, without_the_right_to_truncate_it_copies_all_the_same) {
    make_large_table("t", 2);
    take_snapshot();
    target_server().sql("postgres",
                        "DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN; GRANT SET ON PARAMETER "
                        "session_replication_role TO writer");
    target_.sql("GRANT INSERT, SELECT ON t TO writer; SELECT 1");
    auto admin = target_.connect();
    create_helper_schema(admin, migration_id);
    admin.exec(
        "GRANT USAGE ON SCHEMA tslive_0badcafe TO writer; GRANT ALL ON ALL TABLES IN SCHEMA tslive_0badcafe TO writer");
    auto source_session = SourceSession::open(source_.conninfo(), options().snapshot, {});
    auto target_session = TargetSession::open(target_.as("writer").conninfo(), {});
    const auto tables = tables_to_copy(source_session.connection(), {});
    const Part part{.table = 0, .range = {}, .bytes = tables[0].table.bytes, .key = "t"};
    EXPECT_EQ(copy_part(source_session, target_session, Ledger(migration_id), tables[0], part, progress_).rows, 2000);
}

// CASES E24: neither ONLY nor FREEZE makes sense there.
TEST_F(CopyTest, a_plain_table_arrives_in_one_that_the_target_has_partitioned) {
    make_large_table("t", 2);
    take_snapshot();
    target_.sql(
        "DROP TABLE t; CREATE TABLE t (id bigint PRIMARY KEY, v text) PARTITION BY RANGE (id);"
        "CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (MINVALUE) TO (701); CREATE TABLE t_rest PARTITION OF t "
        "DEFAULT");
    EXPECT_EQ(find(copy(), "t").rows, 2000);
    EXPECT_EQ(target_.count("t_low"), 700);
    EXPECT_EQ(target_.count("t_rest"), 1300);
}

TEST_F(CopyTest, large_objects_arrive_whole_with_owner_and_comment) {
    source_.sql(
        "SELECT lo_from_bytea(4711, decode(repeat('00ff41', 1200000), 'hex')), lo_create(4712); COMMENT ON LARGE "
        "OBJECT 4712 IS 'em''pty';"
        "GRANT SELECT ON LARGE OBJECT 4712 TO PUBLIC");
    take_snapshot();
    target_.sql("SELECT lo_put(4712, 0, 'left over')");  // pg_dump's pre-data makes them, empty
    copy_large_objects(options(), progress_, {});
    copy_large_objects(options(), progress_, {});
    EXPECT_EQUAL_DATABASES(source_, target_, contents_only);
    const auto* about =
        "SELECT oid, lomowner::regrole, lomacl, obj_description(oid, 'pg_largeobject') FROM pg_largeobject_metadata "
        "ORDER BY 1";
    EXPECT_EQ(target_.rows(about), source_.rows(about));
}

TEST_F(CopyTest, a_view_that_cannot_be_refreshed_is_named_and_the_rest_goes_on) {
    source_.sql(
        "CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE MATERIALIZED VIEW b AS SELECT 1 / id AS x FROM t; "
        "CREATE MATERIALIZED VIEW a AS SELECT * FROM b;"
        "CREATE MATERIALIZED VIEW z AS SELECT id FROM t; CREATE UNIQUE INDEX z_id ON z (id); CREATE MATERIALIZED VIEW "
        "never AS SELECT id FROM t WITH NO "
        "DATA");
    take_snapshot();
    copy();
    target_.sql("UPDATE t SET id = 0");
    refresh_materialized_views(options(), progress_, {});
    EXPECT_THAT(progress_.warnings(), Contains(HasSubstr("public.b")));
    EXPECT_EQ(target_.count("z"), 1);
    EXPECT_FALSE(target_.holds("SELECT relispopulated FROM pg_class WHERE relname = 'never'"));
    target_.sql("UPDATE t SET id = 1");
    refresh_materialized_views(options(), progress_, {});
    EXPECT_EQUAL_DATABASES(source_, target_, contents_only);
}

}  // namespace
}  // namespace tslive::copy
