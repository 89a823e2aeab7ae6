import { PageSection } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { coverageQuery } from "../api/fleet";
import { useFormat } from "../format";
import { textOfCode } from "../i18n";
import { Brake } from "../ui/Brake";
import { PageHeading } from "../ui/PageHeading";
import { LoadError, Loading } from "../ui/states";

const STATES = ["full", "partial", "none", "unknown"] as const;

/** What of the fleet is protected, and why the rest is not. */
export function CoveragePage() {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  const query = useQuery(coverageQuery);
  const language = i18n.language === "ja" ? "ja" : "en";
  let content = <Loading />;
  if (query.data !== undefined) {
    const { computers, modules } = query.data;
    content = (
      <>
        <Table aria-label={t("fleet.coverageOf", { computers: format.number(computers) })} variant="compact">
          <Thead>
            <Tr>
              <Th>{t("computers.modules")}</Th>
              {STATES.map((state) => (
                <Th key={state}>{t(`fleet.state.${state}`)}</Th>
              ))}
            </Tr>
          </Thead>
          <Tbody>
            {modules.map((one) => (
              <Tr key={one.module}>
                <Td dataLabel={t("computers.modules")}>{textOfCode("module", one.module)}</Td>
                {STATES.map((state) => (
                  <Td key={state} dataLabel={t(`fleet.state.${state}`)}>
                    {format.number(one[state])}
                  </Td>
                ))}
              </Tr>
            ))}
          </Tbody>
        </Table>
        <h2 className="skm-gap-below">{t("fleet.why")}</h2>
        <Table aria-label={t("fleet.why")} variant="compact">
          <Thead>
            <Tr>
              <Th>{t("computers.modules")}</Th>
              <Th>{t("fleet.why")}</Th>
              <Th modifier="wrap">{t("fleet.onComputers")}</Th>
            </Tr>
          </Thead>
          <Tbody>
            {modules.flatMap((one) =>
              one.findings.map((finding) => (
                <Tr key={`${one.module} ${finding.code}`}>
                  <Td dataLabel={t("computers.modules")}>{textOfCode("module", one.module)}</Td>
                  <Td dataLabel={t("fleet.why")}>{finding.text[language]}</Td>
                  <Td dataLabel={t("fleet.onComputers")}>{format.number(finding.computers)}</Td>
                </Tr>
              )),
            )}
          </Tbody>
        </Table>
      </>
    );
  } else if (query.isError) {
    content = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  }
  return (
    <>
      <PageHeading title={t("fleet.coverage")} />
      <PageSection>
        <Brake />
        {content}
      </PageSection>
    </>
  );
}
