\set order random(1, 100000)
\set product random(0, 999)
BEGIN;
UPDATE shop.orders SET status = 'sent' WHERE id = :order;
SAVEPOINT change_of_mind;
DELETE FROM shop.orders WHERE id = :order;
ROLLBACK TO SAVEPOINT change_of_mind;
DELETE FROM shop.orders WHERE id = :order + 1;
UPDATE shop.stock_log SET change = change + 1 WHERE ctid = (SELECT ctid FROM shop.stock_log WHERE product = :product LIMIT 1);
END;
