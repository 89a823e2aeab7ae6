-- What operators said of the firewall's changes, until the computer was told.
CREATE TABLE firewall_order (
    tenant_id TEXT NOT NULL,
    computer_id TEXT NOT NULL,
    -- as the agent takes it: firewall-confirm 7
    words TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, computer_id),
    FOREIGN KEY (tenant_id, computer_id) REFERENCES computer (tenant_id, id) ON DELETE CASCADE
) STRICT;
