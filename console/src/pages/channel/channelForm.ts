import type { Channel } from "../../api/alerts";
import type { components } from "../../generated/api";

type Schemas = components["schemas"];
type Target = Schemas["ChannelTarget"];

export const KINDS = ["email", "webhook", "syslog", "otlp"] as const satisfies readonly Target["kind"][];
export const MAIL_SECURITY = [
  "tls",
  "starttls",
  "plain",
] as const satisfies readonly Schemas["MailSecurity"][];
export const TRANSPORTS = ["tls", "tcp", "udp"] as const satisfies readonly Schemas["SyslogTransport"][];
export const FORMATS = ["cef", "leef"] as const satisfies readonly Schemas["SyslogFormat"][];

/** Ports that are usual for what is chosen. */
export const MAIL_PORTS = { tls: 465, starttls: 587, plain: 25 } as const;
export const SYSLOG_PORTS = { tls: 6514, tcp: 601, udp: 514 } as const;

/** A channel as a form has it: every member flat, secrets empty. */
export interface ChannelForm {
  name: string;
  enabled: boolean;
  kind: Target["kind"];
  server: string;
  port: number | undefined;
  security: Schemas["MailSecurity"];
  user: string;
  from: string;
  to: string;
  language: "en" | "ja";
  url: string;
  transport: Schemas["SyslogTransport"];
  format: Schemas["SyslogFormat"];
  authorities: string;
  alerts: string;
  sendsEvents: boolean;
  events: string;
  password: string;
  signingKey: string;
  headers: string;
}

const EMPTY: ChannelForm = {
  name: "",
  enabled: true,
  kind: "email",
  server: "",
  port: MAIL_PORTS.starttls,
  security: "starttls",
  user: "",
  from: "",
  to: "",
  language: "en",
  url: "",
  transport: "tls",
  format: "cef",
  authorities: "",
  alerts: "medium",
  sendsEvents: false,
  events: "",
  password: "",
  signingKey: "",
  headers: "",
};

/** What a form begins with: a channel, or a new one in the language of its maker. */
export function formOf(channel: Channel | undefined, language: string): ChannelForm {
  const spoken = language === "ja" ? "ja" : "en";
  if (channel === undefined) return { ...EMPTY, language: spoken };
  const { target } = channel;
  const common: ChannelForm = {
    ...EMPTY,
    name: channel.name,
    enabled: channel.enabled,
    kind: target.kind,
    authorities: target.authorities ?? "",
    alerts: channel.alerts ?? "",
    sendsEvents: channel.events !== null && channel.events !== undefined,
    events: channel.events ?? "",
  };
  switch (target.kind) {
    case "email":
      return {
        ...common,
        server: target.server,
        port: target.port,
        security: target.security,
        user: target.user ?? "",
        from: target.from,
        to: target.to.join("\n"),
        language: target.language ?? "en",
      };
    case "syslog":
      return {
        ...common,
        server: target.server,
        port: target.port,
        transport: target.transport,
        format: target.format,
      };
    default:
      return { ...common, url: target.url };
  }
}

const lines = (text: string) =>
  text
    .split(/[\n,;]/)
    .map((line) => line.trim())
    .filter((line) => line !== "");

/** Where the channel sends, as the API takes it. */
export function targetOf(form: ChannelForm): Target {
  const authorities = form.authorities.trim();
  const trust = authorities === "" ? {} : { authorities };
  switch (form.kind) {
    case "email":
      return {
        kind: "email",
        server: form.server.trim(),
        port: form.port ?? 0,
        security: form.security,
        from: form.from.trim(),
        to: lines(form.to),
        language: form.language,
        ...(form.user.trim() !== "" && { user: form.user.trim() }),
        ...trust,
      };
    case "syslog":
      return {
        kind: "syslog",
        server: form.server.trim(),
        port: form.port ?? 0,
        transport: form.transport,
        format: form.format,
        ...trust,
      };
    default:
      return { kind: form.kind, url: form.url.trim(), ...trust };
  }
}

/** `Authorization: Bearer …`, one in a line; a line without a colon is none. */
export function headersOf(text: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const at = line.indexOf(":");
    if (at > 0) headers[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  return headers;
}

/** The secrets that were typed; nothing where none was, so that those that are set stay. */
export function secretsOf(form: ChannelForm): Schemas["ChannelSecrets"] | undefined {
  const secrets: Schemas["ChannelSecrets"] = {};
  if (form.kind === "email" && form.password !== "") secrets.password = form.password;
  if (form.kind === "webhook" && form.signingKey !== "") secrets.signingKey = form.signingKey;
  if (form.kind === "webhook" || form.kind === "otlp") {
    const headers = headersOf(form.headers);
    if (Object.keys(headers).length > 0) secrets.headers = headers;
  }
  return Object.keys(secrets).length === 0 ? undefined : secrets;
}

const TARGET = [
  "kind",
  "server",
  "port",
  "security",
  "user",
  "from",
  "to",
  "language",
  "url",
  "transport",
  "format",
  "authorities",
] as const satisfies readonly (keyof ChannelForm)[];

/** Whether a change leads elsewhere: then the secrets are asked for again. */
export const changesTarget = (changes: Partial<ChannelForm>) => TARGET.some((key) => key in changes);

/** What a change comes to: a merge patch of what was changed only. */
export function patchOf(form: ChannelForm, changes: Partial<ChannelForm>): Schemas["ChannelPatch"] {
  const secrets = secretsOf(form);
  return {
    ...("name" in changes && { name: form.name.trim() }),
    ...("enabled" in changes && { enabled: form.enabled }),
    ...("alerts" in changes && { alerts: form.alerts === "" ? null : form.alerts }),
    ...(("sendsEvents" in changes || "events" in changes) && {
      events: form.sendsEvents ? form.events.trim() : null,
    }),
    ...(changesTarget(changes) && { target: targetOf(form) }),
    ...(secrets && { secrets }),
  };
}

/** A new channel, as the API takes it. */
export function newChannel(form: ChannelForm): Schemas["NewChannel"] {
  const secrets = secretsOf(form);
  return {
    name: form.name.trim(),
    enabled: form.enabled,
    alerts: form.alerts === "" ? null : form.alerts,
    events: form.sendsEvents ? form.events.trim() : null,
    target: targetOf(form),
    ...(secrets && { secrets }),
  };
}

/** Whether everything is there that such a channel needs. */
export function isReady(form: ChannelForm): boolean {
  if (form.name.trim() === "" || form.port === undefined) return false;
  if (form.alerts === "" && !form.sendsEvents) return false;
  switch (form.kind) {
    case "email":
      return form.server.trim() !== "" && form.from.trim() !== "" && lines(form.to).length > 0;
    case "syslog":
      return form.server.trim() !== "";
    default:
      return form.url.trim() !== "";
  }
}

/** A key for a webhook's signature that nobody guesses. */
export function newSigningKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}
