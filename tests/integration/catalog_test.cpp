#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/harness/server.hpp"
#include "tslive/catalog/binary_types.hpp"
#include "tslive/catalog/columns.hpp"
#include "tslive/catalog/constraints.hpp"
#include "tslive/catalog/databases.hpp"
#include "tslive/catalog/extensions.hpp"
#include "tslive/catalog/indexes.hpp"
#include "tslive/catalog/keys.hpp"
#include "tslive/catalog/materialized_views.hpp"
#include "tslive/catalog/sequences.hpp"
#include "tslive/catalog/tables.hpp"
#include "tslive/catalog/triggers.hpp"

namespace tslive::catalog {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// Each test has a database of its own on one server.
class Catalog : public testing::Test {
protected:
    static void SetUpTestSuite() { server = std::make_unique<harness::TestServer>(); }
    static void TearDownTestSuite() { server.reset(); }

    Catalog() {
        static int count = 0;
        database_name = fmt::format("catalog{}", ++count);
        server->create_database(database_name);
    }
    harness::Database database() const { return server->database(database_name); }
    void sql(std::string_view text) const { database().sql(text); }
    /// A connection as the programs make it, with an empty search_path.
    pg::Connection connect() const { return pg::Connection::open(database().conninfo(), "test"); }

    std::map<std::string, Table> tables_by_name(Sizes sizes = Sizes::measured) const {
        auto connection = connect();
        std::map<std::string, Table> found;
        for (auto& table : tables(connection, sizes)) found[fmt::format("{}", table.name)] = table;
        return found;
    }
    RelationId id_of(std::string_view relation) const {
        return {database().number<std::uint32_t>(fmt::format("SELECT '{}'::regclass::oid::int8", relation))};
    }

