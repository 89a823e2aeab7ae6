import { Alert, List, ListItem, Progress } from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ProblemError } from "../../api/client";
import { groupsQuery, parseTags, treeOf } from "../../api/fleet";
import { policiesQuery } from "../../api/queries";
import type { Computer } from "../../api/types";
import { FormModal } from "../../ui/form/FormModal";
import { NumberField, SelectField, TextField } from "../../ui/form/fields";
import { problemText } from "../../ui/problemText";
import { changeComputers } from "./bulk";

const WHAT = ["policy", "group", "tags", "assetValue"] as const;
type What = (typeof WHAT)[number];

interface Props {
  computers: readonly Computer[];
  onClose: () => void;
}

/** Changes the chosen computers alike: their policy, group, tags or value. */
export function BulkModal({ computers, onClose }: Props) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const { data: policies = [] } = useQuery(policiesQuery);
  const { data: groups = [] } = useQuery(groupsQuery);
  const [what, setWhat] = useState<What>("policy");
  const [policyId, setPolicyId] = useState("");
  const [groupId, setGroupId] = useState("");
  const [tags, setTags] = useState("");
  const [assetValue, setAssetValue] = useState<number | undefined>(1);
  const [progress, setProgress] = useState(0);
  const patch = {
    policy: { policyId },
    group: { groupId: groupId === "" ? null : groupId },
    tags: { tags: parseTags(tags) },
    assetValue: { assetValue },
  }[what];
  const ready = {
    policy: policyId !== "",
    group: true,
    tags: Object.keys(parseTags(tags)).length > 0,
    assetValue: assetValue !== undefined,
  }[what];
  const change = useMutation({
    mutationFn: () => changeComputers(computers, patch, setProgress),
    onSuccess: async ({ failed }) => {
      await client.invalidateQueries({ queryKey: ["computers"] });
      if (failed.length === 0) onClose();
    },
  });
  const reason = (error: unknown) =>
    error instanceof ProblemError ? problemText(error.problem, i18n.language).title : t("error.network");
  return (
    <FormModal
      title={t("bulk.title", { count: computers.length })}
      action={t("bulk.apply")}
      error={change.error}
      pending={change.isPending}
      ready={ready}
      onSubmit={() => change.mutate()}
      onClose={onClose}
    >
      <SelectField
        id="bulk-what"
        label={t("bulk.what")}
        value={what}
        options={WHAT.map((value) => ({ value, label: t(`bulk.whats.${value}`) }))}
        onChange={setWhat}
      />
      {what === "policy" && (
        <SelectField
          id="bulk-policy"
          label={t("computers.policy")}
          value={policyId}
          options={[
            { value: "", label: t("fleet.choose") },
            ...policies.map((policy) => ({ value: policy.id, label: policy.name })),
          ]}
          onChange={setPolicyId}
        />
      )}
      {what === "group" && (
        <SelectField
          id="bulk-group"
          label={t("fleet.group")}
          value={groupId}
          options={[
            { value: "", label: t("fleet.noGroup") },
            ...treeOf(groups).map(({ group, depth }) => ({
              value: group.id,
              label: `${"\u2003".repeat(depth)}${group.name}`,
            })),
          ]}
          onChange={setGroupId}
        />
      )}
      {what === "tags" && (
        <TextField
          id="bulk-tags"
          label={t("fleet.tags")}
          hint={t("bulk.tagsHint")}
          value={tags}
          onChange={setTags}
        />
      )}
      {what === "assetValue" && (
        <NumberField
          id="bulk-asset"
          label={t("fleet.assetValue")}
          least={1}
          most={100}
          value={assetValue}
          onChange={setAssetValue}
        />
      )}
      <div role="status">
        {change.isPending && (
          <Progress
            aria-label={t("bulk.progress")}
            size="sm"
            value={Math.floor((100 * progress) / computers.length)}
            label={t("tasks.computers", { done: progress, all: computers.length })}
          />
        )}
        {change.data && change.data.failed.length > 0 && (
          <Alert
            isInline
            variant="danger"
            component="h2"
            title={t("bulk.failed", { failed: change.data.failed.length, done: change.data.done })}
          >
            <List isPlain>
              {change.data.failed.slice(0, 20).map(({ computer, error }) => (
                <ListItem key={computer.id}>
                  {computer.displayName}: {reason(error)}
                </ListItem>
              ))}
            </List>
          </Alert>
        )}
      </div>
    </FormModal>
  );
}
