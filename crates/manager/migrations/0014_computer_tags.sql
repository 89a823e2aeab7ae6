-- Tags of computers where they are looked for; `computer.tags` has the same for showing. Filled by the next step.
CREATE TABLE computer_tag (
    tenant_id TEXT NOT NULL,
    computer_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (tenant_id, computer_id, key),
    FOREIGN KEY (tenant_id, computer_id) REFERENCES computer (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX computer_tag_value ON computer_tag (tenant_id, key, value, computer_id);
CREATE INDEX computer_with_policy ON computer (tenant_id, policy_id, id);
CREATE INDEX computer_on_platform ON computer (tenant_id, operating_system, id);
-- all that a word is looked for in, so that the wide rows are not read for it
CREATE INDEX computer_words ON computer (tenant_id, id, host_name, display_name, addresses);
