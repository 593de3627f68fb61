-- Every built-in type with values at its edges, by itself and in everything that can hold it: arrays, domains over it and over its
-- arrays, composites, domains over these; found by a key of its own kind, by an integer, and by its content. Deterministic; PostgreSQL 12
-- and later. Types are added in zoo_values.samples alone; what a version lacks is left out.
CREATE SCHEMA zoo_values;
SET search_path = zoo_values, pg_catalog;
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public;
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE EXTENSION IF NOT EXISTS ltree SCHEMA public;

CREATE TYPE mood AS ENUM ('', 'sad', 'it''s, "so" {so}', E'back\\slash', E'new\nline', 'NULL', 'ünï 😀');
CREATE TYPE pair AS (a int, "B b" text, c numeric[]);
CREATE TYPE deep AS (p pair, l pair[], m mood, n text);
CREATE DOMAIN positive AS numeric(12, 3) CHECK (VALUE > 0);
CREATE DOMAIN small_positive AS positive CHECK (VALUE < 1000);
CREATE DOMAIN words AS text[] CHECK (cardinality(VALUE) < 9);
CREATE DOMAIN full_pair AS pair CHECK (VALUE IS NULL OR (VALUE).a IS NOT NULL);
CREATE DOMAIN class_name AS regclass;
CREATE DOMAIN five_bits AS bit(5);
CREATE DOMAIN padded AS char(6);
CREATE TYPE float_range AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE mood_range AS RANGE (subtype = mood);
CREATE TYPE text_range AS RANGE (subtype = text, collation = "C");
-- A type whose cast from text is not its input function. What arrives has to be read by the latter.
CREATE TYPE shout AS (word text);
CREATE FUNCTION shout(text) RETURNS shout LANGUAGE sql IMMUTABLE AS $$ SELECT ROW(upper($1) || '!')::zoo_values.shout $$;
CREATE CAST (text AS shout) WITH FUNCTION shout(text);
CREATE CAST (varchar AS shout) WITH FUNCTION shout(text);
CREATE DOMAIN shouted AS shout;

