-- Several managers on one database: who is there, and what each has to hear of the others' changes.
-- A manager, from its start to its end. No tenant: it is the managers' own. `beat_at` is in the database's own time.
CREATE TABLE node (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- names the keys that it signs with: managers of one database have the same
    keys TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    beat_at INTEGER NOT NULL
) STRICT;

-- How many changes there were of what managers hold in memory.
CREATE TABLE generation (
    tenant_id TEXT NOT NULL PRIMARY KEY REFERENCES tenant (id),
    value INTEGER NOT NULL
) STRICT;

-- Those changes, numbered without gaps; kept for as long as a manager may be behind.
CREATE TABLE node_change (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- the manager that made it
    origin TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
) STRICT;

-- The manager at which a computer's check-in is held, as last written down.
ALTER TABLE computer ADD COLUMN held_by TEXT;
