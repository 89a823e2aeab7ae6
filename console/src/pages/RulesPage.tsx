import { PageSection, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { contentQuery, rulesQuery } from "../api/queries";
import type { Rule } from "../api/types";
import { useFormat } from "../format";
import { SeverityLabel } from "../ui/labels";
import { Cves } from "../ui/Outside";
import { PageHeading } from "../ui/PageHeading";
import { ruleTitle } from "../ui/ruleText";
import { SearchBox } from "../ui/SearchBox";
import { Empty, LoadError, Loading, NoMatch } from "../ui/states";
import { WafRuleSets } from "./rules/WafRuleSets";

const route = getRouteApi("/app/rules");

function RulesTable({ rules }: { rules: Rule[] }) {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  return (
    <Table aria-label={t("rules.list")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("rules.sid")}</Th>
          <Th>{t("rules.message")}</Th>
          <Th>{t("severity.label")}</Th>
          <Th>{t("rules.cve")}</Th>
          <Th>{t("rules.cvss")}</Th>
          <Th>{t("rules.application")}</Th>
          <Th>{t("rules.updated")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {rules.map((rule) => (
          <Tr key={rule.sid}>
            <Td dataLabel={t("rules.sid")}>{rule.sid}</Td>
            <Td dataLabel={t("rules.message")}>
              <Link to="/rules/$sid" params={{ sid: String(rule.sid) }}>
                {ruleTitle(rule, i18n.language)}
              </Link>
              <div className="skm-subtle skm-small">{rule.message}</div>
            </Td>
            <Td dataLabel={t("severity.label")}>
              <SeverityLabel severity={rule.severity} />
            </Td>
            <Td dataLabel={t("rules.cve")}>
              <Cves cves={rule.cves} />
            </Td>
            <Td dataLabel={t("rules.cvss")}>{rule.cvss?.toFixed(1)}</Td>
            <Td dataLabel={t("rules.application")}>{rule.applicationType}</Td>
            <Td dataLabel={t("rules.updated")}>
              <span className="skm-nowrap">{format.day(rule.updated)}</span>
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** The rules of the content packs. */
export function RulesPage() {
  const { t } = useTranslation();
  const { q } = route.useSearch();
  const navigate = route.useNavigate();
  const format = useFormat();
  const { data: content } = useQuery(contentQuery);
  const query = useQuery({ ...rulesQuery(q ?? ""), placeholderData: (before) => before });

  let list = <Loading />;
  if (query.data !== undefined && query.data.length > 0) list = <RulesTable rules={query.data} />;
  else if (query.isError) list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  else if (query.isSuccess && q !== undefined) {
    list = <NoMatch onClear={() => void navigate({ search: {} })} />;
  } else if (query.isSuccess) {
    list = <Empty title={t("rules.emptyTitle")}>{t("rules.emptyBody")}</Empty>;
  }

  return (
    <>
      <PageHeading
        title={t("rules.title")}
        under={
          content !== undefined &&
          content.name !== "" &&
          t(content.updatedAt === null ? "rules.builtIn" : "rules.updatedAt", {
            pack: content.name,
            version: content.version,
            date: format.day(content.date),
            at: format.time(content.updatedAt ?? ""),
          })
        }
      />
      <PageSection>
        <WafRuleSets />
        <Toolbar inset={{ default: "insetNone" }}>
          <ToolbarContent>
            <ToolbarItem>
              <SearchBox
                value={q ?? ""}
                label={t("rules.searchPlaceholder")}
                onSearch={(words) => void navigate({ search: { q: words || undefined }, replace: true })}
              />
            </ToolbarItem>
            {query.data && (
              <ToolbarItem alignSelf="center">
                {t("policy.rulesShown", { count: query.data.length })}
              </ToolbarItem>
            )}
          </ToolbarContent>
        </Toolbar>
        {list}
      </PageSection>
    </>
  );
}
