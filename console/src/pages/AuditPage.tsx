import { Gallery, PageSection, Title } from "@patternfly/react-core";
import { ExpandableRowContent, Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { auditQuery } from "../api/queries";
import type { AuditRecord } from "../api/types";
import { textOfCode } from "../i18n";
import { LoadMore } from "../ui/LoadMore";
import { PageHeading } from "../ui/PageHeading";
import { Empty, LoadError, Loading } from "../ui/states";
import { Time } from "../ui/Time";

const COLUMNS = 6;

function State({ title, value }: { title: string; value: unknown }) {
  const { t } = useTranslation();
  return (
    <div>
      <Title headingLevel="h2" size="md">
        {title}
      </Title>
      {value === null || value === undefined ? (
        <p className="skm-subtle">{t("audit.nothing")}</p>
      ) : (
        <pre className="skm-json" lang="en">
          {JSON.stringify(value, null, 2)}
        </pre>
      )}
    </div>
  );
}

function RecordRows({ record, index }: { record: AuditRecord; index: number }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <Tbody isExpanded={open}>
      <Tr>
        <Td
          expand={{
            rowIndex: index,
            isExpanded: open,
            onToggle: () => setOpen(!open),
            expandId: `record-${record.sequence}`,
          }}
          aria-label={t("audit.expand")}
        />
        <Td dataLabel={t("audit.sequence")}>{record.sequence}</Td>
        <Td dataLabel={t("audit.time")}>
          <Time at={record.at} />
        </Td>
        <Td dataLabel={t("audit.actor")}>
          {record.actorName}
          <div className="skm-subtle skm-small">{textOfCode("audit.actorKind", record.actorKind)}</div>
        </Td>
        <Td dataLabel={t("audit.action")}>
          <code>{record.action}</code>
        </Td>
        <Td dataLabel={t("audit.object")}>
          <code>{record.objectKind}</code>
          <div className="skm-subtle skm-small skm-break">{record.objectId}</div>
        </Td>
      </Tr>
      <Tr isExpanded={open}>
        <Td />
        <Td colSpan={COLUMNS - 1}>
          <ExpandableRowContent>
            {open && (
              <>
                <Gallery hasGutter minWidths={{ default: "100%", lg: "20rem" }}>
                  <State title={t("audit.before")} value={record.before} />
                  <State title={t("audit.after")} value={record.after} />
                </Gallery>
                <p className="skm-subtle skm-small skm-break">
                  {t("audit.hash")}: <code>{record.hash}</code>
                </p>
              </>
            )}
          </ExpandableRowContent>
        </Td>
      </Tr>
    </Tbody>
  );
}

/** Who changed what. */
export function AuditPage() {
  const { t } = useTranslation();
  const query = useInfiniteQuery(auditQuery);
  const records = query.data?.pages.flatMap((page) => page.items) ?? [];

  let list = <Loading />;
  if (query.isError && query.data === undefined) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (records.length > 0) {
    list = (
      <>
        <Table aria-label={t("audit.list")} variant="compact">
          <Thead>
            <Tr>
              <Th screenReaderText={t("audit.expand")} />
              <Th>{t("audit.sequence")}</Th>
              <Th>{t("audit.time")}</Th>
              <Th>{t("audit.actor")}</Th>
              <Th>{t("audit.action")}</Th>
              <Th>{t("audit.object")}</Th>
            </Tr>
          </Thead>
          {records.map((record, index) => (
            <RecordRows key={record.sequence} record={record} index={index} />
          ))}
        </Table>
        <LoadMore {...query} />
      </>
    );
  } else if (query.isSuccess) {
    list = <Empty title={t("audit.emptyTitle")}>{t("audit.emptyBody")}</Empty>;
  }
  return (
    <>
      <PageHeading title={t("audit.title")} />
      <PageSection>{list}</PageSection>
    </>
  );
}
