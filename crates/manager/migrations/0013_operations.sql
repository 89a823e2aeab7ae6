-- Work that takes longer than a request. The row is there before the work begins, and the work begins again after a kill.
CREATE TABLE operation (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'succeeded', 'failed')),
    -- what was asked, as JSON
    asked TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    done INTEGER NOT NULL,
    total INTEGER,
    message TEXT NOT NULL,
    -- name of the file with the result, in the data directory of the manager that made it
    result TEXT,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX operation_state ON operation (tenant_id, state);
