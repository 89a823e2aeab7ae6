import { describe, expect, it } from "vitest";
import type { Channel } from "../../api/alerts";
import { changesOf } from "../../ui/form/draft";
import { formOf, headersOf, isReady, newChannel, newSigningKey, patchOf } from "./channelForm";

const channel = (target: Channel["target"]): Channel => ({
  id: "1",
  name: "Mail",
  enabled: true,
  alerts: "high",
  events: null,
  target,
  secretsSet: ["password"],
  etag: '"1"',
  updatedAt: "2026-01-01T00:00:00Z",
  delivered: 0,
  alertsWaiting: 0,
  lost: 0,
});
const MAIL: Channel["target"] = {
  kind: "email",
  server: "mail.example.com",
  port: 587,
  security: "starttls",
  user: "sakimori",
  from: "a@example.com",
  to: ["b@example.com", "c@example.com"],
  language: "ja",
};

describe("a channel's form", () => {
  it.each([
    ["email", MAIL],
    ["webhook", { kind: "webhook", url: "https://example.com/hook", authorities: "PEM" }],
    ["otlp", { kind: "otlp", url: "https://example.com/v1/logs" }],
    ["syslog", { kind: "syslog", server: "siem", port: 6514, transport: "tls", format: "leef" }],
  ] as const)("gives back what it was made of: %s", (_, target) => {
    const form = formOf(channel(target as Channel["target"]), "en");
    expect(newChannel(form)).toEqual({ name: "Mail", enabled: true, alerts: "high", events: null, target });
    expect(isReady(form)).toBe(true);
  });

  it("sends what was changed only, and the target whole", () => {
    const saved = formOf(channel(MAIL), "en");
    const patch = (draft: Partial<typeof saved>) => patchOf({ ...saved, ...draft }, changesOf(saved, draft));
    expect(patch({ name: "Mail 2" })).toEqual({ name: "Mail 2" });
    expect(patch({ alerts: "" })).toEqual({ alerts: null });
    expect(patch({ sendsEvents: true, events: " severity = high " })).toEqual({ events: "severity = high" });
    expect(patch({ to: "d@example.com" })).toEqual({ target: { ...MAIL, to: ["d@example.com"] } });
    expect(patch({ password: "x" })).toEqual({ secrets: { password: "x" } });
    expect(patch({})).toEqual({});
  });

  it("is ready once it says where to and what", () => {
    const empty = formOf(undefined, "ja");
    expect(empty.language).toBe("ja");
    expect(isReady(empty)).toBe(false);
    const mail = { ...empty, name: "m", server: "s", from: "a@b", to: "c@d" };
    expect(isReady(mail)).toBe(true);
    expect(isReady({ ...mail, alerts: "" })).toBe(false);
    expect(isReady({ ...mail, port: undefined })).toBe(false);
  });

  it("reads headers line by line", () => {
    expect(headersOf("Authorization: Bearer a:b\nX-Team:  web\n\nnonsense")).toEqual({
      Authorization: "Bearer a:b",
      "X-Team": "web",
    });
  });

  it("makes keys that differ", () => {
    expect(newSigningKey()).toHaveLength(32);
    expect(newSigningKey()).not.toBe(newSigningKey());
  });
});
