import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { computerSettingsQuery, policiesQuery } from "../../api/queries";
import type { Computer } from "../../api/types";
import { asPolicy } from "../../policyDraft";
import type { PolicyPart } from "../../search";
import { LoadError, Loading } from "../../ui/states";
import { PolicyEditor } from "../policy/PolicyEditor";

/** The settings of one computer, above its policy. */
export function ComputerSettings({ computer }: { computer: Computer }) {
  const { t } = useTranslation();
  const query = useQuery(computerSettingsQuery(computer.id));
  const policies = useQuery(policiesQuery);
  const [module, setModule] = useState<PolicyPart>();
  if (query.data === undefined) {
    return query.isError ? (
      <LoadError error={query.error} onRetry={() => void query.refetch()} />
    ) : (
      <Loading />
    );
  }
  return (
    <>
      <p className="skm-gap-below">{t("computer.settingsHint", { policy: query.data.policyName })}</p>
      <PolicyEditor
        key={`${computer.id} ${query.data.policyId}`}
        policy={asPolicy(query.data)}
        policies={policies.data ?? []}
        module={module}
        onModule={setModule}
        ofComputer
      />
    </>
  );
}
