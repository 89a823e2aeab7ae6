import { Label } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useTranslation } from "react-i18next";
import type { FirewallFinding } from "../../api/types";
import { spoken } from "../../ui/ruleText";

/** What the manager noticed about firewall rules, each with its remedy. */
export function FirewallFindings({ findings }: { findings: FirewallFinding[] }) {
  const { t, i18n } = useTranslation();
  return (
    <Table aria-label={t("lint.list")} variant="compact" className="skm-gap-below">
      <Thead>
        <Tr>
          <Th>{t("packet.rule")}</Th>
          <Th>{t("lint.found", { count: findings.length })}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {findings.map((one) => (
          <Tr key={`${one.code} ${one.rule ?? ""}`}>
            <Td dataLabel={t("packet.rule")} className="skm-break">
              {one.rule ?? t("lint.all")}
            </Td>
            <Td dataLabel={t("lint.list")}>
              <Label isCompact color={one.level === "error" ? "red" : "orange"}>
                {one.code}
              </Label>{" "}
              <span className="skm-break">{spoken(one.text, i18n.language)}</span>
              <div className="skm-subtle skm-break">{spoken(one.remedy, i18n.language)}</div>
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
