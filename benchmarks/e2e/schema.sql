-- The tables whose changes are replayed; pgbench adds its own.
CREATE TABLE runs (id bigint PRIMARY KEY, at timestamptz NOT NULL, device int NOT NULL, value double precision, note text);
CREATE TABLE singles (id bigint PRIMARY KEY, at timestamptz NOT NULL, device int NOT NULL, value double precision, note text);
CREATE TABLE marker (id int PRIMARY KEY);

CREATE PROCEDURE make_runs(transactions int) LANGUAGE plpgsql AS $$
DECLARE
    first bigint := coalesce((SELECT max(id) FROM runs), 0);
BEGIN
    FOR t IN 0..transactions - 1 LOOP
        INSERT INTO runs SELECT first + t * 1000 + i, clock_timestamp(), i, i / 3.0, 'note of some length ' || i FROM generate_series(1, 1000) i;
        COMMIT;
    END LOOP;
END $$;

-- Two of three transactions insert a row, the third changes one that is there.
CREATE PROCEDURE make_singles(transactions int) LANGUAGE plpgsql AS $$
DECLARE
    first bigint := coalesce((SELECT max(id) FROM singles), 0);
BEGIN
    FOR t IN 1..transactions LOOP
        IF t % 3 = 0 THEN
            UPDATE singles SET value = value + 1 WHERE id = first + t - 1 - t % 90;
        ELSE
            INSERT INTO singles VALUES (first + t, clock_timestamp(), t % 1000, t / 3.0, 'note of some length ' || t);
        END IF;
        COMMIT;
    END LOOP;
END $$;
