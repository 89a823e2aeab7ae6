import { PageSection } from "@patternfly/react-core";
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
import { auditChanges } from "./audit/auditDiff";

const COLUMNS = 6;

/** What a change touched, member by member. */
function Changes({ record }: { record: AuditRecord }) {
  const { t } = useTranslation();
  const changes = auditChanges(record.before, record.after);
  if (changes.length === 0) return <p className="skm-subtle">{t("audit.noMembers")}</p>;
  return (
    <Table aria-label={t("audit.changes")} variant="compact" borders={false}>
      <Thead>
        <Tr>
          <Th>{t("audit.member")}</Th>
          <Th>{t("audit.before")}</Th>
          <Th>{t("audit.after")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {changes.map((change) => (
          <Tr key={change.path}>
            <Td dataLabel={t("audit.member")}>
              <code className="skm-break">{change.path}</code>
            </Td>
            <Td dataLabel={t("audit.before")}>
              <span className="skm-break">{change.before ?? t("audit.nothing")}</span>
            </Td>
            <Td dataLabel={t("audit.after")}>
              <span className="skm-break">{change.after ?? t("audit.nothing")}</span>
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** `policy.update` in words: what it was done to, and what. */
function ActionText({ record }: { record: AuditRecord }) {
  const [kind = "", verb = ""] = record.action.split(".");
  return (
    <>
      {textOfCode("audit.kinds", kind)}: {textOfCode("audit.verbs", verb)}
    </>
  );
}

/** What it was done to, by its name where it has one. */
function ObjectName({ record }: { record: AuditRecord }) {
  const state = (record.after ?? record.before) as {
    name?: unknown;
    displayName?: unknown;
    hostName?: unknown;
  } | null;
  const named = [state?.name, state?.displayName, state?.hostName].find((one) => typeof one === "string");
  return <span className="skm-break">{named === undefined ? record.objectId : String(named)}</span>;
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
          <ActionText record={record} />
        </Td>
        <Td dataLabel={t("audit.object")}>
          <ObjectName record={record} />
        </Td>
      </Tr>
      <Tr isExpanded={open}>
        <Td />
        <Td colSpan={COLUMNS - 1}>
          <ExpandableRowContent>
            {open && (
              <>
                <Changes record={record} />
                <p className="skm-subtle skm-small skm-break">
                  {record.action} · {record.objectId} · {t("audit.hash")}: <code>{record.hash}</code>
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
