// Each way in which a target refuses a row: the applier stops and says which row of which transaction, what the server
// said and what to do; nothing of that transaction or a later one is applied; once mended it goes on from there.
#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

using testing::HasSubstr;

struct Refusal {
    std::string_view name;
    std::string_view setup;   ///< on all sides, before: what the target lacks later
    std::string_view breaks;  ///< on the target
    std::string_view change;  ///< on the source, with more in the same transaction
    std::vector<std::string_view> says;
    std::string_view mend;       ///< on the target
    bool as_plain_role = false;  ///< owner of nothing, with all rights on t
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

constexpr std::string_view many =
    "INSERT INTO t SELECT i, CASE i WHEN 1017 THEN '7' ELSE i::text END FROM "
    "generate_series(1000, 1040) i";
constexpr std::string_view many_with_null =
    "INSERT INTO t SELECT i, nullif(i, 1017)::text FROM generate_series(1000, 1040) i";

const Refusal refusals[] = {
    {"not_null",
     "",
     "ALTER TABLE t ALTER v SET NOT NULL",
     many_with_null,
     {"INSERT of public.t: id = 1017", "null value in column \"v\"", "SQLSTATE 23502"},
     "ALTER TABLE t ALTER v DROP NOT NULL"},
    {"check_in_a_set",
     "",
     "ALTER TABLE t ADD CONSTRAINT no_seven CHECK (id < 1000 OR v <> '7')",
     many,
     {"INSERT of public.t: id = 1017", "violates check constraint \"no_seven\"", "SQLSTATE 23514"},
     "ALTER TABLE t DROP CONSTRAINT no_seven"},
    {"check_on_update",
     "",
     "ALTER TABLE t ADD CONSTRAINT short CHECK (length(v) < 3)",
     "UPDATE t SET v = v || CASE id WHEN 7 THEN 'too long' ELSE '' END",
     {"UPDATE of public.t: id = 7", "violates check constraint \"short\""},
     "ALTER TABLE t DROP CONSTRAINT short"},
    {"unique",
     "",
     "CREATE UNIQUE INDEX only_here ON t (v)",
     many,
     {"INSERT of public.t: id = 1017", "duplicate key value violates unique constraint \"only_here\"", "Key (v)=(7)"},
     "DROP INDEX only_here"},
    {"unique_on_key_change",
     "",
     "INSERT INTO t VALUES (70, '70')",
     "UPDATE t SET id = 70 WHERE id = 7",
     {"UPDATE of public.t: id = 7", "duplicate key value", "Key (id)=(70)"},
     "DELETE FROM t WHERE id = 70"},
    {"exclusion",
     "",
     "ALTER TABLE t ADD CONSTRAINT only_here EXCLUDE USING hash (v WITH =)",
     many,
     {"INSERT of public.t: id = 1017", "conflicting key value violates exclusion constraint", "SQLSTATE 23P01"},
     "ALTER TABLE t DROP CONSTRAINT only_here"},
    {"type",
     "",
     "ALTER TABLE t ALTER v TYPE int USING v::int",
     "INSERT INTO t SELECT i, CASE i WHEN 1017 THEN 'seven' ELSE '7' END FROM generate_series(1000, 1040) i",
     {"INSERT of public.t: id = 1017", "invalid input syntax for type integer", "SQLSTATE 22P02"},
     "ALTER TABLE t ALTER v TYPE text"},
    {"expression_of_an_index",
     "",
     "CREATE INDEX only_here ON t ((1 / (v::int - 7))) WHERE id > 100",
     many,
     {"INSERT of public.t: id = 1017", "division by zero", "SQLSTATE 22012"},
     "DROP INDEX only_here"},
    {"missing_table",
     "CREATE TABLE empty (id int PRIMARY KEY);",
     "DROP TABLE empty",
     "INSERT INTO empty VALUES (7)",
     {"public.empty", "no such table", "Create public.empty on the target"},
     "CREATE TABLE empty (id int PRIMARY KEY)"},
    {"missing_column",
     "ALTER TABLE t ADD w int;",
     "ALTER TABLE t DROP w",
     "UPDATE t SET w = 7 WHERE id = 7",
     {"public.t", "\"w\"", "ADD COLUMN \"w\""},
     "ALTER TABLE t ADD w int"},
    {"privilege",
     "",
     "REVOKE INSERT ON t FROM plain",
     many,
     {"INSERT of public.t: id = 1000", "permission denied for table t", "SQLSTATE 42501"},
     "GRANT INSERT ON t TO plain",
     true},
    {"privilege_on_columns",
     "",
     "REVOKE UPDATE ON t FROM plain; GRANT UPDATE (id) ON t TO plain",
     "UPDATE t SET v = '70' WHERE id = 7",
     {"UPDATE of public.t: id = 7", "permission denied for table t"},
     "GRANT UPDATE ON t TO plain",
     true},
    {"row_level_policy",
     "",
     "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
     "DELETE FROM t WHERE id = 7",
     {"DELETE of public.t: id = 7", "row-level security policy for table \"t\"", "SQLSTATE 42501"},
     "ALTER TABLE t DISABLE ROW LEVEL SECURITY",
     true},
    {"partition_bounds",
     "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) "
     "TO (100);",
     "ALTER TABLE p DETACH PARTITION p1; ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (50)",
     "INSERT INTO p VALUES (7), (70)",
     {"INSERT of public.p1: id = 70", "violates partition constraint"},
     "ALTER TABLE p DETACH PARTITION p1; ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (100)"},
    {"updated_row_missing",
     "",
     "DELETE FROM t WHERE id = 7",
     "UPDATE t SET v = 'x'",
     {"UPDATE of public.t touched 0 rows where 1 was expected: id = 7"},
     "INSERT INTO t VALUES (7, '7')"},
    {"deleted_row_missing",
     "",
     "DELETE FROM t WHERE id = 7",
     "DELETE FROM t",
     {"DELETE of public.t touched 0 rows where 1 was expected: id = 7"},
     "INSERT INTO t VALUES (7, '7')"},
    {"row_kept_by_a_rule",
     "",
     "CREATE RULE keep AS ON DELETE TO t DO INSTEAD NOTHING; ALTER TABLE t ENABLE ALWAYS RULE keep",
     "DELETE FROM t WHERE id = 7",
     {"public.t", "\"keep\" of public.t", "ALTER TABLE \"public\".\"t\" DISABLE RULE \"keep\""},
     "ALTER TABLE \"public\".\"t\" DISABLE RULE \"keep\""},
    {"trigger_that_fires_again",
     "",
     "CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER drop_row "
     "BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION drop_row(); ALTER TABLE t ENABLE REPLICA TRIGGER drop_row",
     many,
     {"public.t", "\"drop_row\" of public.t", "ALTER TABLE \"public\".\"t\" DISABLE TRIGGER \"drop_row\""},
     "ALTER TABLE \"public\".\"t\" DISABLE TRIGGER \"drop_row\""},
    {"computed_by_the_source",
     "ALTER TABLE t ADD g text GENERATED ALWAYS AS (v || '!') STORED;",
     "ALTER TABLE t ALTER g DROP EXPRESSION",
     "INSERT INTO t (id, v) VALUES (70, '70')",
     {"column \"g\" of public.t is computed by the source",
      "ALTER TABLE \"public\".\"t\" DROP COLUMN \"g\", ADD COLUMN \"g\""},
     "ALTER TABLE t DROP COLUMN g, ADD COLUMN g text GENERATED ALWAYS AS (v || '!') STORED"}};

class ZooBadInput : public ApplyTest, public testing::WithParamInterface<Refusal> {};

TEST_P(ZooBadInput, stops_with_a_name_and_goes_on_when_mended) {
    const auto& refusal = GetParam();
    everywhere(fmt::format(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, i::text FROM generate_series(1, 9) i; "
        "CREATE TABLE beside (xid bigint PRIMARY KEY); {}",
        refusal.setup));
    start();
    auto chosen = options();
    if (refusal.as_plain_role) {
        target.sql(
            "DO $$ BEGIN CREATE ROLE plain LOGIN; GRANT SET ON PARAMETER session_replication_role TO plain; EXCEPTION "
            "WHEN duplicate_object THEN NULL; END $$; GRANT ALL ON t, beside TO plain");
        target.sql(fmt::format("GRANT CREATE ON DATABASE {} TO plain", name));
        chosen.target = chosen.target.with("user", "plain");
    }
    source.sql("INSERT INTO beside VALUES (-1)");
    apply_to(chosen);
    target.sql(refusal.breaks);
    source.sql("INSERT INTO beside VALUES (-2)");
    const auto before = *Lsn::parse(source.value("SELECT pg_current_wal_insert_lsn()"));
    source.sql(fmt::format("BEGIN; INSERT INTO beside SELECT txid_current(); {}; COMMIT", refusal.change));
    const auto after = *Lsn::parse(source.value("SELECT pg_current_wal_insert_lsn()"));
    source.sql("INSERT INTO beside VALUES (-3)");
    std::string message;
    try {
        apply_to(chosen);
        ADD_FAILURE() << "the applier did not fail";
    } catch (const Error& error) {
        EXPECT_EQ(error.recovery(), Recovery::operator_action);
        message = fmt::format("{} | {}", error.what(), error.remedy());
    }
    for (const auto words : refusal.says) EXPECT_THAT(message, HasSubstr(std::string{words}));
    EXPECT_THAT(message, HasSubstr("--resume"));
    EXPECT_THAT(message, HasSubstr(fmt::format("transaction {},", source.value("SELECT max(xid) FROM beside"))));
    const auto at = message.find("commit at ") + 10;
    const auto named = Lsn::parse(message.substr(at, message.find(')', at) - at)).value_or(Lsn{});
    EXPECT_TRUE(named >= before && named < after) << message;
    EXPECT_EQ(target.number("SELECT count(*) FROM beside WHERE xid NOT IN (-1, -2)"), 0);

    target.sql(refusal.mend);
    ASSERT_NO_THROW(apply_to(chosen));
    expect_equal();
}

INSTANTIATE_TEST_SUITE_P(Refused, ZooBadInput, testing::ValuesIn(refusals),
                         [](const auto& each) { return std::string{each.param.name}; });

}  // namespace
}  // namespace tslive::apply
