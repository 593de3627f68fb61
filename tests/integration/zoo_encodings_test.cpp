// Databases whose text is not in UTF-8: base copy in binary and as text, and changes.
#include "integration/support/migration.hpp"

namespace tslive::harness {
namespace {

/// Words as bytes of our sessions: UTF-8, or whatever where the source is in SQL_ASCII.
struct Encodings {
    std::string source, target, word, other;
    friend void PrintTo(const Encodings& of, std::ostream* out) { *out << of.source << " to " << of.target; }
};

class ZooEncodings : public testing::TestWithParam<Encodings> {
protected:
    static void create_databases(const Pair& pair, std::string_view of_source, std::string_view of_target) {
        for (const auto& [server, encoding] :
             {std::pair{&pair.source_server, of_source}, std::pair{&pair.target_server, of_target}}) {
            server->sql("postgres", "DROP DATABASE app");
            server->create_database("app", fmt::format("ENCODING '{}' LOCALE 'C' TEMPLATE template0", encoding));
        }
    }
    /// {w} and {o} become the encoding's words.
    [[nodiscard]] static std::string with_words(std::string text) {
        for (const auto& [mark, word] : {std::pair{"{w}", GetParam().word}, std::pair{"{o}", GetParam().other}})
            for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += word.size())
                text.replace(at, 3, word);
        return text;
    }
};

TEST_P(ZooEncodings, text_and_names_arrive) {
    Migration migration;
    create_databases(migration.pair, GetParam().source, GetParam().target);
    const auto& source = migration.pair.source;
    const auto& target = migration.pair.target;
    // "b" travels in binary form, "t" as text.
    source.sql(with_words(R"sql(CREATE EXTENSION hstore; CREATE SCHEMA "s {w}"; SET search_path = "s {w}", public;
        CREATE TYPE "e {w}" AS ENUM ('{w}', '{o}'); CREATE TYPE "r {o}" AS ("{w}" text);
        CREATE FUNCTION "f {o}"(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1 || '{w}' $$;
        CREATE TABLE "b {w}" (id int PRIMARY KEY, "c {w}" text DEFAULT '{o}', c char(9), v varchar(9), n name, j json, jb jsonb, ts tsvector, a text[]);
        INSERT INTO "b {w}" SELECT i, '{w}' || i, '{o}', '{w}', '{o}', '{"{w}":"{o}"}', '{"{w}":"{o}"}', '''{w}'':1 ''{o}''', ARRAY['{w}', NULL, '{o}\'] FROM generate_series(1, 40) i;
        CREATE TABLE "t {w}" (k text PRIMARY KEY, e "e {w}", h hstore, x xml, r "r {o}"[], CONSTRAINT "c {o}" CHECK (k <> '{o}!'));
        INSERT INTO "t {w}" SELECT i || '{w}', '{o}', hstore('{w}', '{o}'), '<a>-</a>', ARRAY[ROW('{w}, {o}')]::"r {o}"[] FROM generate_series(1, 40) i;
        CREATE INDEX "i {w}" ON "t {w}" ("f {o}"(k)); COMMENT ON TABLE "t {w}" IS '{w} {o}'; CREATE SEQUENCE "q {o}";)sql"));
    migration.take_snapshot();
    migration.start();
    migration.wait_until_caught_up();
    source.sql(with_words(R"sql(SET search_path = "s {w}", public;
        INSERT INTO "b {w}" SELECT id + 100, "c {w}", c, v, n, j, jb, ts, a FROM "b {w}"; UPDATE "b {w}" SET c = '{w}', n = '{w}', a = '{}' WHERE id < 9;
        INSERT INTO "t {w}" SELECT k || '{o}', '{w}', h || hstore('{o}', NULL), x, r FROM "t {w}"; UPDATE "t {w}" SET e = '{w}' WHERE k < '2';
        UPDATE "t {w}" SET k = '{o}{w}' WHERE k = '3{w}'; DELETE FROM "t {w}" WHERE k > '4'; DELETE FROM "b {w}" WHERE id % 5 = 0)sql"));
    migration.switch_over();
    if (GetParam().source == GetParam().target) {
        EXPECT_TRUE(migration.is_equal());
        return;
    }
    EXPECT_TRUE(
        migration.is_equal({.skip_tables = {with_words(R"("s {w}"."b {w}")"), with_words(R"("s {w}"."t {w}")")}}));
    for (const auto* query : {R"(SELECT t::text FROM "s {w}"."b {w}" t ORDER BY id)",
                              R"(SELECT t::text FROM "s {w}"."t {w}" t ORDER BY k COLLATE "C")"})
        EXPECT_EQ(source.rows(with_words(query)), target.rows(with_words(query)));
}

INSTANTIATE_TEST_SUITE_P(Pairs, ZooEncodings,
                         testing::Values(Encodings{"SQL_ASCII", "SQL_ASCII", "\xe4\xff", "\xc3("},
                                         Encodings{"LATIN1", "LATIN1", "äÿ", "Ø½×"},
                                         Encodings{"LATIN1", "UTF8", "äÿ", "Ø½×"}),
                         [](const auto& of) { return of.param.source + "_to_" + of.param.target; });

}  // namespace
}  // namespace tslive::harness
