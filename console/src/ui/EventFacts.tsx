import { Title } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import {
  detailOf,
  type Event,
  type FirewallChangeDetail,
  type FirewallDetail,
  type IntegrityDetail,
  type IntrusionDetail,
  type LogDetail,
  type MalwareDetail,
  type RecommendationDetail,
  type ReconnaissanceDetail,
  type WebReputationDetail,
} from "../api/types";
import { useFormat } from "../format";
import { textOfCode } from "../i18n";
import { auditChanges } from "../pages/audit/auditDiff";
import { CopyLine } from "./CopyLine";
import { Excerpt } from "./Excerpt";
import { endpoint, protocolName } from "./eventText";
import { Fact, Facts } from "./Facts";
import { Cves } from "./Outside";
import { spoken } from "./ruleText";
import { WebAttackFacts } from "./WebAttackFacts";

/** A fact that some events do not have: nothing where the text is empty. */
function Maybe({ name, code, children }: { name: string; code?: boolean; children: string }) {
  if (children === "") return null;
  return <Fact name={name}>{code ? <code>{children}</code> : children}</Fact>;
}

function FirewallFacts({ detail }: { detail: FirewallDetail }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Facts>
      <Fact name={t("event.rule")}>{textOfCode("event.firewallRule", detail.rule)}</Fact>
      <Fact name={t("member.FirewallRule.direction")}>
        {textOfCode("choice.Direction", detail.direction)}
      </Fact>
      <Fact name={t("event.connection")}>
        {t("event.connectionValue", {
          client: endpoint(detail.source, detail.sourcePort),
          server: endpoint(detail.destination, detail.destinationPort),
        })}
      </Fact>
      <Fact name={t("event.protocol")}>{textOfCode("choice.Protocol", detail.protocol)}</Fact>
      <Maybe name={t("event.interface")}>{detail.interface}</Maybe>
      <Fact name={t("event.packets")}>{format.number(detail.count)}</Fact>
    </Facts>
  );
}

function FirewallChangeFacts({ detail }: { detail: FirewallChangeDetail }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Facts>
      <Fact name={t("event.step")}>{textOfCode("event.firewallStep", detail.step)}</Fact>
      <Maybe name={t("event.changeNumber")}>{detail.number === 0 ? "" : format.number(detail.number)}</Maybe>
      <Maybe name={t("event.lostReason")}>
        {detail.reason === "" ? "" : textOfCode("event.firewallWhy", detail.reason)}
      </Maybe>
      <Maybe name={t("event.byWhom")}>{detail.who}</Maybe>
      <Maybe name={t("event.note")}>{detail.note}</Maybe>
      <Maybe name={t("event.until")}>{detail.until === "" ? "" : format.time(detail.until)}</Maybe>
    </Facts>
  );
}

function ReconnaissanceFacts({ detail }: { detail: ReconnaissanceDetail }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Facts>
      <Fact name={t("event.probe")}>{textOfCode("choice.Probe", detail.probe)}</Fact>
      <Fact name={t("events.source")}>{detail.source}</Fact>
      <Fact name={t("event.protocol")}>{detail.protocols}</Fact>
      <Fact name={t("event.targets")}>{format.number(detail.targets)}</Fact>
      <Fact name={t("event.addresses")}>{format.number(detail.addresses)}</Fact>
      <Maybe name={t("event.ports")}>{detail.ports.join(", ")}</Maybe>
      <Maybe name={t("event.interface")}>{detail.interface}</Maybe>
      <Fact name={t("event.sampled")}>{format.number(detail.sampled)}</Fact>
      <Maybe name={t("event.blockedUntil")}>
        {detail.blockedUntil === "" ? "" : format.time(detail.blockedUntil)}
      </Maybe>
      <Maybe name={t("event.notBlocked")}>
        {detail.notBlocked === "" ? "" : textOfCode("event.notBlockedWhy", detail.notBlocked)}
      </Maybe>
    </Facts>
  );
}

