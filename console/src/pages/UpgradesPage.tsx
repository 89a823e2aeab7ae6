import { Button, Label, PageSection, Title } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { packagesQuery, upgradesQuery } from "../api/upgrades";
import { useMayChange } from "../session";
import { PageHeading } from "../ui/PageHeading";
import { Empty, LoadError, Loading } from "../ui/states";
import { Time } from "../ui/Time";
import { UpgradeForm } from "./upgrade/UpgradeForm";
import { UpgradeLabel } from "./upgrade/UpgradeLabel";

function Packages() {
  const { t } = useTranslation();
  const query = useQuery(packagesQuery);
  if (query.isError) return <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data === undefined) return <Loading />;
  if (query.data.items.length === 0) return <p className="skm-subtle">{t("upgrades.packagesEmpty")}</p>;
  return (
    <Table aria-label={t("upgrades.packages")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("upgrades.version")}</Th>
          <Th>{t("upgrades.architecture")}</Th>
          <Th>{t("upgrades.size")}</Th>
          <Th>{t("upgrades.added")}</Th>
          <Th>{t("upgrades.state")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {query.data.items.map((one) => (
          <Tr key={one.file}>
            <Td dataLabel={t("upgrades.version")}>
              <span className="skm-break">{one.version}</span>
            </Td>
            <Td dataLabel={t("upgrades.architecture")}>{one.architecture}</Td>
            <Td dataLabel={t("upgrades.size")}>{(one.size / 1_048_576).toFixed(1)} MiB</Td>
            <Td dataLabel={t("upgrades.added")}>
              <Time at={one.addedAt} />
            </Td>
            <Td dataLabel={t("upgrades.state")}>
              <Label isCompact status={one.refused ? "danger" : "success"}>
                {t(one.refused ? "upgrades.refused" : "upgrades.good")}
              </Label>
              {one.refused && (
                <div className="skm-subtle skm-small skm-break" lang="en">
                  {one.refused}
                </div>
              )}
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** Roll-outs of agent versions, and the packages for them. */
export function UpgradesPage() {
  const { t } = useTranslation();
  const mayChange = useMayChange();
  const query = useQuery(upgradesQuery);
  const packages = useQuery(packagesQuery);
  const [creating, setCreating] = useState(false);
  const versions = [
    ...new Set((packages.data?.items ?? []).filter((one) => !one.refused).map((one) => one.version)),
  ];
  const create = mayChange && <Button onClick={() => setCreating(true)}>{t("upgrades.create")}</Button>;
  let list = <Loading />;
  if (query.isError && query.data === undefined) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.data?.length === 0) {
    list = <Empty title={t("upgrades.emptyTitle")}>{t("upgrades.emptyBody")}</Empty>;
  } else if (query.data) {
    list = (
      <Table aria-label={t("upgrades.list")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("common.name")}</Th>
            <Th>{t("upgrades.version")}</Th>
            <Th>{t("upgrades.state")}</Th>
            <Th>{t("upgrades.ring")}</Th>
            <Th>{t("upgrades.begun")}</Th>
          </Tr>
        </Thead>
        <Tbody>
          {query.data.map((one) => (
            <Tr key={one.id}>
              <Td dataLabel={t("common.name")}>
                <Link to="/upgrades/$upgradeId" params={{ upgradeId: one.id }} className="skm-break">
                  {one.name}
                </Link>
              </Td>
              <Td dataLabel={t("upgrades.version")}>
                <span className="skm-break">{one.version}</span>
              </Td>
              <Td dataLabel={t("upgrades.state")}>
                <UpgradeLabel state={one.state} />
              </Td>
              <Td dataLabel={t("upgrades.ring")}>
                {t("upgrades.ringOf", { number: one.ring + 1, all: one.rings.length })}
              </Td>
              <Td dataLabel={t("upgrades.begun")}>
                <Time at={one.createdAt} />
                <div className="skm-subtle skm-small skm-break">{one.createdBy}</div>
              </Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    );
  }
  return (
    <>
      <PageHeading title={t("upgrades.title")} under={t("upgrades.under")} actions={create} />
      <PageSection>{list}</PageSection>
      <PageSection>
        <Title headingLevel="h2" className="skm-gap-below">
          {t("upgrades.packages")}
        </Title>
        <Packages />
      </PageSection>
      {creating && <UpgradeForm versions={versions} onClose={() => setCreating(false)} />}
    </>
  );
}
