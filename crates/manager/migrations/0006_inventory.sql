-- What is installed on each computer, as its agent last said, and what that recommends.
CREATE TABLE inventory (
    tenant_id TEXT NOT NULL,
    computer_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant_id, computer_id),
    FOREIGN KEY (tenant_id, computer_id) REFERENCES computer (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE recommendation (
    tenant_id TEXT NOT NULL,
    computer_id TEXT NOT NULL,
    -- the content that it was derived with
    content_hash TEXT NOT NULL,
    -- rules with their reasons
    rules TEXT NOT NULL,
    -- the numbers of those rules alone: what goes into bundles
    sids TEXT NOT NULL,
    -- counts changes of the rules: the number of the event that tells of one
    revision INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, computer_id),
    FOREIGN KEY (tenant_id, computer_id) REFERENCES computer (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- Inventories that people asked for and that did not come yet.
CREATE TABLE inventory_request (
    tenant_id TEXT NOT NULL,
    computer_id TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, computer_id),
    FOREIGN KEY (tenant_id, computer_id) REFERENCES computer (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- Bundles of computers that enforce something else than their policy's others: named by what is their own.
CREATE TABLE bundle_variant (
    tenant_id TEXT NOT NULL,
    policy_id TEXT NOT NULL,
    variant TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    bundle TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, variant),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policy (tenant_id, id) ON DELETE CASCADE
) STRICT;
