-- Where alerts and events are sent, and how far that is: positions over what is stored, so that nothing is queued twice.
CREATE TABLE channel (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    target TEXT NOT NULL,
    -- given to the receiver and to nobody else
    secrets TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    alerts TEXT,
    events TEXT,
    alert_position INTEGER NOT NULL,
    event_position TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER,
    last_error TEXT,
    last_delivered INTEGER,
    delivered INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
) STRICT;
