import { Button, Label, PageSection, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { groupsQuery, smartFoldersQuery, tagTexts, treeOf } from "../api/fleet";
import { computersQuery, policiesQuery } from "../api/queries";
import { type Computer, STATUSES } from "../api/types";
import { type ComputerSearch, type ComputerSort, computerFilterText } from "../search";
import { useMayChange } from "../session";
import { Choose, ChooseAll } from "../ui/Choose";
import { FilterLine } from "../ui/FilterLine";
import { FilterSelect } from "../ui/FilterSelect";
import { LoadMore } from "../ui/LoadMore";
import { StatusLabel } from "../ui/labels";
import { ModuleChips } from "../ui/ModuleChips";
import { PageHeading } from "../ui/PageHeading";
import { statusReasonText } from "../ui/reasons";
import { SearchBox } from "../ui/SearchBox";
import { SearchModal } from "../ui/SearchModal";
import { Empty, LoadError, Loading, NoMatch } from "../ui/states";
import { Ago } from "../ui/Time";
import { TokenModal } from "../ui/TokenModal";
import { BulkModal } from "./computers/BulkModal";

const route = getRouteApi("/app/computers");

interface TableProps {
  computers: Computer[];
  search: ComputerSearch;
  onSort: (sort: ComputerSort, descending: boolean) => void;
  /** Which are chosen to be changed; nobody chooses who may not. */
  chosen?: ReadonlySet<string>;
  onChoose: (ids: readonly string[], on: boolean) => void;
}

function ComputersTable({ computers, search, onSort, chosen, onChoose }: TableProps) {
  const { t } = useTranslation();
  const sortedBy = (sort: ComputerSort, columnIndex: number) => ({
    sort: {
      columnIndex,
      sortBy:
        search.sort === sort
          ? { index: columnIndex, direction: search.descending ? ("desc" as const) : ("asc" as const) }
          : {},
      onSort: (_event: unknown, _index: number, direction: "asc" | "desc") =>
        onSort(sort, direction === "desc"),
    },
  });
  return (
    <Table aria-label={t("computers.list")} variant="compact">
      <Thead>
        <Tr>
          {chosen && (
            <ChooseAll
              all={computers.every((computer) => chosen.has(computer.id))}
              onChoose={(on) =>
                onChoose(
                  computers.map((computer) => computer.id),
                  on,
                )
              }
            />
          )}
          <Th {...sortedBy("displayName", 0)}>{t("common.name")}</Th>
          <Th>{t("computers.status")}</Th>
          <Th>{t("computers.policy")}</Th>
          <Th>{t("computers.modules")}</Th>
          <Th>{t("module.agent")}</Th>
          <Th {...sortedBy("lastSeen", 1)}>{t("computers.lastSeen")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {computers.map((computer) => (
          <Tr key={computer.id}>
            {chosen && (
              <Choose
                id={computer.id}
                name={computer.displayName}
                chosen={chosen.has(computer.id)}
                onChoose={(on) => onChoose([computer.id], on)}
              />
            )}
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
            <Td dataLabel={t("module.agent")}>{computer.agentVersion}</Td>
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
  const search = route.useSearch();
  const { status, q, groupId, searchId, tag, policyId, module, moduleState } = search;
  const { data: groups = [] } = useQuery(groupsQuery);
  const { data: folders = [] } = useQuery(smartFoldersQuery);
  const navigate = route.useNavigate();
  const mayChange = useMayChange();
  const [adding, setAdding] = useState(false);
  const [saving, setSaving] = useState(false);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [changing, setChanging] = useState(false);
  const query = useInfiniteQuery(computersQuery(search));
  const computers = query.data?.pages.flatMap((page) => page.items) ?? [];
  const filtered = Object.entries(search).some(
    ([key, one]) => key !== "sort" && key !== "descending" && one !== undefined,
  );
  const { data: policies = [] } = useQuery(policiesQuery);

  // Whoever is filtered away is chosen no more.
  const chosenComputers = computers.filter((computer) => chosen.has(computer.id));

  const filter = (change: Partial<ComputerSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const add = mayChange && <Button onClick={() => setAdding(true)}>{t("computers.add")}</Button>;

  let list = <Loading />;
  if (query.isError && query.data === undefined) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.isSuccess && computers.length > 0) {
    list = (
      <>
        <ComputersTable
          computers={computers}
          search={search}
          chosen={mayChange ? chosen : undefined}
          onChoose={(ids, on) => {
            const after = new Set(chosen);
            for (const id of ids) on ? after.add(id) : after.delete(id);
            setChosen(after);
          }}
          onSort={(sort, descending) => filter({ sort, descending: descending || undefined })}
        />
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
              <FilterSelect
                label={t("computers.policy")}
                value={policyId}
                options={policies.map((policy) => ({ value: policy.id, label: policy.name }))}
                onChange={(value) => filter({ policyId: value })}
              />
            </ToolbarItem>
            {module !== undefined && moduleState !== undefined && (
              <ToolbarItem alignSelf="center">
                <Label
                  onClose={() => filter({ module: undefined, moduleState: undefined })}
                  closeBtnAriaLabel={t("common.clearFilters")}
                >
                  {t(`module.${module}`)}: {t(`moduleState.${moduleState}`)}
                </Label>
              </ToolbarItem>
            )}
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
        <FilterLine
          placeholder={t("computers.filterPlaceholder")}
          value={search.filter ?? ""}
          onApply={(value) => filter({ filter: value || undefined })}
        />
        {chosenComputers.length > 0 && (
          <div className="skm-chosen" role="status">
            {t("bulk.chosen", { count: chosenComputers.length })}
            <Button variant="secondary" size="sm" onClick={() => setChanging(true)}>
              {t("bulk.change")}
            </Button>
            <Button variant="link" isInline onClick={() => setChosen(new Set())}>
              {t("common.discardChoice")}
            </Button>
          </div>
        )}
        {list}
      </PageSection>
      {changing && (
        <BulkModal
          computers={chosenComputers}
          onClose={() => {
            setChanging(false);
            setChosen(new Set());
          }}
        />
      )}
      {saving && (
        <SearchModal
          subject="computers"
          filter={computerFilterText(search, {
            policy: policies.find((one) => one.id === policyId)?.name,
            group: groups.find((one) => one.id === groupId)?.name,
          })}
          onClose={() => setSaving(false)}
          onSaved={(saved) => void navigate({ search: { searchId: saved.id } })}
        />
      )}
      {adding && <TokenModal title={t("computers.add")} onClose={() => setAdding(false)} />}
    </>
  );
}
