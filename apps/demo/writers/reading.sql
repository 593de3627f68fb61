\set sensor random(0, 499)
BEGIN;
INSERT INTO plant.readings SELECT clock_timestamp() + n * interval '1 us', :sensor, 20 + n FROM generate_series(1, 50) n ON CONFLICT DO NOTHING;
UPDATE plant.readings SET quality = quality + 1 WHERE sensor = :sensor AND at > now() - interval '2 hours';
INSERT INTO plant.alarms (sensor, text) VALUES (:sensor, 'by a writer');
END;
