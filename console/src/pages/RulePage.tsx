import { Card, CardBody, CardTitle, Gallery, List, ListItem, PageSection } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { policiesQuery, ruleQuery } from "../api/queries";
import { useFormat } from "../format";
import { effectiveMode } from "../policyDraft";
import { Fact, Facts } from "../ui/Facts";
import { ModeLabel, SeverityLabel } from "../ui/labels";
import { Cves, Outside } from "../ui/Outside";
import { PageHeading } from "../ui/PageHeading";
import { ruleTitle, spoken } from "../ui/ruleText";
import { LoadError, Loading } from "../ui/states";

const route = getRouteApi("/app/rules/$sid");

/** One rule. */
export function RulePage() {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  const { sid } = route.useParams();
  const query = useQuery(ruleQuery(Number(sid)));
  const { data: policies = [] } = useQuery(policiesQuery);
  const parent = { to: "/rules" as const, label: t("rules.title") };
  const rule = query.data;
  if (rule === undefined) {
    return (
      <>
        <PageHeading title={sid} parent={parent} />
        <PageSection>
          {query.isError ? (
            <LoadError error={query.error} onRetry={() => void query.refetch()} />
          ) : (
            <Loading />
          )}
        </PageSection>
      </>
    );
  }
  return (
    <>
      <PageHeading
        title={ruleTitle(rule, i18n.language)}
        under={spoken(rule.description, i18n.language) || undefined}
        parent={parent}
        beside={<SeverityLabel severity={rule.severity} />}
        actions={
          <Link to="/events" search={{ q: rule.message }}>
            {t("rules.eventsOfRule")}
          </Link>
        }
      />
      <PageSection>
        <Gallery hasGutter minWidths={{ default: "100%", lg: "28rem" }}>
          <Card>
            <CardTitle component="h2">{t("common.details")}</CardTitle>
            <CardBody>
              <Facts>
                <Fact name={t("rules.message")}>{rule.message}</Fact>
                <Fact name={t("rules.sid")}>{rule.sid}</Fact>
                <Fact name={t("rules.revision")}>{rule.rev}</Fact>
                {rule.cves.length > 0 && (
                  <Fact name={t("rules.cve")}>
                    <Cves cves={rule.cves} />
                  </Fact>
                )}
                <Fact name={t("rules.cvss")}>{rule.cvss?.toFixed(1) ?? t("common.none")}</Fact>
                <Fact name={t("rules.application")}>{rule.applicationType || t("common.unknown")}</Fact>
                <Fact name={t("rules.affected")}>{rule.affected || t("common.unknown")}</Fact>
                <Fact name={t("rules.published")}>{format.day(rule.published)}</Fact>
                <Fact name={t("rules.updated")}>{format.day(rule.updated)}</Fact>
                <Fact name={t("rules.pack")}>{rule.pack}</Fact>
                {rule.references.length > 0 && (
                  <Fact name={t("rules.references")}>
                    <List isPlain>
                      {rule.references.map((reference) => (
                        <ListItem key={reference}>
                          <Outside href={reference}>{reference}</Outside>
                        </ListItem>
                      ))}
                    </List>
                  </Fact>
                )}
              </Facts>
            </CardBody>
          </Card>
          <Card>
            <CardTitle component="h2">{t("rules.modesTitle")}</CardTitle>
            <CardBody>
              <Facts>
                {policies.map((policy) => (
                  <Fact key={policy.id} name={policy.name}>
                    <Link to="/policies/$policyId" params={{ policyId: policy.id }}>
                      <ModeLabel mode={effectiveMode(policy.settings["intrusion-prevention"], rule.sid)} />
                    </Link>
                  </Fact>
                ))}
              </Facts>
            </CardBody>
          </Card>
        </Gallery>
      </PageSection>
      <PageSection>
        <Card>
          <CardTitle component="h2">{t("rules.text")}</CardTitle>
          <CardBody>
            <pre className="skm-json" lang="en">
              {rule.text}
            </pre>
          </CardBody>
        </Card>
      </PageSection>
    </>
  );
}
