-- Who does periodic work: taken for a time, so that several managers share it. No tenant: it is the managers' own.
CREATE TABLE lease (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL
) STRICT;

-- Conditions of people's own, and what people changed of those of the product (whose ids are words, not UUIDs).
CREATE TABLE alert_condition (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    severity TEXT NOT NULL,
    threshold INTEGER,
    window_secs INTEGER,
    filter TEXT,
    group_by TEXT NOT NULL,
    revision INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
) STRICT;

CREATE TABLE alert (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    -- as it was called when the alert was raised, for conditions that are gone
    condition_name TEXT NOT NULL,
    group_key TEXT NOT NULL,
    subject TEXT NOT NULL,
    computer_id TEXT,
    severity TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'acknowledged', 'dismissed', 'resolved')),
    -- whether it still stands for its condition and group: what comes counts into it, and raises no other one
    active INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    resolved_at INTEGER,
    args TEXT NOT NULL,
    comment TEXT NOT NULL,
    state_by TEXT NOT NULL,
    state_at INTEGER,
    revision INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX alert_active ON alert (tenant_id, condition_id, group_key) WHERE active = 1;
CREATE INDEX alert_state ON alert (tenant_id, state, id);
CREATE INDEX alert_computer ON alert (tenant_id, computer_id, id);

-- What became of alerts, in order: what channels deliver. `alert` is the alert as it was then, as JSON.
CREATE TABLE alert_change (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    alert TEXT NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
) STRICT;
