\set number random(1, 1000)
\set kind random(1, 10)
\if :kind <= 6
UPDATE archive.documents SET version = version + 1 WHERE id = md5('document ' || :number)::uuid;
\elif :kind <= 8
UPDATE archive.documents SET body = reverse(body) WHERE id = md5('document ' || :number)::uuid;
\else
INSERT INTO archive.documents (id, title, body) SELECT gen_random_uuid(), 'new', string_agg(md5(random()::text), '') FROM generate_series(1, 500);
\endif
