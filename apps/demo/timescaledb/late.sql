\set sensor random(0, 499)
\set days random(11, 60)
BEGIN;
INSERT INTO plant.readings SELECT clock_timestamp() - :days * interval '1 day' + n * interval '1 us', :sensor, n FROM generate_series(1, 5) n ON CONFLICT DO NOTHING;
UPDATE plant.readings SET quality = 9 WHERE sensor = :sensor AND at > now() - :days * interval '1 day' - interval '10 minutes' AND at < now() - :days * interval '1 day';
DELETE FROM plant.readings WHERE sensor = :sensor AND at > now() - :days * interval '1 day' - interval '2 hours' AND at < now() - :days * interval '1 day' - interval '1 hour';
END;