-- vals: values as text. NULL, and rows with several, are added below.
CREATE TABLE samples (type text PRIMARY KEY, vals text[] NOT NULL);
INSERT INTO samples VALUES
    ('bool', '{t,f}'),
    ('bytea', ARRAY['\x', '\x00', '\x5c', '\x27', '\x0a0d09', '\xdeadbeef', '\x' || repeat('ff', 300),
                    '\x' || (SELECT string_agg(lpad(to_hex(i), 2, '0'), '' ORDER BY i) FROM generate_series(0, 255) i)]),
    ('"char"', ARRAY['', 'a', '\', '''', '"', ',', '{', E'\n', E'\t', ' ', '0', E'\x01', E'\x7f', '\303']),
    ('name', ARRAY['', 'a', 'NULL', ' blanks ', E'\\N', '"q"', 'it''s', E'li\nne', repeat('x', 63), repeat('é', 31), repeat('表', 21), '😀', '{a,b}']),
    ('int2', '{0,1,-1,32767,-32768}'), ('int4', '{0,1,-1,2147483647,-2147483648}'),
    ('int8', '{0,1,-1,9223372036854775807,-9223372036854775808,9007199254740993}'),
    ('int2vector', ARRAY['', '1', '1 2 3', '-32768 0 32767']), ('oidvector', ARRAY['', '1', '0 1 4294967295']),
    ('oid', '{0,1,2147483648,4294967295}'), ('xid', '{0,1,4294967295}'), ('cid', '{0,4294967295}'), ('xid8', '{0,4294967296,18446744073709551615}'),
    ('tid', ARRAY['(0,0)', '(0,1)', '(4294967295,65535)']),
    ('text', ARRAY['', ' ', 'null', 'NULL', E'\\N', E'\\.', E'\\', E'\\\\', '''', '"', ',', '{', '}', '(', ')', ';', '|', E'\n', E'\r', E'\r\n', E'\t', E'\b\f\v',
                   E'\\n', E'\\x41', E'\\101', E'\x01', E'\x7f', E'\x1b[0m', 'E''\n''', '$1', '%s', '%', '{}', '{0}', '"quoted, (and) {more}"', ' padded ',
                   'e' || chr(769), chr(65279) || 'BOM', chr(233), chr(1114111), chr(65535), chr(8238) || 'rtl', chr(8232), chr(160), chr(133), '表', '👩‍👩‍👧',
                   repeat('long ', 2000), repeat(E'\\', 300), repeat('"', 300), repeat(E'\n', 300),
                   (SELECT string_agg(chr(i), '' ORDER BY i) FROM generate_series(1, 2047) i)]),
    ('varchar', ARRAY['', ' ', 'NULL', E'\\N', E'\\.', '"', E'a\tb\nc\\d', 'ünï 😀']),
    ('bpchar', ARRAY['', 'x', 'x   ', 'NULL', E'\\.', '"', E'a\tb\nc\\d', 'ünï 😀']),
    ('json', ARRAY['null', '"null"', '""', '0', '-0', '1e400', '[]', '{}', '{"a":1, "a":2,  "b" : [null,{}]}', E'"\\\\ \\" \\u20ac \\n"', '"\u00e4"', E'[1,\n\t2]', '[[[[[[]]]]]]', ' 1 ']),
    ('jsonb', ARRAY['null', '"null"', '""', '0', '1e100', '1.10', '-1e-20', '[]', '{}', '{"a":1, "b" : [null,{}], "":""}', E'"\\\\ \\" \\u20ac \\n"', '"😀"', '"\t"', '123456789012345678901234567890.00']),
    ('jsonpath', ARRAY['$', 'strict $.a[*] ? (@.b > 1 && @.c like_regex "^a\\d" flag "i")', '$."a b"[0 to last]', 'lax $.**{2 to 3}.type()', '"x"', 'null', '-1.5']),
    ('xml', ARRAY['', ' ', 'text only', '<a/>', '<a></a>', '<a b="c &quot; d">&lt;&amp;</a><b/>', '<?xml version="1.0"?><a/>', '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><ä>😀</ä>',
                  '<!DOCTYPE a [<!ELEMENT a ANY>]><a/>', '<![CDATA[ ]] > ]]>', '<!-- c --><?pi x?>', E'<a>\n\t</a>', E'\\N']),
    ('point', ARRAY['(0,0)', '(-0,1e300)', '(NaN,Infinity)', '(0.1,-Infinity)', '(1e-300,123456789.123456789)']),
    ('lseg', ARRAY['[(0,0),(1,1)]', '[(1e-300,0.1),(0.2,0.3)]']), ('line', ARRAY['{1,2,3}', '{0,1,-5}', '{-1,-0.1,1e10}']),
    ('box', ARRAY['(2,2),(1,1)', '(0.1,0.2),(-1,-2)', '(0,0),(0,0)']),
    ('path', ARRAY['[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '[(0.1,0.2)]']), ('polygon', ARRAY['((0,0),(1,1),(2,0))', '((0.1,0.2))']),
    ('circle', ARRAY['<(0,0),1>', '<(1.5,-2.5),0>', '<(0.1,0.2),1e10>']),
    ('float4', '{0,-0,1,-1,NaN,Infinity,-Infinity,1e-45,1.17549435e-38,3.4028235e38,0.1,16777217,1.0000001}'),
    ('float8', '{0,-0,1,-1,NaN,Infinity,-Infinity,4.9e-324,2.2250738585072014e-308,1.7976931348623157e308,0.1,0.30000000000000004,9007199254740993,1e23}'),
    ('numeric', ARRAY['0', '0.000', '-0.0', '1', '1.10', '-1', 'NaN', '1e131', '1e-1000', '12345678901234567890123456789012345678901234567890.123456789', '-99999.99999', '0.0001', '10000', '9999.9999',
                      repeat('9', 1000)]),
    ('money', ARRAY['0', '0.01', '-0.01', '1234.56', '-92233720368547758.08', '92233720368547758.07']),
    ('date', ARRAY['2000-01-01', '1999-12-31', '4713-11-24 BC', '0001-12-31 BC', '0001-01-01', '5874897-12-31', 'infinity', '-infinity', '2024-02-29', '2003-04-05']),
    ('time', ARRAY['00:00:00', '24:00:00', '23:59:59.999999', '12:34:56.789012', '00:00:00.000001']),
    ('timetz', ARRAY['00:00:00+00', '00:00:00+15:59', '24:00:00-15:59', '12:34:56.789012+05:45', '12:34:56-03:30:15']),
    ('timestamp', ARRAY['2000-01-01 00:00:00', '4713-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999', 'infinity', '-infinity', '1969-12-31 23:59:59.999999', '2003-04-05 06:07:08.9', '0044-03-15 12:00:00 BC']),
    ('timestamptz', ARRAY['2000-01-01 00:00:00+00', '4713-11-24 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00', 'infinity', '-infinity', '2024-03-31 02:30:00+02', '1883-11-18 12:03:57+00', '2003-04-05 06:07:08.9+05:45']),
    ('interval', ARRAY['0', '1 year 2 mons -3 days 04:05:06.000007', '-1 year -2 mons +3 days -04:05:06', '-1 mon +1 day -00:00:00.000001', '178000000 years', '-178000000 years', '30 days', '1 mon', '24:00:00',
                       '1 day', '-2147483648 days', '2562047788:00:54.775807', '-1 days +23:59:59.9', '1 year -1 day', '-00:00:01.5']),
    ('"bit"', ARRAY['', '0', '1', '10101', repeat('1', 70)]), ('varbit', ARRAY['', '0', '1', '1010101010101', repeat('01', 500)]),
    ('uuid', ARRAY['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '123e4567-e89b-12d3-a456-426614174000']),
    ('inet', ARRAY['10.0.0.1', '192.168.1.5/24', '0.0.0.0/0', '::1', '::ffff:1.2.3.4/128', '2001:db8::1/64']), ('cidr', ARRAY['10.0.0.0/8', '0.0.0.0/0', '2001:db8::/32', '10.1.2.3/32']),
    ('macaddr', ARRAY['08:00:2b:01:02:03', 'ff:ff:ff:ff:ff:ff']), ('macaddr8', ARRAY['08:00:2b:01:02:03:04:05', '00:00:00:00:00:00:00:00']),
    ('pg_lsn', ARRAY['0/0', '16/B374D848', 'FFFFFFFF/FFFFFFFF']), ('refcursor', ARRAY['', 'cursor 1', E'\\N']),
    ('txid_snapshot', ARRAY['1:1:', '10:20:10,14,15']), ('pg_snapshot', ARRAY['1:1:', '10:20:10,14,15']),
    ('tsvector', ARRAY['', 'a:1A fat:2B,4C cat:5D', E'''it''''s'':1 ''a b'' ''back\\\\slash''', '''NULL''', 'ünï:16383']),
    ('tsquery', ARRAY['', 'fat & (rat | !cat)', 'super:*AB <-> star', '''it''''s'' <3> ''a b''']),
    ('aclitem', ARRAY['=r/postgres', 'postgres=arwdDxt/postgres', 'postgres=r*w/postgres']),
    ('regclass', ARRAY['-', 'pg_catalog.pg_class', 'zoo_values.samples', '4000000000']), ('regtype', ARRAY['-', 'integer', 'zoo_values.mood', 'bit', '"char"', 'integer[]']),
    ('regproc', ARRAY['-', 'now', '4000000000']), ('regprocedure', ARRAY['-', 'lower(text)', 'zoo_values.shout(text)']), ('regoper', ARRAY['0', '||/', '4000000000']),
    ('regoperator', ARRAY['0', '+(integer,integer)', '-(NONE,integer)', '4000000000']), ('regconfig', ARRAY['english', 'simple']), ('regdictionary', ARRAY['simple']),
    ('regnamespace', ARRAY['-', 'pg_catalog', 'zoo_values']), ('regrole', ARRAY['-', 'postgres', 'pg_monitor']), ('regcollation', ARRAY['-', '"C"', '"default"']),
    ('int4range', ARRAY['empty', '(,)', '[1,10)', '(,5)', '[5,)']), ('int8range', ARRAY['empty', '(,)', '[-9223372036854775808,9223372036854775807)']),
    ('numrange', ARRAY['empty', '(,)', '[1.10,2.200]', '(NaN,)', '[0,1e100)']), ('daterange', ARRAY['empty', '(,)', '[2020-01-01,2021-01-01)', '[0044-03-15 BC,)', '[2020-01-01,infinity)']),
    ('tsrange', ARRAY['empty', '(,)', '["2020-01-01 00:00:00","2020-01-01 00:00:00.000001")', '(-infinity,infinity)']),
    ('tstzrange', ARRAY['empty', '(,)', '["2020-01-01 00:00:00+00",infinity]']),
    ('int4multirange', ARRAY['{}', '{[1,3),[5,7)}', '{(,)}']), ('int8multirange', ARRAY['{}', '{[1,3),[5,)}']), ('nummultirange', ARRAY['{}', '{[1.10,2.20],(3,)}']),
    ('datemultirange', ARRAY['{}', '{[2020-01-01,2020-02-01),[2021-01-01,)}']), ('tsmultirange', ARRAY['{}', '{["2020-01-01 00:00:00",infinity)}']),
    ('tstzmultirange', ARRAY['{}', '{(,"2020-01-01 00:00:00+00"]}']),
    -- What users make, and the usual extensions.
    ('zoo_values.mood', ARRAY['', 'sad', 'it''s, "so" {so}', E'back\\slash', E'new\nline', 'NULL', 'ünï 😀']),
    ('zoo_values.pair', ARRAY['(,,)', '(1,"",{})', E'(-1,"a \\\\ ""b"", (c) {d}\n","{1.10,NULL,NaN}")', '(2,NULL,"[0:1]={1,2}")']),
    ('zoo_values.deep', ARRAY['(,,,)', E'("(1,""x """"y"""""",)","{""(1,a,)"",NULL,""(,\\\\""q,\\\\"",{1})""}",sad,"\n")']),
    ('zoo_values.positive', '{1,0.001,999999999.999}'), ('zoo_values.small_positive', '{1,0.001,999.999}'), ('zoo_values.words', ARRAY['{}', '{a,NULL,"NULL",""}', '[3:4]={"a,b","{c}"}', '{{a},{b}}']),
    ('zoo_values.full_pair', ARRAY['(1,,)', '(2,"(x, ""y"")",{1})']), ('zoo_values.class_name', ARRAY['-', 'pg_catalog.pg_class', '4000000000']), ('zoo_values.five_bits', '{10101,00000}'),
    ('zoo_values.padded', ARRAY['', 'a', 'é b', 'abcdef']),
    ('zoo_values.float_range', ARRAY['empty', '[0.1,1e300)', '(NaN,)', '[-0,0]']), ('zoo_values.mood_range', ARRAY['empty', E'["it''s, ""so"" {so}","back\\\\slash")', '["",sad]']),
    ('zoo_values.text_range', ARRAY['empty', '["",a)', E'["a b","c\\"d\\\\e, f")', '[NULL,null)']),
    ('zoo_values.float_multirange', ARRAY['{}', '{[0.1,0.2],(1,NaN)}']), ('zoo_values.shout', ARRAY['(word)', '(" a ")', '()', '("")']), ('zoo_values.shouted', ARRAY['(word)', '()']),
    ('zoo_values.samples', ARRAY['(,)', '("a,b","{x,""y z""}")']),
    ('public.hstore', ARRAY['', '"a"=>"b"', '"a"=>NULL, "b"=>"NULL", ""=>""', '"q\"uo"=>"ba\\ck, =>"', '"ü"=>"😀"']), ('public.citext', ARRAY['', 'MiXed', 'ÜNÏ', E'\\N', 'NULL']),
    ('public.ltree', ARRAY['', 'Top', 'Top.Science_1.x']), ('public.lquery', ARRAY['*.a@|b%*{1,2}']), ('public.ltxtquery', ARRAY['Europe & !Asia@']);
DELETE FROM samples WHERE to_regtype(type) IS NULL;  -- of a later version

-- An array of values in array_in's form.
CREATE FUNCTION array_text(vals text[], delimiter "char") RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '{' || string_agg(coalesce('"' || replace(replace(v, E'\\', E'\\\\'), '"', E'\\"') || '"', 'NULL'), delimiter::text ORDER BY n) || '}'
    FROM unnest(vals) WITH ORDINALITY AS u(v, n) $$;

-- Of each type: "plain" holds it and its arrays, "held" what is made of it, "full" is found by its content, "key" and "domain key" by it.
DO $do$
DECLARE
    type text;
    vals text[];
    delimiter "char";
    one text;
    n int;
BEGIN
    FOR type, vals, delimiter IN SELECT s.type, s.vals, t.typdelim FROM zoo_values.samples s JOIN pg_type t ON t.oid = to_regtype(s.type) ORDER BY 1 LOOP
        EXECUTE format('CREATE TYPE %I AS (v %2$s, a %2$s[], label text)', 'composite ' || type, type);
        EXECUTE format('CREATE DOMAIN %I AS %s', 'domain ' || type, type);
        EXECUTE format('CREATE DOMAIN %I AS %s[]', 'list ' || type, type);
        EXECUTE format('CREATE DOMAIN %I AS zoo_values.%I', 'composite domain ' || type, 'composite ' || type);
        EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, neighbour int, v %2$s, a %2$s[])', 'plain ' || type, type);
        EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, neighbour int, d %2$I, da %2$I[], l %3$I, c %4$I, ca %4$I[], cd %5$I)',
                       'held ' || type, 'domain ' || type, 'list ' || type, 'composite ' || type, 'composite domain ' || type);
        EXECUTE format('CREATE TABLE %I (id int, neighbour int, v %2$s, a %2$s[], c %3$I)', 'full ' || type, type, 'composite ' || type);
        EXECUTE format('ALTER TABLE %I REPLICA IDENTITY FULL', 'full ' || type);

        FOR n IN 1..cardinality(vals) LOOP  -- as literals: a cast from text may be something else than the type's input
            EXECUTE format('INSERT INTO %I VALUES (%s, 0, %L, %L)', 'plain ' || type, n, vals[n], zoo_values.array_text(ARRAY[vals[n], NULL, vals[n]], delimiter));
        END LOOP;
        n := cardinality(vals);
        one := zoo_values.array_text(vals[1:1], delimiter);
        EXECUTE format('INSERT INTO %I VALUES (%2$s + 1, 0, NULL, NULL), (%2$s + 2, 0, %3$L, ''{}''), (%2$s + 3, 0, NULL, %4$L), (%2$s + 4, 0, %5$L, %6$L), (%2$s + 5, 0, %5$L, %7$L)',
                       'plain ' || type, n, vals[n], zoo_values.array_text(vals, delimiter), vals[1],
                       replace(replace('{{1;1;NULL};{1;NULL;1}}', ';', delimiter::text), '1', substr(one, 2, length(one) - 2)), format('[-1:0][7:7]={%1$s%2$s%1$s}', one, delimiter));
        EXECUTE format($q$ INSERT INTO %I SELECT id, 0, v, zoo_values.array_text(ARRAY[v::text, NULL], %5$L)::zoo_values.%2$I[], a, row_of, ARRAY[row_of, NULL, ROW(NULL, NULL, E'\\,"()')::zoo_values.%3$I], row_of
                           FROM (SELECT *, CASE WHEN id %% 5 <> 4 THEN ROW(v, a, 'label ' || id)::zoo_values.%3$I END AS row_of FROM %4$I) p $q$,
                       'held ' || type, 'domain ' || type, 'composite ' || type, 'plain ' || type, delimiter);
        EXECUTE format('INSERT INTO %I SELECT id, 0, v, a, ROW(v, a, NULL)::%I FROM %I', 'full ' || type, 'composite ' || type, 'plain ' || type);
        BEGIN
            EXECUTE format('CREATE TABLE %I (k %s PRIMARY KEY, neighbour int)', 'key ' || type, type);
            EXECUTE format('INSERT INTO %I SELECT v, 0 FROM %I WHERE octet_length(v::text) < 2000 ON CONFLICT DO NOTHING', 'key ' || type, 'plain ' || type);
            EXECUTE format('CREATE TABLE %I (k %2$I, d %2$I, neighbour int, PRIMARY KEY (k, d))', 'domain key ' || type, 'domain ' || type);
            EXECUTE format('INSERT INTO %I SELECT k, k, 0 FROM %I', 'domain key ' || type, 'key ' || type);
        EXCEPTION WHEN undefined_object THEN  -- no order, so no key
        END;
    END LOOP;
END $do$;

CREATE TABLE "plain, at the limits" (id int PRIMARY KEY, neighbour int, v numeric, a text);
INSERT INTO "plain, at the limits" VALUES (1, 0, '1e131071', repeat('x', 100000)), (2, 0, '-1e131071', repeat(E'\\', 100000)),
    (3, 0, ('0.' || repeat('0', 16382) || '1')::numeric, repeat('😀', 100000)), (4, 0, (repeat('9', 131072) || '.' || repeat('9', 16383))::numeric, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 10000) i));

