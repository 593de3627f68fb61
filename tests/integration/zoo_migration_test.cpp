// Whole migrations of what is hard to carry: values under hostile settings, other encodings, odd names, odd shapes.
#include "integration/support/migration.hpp"
#include "tslive/catalog/binary_types.hpp"

namespace tslive::harness {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

/// The role that we connect as and the database have them, as a user may have set them for all sessions.
void set_for_all_sessions(const Database& database, const Settings& settings) {
    for (const auto& [name, value] : settings)
        for (const auto& whose : {"ROLE postgres", "DATABASE app"})
            database.sql(fmt::format("ALTER {} SET {} = {}", whose, name, value));
}

/// Text, arrays and strings in forms that do not read back, on either end in another way.
const Settings source_settings = {{"\"DateStyle\"", "'SQL, DMY'"},
                                  {"\"IntervalStyle\"", "'sql_standard'"},
                                  {"extra_float_digits", "-10"},
                                  {"bytea_output", "'escape'"},
                                  {"\"TimeZone\"", "'Asia/Kathmandu'"},
                                  {"xmloption", "'document'"},
                                  {"array_nulls", "off"},
                                  {"standard_conforming_strings", "off"},
                                  {"quote_all_identifiers", "on"},
                                  {"client_encoding", "'LATIN1'"},
                                  {"search_path", "zoo_values, public"},
                                  {"default_transaction_isolation", "'serializable'"}};
const Settings target_settings = {
    {"\"DateStyle\"", "'German'"},    {"\"IntervalStyle\"", "'iso_8601'"},    {"extra_float_digits", "0"},
    {"bytea_output", "'escape'"},     {"\"TimeZone\"", "'America/St_Johns'"}, {"xmloption", "'document'"},
    {"array_nulls", "off"},           {"standard_conforming_strings", "off"}, {"transform_null_equals", "on"},
    {"client_encoding", "'WIN1252'"}, {"search_path", "zoo_types"},           {"default_transaction_read_only", "on"}};

TEST(ZooMigration, carries_every_value_whatever_role_and_database_have_set) {
    Migration migration;
    const auto& source = migration.pair.source;
    source.load_zoo({"types", "values"});
    set_for_all_sessions(source, source_settings);
    set_for_all_sessions(migration.pair.target, target_settings);
    const auto change = [&](std::string_view statement) {
        source.sql(fmt::format("CALL zoo_values.change('{{plain,held}}', {})", pg::quote_literal(statement)));
    };
    migration.take_snapshot();
    change("INSERT INTO {t} (id, neighbour, {columns}) SELECT id + 1000, 1, {columns} FROM {t}");
    migration.start();
    migration.wait_until_caught_up();
    change(
        "UPDATE {t} AS t SET ({columns}) = ROW({o.columns}) FROM {t} o WHERE t.id < 1000 AND o.id = 1000 + t.id % 7");
    change("UPDATE {t} SET id = -id WHERE id % 3 = 0");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

TEST(ZooMigration, carries_every_value_in_binary_form_where_the_types_are_alike_everywhere) {
    Migration migration;
    const auto& source = migration.pair.source;
    source.load_zoo({"values"});
    source.sql(fmt::format(  // what would make the stream use text
        R"sql(DO $$ DECLARE t regclass; BEGIN
            FOR t IN SELECT c.oid FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'zoo_values'::regnamespace AND EXISTS (SELECT FROM pg_attribute
                     WHERE attrelid = c.oid AND attnum > 0 AND atttypid <> ALL ({}::oid[])) LOOP EXECUTE format('DROP TABLE %s', t); END LOOP; END $$)sql",
        pg::quote_literal(catalog::binary_type_list())));
    set_for_all_sessions(source, source_settings);
    set_for_all_sessions(migration.pair.target, target_settings);
    const auto change = [&](std::string_view kinds, std::string_view statement) {
        source.sql(
            fmt::format("CALL zoo_values.change({}, {})", pg::quote_literal(kinds), pg::quote_literal(statement)));
    };
    migration.take_snapshot();
    change("{plain}",
           "INSERT INTO {t} (id, neighbour, {columns}) SELECT id + 1000 * i, 1, {columns} FROM {t}, generate_series(1, "
           "3) i");
    change(
        "{plain}",
        "UPDATE {t} AS t SET ({columns}) = ROW({o.columns}) FROM {t} o WHERE t.id < 1000 AND o.id = 1000 + t.id % 7");
    migration.start();
    migration.wait_until_caught_up();
    EXPECT_TRUE(migration.migrate->has_said("Changes travel in binary form"));
    change("{plain}", "UPDATE {t} SET id = -id WHERE id % 3 = 0");
    change("{plain,key}", "UPDATE {t} SET neighbour = 9");
    change("{plain}", "DELETE FROM {t} WHERE id % 5 = 0");
    change("{key}", "DELETE FROM {t} WHERE ctid IN (SELECT ctid FROM {t} LIMIT 2)");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

TEST(ZooMigration, carries_what_extensions_store) {
    Migration migration;
    const auto& source = migration.pair.source;
    if (!source.holds("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'postgis')"))
        GTEST_SKIP() << "extension postgis";
    source.sql(
        R"sql(CREATE SCHEMA gis; CREATE EXTENSION postgis SCHEMA gis; CREATE EXTENSION pg_trgm; CREATE EXTENSION pgcrypto; SET search_path = public, gis;
        CREATE TABLE places (id int PRIMARY KEY, name text, g geometry, p geometry(PointZ, 4326), gg geography(Point), ga geometry[], b box2d, b3 box3d, secret bytea);
        INSERT INTO places SELECT i, 'place ' || i, 'GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1e-300 0.1),POLYGON EMPTY)', ST_SetSRID(ST_MakePoint(i, 0.1, -0.0), 4326),
            ST_MakePoint(i, 0.1)::geography, ARRAY['POINT EMPTY'::geometry, NULL, 'SRID=3857;MULTIPOINT M (1 2 3)'], 'BOX(0 0,1 1)', 'BOX3D(0 0 0,1 1 1)', digest(i::text, 'sha256')
            FROM generate_series(1, 40) i;
        CREATE INDEX places_by_place ON places USING gist (g); CREATE INDEX places_by_name ON places USING gin (name gin_trgm_ops);
        CREATE TABLE by_place (g geometry PRIMARY KEY, v int); INSERT INTO by_place SELECT ST_MakePoint(i, -i), i FROM generate_series(1, 5) i;
        INSERT INTO spatial_ref_sys (srid, auth_name, proj4text) VALUES (990001, 'mine', '+proj=longlat'))sql");
    migration.take_snapshot();
    source.sql(
        "SET search_path = public, gis; INSERT INTO places SELECT id + 100, name, g, p, gg, ga, b, b3, secret FROM "
        "places");
    migration.start();
    migration.wait_until_caught_up();
    source.sql(
        R"sql(SET search_path = public, gis; UPDATE places SET g = ST_Translate(g, 0.1, 0), ga = NULL WHERE id < 9; UPDATE places SET gg = NULL, id = -id WHERE id = 20;
        DELETE FROM places WHERE id > 130; UPDATE by_place SET v = 0; UPDATE by_place SET g = ST_MakePoint(9, 9) WHERE v = 0 AND ST_X(g) = 1; DELETE FROM by_place WHERE ST_X(g) = 2)sql");
    migration.switch_over();
    EXPECT_TRUE(migration.is_equal());
}

}  // namespace
}  // namespace tslive::harness
