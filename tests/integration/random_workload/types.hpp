#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "integration/random_workload/chance.hpp"

namespace tslive::random_workload {

/// Stands in an SQL expression for the number of a row; see with_number().
inline constexpr std::string_view row_number = "#i#";

/// The expression for the row whose number is `number`, itself an SQL expression.
[[nodiscard]] inline std::string with_number(std::string expression, std::string_view number) {
    for (std::size_t at = 0; (at = expression.find(row_number, at)) != std::string::npos; at += number.size())
        expression.replace(at, row_number.size(), number);
    return expression;
}

/// A type of a column, and where its values come from.
struct ValueType {
    std::string sql;                    ///< as in CREATE TABLE
    std::vector<std::string> literals;  ///< constants of SQL, without the cast: the edges of the type
    std::string by_number = {};         ///< expression of row_number; empty: the literals are all there is
    int since = 120000;                 ///< the first server version that has it
};

/// Types of the users' own, and extensions. Before the tables.
inline constexpr std::string_view own_types_sql = R"sql(
    CREATE SCHEMA "Ty.pes 😀";
    CREATE TYPE "Ty.pes 😀".mood AS ENUM ('red', 'green', 'it''s, "blue"', '', ' ');
    CREATE TYPE "Ty.pes 😀"."Po,int" AS (x double precision, "y Y" double precision, label text);
    CREATE TYPE "Ty.pes 😀".nested AS (p "Ty.pes 😀"."Po,int", "all" "Ty.pes 😀"."Po,int"[], m "Ty.pes 😀".mood);
    CREATE DOMAIN "Ty.pes 😀".email AS text CHECK (VALUE ~ '@');
    CREATE DOMAIN "Ty.pes 😀".key AS bigint;
    CREATE DOMAIN "Ty.pes 😀".ints AS int[] CHECK (array_length(VALUE, 1) < 10);
    CREATE TYPE "Ty.pes 😀".floats AS RANGE (subtype = float8, subtype_diff = float8mi);
    CREATE COLLATION "Ty.pes 😀".ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE EXTENSION citext SCHEMA public;
    CREATE EXTENSION hstore SCHEMA public;
    CREATE EXTENSION ltree SCHEMA public;
    CREATE EXTENSION btree_gist SCHEMA public;
)sql";

