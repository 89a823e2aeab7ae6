import { SearchInput, Title } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { inventoryQuery } from "../../api/queries";
import type { Inventory } from "../../api/types";
import { useFormat } from "../../format";
import { textOfCode } from "../../i18n";
import { Fact, Facts } from "../../ui/Facts";
import { Empty, LoadError, Loading } from "../../ui/states";

/** Rows of a long list that are shown at once; the filter finds the others. */
const ROWS = 200;

interface Column<T> {
  name: string;
  value: (one: T) => string;
}

function Listed<T>({ title, all, columns }: { title: string; all: T[]; columns: Column<T>[] }) {
  const { t } = useTranslation();
  if (all.length === 0) return <p className="skm-subtle">{t("inventory.none")}</p>;
  return (
    <Table aria-label={title} variant="compact">
      <Thead>
        <Tr>
          {columns.map((column) => (
            <Th key={column.name}>{column.name}</Th>
          ))}
        </Tr>
      </Thead>
      <Tbody>
        {all.map((one) => {
          const cells = columns.map((column) => column.value(one));
          return (
            <Tr key={cells.join("\n")}>
              {columns.map((column) => (
                <Td key={column.name} dataLabel={column.name}>
                  <span className="skm-break">{column.value(one)}</span>
                </Td>
              ))}
            </Tr>
          );
        })}
      </Tbody>
    </Table>
  );
}

function Head({ children }: { children: string }) {
  return (
    <Title headingLevel="h2" size="lg" className="skm-subhead">
      {children}
    </Title>
  );
}

function CloudFacts({ cloud }: { cloud: NonNullable<Inventory["cloud"]> }) {
  const { t } = useTranslation();
  const facts: [string, string][] = [
    [t("inventory.cloud"), cloud.provider],
    [t("inventory.instance"), [cloud.name, cloud.instance].filter((one) => one !== "").join(", ")],
    [t("inventory.region"), cloud.region],
    [t("inventory.zone"), cloud.zone],
    [t("inventory.account"), [cloud.account, cloud.resourceGroup].filter((one) => one !== "").join(", ")],
    [t("inventory.scaleSet"), cloud.scaleSet],
    [t("inventory.image"), cloud.image],
    [t("inventory.size"), cloud.size],
    [t("inventory.tags"), cloud.tags.map((tag) => `${tag.name}: ${tag.value}`).join(", ")],
  ];
  return (
    <Facts>
      {facts
        .filter(([, value]) => value !== "")
        .map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
    </Facts>
  );
}

function Packages({ packages }: { packages: Inventory["packages"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [text, setText] = useState("");
  const found = packages.filter((one) => one.name.includes(text) || one.source.includes(text));
  const shown = found.slice(0, ROWS);
  return (
    <>
      <Head>{t("inventory.packages")}</Head>
      <SearchInput
        aria-label={t("inventory.filter")}
        placeholder={t("inventory.filter")}
        value={text}
        onChange={(_, value) => setText(value)}
        onClear={() => setText("")}
      />
      <p className="skm-subtle">
        {t("inventory.shownOf", {
          shown: format.number(shown.length),
          all: format.number(packages.length),
        })}
      </p>
      <Listed
        title={t("inventory.packages")}
        all={shown}
        columns={[
          { name: t("inventory.name"), value: (one) => one.name },
          { name: t("inventory.version"), value: (one) => one.version },
          { name: t("inventory.architecture"), value: (one) => one.architecture },
          { name: t("inventory.source"), value: (one) => one.source },
        ]}
      />
    </>
  );
}

/** What is installed and runs on a computer. */
export function ComputerInventory({ computerId }: { computerId: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useQuery(inventoryQuery(computerId));
  if (query.isError) return <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data === undefined) return <Loading />;
  const inventory = query.data;
  if (inventory === null) return <Empty title={t("inventory.empty")}>{t("inventory.emptyBody")}</Empty>;
  return (
    <>
      <Facts>
        <Fact name={t("inventory.taken")}>{format.time(inventory.receivedAt)}</Fact>
        {inventory.incomplete.length > 0 && (
          <Fact name={t("inventory.incomplete")}>
            {inventory.incomplete.map((kind) => textOfCode("inventory.kinds", kind)).join(", ")}
          </Fact>
        )}
      </Facts>
      {inventory.cloud !== null && <CloudFacts cloud={inventory.cloud} />}
      <Head>{t("inventory.applications")}</Head>
      <Listed
        title={t("inventory.applications")}
        all={inventory.applications}
        columns={[
          { name: t("inventory.name"), value: (one) => one.name },
          { name: t("inventory.version"), value: (one) => one.version },
          { name: t("inventory.kind"), value: (one) => textOfCode("inventory.kinds", one.kind) },
          { name: t("inventory.place"), value: (one) => one.place },
        ]}
      />
      <Packages packages={inventory.packages} />
      <Head>{t("inventory.processes")}</Head>
      <Listed
        title={t("inventory.processes")}
        all={inventory.processes}
        columns={[
          { name: t("inventory.name"), value: (one) => one.name },
          { name: t("inventory.user"), value: (one) => String(one.user) },
          { name: t("inventory.count"), value: (one) => format.number(one.count) },
          { name: t("computer.program"), value: (one) => one.program },
        ]}
      />
    </>
  );
}
