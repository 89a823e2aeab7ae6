import { Button, Label, Title } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { WebAttackDetail } from "../api/types";
import { useMayChange } from "../session";
import { CopyLine } from "./CopyLine";
import { ExcludeModal } from "./ExcludeModal";
import { endpoint } from "./eventText";
import { Fact, Facts } from "./Facts";

type Rule = WebAttackDetail["rules"][number];

function Matched({ rule, onExclude }: { rule: Rule; onExclude: (() => void) | undefined }) {
  const { t } = useTranslation();
  return (
    <Fact name={String(rule.id)}>
      <div>
        {rule.message}{" "}
        {rule.severity !== "" && <Label isCompact>{t(`waf.severity.${rule.severity}` as never)}</Label>}{" "}
        {rule.paranoiaLevel > 0 && (
          <Label isCompact variant="outline">
            {t("waf.levelOf", { level: rule.paranoiaLevel })}
          </Label>
        )}
      </div>
      {rule.targets.map((target) => (
        <div key={target.variable}>
          <code className="skm-break">
            {target.variable}: {target.value}
          </code>
          {target.data !== "" && <div className="skm-subtle skm-small skm-break">{target.data}</div>}
        </div>
      ))}
      <div className="skm-subtle skm-small">
        {t("waf.at", { file: rule.file, line: rule.line })} · {rule.tags.join(", ")}
      </div>
      {onExclude && (
        <Button variant="link" isInline onClick={onExclude}>
          {t("waf.excludeRule", { id: rule.id })}
        </Button>
      )}
    </Fact>
  );
}

/** What rules of the web application firewall found in a request or a response. */
export function WebAttackFacts({ id, detail }: { id: string; detail: WebAttackDetail }) {
  const { t } = useTranslation();
  const mayChange = useMayChange();
  const [excluded, setExcluded] = useState<{ rule: number | undefined }>();
  return (
    <>
      <Facts>
        <Fact name={t("event.incident")}>
          <CopyLine inline label={t("event.incident")}>
            {detail.incident}
          </CopyLine>
          <div className="skm-subtle skm-small">{t("event.incidentHint")}</div>
        </Fact>
        <Fact name={t("waf.score")}>
          {t("waf.scoreValue", { score: detail.score, threshold: detail.threshold })}
          {detail.detectionScore > detail.score && (
            <div className="skm-subtle skm-small">
              {t("waf.scoreDetection", { score: detail.detectionScore })}
            </div>
          )}
        </Fact>
        <Fact name={t("waf.would")}>{detail.wouldBlock ? t("common.yes") : t("common.no")}</Fact>
        {detail.wouldBlock && (
          <Fact name={t("waf.decidedBy")}>
            {detail.decidedBy === 0 ? t("waf.decidedByLimit") : detail.decidedBy}
          </Fact>
        )}
        <Fact name={t("waf.level")}>{detail.paranoiaLevel}</Fact>
        <Fact name={t("waf.ruleSet")}>{detail.ruleSet}</Fact>
        <Fact name={t("event.connection")}>
          {t("event.connectionValue", {
            client: endpoint(detail.client, detail.clientPort),
            server: endpoint(detail.server, detail.serverPort),
          })}
        </Fact>
        <Fact name={t("event.request")}>
          <code className="skm-break">
            {detail.http.method} {detail.http.target}
          </code>
        </Fact>
        <Fact name={t("event.host")}>
          <code>{detail.http.host}</code>
        </Fact>
        <Fact name={t("event.userAgent")}>
          <code className="skm-break">{detail.http.userAgent}</code>
        </Fact>
      </Facts>
      {detail.rules.length > 0 && (
        <section>
          <Title headingLevel="h3" size="md">
            {t("waf.matches")}
          </Title>
          <Facts>
            {detail.rules.map((rule) => (
              <Matched
                key={rule.id}
                rule={rule}
                onExclude={mayChange ? () => setExcluded({ rule: rule.id }) : undefined}
              />
            ))}
          </Facts>
          {detail.moreRules > 0 && <p>{t("waf.more", { count: detail.moreRules })}</p>}
          {mayChange && (
            <Button variant="secondary" onClick={() => setExcluded({ rule: undefined })}>
              {t("waf.exclude")}
            </Button>
          )}
        </section>
      )}
      {excluded && <ExcludeModal id={id} rule={excluded.rule} onClose={() => setExcluded(undefined)} />}
    </>
  );
}
