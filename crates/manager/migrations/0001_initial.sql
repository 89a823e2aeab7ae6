-- Every row carries its tenant. Times are microseconds since 1970; ids are UUIDs as text; hashes are SHA-256 in
-- hexadecimal digits; columns of JSON are read and written whole, by typed values.
CREATE TABLE tenant (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('administrator', 'operator', 'auditor')),
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_log_in INTEGER,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
) STRICT;

CREATE TABLE session (
    tenant_id TEXT NOT NULL,
    hash TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE api_key (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('administrator', 'operator', 'auditor')),
    secret_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used INTEGER
) STRICT;
CREATE INDEX api_key_tenant ON api_key (tenant_id, id);

CREATE TABLE audit_record (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    before TEXT,
    after TEXT,
    hash TEXT NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
) STRICT;

CREATE TABLE policy (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    parent_id TEXT,
    settings TEXT NOT NULL,
    built_in INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES policy (tenant_id, id)
) STRICT;

-- What each policy resolved to when it last changed: kept, so that a restart changes no bundle's name.
CREATE TABLE bundle (
    tenant_id TEXT NOT NULL,
    policy_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    bundle TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (tenant_id, policy_id),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policy (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE computer (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL,
    enrolment_id TEXT NOT NULL,
    -- the key of its identity: SHA-256 of the SubjectPublicKeyInfo
    spki_hash TEXT NOT NULL,
    display_name TEXT,
    host_name TEXT NOT NULL,
    policy_id TEXT NOT NULL,
    agent_version TEXT NOT NULL,
    operating_system TEXT NOT NULL,
    kernel TEXT NOT NULL DEFAULT '',
    addresses TEXT NOT NULL DEFAULT '[]',
    queue_mechanism TEXT NOT NULL DEFAULT '',
    ports TEXT NOT NULL DEFAULT '[]',
    modules TEXT NOT NULL DEFAULT '[]',
    bundle_enforced TEXT,
    bundle_refused TEXT,
    fingerprint TEXT NOT NULL,
    clone TEXT,
    activated_at INTEGER NOT NULL,
    last_seen INTEGER,
    revision INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, enrolment_id),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policy (tenant_id, id)
) STRICT;
CREATE INDEX computer_spki ON computer (tenant_id, spki_hash);

CREATE TABLE certificate (
    tenant_id TEXT NOT NULL,
    serial TEXT NOT NULL PRIMARY KEY,
    computer_id TEXT NOT NULL,
    not_after INTEGER NOT NULL,
    revoked_at INTEGER,
    pem TEXT NOT NULL
) STRICT;
CREATE INDEX certificate_computer ON certificate (tenant_id, computer_id, not_after);

CREATE TABLE activation_token (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    policy_id TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    max_uses INTEGER,
    uses INTEGER NOT NULL DEFAULT 0,
    revoked_at INTEGER
) STRICT;
CREATE INDEX activation_token_tenant ON activation_token (tenant_id, id);

-- Parts of bundles by their content. Without a tenant: content of the product, the same for everybody.
CREATE TABLE blob (
    tenant_id TEXT,
    hash TEXT NOT NULL PRIMARY KEY,
    content BLOB NOT NULL,
    added_at INTEGER NOT NULL
) STRICT;

CREATE TABLE setting (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) STRICT;