namespace detail {

inline std::vector<ValueType> all_value_types() {
    const std::vector<std::string> texts = {"''",
                                            "'null'",
                                            "'NULL'",
                                            R"(E'\\N')",
                                            R"(E'\\.')",
                                            R"(E'line\nfeed\r\n')",
                                            R"(E'tab\t')",
                                            R"('back\slash')",
                                            "'''quoted'''",
                                            "'\"double\"'",
                                            R"(E'\x01\x7f')",
                                            "'ünï 表 😀'",
                                            R"(E'e\u0301')",
                                            "'a,b'",
                                            "'{}'",
                                            "'(a,b)'",
                                            "' blanks '",
                                            "'x'"};
    return {
        {"smallint", {"-32768", "32767", "0"}, "(#i# % 30000)::smallint"},
        {"integer", {"-2147483648", "2147483647", "0"}, "(#i#)::int"},
        {"bigint", {"'-9223372036854775808'", "9223372036854775807", "9007199254740993"}, "#i# * 1000000007::bigint"},
        {"numeric",
         {"'NaN'", "1e131", "0.000", "1.10", "1.1", "-0.5", "1e-1000",
          "12345678901234567890123456789012345678901234567890.123456789"},
         "#i# / 7.0"},
        {"numeric(30,10)", {"-99999999999999999999.9999999999", "0.0000000001", "'NaN'"}, "#i# / 7.0"},
        {"numeric", {"'Infinity'", "'-Infinity'", "'NaN'"}, "", 140000},
        {"real",
         {"'-0'", "'0'", "'NaN'", "'Infinity'", "'-Infinity'", "1.17549435e-38", "0.1", "3.4028235e38"},
         "#i# / 7.0"},
        {"double precision",
         {"'-0'", "'0'", "'NaN'", "'Infinity'", "'-Infinity'", "0.1", "2.2250738585072014e-308",
          "1.7976931348623157e308"},
         "#i# / 7.0"},
        {"money", {"'-92233720368547758.08'", "'92233720368547758.07'", "'0'"}, "(#i#)::int::money"},
        {"oid", {"0", "4294967295"}, "(#i#)::oid"},
        {"boolean", {"true", "false"}},
        {"text", texts, "'v ' || #i#"},
        {"text COLLATE \"C\"", texts, "'v ' || #i#"},
        {"text COLLATE \"Ty.pes 😀\".ignoring_case", {"'same'", "'SAME'", "'Same'", "'other'"}},
        {"varchar(20)", texts, "'v ' || #i#"},
        {"char(8)", {"''", "'pad'", "'x '", "'x'", "'ünï'", "'{}'"}, "left('v' || #i#, 8)"},
        {"name", {"''", "'na me'", "'ü'"}, "('n' || #i#)::name"},
        {"\"char\"", {"''", "'n'", R"('\')", "''''"}},
        {"bytea",
         {R"('\x')", R"('\x00')", R"('\x5c4e')", R"('\x0a0d09')", R"('\xdeadbeef')"},
         "decode(md5((#i#)::text), 'hex')"},
        {"date",
         {"'4713-11-24 BC'", "'5874897-12-31'", "'infinity'", "'-infinity'", "'2024-03-31'"},
         "'2020-01-01'::date + (#i# % 10000)::int"},
        {"time", {"'00:00'", "'24:00:00'", "'12:34:56.789012'"}},
        {"time(0)", {"'00:00'", "'23:59:59'"}},
        {"timetz", {"'00:00:00+15:59'", "'24:00:00-15:59'", "'12:34:56.789012+05:45'"}},
        {"timestamp",
         {"'4713-11-24 00:00:00 BC'", "'294276-12-31 23:59:59.999999'", "'infinity'", "'-infinity'"},
         "'2020-01-01'::timestamp + #i# * interval '1.000001 s'"},
        {"timestamp(3)", {"'2000-01-01 00:00:00.123'", "'1969-12-31 23:59:59.999'"}},
        {"timestamptz",
         {"'4713-11-24 00:00:00+00 BC'", "'294276-12-31 23:59:59.999999+00'", "'infinity'", "'-infinity'",
          "'2024-03-31 02:30+02'"},
         "'2020-01-01 UTC'::timestamptz + #i# * interval '1.000001 s'"},
        {"interval",
         {"'-178000000 years'", "'178000000 years'", "'1 year 2 mons -3 days 04:05:06.000007'",
          "'-1 mon +1 day -00:00:00.000001'", "'1 day'", "'24:00:00'"},
         "#i# * interval '1 day 1 s'"},
        {"uuid",
         {"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"},
         "md5((#i#)::text)::uuid"},
        {"json",
         {R"('{"b":1,  "a":[1,2 ,3],"a":null}')", "'null'", R"('"\u00e4 \\ \" \u20ac"')"},
         "json_build_object('k', #i#)"},
        {"jsonb",
         {R"('{"b":1,"a":[1,2,3]}')", "'null'", R"('{"k": 1.000000000000000000001e-10}')"},
         "jsonb_build_object('k', #i#)"},
        {"xml", {"'<a>text &amp; more</a>'", "'<a/>'", "'no element'"}},
        {"int[]", {"'{}'", "'{1,NULL,3}'", "'[0:2]={7,8,9}'"}, "ARRAY[(#i#)::int, NULL]"},
        {"int[][]", {"'{{1,2},{3,4}}'", "'[-1:0][5:5]={{1},{2}}'"}},
        {"text[]",
         {"'{}'", R"('{"",NULL,"NULL","a,b","{c}","d\"e","f\\g"," h "}')", "'{x}'"},
         "ARRAY['a,' || #i#, '\"']"},
        {"jsonb[]", {R"('{"{\"k\":\"v\"}",NULL,"\"s\""}')", "'{}'"}},
        {"point", {"'(0,0)'", "'(-0,1e300)'", "'(NaN,Infinity)'"}, "point(#i#, 0.1)"},
        {"line", {"'{1,2,3}'"}},
        {"box", {"'(2,2),(1,1)'", "'(0.1,0.2),(-1,-2)'"}},
        {"path", {"'[(0,0),(1,1),(2,0)]'", "'((0,0),(1,1),(2,0))'"}},
        {"polygon", {"'((0,0),(1,1),(2,0))'"}},
        {"circle", {"'<(1.5,-2.5),0>'"}},
        {"inet", {"'10.0.0.1'", "'::1/128'", "'192.168.1.5/24'"}, "'10.0.0.0'::inet + #i#"},
        {"cidr", {"'10.0.0.0/8'", "'2001:db8::/32'", "'0.0.0.0/0'"}},
        {"macaddr", {"'08:00:2b:01:02:03'"}},
        {"macaddr8", {"'08:00:2b:01:02:03:04:05'"}},
        {"bit(5)", {"'10101'", "'00000'"}, "(#i#)::int::bit(5)"},
        {"varbit", {"''", "'1010101010101'"}, "(#i#)::int::bit(32)::varbit"},
        {"tsvector", {"'a:1A fat:2B,4C cat:5D'", "''", "'''it''''s'':1 ''a b'''"}, "('w' || #i#)::tsvector"},
        {"tsquery", {"'fat & (rat | !cat)'", "'super:*AB <-> star'"}},
        {"pg_lsn", {"'0/0'", "'FFFFFFFF/FFFFFFFF'"}},
        {"regclass", {"'pg_catalog.pg_class'", "NULL"}},
        {"regtype", {"'pg_catalog.int4'"}},
        {"int4range", {"'empty'", "'[1,10)'", "'(,)'"}, "int4range((#i#)::int, (#i#)::int + 10)"},
        {"numrange", {"'empty'", "'[1.1,2.2)'", "'(,)'"}},
        {"daterange", {"'[2020-01-01,2020-12-31]'", "'[,)'", "'[2020-01-01,infinity]'"}},
        {"tstzrange", {"'[,2020-01-01 00:00+00)'", "'empty'"}},
        {"int4range[]", {R"q('{"[1,2)",empty,NULL}')q"}},
        {"int4multirange", {"'{}'", "'{[1,3),[5,7)}'"}, "", 140000},
        {"\"Ty.pes 😀\".floats", {"'[0.1,1e300)'", "'(NaN,)'", "'empty'"}},
        {"\"Ty.pes 😀\".mood", {"'red'", R"('it''s, "blue"')", "''", "' '"}},
        {"\"Ty.pes 😀\".mood[]", {"'{red,\" \",\"\"}'", "'{}'"}},
        {"\"Ty.pes 😀\".email", {"'@'", "'a@b'"}, "'m@' || #i#"},
        {"\"Ty.pes 😀\".ints", {"'{1,2}'", "'{}'"}},
        {"\"Ty.pes 😀\".\"Po,int\"", {R"q('(1,2,"a,b")')q", "'(,,)'", R"q('(,NaN,"""q""")')q"}, "ROW(#i#, -0.5, 'p')"},
        {"\"Ty.pes 😀\".\"Po,int\"[]", {R"q(ARRAY['(1,2,"a,b")', NULL])q", "'{}'"}},
        {"\"Ty.pes 😀\".nested",
         {R"(ROW(ROW(1, 2, 'in "quotes", (and) more'), ARRAY[ROW(3, 4, NULL)::"Ty.pes 😀"."Po,int"], 'green'))",
          "ROW(NULL, '{}', NULL)"}},
        {"public.citext", {"'Same'", "'SAME'", "''"}, "'Ci' || #i#"},
        {"public.hstore", {"''", R"('a=>NULL, "b c"=>"d\"e"')"}, "public.hstore('k', (#i#)::text)"},
        {"public.ltree", {"'Top.Science'", "''"}, "('a.' || #i#)::public.ltree"},
    };
}

}  // namespace detail

/// Those that a server of this version has.
/// Whether changes of such a column may travel in binary form: it is, or is an array of, a built-in type of those that the
/// tool trusts (catalog/binary_types.hpp, which names them by number). What is not sure is not.
[[nodiscard]] inline bool travels_in_binary(std::string_view sql) {
    constexpr std::array plain{"smallint",    "int",       "bigint",    "numeric", "real",    "double precision",
                               "text",        "varchar",   "char",      "bytea",   "boolean", "date",
                               "time",        "timestamp", "uuid",      "json",    "jsonb",   "inet",
                               "timestamptz", "interval",  "money",     "bit",     "point",   "macaddr",
                               "int4range",   "numrange",  "tstzrange", "tsvector"};
    sql = sql.substr(0, sql.find(" COLLATE"));
    sql = sql.substr(0, sql.find_first_of("([\""));
    return std::ranges::find(plain, sql) != plain.end();
}

[[nodiscard]] inline std::vector<ValueType> value_types(int server_version) {
    auto types = detail::all_value_types();
    std::erase_if(types, [&](const ValueType& type) { return type.since > server_version; });
    return types;
}

/// `double precision` of `double precision`, `text` of `text COLLATE "C"`.
[[nodiscard]] inline std::string cast_name(const ValueType& type) {
    return type.sql.substr(0, type.sql.find(" COLLATE"));
}

/// An expression whose value depends on the row's number: some of the edges, NULL, and what the number gives.
[[nodiscard]] inline std::string random_value(const ValueType& type, Chance& chance, bool nullable) {
    const auto as_type = [&](const std::string& value) { return fmt::format("({})::{}", value, cast_name(type)); };
    const auto other = [&] {
        if (!type.by_number.empty() && !chance.one_in(4)) return as_type(type.by_number);
        return nullable && chance.one_in(4) ? fmt::format("NULL::{}", cast_name(type))
                                            : as_type(chance.pick(type.literals));
    };
    if (chance.one_in(2)) return other();
    std::string cases;
    const auto count = chance.between(1, 3);
    for (std::int64_t i = 0; i < count; ++i)
        cases += fmt::format(" WHEN {} THEN {}", i,
                             nullable && chance.one_in(6) ? "NULL" : as_type(chance.pick(type.literals)));
    return fmt::format("CASE ({})::bigint % {}{} ELSE {} END", row_number, count + chance.between(0, 2), cases,
                       other());
}

}  // namespace tslive::random_workload
