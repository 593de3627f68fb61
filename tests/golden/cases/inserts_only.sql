-- Tables without a usable identity, published for insert and truncate only; a table without columns.
-- options: 'proto_version', '1', 'messages', 'true'
CREATE TABLE no_identity (a int, j jsonb, list int[], span int4range);
CREATE TABLE no_columns ();
CREATE TABLE nothing_identity (a int PRIMARY KEY);
ALTER TABLE nothing_identity REPLICA IDENTITY NOTHING;
CREATE PUBLICATION golden FOR TABLE no_identity, no_columns, nothing_identity WITH (publish = 'insert, truncate');

-- changes
INSERT INTO no_identity VALUES (1, '{"k": ["v", null]}', '{1,NULL,3}', '[1,5)');
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO nothing_identity VALUES (1);
UPDATE no_identity SET a = 2;
DELETE FROM nothing_identity;
TRUNCATE no_columns, no_identity;
