import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useTranslation } from "react-i18next";
import type { ComputerPort } from "../../api/types";
import { CoverageLabel } from "../../ui/labels";
import { Empty } from "../../ui/states";

/** Each listening port, and whether its content is inspected. */
export function ComputerPorts({ ports }: { ports: ComputerPort[] }) {
  const { t } = useTranslation();
  if (ports.length === 0) return <Empty title={t("computer.noPorts")} />;
  return (
    <>
      <p className="skm-gap-below">{t("computer.portsHint")}</p>
      <Table aria-label={t("computer.portsList")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("computer.port")}</Th>
            <Th>{t("computer.address")}</Th>
            <Th>{t("computer.program")}</Th>
            <Th>{t("computer.coverage")}</Th>
          </Tr>
        </Thead>
        <Tbody>
          {ports.map((port) => (
            <Tr key={`${port.protocol} ${port.address} ${port.port}`}>
              <Td dataLabel={t("computer.port")}>{`${port.port}/${port.protocol}`}</Td>
              <Td dataLabel={t("computer.address")}>
                <span className="skm-break">{port.address}</span>
              </Td>
              <Td dataLabel={t("computer.program")}>{port.process || t("common.unknown")}</Td>
              <Td dataLabel={t("computer.coverage")}>
                <CoverageLabel coverage={port.coverage} />
                <div className="skm-subtle skm-small">{t(`coverageHint.${port.coverage}`)}</div>
              </Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    </>
  );
}
