import { Button, Label, PageSection, Tab, Tabs, TabTitleText } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type ApiKey, apiKeysQuery, usersQuery } from "../api/access";
import { api, take } from "../api/client";
import { useSession } from "../session";
import { Confirm } from "../ui/Confirm";
import { PageHeading } from "../ui/PageHeading";
import { Empty, LoadError, Loading } from "../ui/states";
import { Ago, Time } from "../ui/Time";
import { ApiKeyModal } from "./access/ApiKeyModal";

const route = getRouteApi("/app/access");
const VIEWS = ["users", "keys"] as const;

function Users() {
  const { t } = useTranslation();
  const { user: own } = useSession();
  const query = useQuery(usersQuery);
  if (query.data === undefined) {
    return query.isError ? (
      <LoadError error={query.error} onRetry={() => void query.refetch()} />
    ) : (
      <Loading />
    );
  }
  return (
    <Table aria-label={t("access.users")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("common.name")}</Th>
          <Th>{t("access.role")}</Th>
          <Th>{t("access.lastLogIn")}</Th>
          <Th>{t("access.created")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {query.data.map((user) => (
          <Tr key={user.id}>
            <Td dataLabel={t("common.name")}>
              <span className="skm-break">{user.name}</span>{" "}
              {user.id === own.id && <Label isCompact>{t("access.you")}</Label>}
            </Td>
            <Td dataLabel={t("access.role")}>{t(`role.${user.role}`)}</Td>
            <Td dataLabel={t("access.lastLogIn")}>
              <Ago at={user.lastLogIn} />
            </Td>
            <Td dataLabel={t("access.created")}>
              <Time at={user.createdAt} />
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

function Expiry({ apiKey }: { apiKey: ApiKey }) {
  const { t } = useTranslation();
  if (apiKey.expiresAt === null) return t("common.never");
  if (Date.parse(apiKey.expiresAt) > Date.now()) return <Time at={apiKey.expiresAt} />;
  return (
    <Label isCompact status="warning">
      {t("access.expired")}
    </Label>
  );
}

function Keys({ onCreate }: { onCreate: (() => void) | undefined }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const query = useQuery(apiKeysQuery);
  const [doomed, setDoomed] = useState<ApiKey>();
  const remove = useMutation({
    mutationFn: (id: string) => take(api.DELETE("/api/v1/api-keys/{id}", { params: { path: { id } } })),
    onSuccess: async () => {
      setDoomed(undefined);
      await client.invalidateQueries({ queryKey: apiKeysQuery.queryKey });
    },
  });
  if (query.data === undefined) {
    return query.isError ? (
      <LoadError error={query.error} onRetry={() => void query.refetch()} />
    ) : (
      <Loading />
    );
  }
  if (query.data.length === 0) {
    return (
      <Empty
        title={t("access.noKeys")}
        action={onCreate && <Button onClick={onCreate}>{t("access.createKey")}</Button>}
      >
        {t("access.noKeysBody")}
      </Empty>
    );
  }
  return (
    <>
      <Table aria-label={t("access.keys")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("common.name")}</Th>
            <Th>{t("access.role")}</Th>
            <Th>{t("access.lastUsed")}</Th>
            <Th>{t("access.expires")}</Th>
            <Th>{t("access.created")}</Th>
            {onCreate && <Th screenReaderText={t("common.actions")} />}
          </Tr>
        </Thead>
        <Tbody>
          {query.data.map((apiKey) => (
            <Tr key={apiKey.id}>
              <Td dataLabel={t("common.name")}>
                <span className="skm-break">{apiKey.name}</span>
              </Td>
              <Td dataLabel={t("access.role")}>{t(`role.${apiKey.role}`)}</Td>
              <Td dataLabel={t("access.lastUsed")}>
                <Ago at={apiKey.lastUsed} />
              </Td>
              <Td dataLabel={t("access.expires")}>
                <Expiry apiKey={apiKey} />
              </Td>
              <Td dataLabel={t("access.created")}>
                <Time at={apiKey.createdAt} />
              </Td>
              {onCreate && (
                <Td isActionCell>
                  <Button
                    variant="link"
                    isInline
                    isDanger
                    aria-label={`${t("access.revoke")}: ${apiKey.name}`}
                    onClick={() => setDoomed(apiKey)}
                  >
                    {t("access.revoke")}
                  </Button>
                </Td>
              )}
            </Tr>
          ))}
        </Tbody>
      </Table>
      {doomed && (
        <Confirm
          title={t("access.revokeTitle", { name: doomed.name })}
          confirm={t("access.revoke")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(doomed.id)}
          onClose={() => {
            remove.reset();
            setDoomed(undefined);
          }}
        >
          {t("access.revokeBody")}
        </Confirm>
      )}
    </>
  );
}

/** Who may come in: people, and scripts with keys. */
export function AccessPage() {
  const { t } = useTranslation();
  const { view = "users" } = route.useSearch();
  const navigate = route.useNavigate();
  const mayMakeKeys = useSession().user.role === "administrator";
  const [creating, setCreating] = useState(false);
  const create = mayMakeKeys ? () => setCreating(true) : undefined;
  return (
    <>
      <PageHeading
        title={t("access.title")}
        actions={view === "keys" && create && <Button onClick={create}>{t("access.createKey")}</Button>}
      />
      <PageSection type="tabs">
        <Tabs
          activeKey={view}
          aria-label={t("access.title")}
          onSelect={(_, key) => void navigate({ search: { view: VIEWS.find((one) => one === key) } })}
        >
          {VIEWS.map((one) => (
            <Tab
              key={one}
              eventKey={one}
              tabContentId="access-view"
              title={<TabTitleText>{t(`access.${one}`)}</TabTitleText>}
            />
          ))}
        </Tabs>
      </PageSection>
      <PageSection id="access-view" role="tabpanel" aria-label={t(`access.${view}`)}>
        {view === "keys" ? <Keys onCreate={create} /> : <Users />}
      </PageSection>
      {creating && <ApiKeyModal onClose={() => setCreating(false)} />}
    </>
  );
}
