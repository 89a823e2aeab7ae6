import i18next from "i18next";
import { detailOf, type Event } from "../api/types";
import { textOfCode } from "../i18n";

/** An event in a few words. */
export function eventHeadline(event: Event): string {
  const known = detailOf(event);
  switch (known.kind) {
    case "firewall":
      return `${textOfCode("event.firewallRule", known.detail.rule)}: ${known.detail.source} → ${endpoint(known.detail.destination, known.detail.destinationPort)}`;
    case "firewall-change":
      return textOfCode("event.firewallStep", known.detail.step);
    case "reconnaissance":
      return `${textOfCode("choice.Probe", known.detail.probe)}: ${known.detail.source}`;
    case "intrusion":
    case "web-attack":
      return known.detail.message;
    case "malware":
      return `${known.detail.signature}: ${known.detail.path}`;
    case "integrity":
      return `${textOfCode("event.change", known.detail.change)}: ${known.detail.path}`;
    case "log":
      return known.detail.description;
    case "web-reputation":
      return known.detail.url;
    case "recommendation":
      return i18next.t("event.recommended", {
        more: known.detail.recommended.length,
        fewer: known.detail.withdrawn.length,
      });
    case "gap":
      return textOfCode("event.gap", known.detail.what);
    case "notice":
      return textOfCode("event.notice", known.detail.code);
    case "other":
      return event.kind;
  }
}

/** `203.0.113.9:41000`, `[2001:db8::1]:41000`; without a port the address alone. */
export function endpoint(address: string, port: number): string {
  if (port === 0) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `TCP`, or nothing for a number without a common name. */
export function protocolName(number: number): string | undefined {
  return { 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP" }[number];
}

/** Where a CVE number is described. */
export function cveAddress(cve: string): string {
  return `https://nvd.nist.gov/vuln/detail/${encodeURIComponent(cve)}`;
}
