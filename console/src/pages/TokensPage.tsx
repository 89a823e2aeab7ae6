import { Button, Label, PageSection } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../api/client";
import { policiesQuery, tokensQuery } from "../api/queries";
import type { ActivationToken } from "../api/types";
import { useFormat } from "../format";
import { useMayChange } from "../session";
import { Confirm } from "../ui/Confirm";
import { PageHeading } from "../ui/PageHeading";
import { Empty, LoadError, Loading } from "../ui/states";
import { Time } from "../ui/Time";
import { TokenModal } from "../ui/TokenModal";

function TokensTable({
  tokens,
  onRevoke,
}: {
  tokens: ActivationToken[];
  onRevoke?: (token: ActivationToken) => void;
}) {
  const { t } = useTranslation();
  const format = useFormat();
  const { data: policies = [] } = useQuery(policiesQuery);
  const nameOf = new Map(policies.map((policy) => [policy.id, policy.name]));
  return (
    <Table aria-label={t("tokens.list")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("tokens.name")}</Th>
          <Th>{t("tokens.state")}</Th>
          <Th>{t("tokens.policy")}</Th>
          <Th>{t("tokens.uses")}</Th>
          <Th>{t("tokens.expires")}</Th>
          <Th>{t("tokens.created")}</Th>
          {onRevoke && <Th screenReaderText={t("common.actions")} />}
        </Tr>
      </Thead>
      <Tbody>
        {tokens.map((token) => (
          <Tr key={token.id}>
            <Td dataLabel={t("tokens.name")}>
              <span className="skm-break">{token.name}</span>
            </Td>
            <Td dataLabel={t("tokens.state")}>
              <Label isCompact {...(token.usable ? { status: "success" } : { color: "grey" })}>
                {t(token.usable ? "tokens.usable" : "tokens.spent")}
              </Label>
            </Td>
            <Td dataLabel={t("tokens.policy")}>
              {token.policyId === null
                ? t("tokens.policyAnyShort")
                : (nameOf.get(token.policyId) ?? token.policyId)}
            </Td>
            <Td dataLabel={t("tokens.uses")}>
              {token.maxUses === null
                ? t("tokens.usesUnlimited", { uses: format.number(token.uses) })
                : t("tokens.usesOf", { uses: format.number(token.uses), max: format.number(token.maxUses) })}
            </Td>
            <Td dataLabel={t("tokens.expires")}>
              <Time at={token.expiresAt} />
            </Td>
            <Td dataLabel={t("tokens.created")}>
              <Time at={token.createdAt} />
            </Td>
            {onRevoke && (
              <Td isActionCell>
                {token.usable && (
                  <Button variant="link" isInline isDanger onClick={() => onRevoke(token)}>
                    {t("tokens.revoke")}
                  </Button>
                )}
              </Td>
            )}
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** The tokens that computers are activated with. */
export function TokensPage() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const query = useQuery(tokensQuery);
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ActivationToken>();
  const revoke = useMutation({
    mutationFn: (id: string) =>
      take(api.DELETE("/api/v1/activation-tokens/{id}", { params: { path: { id } } })),
    onSuccess: async () => {
      setRevoking(undefined);
      await client.invalidateQueries({ queryKey: tokensQuery.queryKey });
    },
  });
  const create = mayChange && <Button onClick={() => setCreating(true)}>{t("tokens.create")}</Button>;

  let list = <Loading />;
  if (query.data !== undefined && query.data.length > 0) {
    list = <TokensTable tokens={query.data} onRevoke={mayChange ? setRevoking : undefined} />;
  } else if (query.isError) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.isSuccess) {
    list = (
      <Empty title={t("tokens.emptyTitle")} action={create}>
        {t("tokens.emptyBody")}
      </Empty>
    );
  }
  return (
    <>
      <PageHeading title={t("tokens.title")} actions={create} />
      <PageSection>{list}</PageSection>
      {creating && <TokenModal title={t("tokens.create")} onClose={() => setCreating(false)} />}
      {revoking && (
        <Confirm
          title={t("tokens.revokeTitle", { name: revoking.name })}
          confirm={t("tokens.revoke")}
          pending={revoke.isPending}
          error={revoke.error}
          onConfirm={() => revoke.mutate(revoking.id)}
          onClose={() => {
            revoke.reset();
            setRevoking(undefined);
          }}
        >
          {t("tokens.revokeBody")}
        </Confirm>
      )}
    </>
  );
}
