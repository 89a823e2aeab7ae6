import { Label, List, ListItem } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery } from "@tanstack/react-query";
import type { ComponentProps } from "react";
import { useTranslation } from "react-i18next";
import { computerCoverageQuery } from "../../api/fleet";
import { textOfCode } from "../../i18n";
import { LoadError, Loading } from "../../ui/states";

type Look = Pick<ComponentProps<typeof Label>, "status" | "color">;

const LOOK: Record<"full" | "partial" | "none" | "unknown", Look> = {
  full: { status: "success" },
  partial: { status: "warning" },
  none: { status: "danger" },
  unknown: { color: "grey" },
};

/** What of a computer is protected, and why the rest is not. */
export function ComputerCoverage({ id }: { id: string }) {
  const { t, i18n } = useTranslation();
  const query = useQuery(computerCoverageQuery(id));
  const language = i18n.language === "ja" ? "ja" : "en";
  if (query.data === undefined) {
    return query.isError ? (
      <LoadError error={query.error} onRetry={() => void query.refetch()} />
    ) : (
      <Loading />
    );
  }
  return (
    <Table aria-label={t("fleet.coverage")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("computers.modules")}</Th>
          <Th>{t("fleet.coverage")}</Th>
          <Th>{t("fleet.why")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {query.data.modules.map((one) => (
          <Tr key={one.module}>
            <Td dataLabel={t("computers.modules")}>{textOfCode("module", one.module)}</Td>
            <Td dataLabel={t("fleet.coverage")}>
              <Label isCompact {...LOOK[one.state]}>
                {t(`fleet.state.${one.state}`)}
              </Label>
            </Td>
            <Td dataLabel={t("fleet.why")}>
              {one.findings.length === 0 ? (
                t("fleet.nothingMissing")
              ) : (
                <List isPlain>
                  {one.findings.map((finding) => (
                    <ListItem key={finding.code}>{finding.text[language]}</ListItem>
                  ))}
                </List>
              )}
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
