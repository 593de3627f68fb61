-- Roles of all sorts. They belong to the whole server: one test at a time.
CREATE ROLE zoo_owner LOGIN PASSWORD 'hush' CREATEDB CONNECTION LIMIT 7 VALID UNTIL '2031-02-03 04:05:06+00';
CREATE ROLE "Zoo ""writer"";" NOINHERIT CREATEROLE;
CREATE ROLE zoo_reader REPLICATION BYPASSRLS;
CREATE ROLE zoo_other LOGIN;
CREATE ROLE zoo_admin SUPERUSER LOGIN;
COMMENT ON ROLE zoo_owner IS 'it''s a role';
GRANT zoo_reader TO zoo_owner WITH ADMIN OPTION;
GRANT "Zoo ""writer"";" TO zoo_other;
GRANT pg_monitor TO zoo_reader;
GRANT zoo_reader TO postgres;
ALTER ROLE zoo_owner SET search_path = "$user", public, "odd "" name, x";
ALTER ROLE zoo_owner SET my_app.rule = E'a\\b ''c''';
ALTER ROLE zoo_reader SET statement_timeout = '5s';
