\set number random(1, 1000)
BEGIN;
UPDATE "Odd ""names""; --"."Select, from {where}" SET "the ""key""" = 'renamed ' || gen_random_uuid() WHERE "per%cent" = :number;
DELETE FROM "Odd ""names""; --"."semi;colon.dot" WHERE "order" = 'o' || :number;
INSERT INTO "Odd ""names""; --"."semi;colon.dot" VALUES (:number, 'o' || :number) ON CONFLICT DO NOTHING;
END;
