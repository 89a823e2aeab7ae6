INSERT INTO computer_tag (tenant_id, computer_id, key, value)
    SELECT c.tenant_id, c.id, t.key, t.value FROM computer c, jsonb_each_text(c.tags::jsonb) t;
