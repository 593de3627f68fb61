// Every value of every type (zoo/values.sql) through the stream, in each way that a change can take.
#include "integration/apply_fixture.hpp"

namespace tslive::apply {
namespace {

using testing::IsEmpty;

class ZooValues : public ApplyTest {
protected:
    void load() const {
        for (const auto& database : {source, target}) database.load_zoo({"values"});
    }
    /// In every table of these kinds, see zoo/values.sql. What it does has then to be on the target. (Not on
    /// `single`: a row at a time is what the tables "full" and changes of keys are anyway.)
    void change(std::string_view kinds, std::string_view statement) const {
        SCOPED_TRACE(statement);
        source.sql(fmt::format("CALL zoo_values.change('{}', {})", kinds, pg::quote_literal(statement)));
        ASSERT_NO_THROW(apply());
        expect_equal();
    }
};

TEST_F(ZooValues, every_built_in_type_that_a_column_can_have_is_in_the_zoo) {
    source.load_zoo({"values"});
    // No input function of these takes a value; their columns could only be NULL.
    const std::string without_input =
        "'pg_node_tree', 'gtsvector', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary', "
        "'pg_brin_minmax_multi_summary'";
    EXPECT_THAT(
        source.rows("SELECT t.oid::regtype FROM pg_type t WHERE typnamespace = 'pg_catalog'::regnamespace "
                    "AND typtype IN ('b', 'r', 'm', 'd', 'e') AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = "
                    "t.oid) AND typname NOT IN (" +
                    without_input + ") AND NOT EXISTS (SELECT FROM zoo_values.samples WHERE to_regtype(type) = t.oid)"),
        IsEmpty());
    EXPECT_THAT(source.rows("SELECT type FROM zoo_values.samples WHERE cardinality(vals) = 0"), IsEmpty());
    EXPECT_EQ(source.number("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'plain %'"),
              source.count("zoo_values.samples"));
}

TEST_F(ZooValues, every_value_arrives_as_it_is_by_every_kind_of_change) {
    load();
    start();
    change("{plain,held,full}",
           "INSERT INTO {t} (id, neighbour, {columns}) SELECT id + 500, 1, {columns} FROM {t} WHERE id < 32");
    change("{plain,held}",  // enough rows for COPY
           "INSERT INTO {t} (id, neighbour, {columns}) SELECT id + 1000 * i, i, {columns} FROM {t}, "
           "generate_series(1, 4) i WHERE id < 300");
    change("{plain,held}", "UPDATE {t} SET id = -id WHERE id BETWEEN 1000 AND 1999; DELETE FROM {t} WHERE id > 1999");
    change(
        "{plain,held,full}",
        "UPDATE {t} AS t SET ({columns}) = ROW({o.columns}) FROM (SELECT lead(id, 1, 1) OVER (ORDER BY id) AS place, "
        "{columns} FROM {t} WHERE id BETWEEN 1 AND 499) o WHERE t.id = o.place");
    change("{plain,held,full}",
           "UPDATE {t} AS t SET ({columns}) = ROW({o.columns}) FROM {t} o WHERE t.id < 32 AND o.id = t.id + 500");
    change("{plain,held,full,key,domain key}", "UPDATE {t} SET neighbour = neighbour + 1");
    change("{key,domain key}", "DELETE FROM {t} WHERE ctid IN (SELECT ctid FROM {t} LIMIT 2)");
    change("{key,domain key}",
           "UPDATE {t} AS t SET k = o.v FROM {plain} o WHERE o.id = 1 AND t.ctid = (SELECT max(ctid) FROM {t}) AND NOT "
           "EXISTS (SELECT FROM {t} x WHERE x.k::text = o.v::text)");
    change("{plain,held,full}", "DELETE FROM {t} WHERE id % 2 = 0");
}

}  // namespace
}  // namespace tslive::apply
