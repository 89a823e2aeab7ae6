import { Button, Label, PageSection } from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../api/client";
import { policiesQuery, policyChanged, policyQuery } from "../api/queries";
import type { Policy } from "../api/types";
import { useMayChange } from "../session";
import { Confirm } from "../ui/Confirm";
import { PageHeading } from "../ui/PageHeading";
import { LoadError, Loading } from "../ui/states";
import { CreatePolicy } from "./policy/CreatePolicy";
import { PolicyEditor } from "./policy/PolicyEditor";

const route = getRouteApi("/app/policies/$policyId");

function PolicyActions({ policy }: { policy: Policy }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const mayChange = useMayChange();
  const [dialog, setDialog] = useState<"child" | "copy" | "delete">();
  const remove = useMutation({
    mutationFn: () =>
      take(
        api.DELETE("/api/v1/policies/{id}", {
          params: { path: { id: policy.id }, header: { "If-Match": policy.etag } },
        }),
      ),
    onSuccess: async () => {
      await navigate({ to: "/policies" });
      client.removeQueries({ queryKey: ["policy", policy.id] });
      await policyChanged(client);
    },
  });
  const close = () => {
    remove.reset();
    setDialog(undefined);
  };
  if (!mayChange) return null;
  return (
    <>
      <Button variant="secondary" onClick={() => setDialog("child")}>
        {t("policy.createChild")}
      </Button>
      <Button variant="secondary" onClick={() => setDialog("copy")}>
        {t("policy.createCopy")}
      </Button>
      {!policy.builtIn && (
        <Button variant="secondary" isDanger onClick={() => setDialog("delete")}>
          {t("common.delete")}
        </Button>
      )}
      {(dialog === "child" || dialog === "copy") && (
        <CreatePolicy kind={dialog} base={policy} onClose={close} />
      )}
      {dialog === "delete" && (
        <Confirm
          title={t("policy.deleteTitle", { name: policy.name })}
          confirm={t("common.delete")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate()}
          onClose={close}
        >
          {t("policy.deleteBody")}
        </Confirm>
      )}
    </>
  );
}

/** One policy. */
export function PolicyPage() {
  const { t } = useTranslation();
  const { policyId } = route.useParams();
  const { module } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(policyQuery(policyId));
  const { data: policies = [] } = useQuery(policiesQuery);
  const parent = { to: "/policies" as const, label: t("policies.title") };
  const policy = query.data;
  if (policy === undefined) {
    return (
      <>
        <PageHeading title={t("policies.title")} />
        <PageSection>
          {query.isError ? (
            <LoadError error={query.error} onRetry={() => void query.refetch()} />
          ) : (
            <Loading />
          )}
        </PageSection>
      </>
    );
  }
  return (
    <>
      <PageHeading
        title={policy.name}
        parent={parent}
        beside={policy.builtIn && <Label isCompact>{t("policies.builtIn")}</Label>}
        under={policy.description || undefined}
        actions={<PolicyActions policy={policy} />}
      />
      <PageSection>
        <PolicyEditor
          key={policy.id}
          policy={policy}
          policies={policies}
          module={module}
          onModule={(next) => void navigate({ search: { module: next }, replace: true })}
        />
      </PageSection>
    </>
  );
}
