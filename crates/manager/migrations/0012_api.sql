-- What narrows an API key: JSON lists of scopes and of networks; everything, and from anywhere, where there is none.
ALTER TABLE api_key ADD COLUMN scopes TEXT;
ALTER TABLE api_key ADD COLUMN sources TEXT;

-- Requests that carry an Idempotency-Key. The row is the claim to the work; its answer is kept in a form that only who
-- asked can read. A change that the request makes notes 'made' in its own transaction.
CREATE TABLE idempotent_request (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    principal TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    claim TEXT NOT NULL UNIQUE,
    claimed_until INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'made', 'answered')),
    answer BLOB,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, principal, key_hash)
) STRICT;
CREATE INDEX idempotent_request_expires_at ON idempotent_request (expires_at);
