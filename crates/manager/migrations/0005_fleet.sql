-- Groups and tags of computers, what activation tokens bind, event-based tasks, the life of ephemeral computers.
CREATE TABLE computer_group (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    parent_id TEXT,
    revision INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES computer_group (tenant_id, id)
) STRICT;

ALTER TABLE computer ADD COLUMN group_id TEXT;
-- an object: key to value, the value empty where a tag has none
ALTER TABLE computer ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE computer ADD COLUMN asset_value INTEGER NOT NULL DEFAULT 1;
ALTER TABLE computer ADD COLUMN ephemeral INTEGER NOT NULL DEFAULT 0;
-- managed, suspended (its identity is kept but nobody expects it) or unmanaged (its certificates count no more)
ALTER TABLE computer ADD COLUMN life TEXT NOT NULL DEFAULT 'managed';
ALTER TABLE computer ADD COLUMN life_since INTEGER;
ALTER TABLE computer ADD COLUMN life_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE computer ADD COLUMN cloud TEXT;
ALTER TABLE computer ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE computer ADD COLUMN token_id TEXT;
CREATE INDEX computer_in_group ON computer (tenant_id, group_id);
CREATE INDEX computer_by_name ON computer (tenant_id, lower(coalesce(display_name, host_name)), id);

ALTER TABLE activation_token ADD COLUMN group_id TEXT;
ALTER TABLE activation_token ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE activation_token ADD COLUMN ephemeral INTEGER NOT NULL DEFAULT 0;
ALTER TABLE activation_token ADD COLUMN needs_task INTEGER NOT NULL DEFAULT 0;

-- what is searched: events, or computers (smart folders)
ALTER TABLE saved_search ADD COLUMN subject TEXT NOT NULL DEFAULT 'events';

CREATE TABLE event_based_task (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    rule TEXT NOT NULL,
    revision INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
) STRICT;

-- What the manager has to say itself, kept with the change that it is about until it is among the events.
CREATE TABLE manager_notice (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    computer_id TEXT NOT NULL,
    computer_name TEXT NOT NULL,
    at INTEGER NOT NULL,
    severity TEXT NOT NULL,
    code TEXT NOT NULL,
    args TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;
