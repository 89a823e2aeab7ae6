-- Rows as version 0.1.0 wrote them, in words that both databases take.
INSERT INTO tenant (id, name, created_at) VALUES ('01935f00-0000-7000-8000-000000000001', 'default', 1764000000000000);
INSERT INTO account (tenant_id, id, name, role, password_hash, created_at, last_log_in) VALUES
    ('01935f00-0000-7000-8000-000000000001', '01935f00-0000-7000-8000-000000000002', 'admin', 'administrator',
     '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g', 1764000000000000, NULL);
INSERT INTO session (tenant_id, hash, account_id, created_at, last_used, expires_at) VALUES
    ('01935f00-0000-7000-8000-000000000001', '5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5',
     '01935f00-0000-7000-8000-000000000002', 1764000000000000, 1764000000000000, 1764043200000000);
INSERT INTO api_key (tenant_id, id, name, role, secret_hash, created_at, expires_at, last_used) VALUES
    ('01935f00-0000-7000-8000-000000000001', '01935f00-0000-7000-8000-000000000003', 'script', 'operator',
     '5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5', 1764000000000000, NULL, 1764000060000000);
INSERT INTO audit_record (tenant_id, sequence, at, actor_kind, actor_id, actor_name, action, object_kind, object_id,
    before, after, hash) VALUES
    ('01935f00-0000-7000-8000-000000000001', 1, 1764000000000000, 'system', NULL, 'manager', 'user.create', 'user',
     '01935f00-0000-7000-8000-000000000002', NULL, '{"name":"admin","role":"administrator"}',
     '5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5');
INSERT INTO policy (tenant_id, id, name, description, parent_id, settings, built_in, revision, updated_at) VALUES
    ('01935f00-0000-7000-8000-000000000001', '01935f00-0000-7000-8000-000000000010', 'Base', 'Reports.', NULL,
     '{"intrusionPrevention":{"mode":"detect","failOpen":null,"httpPorts":null,"answerPage":null,"defaultRuleMode":"detect","ruleModes":{}}}',
     1, 1, 1764000000000000),
    ('01935f00-0000-7000-8000-000000000001', '01935f00-0000-7000-8000-000000000011', 'Web server', 'Stops.',
     '01935f00-0000-7000-8000-000000000010',
     '{"intrusionPrevention":{"mode":"prevent","failOpen":true,"httpPorts":[[80,80],[8000,8090]],"answerPage":false,"defaultRuleMode":"prevent","ruleModes":{"7000001":"off"}}}',
     1, 3, 1764000000000000);
INSERT INTO bundle (tenant_id, policy_id, content_hash, bundle, signature) VALUES
    ('01935f00-0000-7000-8000-000000000001', '01935f00-0000-7000-8000-000000000010',
     '5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5', '{}', 'c2lnbmF0dXJl');
INSERT INTO computer (tenant_id, id, enrolment_id, spki_hash, display_name, host_name, policy_id, agent_version,
    operating_system, kernel, addresses, queue_mechanism, ports, modules, bundle_enforced, bundle_refused, fingerprint,
    clone, activated_at, last_seen, revision) VALUES
    ('01935f00-0000-7000-8000-000000000001', '01935f00-0000-7000-8000-000000000020',
     '01935f00-0000-7000-8000-000000000021', '5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5', NULL,
     'web1', '01935f00-0000-7000-8000-000000000011', '0.1.0', 'Debian GNU/Linux 12 (bookworm)', '6.1.0',
     '["192.0.2.1"]', 'xt-nfqueue',
     '[]',
     '[{"module":"intrusion-prevention","state":"active","mode":"prevent","reasons":[],"rules":12,"counters":[["packets",7]]}]',
     NULL, NULL, '{"machineId":"a","dmiUuid":"b","cloudInstance":""}', NULL, 1764000000000000, 1764000060000000, 1);
INSERT INTO certificate (tenant_id, serial, computer_id, not_after, revoked_at, pem) VALUES
    ('01935f00-0000-7000-8000-000000000001', '0a', '01935f00-0000-7000-8000-000000000020', 1771776000000000, NULL, 'PEM');
INSERT INTO activation_token (tenant_id, id, name, secret_hash, policy_id, created_at, expires_at, max_uses, uses,
    revoked_at) VALUES
    ('01935f00-0000-7000-8000-000000000001', '01935f00-0000-7000-8000-000000000030', 'web',
     '5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5', '01935f00-0000-7000-8000-000000000011',
     1764000000000000, 1764003600000000, 10, 1, NULL);
INSERT INTO setting (tenant_id, name, value) VALUES ('01935f00-0000-7000-8000-000000000001', 'a', 'b');
