-- What the demo moves. Partitions cover the last months, so that the writers' rows of today land in one.
CREATE SCHEMA plant;
CREATE TABLE plant.sensors (id int PRIMARY KEY, name text NOT NULL UNIQUE, place point, settings jsonb NOT NULL DEFAULT '{}');
CREATE TABLE plant.readings (at timestamptz NOT NULL, sensor int NOT NULL, value double precision, quality smallint NOT NULL DEFAULT 0)
    PARTITION BY RANGE (at);
DO $$ BEGIN
    FOR month IN -3..1 LOOP
        EXECUTE format('CREATE TABLE plant.%I PARTITION OF plant.readings FOR VALUES FROM (%L) TO (%L)',
                       to_char(now() + month * interval '1 month', '"readings_"YYYY_MM'),
                       date_trunc('month', now() + month * interval '1 month'), date_trunc('month', now() + (month + 1) * interval '1 month'));
    END LOOP;
END $$;
CREATE TABLE plant.readings_other PARTITION OF plant.readings DEFAULT;
CREATE TABLE plant.alarms (at timestamptz NOT NULL DEFAULT now(), sensor int, text text);  -- no key: gets INSERTs only

CREATE SCHEMA shop;
CREATE TYPE shop.status AS ENUM ('new', 'paid', 'sent', 'returned');
CREATE DOMAIN shop.price AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE TABLE shop.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, tags text[]);
CREATE TABLE shop.products (id int PRIMARY KEY, name text NOT NULL, price shop.price NOT NULL, stock int NOT NULL);
CREATE TABLE shop.orders (id bigserial PRIMARY KEY, customer bigint NOT NULL REFERENCES shop.customers, status shop.status NOT NULL DEFAULT 'new',
    ordered timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE shop.order_lines ("order" bigint REFERENCES shop.orders ON DELETE CASCADE, line int, product int NOT NULL REFERENCES shop.products,
    quantity int NOT NULL, price shop.price NOT NULL, total numeric GENERATED ALWAYS AS (quantity * price) STORED, PRIMARY KEY ("order", line));
CREATE TABLE shop.stock_log (product int, change int, at timestamptz DEFAULT clock_timestamp());
ALTER TABLE shop.stock_log REPLICA IDENTITY FULL;

CREATE SCHEMA archive;
CREATE TABLE archive.documents (id uuid PRIMARY KEY, title text NOT NULL, version int NOT NULL DEFAULT 1, body text, scan bytea, facts jsonb);
ALTER TABLE archive.documents ALTER scan SET STORAGE EXTERNAL;

CREATE SCHEMA "Odd ""names""; --";
SET search_path = "Odd ""names""; --";
CREATE TABLE "Select, from {where}" ("the ""key""" text PRIMARY KEY, "per%cent" int, "ünï-cödé 表" text);
CREATE TABLE "semi;colon.dot" ("Group" int, "order" text, PRIMARY KEY ("Group", "order"));
RESET search_path;
