\set customer random(1, 20000)
\set product random(1, 1000)
\set quantity random(1, 9)
BEGIN;
INSERT INTO shop.orders (customer) VALUES (:customer) RETURNING id AS new_order \gset
INSERT INTO shop.order_lines ("order", line, product, quantity, price) SELECT :new_order, line, :product, :quantity, 9.99 FROM generate_series(1, 3) line;
UPDATE shop.products SET stock = stock - 3 * :quantity WHERE id = :product;
INSERT INTO shop.stock_log VALUES (:product, -3 * :quantity);
END;
