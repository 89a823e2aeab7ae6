-- Scheduled tasks, their runs, and how far each computer is in a run. The row of a run is the claim to it: one for a task and a time.
CREATE TABLE task (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    schedule TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    jitter_secs INTEGER NOT NULL,
    window_secs INTEGER NOT NULL,
    policy_id TEXT,
    enabled INTEGER NOT NULL,
    next_at INTEGER,
    revision INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
) STRICT;

CREATE TABLE task_run (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'missed')),
    started_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    finished_at INTEGER,
    asked_by TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, task_id, due_at),
    FOREIGN KEY (tenant_id, task_id) REFERENCES task (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX task_run_state ON task_run (tenant_id, state);

CREATE TABLE task_run_computer (
    tenant_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    computer_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'done', 'failed', 'unreached')),
    -- before this time it is not told
    not_before INTEGER NOT NULL,
    at INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, computer_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES task_run (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX task_run_computer_state ON task_run_computer (tenant_id, state, not_before);
