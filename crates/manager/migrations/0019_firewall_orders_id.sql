-- An order is told until the computer says what came of it: by this id.
ALTER TABLE firewall_order ADD COLUMN run_id TEXT NOT NULL DEFAULT '';
DELETE FROM firewall_order;
