import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { quoted } from "../../api/alerts";
import { type By, countsQuery, exampleQuery, spanFrom } from "../../api/dashboard";
import { useFormat } from "../../format";
import { textOfCode } from "../../i18n";
import { ruleOf, sourceFilter, type Total, totalsOf } from "../../overview";
import { useEventHeadline } from "../../ui/ruleText";
import { Answer, Part } from "./Part";

const LONGEST = 6;
/** What merely is said is no attack. */
const ATTACKS = "severity >= low";

const MODULE_OF: Record<string, string> = {
  intrusion: "intrusion-prevention",
  "web-attack": "web-application-firewall",
  firewall: "firewall",
  malware: "anti-malware",
  integrity: "integrity-monitoring",
  log: "log-inspection",
  "web-reputation": "web-reputation",
};

/** What a rule is about, in words where there are any: its newest event says it. */
function RuleName({ kind, value, filter }: ReturnType<typeof ruleOf>) {
  const headline = useEventHeadline();
  const worded = kind === "log" || kind === "intrusion";
  const { data: example } = useQuery({ ...exampleQuery(filter), enabled: worded });
  if (example) return headline(example);
  return kind === "firewall" ? textOfCode("event.firewallRule", value) : value;
}

function Top({
  by,
  now,
  title,
  name,
}: {
  by: By;
  now: number;
  title: string;
  name: (key: string) => ReactNode;
}) {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useQuery(countsQuery(by, spanFrom("day", now), "1d", ATTACKS));
  return (
    <Part title={title}>
      <Answer query={query}>
        {({ counts }) => {
          const top: Total[] = totalsOf(counts).slice(0, LONGEST);
          const most = top[0]?.count ?? 1;
          if (top.length === 0) return <p className="skm-subtle">{t("dashboard.quiet")}</p>;
          return (
            <ol className="skm-top">
              {top.map(({ key, count }) => (
                <li key={key}>
                  <div className="skm-top-line">
                    <span className="skm-break">{name(key)}</span>
                    <span>{format.number(count)}</span>
                  </div>
                  <progress max={most} value={count} aria-label={t("overview.hitsOf", { rule: key })} />
                </li>
              ))}
            </ol>
          );
        }}
      </Answer>
    </Part>
  );
}

/** The rules, computers and addresses with the most events of a day. */
export function TopLists({ now }: { now: number }) {
  const { t } = useTranslation();
  return (
    <>
      <Top
        by="computer"
        now={now}
        title={t("dashboard.topComputers")}
        name={(key) => (
          <Link to="/events" search={{ filter: `${ATTACKS} AND computer = ${quoted(key)}`, period: "day" }}>
            {key}
          </Link>
        )}
      />
      <Top
        by="rule"
        now={now}
        title={t("dashboard.topRules")}
        name={(key) => {
          const rule = ruleOf(key);
          return (
            <>
              <Link to="/events" search={{ filter: `${ATTACKS} AND ${rule.filter}`, period: "day" }}>
                <RuleName {...rule} />
              </Link>{" "}
              <span className="skm-subtle skm-small">
                {textOfCode("module", MODULE_OF[rule.kind] ?? rule.kind)}
              </span>
            </>
          );
        }}
      />
      <Top
        by="source"
        now={now}
        title={t("dashboard.topSources")}
        name={(key) => (
          <Link to="/events" search={{ filter: `${ATTACKS} AND (${sourceFilter(key)})`, period: "day" }}>
            {key}
          </Link>
        )}
      />
    </>
  );
}
