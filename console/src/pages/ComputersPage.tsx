import { Button, PageSection, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { groupsQuery, smartFoldersQuery, tagTexts, treeOf } from "../api/fleet";
import { computersQuery } from "../api/queries";
import { type Computer, STATUSES } from "../api/types";
import type { ComputerSearch } from "../search";
import { useMayChange } from "../session";
import { FilterSelect } from "../ui/FilterSelect";
import { LoadMore } from "../ui/LoadMore";
import { StatusLabel } from "../ui/labels";
import { ModuleChips } from "../ui/ModuleChips";
import { PageHeading } from "../ui/PageHeading";
import { statusReasonText } from "../ui/reasons";
import { SearchBox } from "../ui/SearchBox";
import { SmartFolderForm } from "../ui/SmartFolderForm";
import { Empty, LoadError, Loading, NoMatch } from "../ui/states";
import { Ago } from "../ui/Time";
import { TokenModal } from "../ui/TokenModal";

const route = getRouteApi("/app/computers");

function ComputersTable({ computers }: { computers: Computer[] }) {
  const { t } = useTranslation();
  return (
    <Table aria-label={t("computers.list")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("common.name")}</Th>
          <Th>{t("computers.status")}</Th>
          <Th>{t("computers.policy")}</Th>
          <Th>{t("computers.modules")}</Th>
          <Th modifier="wrap">{t("computers.agentVersion")}</Th>
          <Th>{t("computers.lastSeen")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {computers.map((computer) => (
          <Tr key={computer.id}>
            <Td dataLabel={t("common.name")}>
              <Link to="/computers/$computerId" params={{ computerId: computer.id }} className="skm-break">
                {computer.displayName}
              </Link>
              {(computer.groupName !== null || Object.keys(computer.tags).length > 0) && (
                <div className="skm-subtle skm-small skm-break">
                  {[
                    ...(computer.groupName === null ? [] : [computer.groupName]),
                    ...tagTexts(computer.tags),
                  ].join(", ")}
                </div>
              )}
              {computer.displayName !== computer.hostName && (
                <div className="skm-subtle skm-small skm-break">{computer.hostName}</div>
              )}
            </Td>
            <Td dataLabel={t("computers.status")}>
              <StatusLabel status={computer.status} />
              {computer.statusReasons.map((reason) => (
                <div key={reason.code} className="skm-subtle skm-small skm-reason">
                  {statusReasonText(reason)}
                </div>
              ))}
            </Td>
            <Td dataLabel={t("computers.policy")}>
              <Link to="/policies/$policyId" params={{ policyId: computer.policyId }}>
                {computer.policyName}
              </Link>
            </Td>
            <Td dataLabel={t("computers.modules")}>
              <ModuleChips modules={computer.modules} />
            </Td>
            <Td dataLabel={t("computers.agentVersion")}>{computer.agentVersion}</Td>
            <Td dataLabel={t("computers.lastSeen")}>
              <Ago at={computer.lastSeen} />
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** All computers. */
export function ComputersPage() {
  const { t } = useTranslation();
  const { status, q, groupId, searchId, tag } = route.useSearch();
  const { data: groups = [] } = useQuery(groupsQuery);
  const { data: folders = [] } = useQuery(smartFoldersQuery);
  const navigate = route.useNavigate();
  const mayChange = useMayChange();
  const [adding, setAdding] = useState(false);
  const [saving, setSaving] = useState(false);
  const query = useInfiniteQuery(computersQuery({ status, q, groupId, searchId, tag }));
  const computers = query.data?.pages.flatMap((page) => page.items) ?? [];
  const filtered = [status, q, groupId, searchId, tag].some((one) => one !== undefined);

  const filter = (change: Partial<ComputerSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const add = mayChange && <Button onClick={() => setAdding(true)}>{t("computers.add")}</Button>;

  let list = <Loading />;
  if (query.isError && query.data === undefined) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.isSuccess && computers.length > 0) {
    list = (
      <>
        <ComputersTable computers={computers} />
        <LoadMore {...query} />
      </>
    );
  } else if (query.isSuccess) {
    list = filtered ? (
      <NoMatch onClear={() => void navigate({ search: {} })} />
    ) : (
      <Empty title={t("computers.emptyTitle")} action={add}>
        {t("computers.emptyBody")}
      </Empty>
    );
  }

  return (
    <>
      <PageHeading
        title={t("computers.title")}
        actions={
          <>
            <Button variant="secondary" onClick={() => setSaving(true)}>
              {t("fleet.createFolder")}
            </Button>
            {add}
          </>
        }
      />
      <PageSection>
        <Toolbar inset={{ default: "insetNone" }}>
          <ToolbarContent>
            <ToolbarItem>
              <FilterSelect
                label={t("computers.status")}
                value={status}
                options={STATUSES.map((value) => ({ value, label: t(`status.${value}`) }))}
                onChange={(value) => filter({ status: value })}
              />
            </ToolbarItem>
            <ToolbarItem>
              <FilterSelect
                label={t("fleet.group")}
                value={groupId}
                options={treeOf(groups).map(({ group, depth }) => ({
                  value: group.id,
                  label: `${"\u2003".repeat(depth)}${group.name}`,
                }))}
                onChange={(value) => filter({ groupId: value })}
              />
            </ToolbarItem>
            <ToolbarItem>
              <FilterSelect
                label={t("fleet.smartFolder")}
                value={searchId}
                options={folders.map((folder) => ({ value: folder.id, label: folder.name }))}
                onChange={(value) => filter({ searchId: value })}
              />
            </ToolbarItem>
            <ToolbarItem>
              <SearchBox
                value={tag ?? ""}
                label={t("fleet.tagFilter")}
                onSearch={(value) => filter({ tag: value || undefined })}
              />
            </ToolbarItem>
            <ToolbarItem>
              <SearchBox
                value={q ?? ""}
                label={t("computers.searchPlaceholder")}
                onSearch={(value) => filter({ q: value || undefined })}
              />
            </ToolbarItem>
          </ToolbarContent>
        </Toolbar>
        {list}
      </PageSection>
      {saving && <SmartFolderForm onClose={() => setSaving(false)} />}
      {adding && <TokenModal title={t("computers.add")} onClose={() => setAdding(false)} />}
    </>
  );
}