    static inline std::unique_ptr<harness::TestServer> server;
    std::string database_name;
};

TEST_F(Catalog, finds_all_user_tables_and_nothing_else) {
    sql("CREATE SCHEMA \"Odd Schema\"; CREATE TABLE a(id int); CREATE TABLE \"Odd Schema\".\"b.c\"(id int); CREATE "
        "VIEW v AS SELECT 1; "
        "CREATE MATERIALIZED VIEW m AS SELECT 1; CREATE UNLOGGED TABLE u(id int); CREATE TABLE empty()");
    auto other_session = database().connect();
    other_session.exec("CREATE TEMP TABLE hidden(id int)");
    const auto found = tables_by_name();
    std::set<std::string> names;
    for (const auto& [name, table] : found) names.insert(name);
    EXPECT_EQ(names, (std::set<std::string>{R"("Odd Schema"."b.c")", "public.a", "public.empty", "public.u"}));
    EXPECT_EQ(found.at("public.u").persistence, Persistence::unlogged);
    EXPECT_EQ(found.at("public.a").kind, RelationKind::table);
}

TEST_F(Catalog, calls_an_identity_usable_exactly_when_the_server_does) {
    sql("CREATE TABLE with_key(id int PRIMARY KEY); CREATE TABLE only_unique(id int NOT NULL UNIQUE); CREATE TABLE "
        "bare(id int);"
        "CREATE TABLE whole(id int); ALTER TABLE whole REPLICA IDENTITY FULL;"
        "CREATE TABLE nothing(id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;"
        "CREATE TABLE by_index(id int NOT NULL); CREATE UNIQUE INDEX by_index_key ON by_index(id);"
        "ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_key;"
        "CREATE TABLE lost_index(id int NOT NULL); CREATE UNIQUE INDEX lost_key ON lost_index(id);"
        "ALTER TABLE lost_index REPLICA IDENTITY USING INDEX lost_key; DROP INDEX lost_key;"
        "CREATE TABLE deferred(id int PRIMARY KEY DEFERRABLE);"
        "CREATE TABLE partitioned(id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF partitioned "
        "FOR VALUES IN (1)");
    const auto found = tables_by_name();
    for (const auto& [name, table] : found) {
        const auto by_server = database().holds(fmt::format(
            "SELECT relreplident = 'f' OR pg_get_replica_identity_index(oid) IS NOT NULL FROM pg_class WHERE oid = {}",
            table.id));
        EXPECT_EQ(table.usable_identity, by_server) << name;
    }
    EXPECT_TRUE(found.at("public.with_key").usable_identity);
    EXPECT_FALSE(found.at("public.only_unique").usable_identity);
    EXPECT_FALSE(found.at("public.lost_index").usable_identity);
    EXPECT_EQ(found.at("public.by_index").replica_identity, ReplicaIdentity::index);
}

TEST_F(Catalog, measures_heap_and_toast_but_no_indexes) {
    sql("CREATE TABLE t(id int PRIMARY KEY, b text); ALTER TABLE t ALTER b SET STORAGE EXTERNAL;"
        "INSERT INTO t SELECT i, repeat('x', 10000) FROM generate_series(1, 50) i");
    const auto table = tables_by_name().at("public.t");
    EXPECT_EQ(
        table.bytes,
        database().number(
            "SELECT pg_relation_size('t') + pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 't'::regclass"));
    EXPECT_GT(table.bytes, 500'000);
    EXPECT_EQ(table.heap_blocks, database().number("SELECT pg_relation_size('t') / 8192"));
    sql("VACUUM t");
    EXPECT_GT(tables_by_name(Sizes::estimated).at("public.t").bytes, 500'000);
}

TEST_F(Catalog, lists_tables_that_somebody_has_locked_when_it_need_not_measure) {
    sql("CREATE TABLE t(id int)");
    auto locker = database().connect();
    locker.exec("BEGIN; LOCK t IN ACCESS EXCLUSIVE MODE");
    auto connection = connect();
    connection.exec("SET lock_timeout = '10ms'");
    EXPECT_EQ(tables(connection, Sizes::estimated).size(), 1U);
    EXPECT_THROW(tables(connection, Sizes::measured), pg::ServerError);
}

TEST_F(Catalog, tells_parents_children_and_partitions_apart) {
    sql("CREATE TABLE a(id int); CREATE TABLE b() INHERITS (a); CREATE TABLE c() INHERITS (b);"
        "CREATE TABLE p(id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9) "
        "PARTITION BY LIST (id);"
        "CREATE TABLE p11 PARTITION OF p1 FOR VALUES IN (1)");
    const auto found = tables_by_name();
    EXPECT_EQ(found.at("public.c").parent, found.at("public.b").id);
    EXPECT_EQ(found.at("public.a").parent, std::nullopt);
    EXPECT_TRUE(found.at("public.b").has_subclass);
    EXPECT_FALSE(found.at("public.c").has_subclass || found.at("public.c").is_partition);
    EXPECT_EQ(found.at("public.p11").parent, found.at("public.p1").id);
    EXPECT_TRUE(found.at("public.p11").is_partition && found.at("public.p1").is_partition);
    EXPECT_EQ(found.at("public.p1").kind, RelationKind::partitioned_table);
}

TEST_F(Catalog, knows_members_of_extensions_by_class_and_object) {
    sql("CREATE SCHEMA e; CREATE TABLE mine(id int); CREATE TABLE taken(id int PRIMARY KEY); CREATE SEQUENCE s;"
        "CREATE EXTENSION citext SCHEMA e; ALTER EXTENSION citext ADD TABLE taken; ALTER EXTENSION citext ADD SEQUENCE "
        "s;"
        // the same number in another catalog must not make `mine` a member
        "INSERT INTO pg_depend SELECT 'pg_proc'::regclass, 'mine'::regclass, 0, 'pg_extension'::regclass, oid, 0, 'e' "
        "  FROM pg_extension WHERE extname = 'citext'");
    const auto found = tables_by_name();
    EXPECT_EQ(found.at("public.mine").extension, "");
    EXPECT_EQ(found.at("public.taken").extension, "citext");
    auto connection = connect();
    EXPECT_EQ(sequences(connection).at(0).extension, "citext");
    EXPECT_EQ(indexes(connection).at(0).extension, "citext");
}

TEST_F(Catalog, reads_columns_across_gaps) {
    sql("CREATE SCHEMA other; CREATE DOMAIN other.positive AS int CHECK (VALUE > 0); CREATE TABLE empty();"
        "CREATE TABLE t(gone int, a character(3) NOT NULL, b varchar(20) DEFAULT 'x', c bit(4), d other.positive, "
        "  e int GENERATED ALWAYS AS (1) STORED, f int GENERATED ALWAYS AS IDENTITY, g int GENERATED BY DEFAULT AS "
        "IDENTITY, h text[]);"
        "ALTER TABLE t DROP COLUMN gone");
    auto connection = connect();
    const std::vector ids{id_of("t"), id_of("empty")};
    const auto all = columns(connection, ids);
    EXPECT_THAT(all.at(ids[1]), IsEmpty());
    const auto& t = all.at(ids[0]);
    ASSERT_EQ(t.size(), 8U);
    EXPECT_EQ(t[0].number, 2);
    EXPECT_EQ(t[0].type_name, "bpchar") << "character would be character(1)";
    EXPECT_TRUE(t[0].not_null && !t[0].has_default);
    EXPECT_EQ(t[1].type_name, "character varying");
    EXPECT_EQ(t[1].type_modifier, 24);
    EXPECT_TRUE(t[1].has_default);
    EXPECT_EQ(t[2].type_name, "\"bit\"");
    EXPECT_EQ(t[3].type_name, "other.positive");
    EXPECT_EQ(t[3].type_category, "N");
    EXPECT_EQ(t[4].generated, 's');
    EXPECT_EQ(t[5].identity, 'a');
    EXPECT_EQ(t[6].identity, 'd');
    EXPECT_EQ(t[7].type_name, "text[]");
    EXPECT_EQ(columns(connection, ids[0]).size(), 8U);
}

TEST_F(Catalog, knows_how_a_columns_text_is_read) {
    sql("CREATE TYPE pair AS (a text); CREATE FUNCTION pair(text) RETURNS pair LANGUAGE sql AS 'SELECT ROW($1)::pair'; "
        "CREATE CAST (text AS pair) WITH FUNCTION pair(text); CREATE DOMAIN d AS regclass; CREATE DOMAIN dd AS d; "
        "CREATE TABLE t (a int, b regclass, c dd, d pair, e pair[], f xml)");
    auto connection = connect();
    const auto t = columns(connection, id_of("t"));
    EXPECT_EQ(t[0].read_from, "text");
    EXPECT_EQ(t[1].read_from, "bpchar");
    EXPECT_EQ(t[2].read_from, "bpchar");
    EXPECT_EQ(t[2].base_type, "regclass");
    EXPECT_EQ(t[3].read_from, "bpchar");
    EXPECT_EQ(t[4].read_from, "text");
    EXPECT_EQ(t[4].base_type, t[4].type_name);
    EXPECT_EQ(t[5].read_from, "text");
}

TEST_F(Catalog, takes_a_keys_equality_from_its_operator_family) {
    sql("CREATE EXTENSION citext; CREATE TABLE t(id int, name citext, v varchar(9), payload int, PRIMARY KEY (name, "
        "id) INCLUDE (payload));"
        "CREATE UNIQUE INDEX t_by_v ON t(v)");
    auto connection = connect();
    const auto keys = unique_keys(connection, id_of("t"));
    ASSERT_EQ(keys.size(), 2U);
    EXPECT_TRUE(keys[0].primary && keys[0].immediate && !keys[0].nullable);
    ASSERT_EQ(keys[0].columns.size(), 2U) << "payload is no part of the key";
    EXPECT_EQ(keys[0].columns[0].name, "name");
    EXPECT_EQ(keys[0].columns[0].equality, R"(OPERATOR("public".=))");
    EXPECT_EQ(keys[0].columns[0].type_name, "public.citext");
    EXPECT_EQ(keys[0].columns[1].equality, R"(OPERATOR("pg_catalog".=))");
    EXPECT_TRUE(keys[1].nullable);
    sql("INSERT INTO t VALUES (1, 'Ann', 'x')");
    const auto hit = connection.exec(fmt::format("SELECT FROM public.t WHERE name {} 'ANN'::{}",
                                                 keys[0].columns[0].equality, keys[0].columns[0].type_name));
    EXPECT_EQ(hit.rows(), 1);
}

TEST_F(Catalog, takes_no_index_for_a_key_that_names_more_than_one_row) {
    sql("CREATE TABLE t(id int, a int, CONSTRAINT late UNIQUE (a) DEFERRABLE); CREATE UNIQUE INDEX partial ON t(id) "
        "WHERE a > 0;"
        "CREATE UNIQUE INDEX expression ON t((id + 1)); CREATE INDEX plain ON t(id); CREATE TABLE none(id int)");
    auto connection = connect();
    const std::vector ids{id_of("t"), id_of("none")};
    const auto keys = unique_keys(connection, ids);
    EXPECT_THAT(keys.at(ids[1]), IsEmpty());
    ASSERT_EQ(keys.at(ids[0]).size(), 1U);
    EXPECT_EQ(keys.at(ids[0])[0].index_name, "late");
    EXPECT_FALSE(keys.at(ids[0])[0].immediate);
}

TEST_F(Catalog, describes_indexes_and_the_constraints_they_belong_to) {
    sql("CREATE TABLE t(id int CONSTRAINT t_key PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, a int, b text, r int4range, "
        "EXCLUDE USING gist (r WITH &&));"
        "CREATE INDEX t_hash ON t USING hash (b); CREATE INDEX t_expression ON t((a + 1), b);"
        "ALTER INDEX t_expression ALTER COLUMN 1 SET STATISTICS 500; CREATE UNIQUE INDEX t_unique ON t(a); ALTER TABLE "
        "t CLUSTER ON t_unique;"
        "ALTER TABLE t ALTER a SET NOT NULL; ALTER TABLE t REPLICA IDENTITY USING INDEX t_unique;"
        "CREATE MATERIALIZED VIEW m AS SELECT 1 AS x; CREATE INDEX m_x ON m(x)");
    auto connection = connect();
    std::map<std::string, Index> found;
    for (const auto& index : indexes(connection)) found[index.name.name] = index;
    ASSERT_EQ(found.size(), 6U);
    const auto& key = found.at("t_key");
    ASSERT_TRUE(key.constraint);
    EXPECT_TRUE(key.primary && key.unique && key.constraint->deferrable && key.constraint->initially_deferred);
    EXPECT_EQ(key.constraint->kind, ConstraintKind::primary_key);
    EXPECT_THAT(key.constraint->definition, StartsWith("PRIMARY KEY (id)"));
    EXPECT_EQ(found.at("t_r_excl").constraint->kind, ConstraintKind::exclusion);
    EXPECT_EQ(found.at("t_hash").access_method, "hash");
    EXPECT_EQ(found.at("t_hash").definition, "CREATE INDEX t_hash ON public.t USING hash (b)");
    EXPECT_FALSE(found.at("t_hash").constraint);
    ASSERT_EQ(found.at("t_expression").statistics.size(), 1U);
    EXPECT_EQ(found.at("t_expression").statistics[0].target, 500);
    EXPECT_TRUE(found.at("t_unique").clustered && found.at("t_unique").is_replica_identity &&
                found.at("t_unique").valid);
    EXPECT_EQ(found.at("m_x").table_kind, RelationKind::materialized_view);
}

TEST_F(Catalog, knows_which_index_is_attached_to_which) {
    sql("CREATE TABLE p(id int PRIMARY KEY, a int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES "
        "FROM (0) TO (9);"
        "CREATE INDEX p_a ON p(a); CREATE INDEX lone ON ONLY p(a, id)");
    auto connection = connect();
    std::map<std::string, Index> found;
    for (const auto& index : indexes(connection)) found[index.name.name] = index;
    EXPECT_EQ(found.at("p1_a_idx").parent, found.at("p_a").id);
    EXPECT_EQ(found.at("p1_pkey").parent, found.at("p_pkey").id);
    EXPECT_TRUE(found.at("p_a").on_partitioned_table() && !found.at("p1_a_idx").on_partitioned_table());
    EXPECT_THAT(found.at("p_a").definition, HasSubstr(" ON ONLY public.p "));
    EXPECT_FALSE(found.at("lone").valid);
}

TEST_F(Catalog, lists_each_foreign_key_once_whatever_its_partitions) {
    sql("CREATE TABLE parent(id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parent1 PARTITION OF parent FOR "
        "VALUES FROM (0) TO (9);"
        "CREATE TABLE child(id int, parent int CONSTRAINT child_fk REFERENCES parent) PARTITION BY RANGE (id);"
        "CREATE TABLE child1 PARTITION OF child FOR VALUES FROM (0) TO (9); CREATE TABLE plain(parent int);"
        "ALTER TABLE plain ADD CONSTRAINT late FOREIGN KEY (parent) REFERENCES parent NOT VALID");
    sql("ALTER TABLE plain ADD CONSTRAINT small CHECK (parent < 5) NOT VALID");
    ASSERT_GT(database().number("SELECT count(*) FROM pg_constraint WHERE contype = 'f'"), 2);
    auto connection = connect();
    const auto keys = foreign_keys(connection);
    ASSERT_EQ(keys.size(), 2U);
    EXPECT_EQ(keys[0].name, "child_fk");
    EXPECT_TRUE(keys[0].on_partitioned_table && keys[0].validated);
    EXPECT_EQ(keys[0].referenced_table, (QualifiedName{"public", "parent"}));
    EXPECT_EQ(keys[1].definition, "FOREIGN KEY (parent) REFERENCES public.parent(id) NOT VALID");
    std::vector<std::string> names;
    for (const auto& constraint : unvalidated_constraints(connection)) names.push_back(constraint.name);
    EXPECT_THAT(names, ElementsAre("late", "small"));
}

TEST_F(Catalog, reads_sequences_of_every_kind) {
    sql("CREATE SEQUENCE free INCREMENT -1; CREATE TABLE t(a serial, b int GENERATED ALWAYS AS IDENTITY); CREATE "
        "SEQUENCE \"Odd.\";"
        "SELECT nextval('free'), nextval('free'), setval('t_b_seq', 41)");
    auto connection = connect();
    const auto found = sequences(connection);
    ASSERT_EQ(found.size(), 4U);
    std::map<std::string, std::pair<Sequence, SequenceValue>> by_name;
    const auto values = read_values(connection, found);
    for (std::size_t i = 0; i < found.size(); ++i) by_name[found[i].name.name] = {found[i], values[i]};
    EXPECT_EQ(by_name.at("free").first.kind, SequenceKind::unowned);
    EXPECT_EQ(by_name.at("free").first.increment, -1);
    EXPECT_EQ(by_name.at("free").second, (SequenceValue{-2, true}));
    EXPECT_EQ(by_name.at("t_a_seq").first.kind, SequenceKind::owned);
    EXPECT_EQ(by_name.at("t_a_seq").first.column, "a");
    EXPECT_EQ(by_name.at("t_a_seq").second, (SequenceValue{1, false}));
    EXPECT_EQ(by_name.at("t_b_seq").first.kind, SequenceKind::identity);
    EXPECT_EQ(by_name.at("t_b_seq").second, (SequenceValue{41, true}));
    EXPECT_EQ(by_name.at("Odd.").second, (SequenceValue{1, false}));
}

TEST_F(Catalog, reads_more_sequences_than_one_query_holds) {
    sql("DO $$ BEGIN FOR i IN 1..450 LOOP EXECUTE format('CREATE SEQUENCE s%s START %s', i, i); END LOOP; END $$");
    auto connection = connect();
    const auto found = sequences(connection);
    const auto values = read_values(connection, found);
    ASSERT_EQ(values.size(), 450U);
    for (std::size_t i = 0; i < found.size(); ++i)
        EXPECT_EQ(fmt::format("s{}", values[i].last_value), found[i].name.name);
    EXPECT_THAT(read_values(connection, {}), IsEmpty());
}

TEST_F(Catalog, lists_extensions_with_what_of_them_is_the_users) {
    sql("CREATE TABLE settings(id int); CREATE EXTENSION citext; ALTER EXTENSION citext ADD TABLE settings;"
        "UPDATE pg_extension SET extconfig = ARRAY['settings'::regclass::oid], extcondition = ARRAY['WHERE id > 7'] "
        "WHERE extname = 'citext'");
    auto connection = connect();
    const auto found = extensions(connection);
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].name, "citext");
    EXPECT_EQ(found[0].schema, "public");
    ASSERT_EQ(found[0].configuration.size(), 1U);
    EXPECT_EQ(found[0].configuration[0].name, (QualifiedName{"public", "settings"}));
    EXPECT_EQ(found[0].configuration[0].condition, "WHERE id > 7");
    EXPECT_TRUE(available_extensions(connection).at("citext").versions.contains(found[0].version));
    EXPECT_TRUE(has_extension(connection, "citext"));
    EXPECT_FALSE(has_extension(connection, "timescaledb"));
}

TEST_F(Catalog, finds_triggers_and_rules_that_fire_for_replicated_changes) {
    sql("CREATE TABLE t(id int); CREATE TABLE p(id int) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR "
        "VALUES IN (1);"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER plain AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
        "CREATE TRIGGER loud AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t ENABLE ALWAYS TRIGGER "
        "loud;"
        "CREATE TRIGGER copied AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE p ENABLE REPLICA "
        "TRIGGER copied;"
        "CREATE RULE noisy AS ON INSERT TO t DO ALSO NOTHING; ALTER TABLE t ENABLE ALWAYS RULE noisy");
    auto connection = connect();
    std::vector<std::string> found;
    for (const auto& trigger : replica_triggers(connection)) {
        found.push_back(fmt::format("{}.{}", trigger.table_name.name, trigger.name));
        connection.exec(trigger.disable_sql());
    }
    EXPECT_THAT(found, ElementsAre("p.copied", "p1.copied", "t.noisy", "t.loud"));
    EXPECT_THAT(replica_triggers(connection), IsEmpty());
}

TEST_F(Catalog, puts_materialized_views_after_what_they_read) {
    sql("CREATE TABLE t(id int); CREATE MATERIALIZED VIEW z AS SELECT * FROM t; CREATE VIEW between AS SELECT * FROM z;"
        "CREATE MATERIALIZED VIEW a AS SELECT * FROM between; CREATE MATERIALIZED VIEW m AS SELECT a.id FROM a JOIN z "
        "USING (id);"
        "CREATE MATERIALIZED VIEW not_yet AS SELECT * FROM t WITH NO DATA");
    auto connection = connect();
    std::vector<std::string> names;
    for (const auto& view : populated_materialized_views(connection)) names.push_back(view.name.name);
    EXPECT_THAT(names, ElementsAre("z", "a", "m"));
}

TEST_F(Catalog, identifies_the_database_and_its_server) {
    auto connection = connect();
    const auto found = catalog::database(connection);
    EXPECT_EQ(found.name, database_name);
    EXPECT_EQ(found.encoding, "UTF8");
    EXPECT_EQ(found.locale_provider, "libc");
    EXPECT_EQ(found.system_identifier, database().value("SELECT system_identifier FROM pg_control_system()"));
    EXPECT_EQ(server_identity(connection), server_identity(connection));
}

TEST_F(Catalog, identifies_the_server_by_replication_where_the_function_is_withheld) {
    sql("CREATE ROLE humble LOGIN REPLICATION; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    auto connection = pg::Connection::open(database().as("humble").conninfo(), "test");
    EXPECT_EQ(catalog::database(connection).system_identifier,
              database().value("SELECT system_identifier FROM pg_control_system()"));
}

TEST_F(Catalog, has_the_numbers_of_binary_types_right) {
    for (const auto& type : detail::binary_types) {
        const auto found =
            database().rows(fmt::format("SELECT typname, typarray FROM pg_type WHERE oid = {}", type.oid));
        EXPECT_THAT(found, ElementsAre(fmt::format("{}|{}", type.name, type.array_oid)));
    }
}

}  // namespace
}  // namespace tslive::catalog
