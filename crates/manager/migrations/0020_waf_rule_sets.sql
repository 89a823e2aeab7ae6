-- Rule sets of the web application firewall. Their documents lie among the blobs.
CREATE TABLE waf_rule_set (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    hash TEXT NOT NULL,
    size INTEGER NOT NULL,
    rules INTEGER NOT NULL,
    -- JSON lists
    files TEXT NOT NULL,
    warnings TEXT NOT NULL,
    imported_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
) STRICT;
CREATE INDEX waf_rule_set_hash ON waf_rule_set (hash);