function IntrusionFacts({ detail }: { detail: IntrusionDetail }) {
  const { t } = useTranslation();
  const { http } = detail;
  return (
    <>
      <Facts>
        <Fact name={t("event.incident")}>
          <CopyLine inline label={t("event.incident")}>
            {detail.incident}
          </CopyLine>
          <div className="skm-subtle skm-small">{t("event.incidentHint")}</div>
        </Fact>
        <Fact name={t("event.rule")}>
          <Link to="/rules/$sid" params={{ sid: String(detail.sid) }}>
            {t("event.ruleLink", { sid: detail.sid, revision: detail.revision })}
          </Link>
          <div className="skm-subtle skm-small">{detail.message}</div>
        </Fact>
        {detail.cves.length > 0 && (
          <Fact name={t("event.cves")}>
            <Cves cves={detail.cves} />
          </Fact>
        )}
        {detail.classtype !== "" && <Fact name={t("event.classtype")}>{detail.classtype}</Fact>}
        <Fact name={t("event.connection")}>
          {t("event.connectionValue", {
            client: endpoint(detail.client, detail.clientPort),
            server: endpoint(detail.server, detail.serverPort),
          })}
        </Fact>
        <Fact name={t("event.protocol")}>
          {protocolName(detail.protocol) ?? t("event.protocolNumber", { number: detail.protocol })}
        </Fact>
      </Facts>
      {http !== null && (
        <section>
          <Title headingLevel="h3" size="md">
            {t("event.request")}
          </Title>
          <Facts>
            <Fact name={t("event.method")}>
              <code>{http.method}</code>
            </Fact>
            <Fact name={t("event.host")}>
              <code>{http.host}</code>
            </Fact>
            <Fact name={t("event.target")}>
              <code>{http.target}</code>
            </Fact>
            <Fact name={t("event.userAgent")}>
              <code>{http.userAgent}</code>
            </Fact>
          </Facts>
        </section>
      )}
      <section>
        <Title headingLevel="h3" size="md">
          {t("event.evidence")}
        </Title>
        <Excerpt detail={detail} />
      </section>
    </>
  );
}

function MalwareFacts({ detail }: { detail: MalwareDetail }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Facts>
      <Fact name={t("event.path")}>
        <code>{detail.path}</code>
      </Fact>
      <Fact name={t("event.signature")}>{detail.signature}</Fact>
      <Fact name={t("event.engine")}>{textOfCode("event.malwareEngine", detail.engine)}</Fact>
      <Fact name={t("event.done")}>{textOfCode("event.malwareDone", detail.done)}</Fact>
      <Maybe name={t("event.failure")}>{detail.failure}</Maybe>
      <Maybe name={t("event.quarantineId")} code>
        {detail.quarantineId}
      </Maybe>
      <Fact name={t("event.trigger")}>{textOfCode("event.triggers", detail.trigger)}</Fact>
      <Maybe name={t("event.process")} code>
        {detail.process}
      </Maybe>
      {detail.pid !== 0 && <Fact name={t("event.pid")}>{detail.pid}</Fact>}
      <Maybe name={t("event.user")}>{detail.user}</Maybe>
      <Fact name={t("event.size")}>{t("event.bytes", { bytes: format.number(detail.size) })}</Fact>
      <Fact name={t("event.sha256")}>
        <code>{detail.sha256}</code>
      </Fact>
    </Facts>
  );
}

function IntegrityFacts({ detail }: { detail: IntegrityDetail }) {
  const { t } = useTranslation();
  return (
    <>
      <Facts>
        <Fact name={t("event.path")}>
          <code>{detail.path}</code>
        </Fact>
        <Fact name={t("event.changeName")}>{textOfCode("event.change", detail.change)}</Fact>
        <Fact name={t("event.set")}>{detail.set}</Fact>
        <Fact name={t("event.trigger")}>{textOfCode("event.triggers", detail.trigger)}</Fact>
        <Maybe name={t("event.process")} code>
          {detail.process}
        </Maybe>
        <Maybe name={t("event.user")}>{detail.user}</Maybe>
      </Facts>
      {detail.attributes.length > 0 && (
        <section>
          <Title headingLevel="h3" size="md">
            {t("event.attributes")}
          </Title>
          <Facts>
            {detail.attributes.map((one) => (
              <Fact key={one.attribute} name={textOfCode("choice.Attribute", one.attribute)}>
                {one.before !== "" && (
                  <div>
                    {t("audit.before")}: <code>{one.before}</code>
                  </div>
                )}
                {one.after !== "" && (
                  <div>
                    {t("audit.after")}: <code>{one.after}</code>
                  </div>
                )}
              </Fact>
            ))}
          </Facts>
        </section>
      )}
    </>
  );
}

function LogFacts({ detail }: { detail: LogDetail }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <>
      <Facts>
        <Fact name={t("event.rule")}>{detail.rule}</Fact>
        <Fact name={t("event.level")}>{detail.level}</Fact>
        <Fact name={t("event.says")}>{detail.description}</Fact>
        <Maybe name={t("event.groups")}>{detail.groups.join(", ")}</Maybe>
        <Maybe name={t("event.sourceAddress")}>{detail.sourceAddress}</Maybe>
        <Maybe name={t("event.user")}>{detail.user}</Maybe>
        <Maybe name={t("event.program")}>{detail.program}</Maybe>
        <Maybe name={t("event.decoder")}>{detail.decoder}</Maybe>
        <Fact name={t("event.logFile")}>
          <code>{detail.source}</code>
        </Fact>
        <Fact name={t("event.lines")}>{format.number(detail.count)}</Fact>
      </Facts>
      <section>
        <Title headingLevel="h3" size="md">
          {t("event.line")}
        </Title>
        <pre className="skm-json">{detail.line}</pre>
      </section>
    </>
  );
}

