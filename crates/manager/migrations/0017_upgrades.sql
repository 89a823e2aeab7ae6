-- Roll-outs of another agent version, ring by ring, and how far each computer is. Computers are chosen when a roll-out is made.
CREATE TABLE upgrade (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    -- what people wrote, as JSON
    plan TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'paused', 'halted', 'going-back', 'succeeded', 'aborted', 'rolled-back')),
    ring INTEGER NOT NULL,
    ring_since INTEGER NOT NULL,
    ring_done INTEGER,
    -- computers of this ring and of later ones go back
    back_from INTEGER NOT NULL,
    reason TEXT NOT NULL,
    left_out INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    revision INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
) STRICT;
CREATE INDEX upgrade_state ON upgrade (tenant_id, state);

CREATE TABLE upgrade_computer (
    tenant_id TEXT NOT NULL,
    upgrade_id TEXT NOT NULL,
    computer_id TEXT NOT NULL,
    ring INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'ordered', 'healthy', 'failed', 'unreached', 'skipped', 'returning', 'returned', 'stuck')),
    since INTEGER NOT NULL,
    -- the version before, and the modules as they were then
    from_version TEXT NOT NULL,
    modules_before TEXT NOT NULL,
    order_id TEXT,
    -- what the computer said of this order last
    step TEXT,
    message TEXT NOT NULL,
    PRIMARY KEY (tenant_id, upgrade_id, computer_id),
    FOREIGN KEY (tenant_id, upgrade_id) REFERENCES upgrade (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX upgrade_computer_state ON upgrade_computer (tenant_id, upgrade_id, ring, state);
