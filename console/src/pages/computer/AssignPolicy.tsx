import {
  Alert,
  Button,
  Form,
  FormGroup,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
} from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, isConflict, take } from "../../api/client";
import { policiesQuery, policyChanged } from "../../api/queries";
import type { Computer, DryRun } from "../../api/types";
import { useMayChange } from "../../session";
import { Conflict } from "../../ui/Conflict";
import { PolicyModes } from "../../ui/PolicyModes";
import { SaveError } from "../../ui/states";
import { DryRunModal } from "../policy/DryRunModal";

/** The policy of a computer, and another one for it. */
export function AssignPolicy({ computer }: { computer: Computer }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const { data: policies = [] } = useQuery(policiesQuery);
  const [chosen, setChosen] = useState<string>();
  const assign = useMutation({
    mutationFn: (policyId: string) =>
      take(
        api.PATCH("/api/v1/computers/{id}", {
          params: { path: { id: computer.id }, header: { "If-Match": computer.etag } },
          body: { policyId },
        }),
      ),
    onSuccess: async (changed) => {
      client.setQueryData(["computer", computer.id], changed);
      setChosen(undefined);
      setWould(undefined);
      await policyChanged(client);
    },
    onError: () => setWould(undefined),
  });
  const [would, setWould] = useState<DryRun>();
  const dryRun = useMutation({
    mutationFn: (policyId: string) =>
      take(
        api.POST("/api/v1/computers/{id}/dry-run", {
          params: { path: { id: computer.id } },
          body: { policyId },
        }),
      ) as Promise<DryRun>,
    onSuccess: setWould,
  });
  const failure = assign.error ?? dryRun.error;
  const assigned = policies.find((policy) => policy.id === computer.policyId);
  const value = chosen ?? computer.policyId;
  return (
    <Form
      onSubmit={(submit) => {
        submit.preventDefault();
        if (value !== computer.policyId) dryRun.mutate(value);
      }}
    >
      {assign.isSuccess && (
        <Alert variant="success" isInline component="p" title={t("computer.assigned")} role="status" />
      )}
      {failure !== null &&
        (isConflict(failure) ? (
          <Conflict
            onReload={() => {
              assign.reset();
              void client.invalidateQueries({ queryKey: ["computer", computer.id] });
            }}
          />
        ) : (
          <SaveError error={failure} />
        ))}
      <FormGroup label={t("computer.policy")} fieldId="computer-policy">
        <FormSelect
          id="computer-policy"
          value={value}
          isDisabled={!mayChange}
          onChange={(_, policyId) => {
            assign.reset();
            dryRun.reset();
            setChosen(policyId);
          }}
        >
          {assigned === undefined && (
            <FormSelectOption value={computer.policyId} label={computer.policyName} />
          )}
          {policies.map((policy) => (
            <FormSelectOption key={policy.id} value={policy.id} label={policy.name} />
          ))}
        </FormSelect>
        {!mayChange && (
          <HelperText>
            <HelperTextItem>{t("user.readOnly")}</HelperTextItem>
          </HelperText>
        )}
      </FormGroup>
      <div className="skm-heading-title">
        {mayChange && (
          <Button
            type="submit"
            variant="secondary"
            isDisabled={value === computer.policyId || assign.isPending || dryRun.isPending}
            isLoading={assign.isPending || dryRun.isPending}
          >
            {t("computer.assign")}
          </Button>
        )}
        <Link to="/policies/$policyId" params={{ policyId: computer.policyId }}>
          {t("computer.openPolicy")}
        </Link>
        {assigned && <PolicyModes policy={assigned} />}
      </div>
      {would && (
        <DryRunModal
          run={would}
          commented={false}
          pending={assign.isPending}
          onSave={() => assign.mutate(value)}
          onClose={() => setWould(undefined)}
        />
      )}
    </Form>
  );
}
