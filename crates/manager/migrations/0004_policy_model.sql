-- Every change of a policy, the newest ones kept; what is set on one computer above its policy.
CREATE TABLE policy_version (
    tenant_id TEXT NOT NULL,
    policy_id TEXT NOT NULL,
    -- the policy's revision after the change
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    comment TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    parent_id TEXT,
    settings TEXT NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, version),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policy (tenant_id, id) ON DELETE CASCADE
) STRICT;
INSERT INTO policy_version (tenant_id, policy_id, version, at, actor_kind, actor_name, action, comment, name,
    description, parent_id, settings)
    SELECT tenant_id, id, revision, updated_at, 'system', 'manager', 'kept', '', name, description, parent_id, settings
    FROM policy;

CREATE TABLE computer_settings (
    tenant_id TEXT NOT NULL,
    computer_id TEXT NOT NULL,
    settings TEXT NOT NULL,
    revision INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, computer_id),
    FOREIGN KEY (tenant_id, computer_id) REFERENCES computer (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- Lists and schedules that settings refer to by kind and name.
CREATE TABLE common_object (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    content TEXT NOT NULL,
    revision INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, kind, name)
) STRICT;