-- Every character of one byte and of two, by itself and among others; the second table holds what makes the base copy use text.
CREATE TABLE "plain, characters" (id int PRIMARY KEY, neighbour int, v text, a text[]);
CREATE TABLE "held, characters" (id int PRIMARY KEY, neighbour int, v text, a text[], m mood);
INSERT INTO "plain, characters" SELECT i, 0, c || coalesce(nullif(c, ' '), 'x') || 'x' || c || E'\\' || c, ARRAY[c, c || c, E'\\' || c, c || '"', 'N' || c]
    FROM generate_series(1, 255) i, chr(i) c;
INSERT INTO "held, characters" SELECT *, 'sad' FROM "plain, characters";

-- Runs a statement for each table of some kinds, in a transaction each: {t} is the table, {columns} what holds values in it, {o.columns} the
-- same of another row o, {plain} the plain table of the same type.
CREATE PROCEDURE change(kinds text[], statement text) LANGUAGE plpgsql AS $$
DECLARE
    t regclass;
    name name;
    columns text;
    others text;
BEGIN
    FOR t, name, columns, others IN SELECT c.oid, c.relname, string_agg(quote_ident(attname), ', '), string_agg('o.' || quote_ident(attname), ', ')
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE relnamespace = 'zoo_values'::regnamespace AND relkind = 'r' AND attnum > 0 AND attname NOT IN ('id', 'neighbour')
               AND EXISTS (SELECT FROM unnest(kinds) k WHERE relname ~ ('^' || k || '\W')) GROUP BY 1, 2 ORDER BY 2 LOOP
        EXECUTE replace(replace(replace(replace(statement, '{t}', t::text), '{columns}', columns), '{o.columns}', others), '{plain}',
                        format('zoo_values.%I', regexp_replace(name, '^(domain key|\w+) ', 'plain ')));
        COMMIT;
    END LOOP;
END $$;

RESET timezone;
RESET client_min_messages;
RESET search_path;
