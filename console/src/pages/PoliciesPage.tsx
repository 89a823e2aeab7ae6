import { Button, Label, PageSection } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { policiesQuery } from "../api/queries";
import type { Policy } from "../api/types";
import { useFormat } from "../format";
import { useMayChange } from "../session";
import { PageHeading } from "../ui/PageHeading";
import { PolicyModes } from "../ui/PolicyModes";
import { Empty, LoadError, Loading } from "../ui/states";
import { Ago } from "../ui/Time";
import { CreatePolicy } from "./policy/CreatePolicy";

function PoliciesTable({ policies }: { policies: Policy[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const nameOf = new Map(policies.map((policy) => [policy.id, policy.name]));
  return (
    <Table aria-label={t("policies.list")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("common.name")}</Th>
          <Th>{t("policies.mode")}</Th>
          <Th>{t("policies.inheritsFrom")}</Th>
          <Th>{t("policies.computers")}</Th>
          <Th>{t("policies.updated")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {policies.map((policy) => (
          <Tr key={policy.id}>
            <Td dataLabel={t("common.name")}>
              <div className="skm-heading-title">
                <Link to="/policies/$policyId" params={{ policyId: policy.id }} className="skm-break">
                  {policy.name}
                </Link>
                {policy.builtIn && <Label isCompact>{t("policies.builtIn")}</Label>}
              </div>
              {policy.description !== "" && (
                <div className="skm-subtle skm-small skm-break">{policy.description}</div>
              )}
            </Td>
            <Td dataLabel={t("policies.mode")}>
              <PolicyModes policy={policy} />
            </Td>
            <Td dataLabel={t("policies.inheritsFrom")}>
              {policy.parentId === null ? (
                t("common.none")
              ) : (
                <Link to="/policies/$policyId" params={{ policyId: policy.parentId }}>
                  {nameOf.get(policy.parentId) ?? policy.parentId}
                </Link>
              )}
            </Td>
            <Td dataLabel={t("policies.computers")}>{format.number(policy.computers)}</Td>
            <Td dataLabel={t("policies.updated")}>
              <Ago at={policy.updatedAt} />
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** All policies. */
export function PoliciesPage() {
  const { t } = useTranslation();
  const mayChange = useMayChange();
  const query = useQuery(policiesQuery);
  const [creating, setCreating] = useState(false);
  const create = mayChange && <Button onClick={() => setCreating(true)}>{t("policies.create")}</Button>;

  let list = <Loading />;
  if (query.data !== undefined && query.data.length > 0) list = <PoliciesTable policies={query.data} />;
  else if (query.isError) list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  else if (query.isSuccess) {
    list = (
      <Empty title={t("policies.emptyTitle")} action={create}>
        {t("policies.emptyBody")}
      </Empty>
    );
  }
  return (
    <>
      <PageHeading title={t("policies.title")} actions={create} />
      <PageSection>{list}</PageSection>
      {creating && <CreatePolicy kind="child" onClose={() => setCreating(false)} />}
    </>
  );
}
