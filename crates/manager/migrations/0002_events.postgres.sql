-- Events on PostgreSQL (on SQLite they lie in a file for each day). A version 7 UUID begins with the time of arrival, so a
-- range of ids is a day: partitions by id need no second column in the key, and retention drops a table.
CREATE TABLE event (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    computer_id uuid NOT NULL,
    computer_name text COLLATE "C" NOT NULL,
    received_at bigint NOT NULL,
    at bigint NOT NULL,
    module text COLLATE "C" NOT NULL,
    severity text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    -- JSON, kept to the letter
    detail text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX event_computer ON event (tenant_id, computer_id, id);
CREATE INDEX event_at ON event USING brin (at);

-- What of each agent's stream is committed: moved in the transaction of its events.
CREATE TABLE event_stream (
    tenant_id uuid NOT NULL,
    computer_id uuid NOT NULL,
    epoch uuid NOT NULL,
    sequence bigint,
    PRIMARY KEY (computer_id, epoch)
);

CREATE TABLE event_tag (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    tag text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, event_id, tag)
);
CREATE INDEX event_tag_tag ON event_tag (tenant_id, tag, event_id);

CREATE TABLE event_comment (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    id uuid NOT NULL,
    at bigint NOT NULL,
    author text COLLATE "C" NOT NULL,
    text text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, event_id, id)
);
