import { Button, Label, PageSection, Switch, Tab, Tabs, TabTitleText } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type AutoTagRule, autoTagRulesQuery, type SavedSearch, savedSearchesQuery } from "../api/access";
import { api, take } from "../api/client";
import { useMayChange } from "../session";
import { Confirm } from "../ui/Confirm";
import { PageHeading } from "../ui/PageHeading";
import { SearchModal } from "../ui/SearchModal";
import { Empty, LoadError, Loading, SaveError } from "../ui/states";
import { AutoTagModal } from "./searches/AutoTagModal";

const route = getRouteApi("/app/searches");
const VIEWS = ["saved", "tags"] as const;

type Open = { what: "create" } | { what: "edit" | "delete"; id: string };

function Searches({ open, setOpen }: { open: Open | undefined; setOpen: (open?: Open) => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const query = useQuery(savedSearchesQuery);
  const close = () => setOpen(undefined);
  const remove = useMutation({
    mutationFn: (id: string) => take(api.DELETE("/api/v1/saved-searches/{id}", { params: { path: { id } } })),
    onSuccess: async () => {
      close();
      await client.invalidateQueries({ queryKey: savedSearchesQuery.queryKey });
    },
  });
  const chosen = open && "id" in open ? query.data?.find((one) => one.id === open.id) : undefined;
  let list = <Loading />;
  if (query.isError && query.data === undefined) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.data?.length === 0) {
    list = <Empty title={t("searches.empty")}>{t("searches.emptyBody")}</Empty>;
  } else if (query.data) {
    list = (
      <Table aria-label={t("searches.saved")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("common.name")}</Th>
            <Th>{t("searches.of")}</Th>
            <Th>{t("fleet.folderFilter")}</Th>
            <Th>{t("searches.owner")}</Th>
            <Th screenReaderText={t("common.actions")} />
          </Tr>
        </Thead>
        <Tbody>
          {query.data.map((search: SavedSearch) => (
            <Tr key={search.id}>
              <Td dataLabel={t("common.name")}>
                {search.subject === "computers" ? (
                  <Link to="/computers" search={{ searchId: search.id }} className="skm-break">
                    {search.name}
                  </Link>
                ) : (
                  <Link to="/events" search={{ filter: search.filter }} className="skm-break">
                    {search.name}
                  </Link>
                )}
              </Td>
              <Td dataLabel={t("searches.of")}>
                {t(search.subject === "computers" ? "nav.computers" : "nav.events")}
              </Td>
              <Td dataLabel={t("fleet.folderFilter")}>
                <code className="skm-break">{search.filter}</code>
              </Td>
              <Td dataLabel={t("searches.owner")}>
                {search.ownerName} {search.shared && <Label isCompact>{t("searches.shared")}</Label>}
              </Td>
              <Td isActionCell>
                {search.own && (
                  <div className="skm-line-actions">
                    <Button
                      variant="link"
                      isInline
                      aria-label={`${t("common.edit")}: ${search.name}`}
                      onClick={() => setOpen({ what: "edit", id: search.id })}
                    >
                      {t("common.edit")}
                    </Button>
                    <Button
                      variant="link"
                      isInline
                      isDanger
                      aria-label={`${t("common.delete")}: ${search.name}`}
                      onClick={() => setOpen({ what: "delete", id: search.id })}
                    >
                      {t("common.delete")}
                    </Button>
                  </div>
                )}
              </Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    );
  }
  return (
    <>
      {list}
      {open?.what === "create" && <SearchModal subject="events" onClose={close} />}
      {open?.what === "edit" && chosen && (
        <SearchModal key={chosen.id} search={chosen} subject={chosen.subject} onClose={close} />
      )}
      {open?.what === "delete" && chosen && (
        <Confirm
          title={t("searches.deleteTitle", { name: chosen.name })}
          confirm={t("common.delete")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(chosen.id)}
          onClose={() => {
            remove.reset();
            close();
          }}
        >
          {t("searches.deleteBody")}
        </Confirm>
      )}
    </>
  );
}

function AutoTags({ open, setOpen }: { open: Open | undefined; setOpen: (open?: Open) => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const query = useQuery(autoTagRulesQuery);
  const close = () => setOpen(undefined);
  const read = () => client.invalidateQueries({ queryKey: autoTagRulesQuery.queryKey });
  const enable = useMutation({
    mutationFn: ({ rule, enabled }: { rule: AutoTagRule; enabled: boolean }) =>
      take(
        api.PATCH("/api/v1/auto-tag-rules/{id}", {
          params: { path: { id: rule.id }, header: { "If-Match": rule.etag } },
          body: { enabled },
        }),
      ),
    onSettled: read,
  });
  const remove = useMutation({
    mutationFn: (id: string) => take(api.DELETE("/api/v1/auto-tag-rules/{id}", { params: { path: { id } } })),
    onSuccess: async () => {
      close();
      await read();
    },
  });
  const chosen = open && "id" in open ? query.data?.find((one) => one.id === open.id) : undefined;
  let list = <Loading />;
  if (query.isError && query.data === undefined) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.data?.length === 0) {
    list = <Empty title={t("searches.noRules")}>{t("searches.noRulesBody")}</Empty>;
  } else if (query.data) {
    list = (
      <Table aria-label={t("searches.tags")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("common.name")}</Th>
            <Th>{t("searches.ruleFilter")}</Th>
            <Th>{t("searches.tag")}</Th>
            <Th>{t("alerts.inForce")}</Th>
            {mayChange && <Th screenReaderText={t("common.actions")} />}
          </Tr>
        </Thead>
        <Tbody>
          {query.data.map((rule) => (
            <Tr key={rule.id}>
              <Td dataLabel={t("common.name")}>
                <span className="skm-break">{rule.name}</span>
              </Td>
              <Td dataLabel={t("searches.ruleFilter")}>
                <code className="skm-break">{rule.filter}</code>
              </Td>
              <Td dataLabel={t("searches.tag")}>
                <Link to="/events" search={{ filter: `tag = "${rule.tag}"` }}>
                  {rule.tag}
                </Link>
              </Td>
              <Td dataLabel={t("alerts.inForce")}>
                <Switch
                  id={`auto-tag-${rule.id}`}
                  aria-label={`${t("alerts.inForce")}: ${rule.name}`}
                  isChecked={rule.enabled}
                  isDisabled={!mayChange || enable.isPending}
                  onChange={(_, enabled) => enable.mutate({ rule, enabled })}
                />
              </Td>
              {mayChange && (
                <Td isActionCell>
                  <div className="skm-line-actions">
                    <Button
                      variant="link"
                      isInline
                      aria-label={`${t("common.edit")}: ${rule.name}`}
                      onClick={() => setOpen({ what: "edit", id: rule.id })}
                    >
                      {t("common.edit")}
                    </Button>
                    <Button
                      variant="link"
                      isInline
                      isDanger
                      aria-label={`${t("common.delete")}: ${rule.name}`}
                      onClick={() => setOpen({ what: "delete", id: rule.id })}
                    >
                      {t("common.delete")}
                    </Button>
                  </div>
                </Td>
              )}
            </Tr>
          ))}
        </Tbody>
      </Table>
    );
  }
  return (
    <>
      {enable.isError && <SaveError error={enable.error} />}
      {list}
      {open?.what === "create" && <AutoTagModal onClose={close} />}
      {open?.what === "edit" && chosen && <AutoTagModal key={chosen.id} rule={chosen} onClose={close} />}
      {open?.what === "delete" && chosen && (
        <Confirm
          title={t("searches.deleteRuleTitle", { name: chosen.name })}
          confirm={t("common.delete")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(chosen.id)}
          onClose={() => {
            remove.reset();
            close();
          }}
        >
          {t("searches.deleteRuleBody")}
        </Confirm>
      )}
    </>
  );
}

/** Searches that are kept, and rules that tag events. */
export function SearchesPage() {
  const { t } = useTranslation();
  const { view = "saved" } = route.useSearch();
  const navigate = route.useNavigate();
  const mayChange = useMayChange();
  const [open, setOpen] = useState<Open>();
  // Whoever may read may keep searches of their own.
  const mayCreate = view === "saved" || mayChange;
  const create = mayCreate && (
    <Button onClick={() => setOpen({ what: "create" })}>
      {t(view === "tags" ? "searches.createRule" : "searches.create")}
    </Button>
  );
  return (
    <>
      <PageHeading title={t("searches.title")} actions={create} />
      <PageSection type="tabs">
        <Tabs
          activeKey={view}
          aria-label={t("searches.title")}
          onSelect={(_, key) => {
            setOpen(undefined);
            void navigate({ search: { view: VIEWS.find((one) => one === key) } });
          }}
        >
          {VIEWS.map((one) => (
            <Tab
              key={one}
              eventKey={one}
              tabContentId="searches-view"
              title={<TabTitleText>{t(`searches.${one}`)}</TabTitleText>}
            />
          ))}
        </Tabs>
      </PageSection>
      <PageSection id="searches-view" role="tabpanel" aria-label={t(`searches.${view}`)}>
        {view === "tags" ? (
          <AutoTags open={open} setOpen={setOpen} />
        ) : (
          <Searches open={open} setOpen={setOpen} />
        )}
      </PageSection>
    </>
  );
}