function WebReputationFacts({ detail }: { detail: WebReputationDetail }) {
  const { t } = useTranslation();
  return (
    <Facts>
      <Fact name={t("event.incident")}>
        <CopyLine inline label={t("event.incident")}>
          {detail.incident}
        </CopyLine>
      </Fact>
      <Fact name={t("event.url")}>
        <code>{detail.url}</code>
      </Fact>
      <Maybe name={t("event.category")}>{detail.category}</Maybe>
      <Fact name={t("event.entry")}>
        <code>{detail.entry}</code>
      </Fact>
      <Fact name={t("event.listName")}>{detail.list === "policy" ? t("computer.policy") : detail.list}</Fact>
      <Fact name={t("event.seenIn")}>{textOfCode("event.seen", detail.seenIn)}</Fact>
      <Fact name={t("event.connection")}>
        {t("event.connectionValue", {
          client: endpoint(detail.client, detail.clientPort),
          server: endpoint(detail.server, detail.serverPort),
        })}
      </Fact>
    </Facts>
  );
}

function RecommendationFacts({ detail }: { detail: RecommendationDetail }) {
  const { t, i18n } = useTranslation();
  const rules = (numbers: string[]) =>
    numbers.map((one, index) => (
      <span key={one}>
        {index > 0 && ", "}
        {detail.module === "intrusion-prevention" ? (
          <Link to="/rules/$sid" params={{ sid: one }}>
            {one}
          </Link>
        ) : (
          one
        )}
      </span>
    ));
  return (
    <Facts>
      <Fact name={t("event.rulesOf")}>{textOfCode("module", detail.module)}</Fact>
      {detail.recommended.length > 0 && (
        <Fact name={t("event.nowRecommended")}>{rules(detail.recommended)}</Fact>
      )}
      {detail.withdrawn.length > 0 && (
        <Fact name={t("event.noLongerRecommended")}>{rules(detail.withdrawn)}</Fact>
      )}
      {detail.assigned.length > 0 && <Fact name={t("event.assigned")}>{rules(detail.assigned)}</Fact>}
      {detail.unassigned.length > 0 && <Fact name={t("event.unassigned")}>{rules(detail.unassigned)}</Fact>}
      <Maybe name={t("event.lostReason")}>{spoken(detail.reason, i18n.language)}</Maybe>
    </Facts>
  );
}

/** The fields of an event, named in words. */
export function EventFacts({ event }: { event: Event }) {
  const { t } = useTranslation();
  const format = useFormat();
  const known = detailOf(event);
  switch (known.kind) {
    case "firewall":
      return <FirewallFacts detail={known.detail} />;
    case "firewall-change":
      return <FirewallChangeFacts detail={known.detail} />;
    case "reconnaissance":
      return <ReconnaissanceFacts detail={known.detail} />;
    case "intrusion":
      return <IntrusionFacts detail={known.detail} />;
    case "malware":
      return <MalwareFacts detail={known.detail} />;
    case "integrity":
      return <IntegrityFacts detail={known.detail} />;
    case "log":
      return <LogFacts detail={known.detail} />;
    case "web-attack":
      return <WebAttackFacts id={event.id} detail={known.detail} />;
    case "web-reputation":
      return <WebReputationFacts detail={known.detail} />;
    case "recommendation":
      return <RecommendationFacts detail={known.detail} />;
    case "gap":
      return (
        <Facts>
          <Fact name={t("event.lostWhat")}>{textOfCode("event.gap", known.detail.what)}</Fact>
          <Fact name={t("event.lostCount")}>{format.number(known.detail.count)}</Fact>
          <Fact name={t("event.lostReason")}>{textOfCode("event.gapReason", known.detail.reason)}</Fact>
        </Facts>
      );
    case "notice":
      return (
        <Facts>
          {known.detail.args.map((argument) => (
            <Fact key={argument.name} name={textOfCode("event.argument", argument.name)}>
              {argument.value}
            </Fact>
          ))}
        </Facts>
      );
    case "other":
      return (
        <Facts>
          {auditChanges(null, known.detail).map(({ path, after }) => (
            <Fact key={path} name={path}>
              {after}
            </Fact>
          ))}
        </Facts>
      );
  }
}
