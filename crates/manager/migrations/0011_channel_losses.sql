-- Events that arrived in between were removed by retention before a channel could send them. How many is not known any more.
ALTER TABLE channel ADD COLUMN events_lost_from INTEGER;
ALTER TABLE channel ADD COLUMN events_lost_until INTEGER;
