-- How much an event matters: what its computer was worth when it arrived, and that times its severity's value. Events of
-- earlier versions have 0. (On SQLite the files of events get the columns when they are opened.)
ALTER TABLE event ADD COLUMN asset_value bigint NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN rank bigint NOT NULL DEFAULT 0;
CREATE INDEX event_rank ON event (tenant_id, rank, id);
