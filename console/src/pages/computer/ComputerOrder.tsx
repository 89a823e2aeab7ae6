import {
  Button,
  Checkbox,
  Form,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  TextInput,
} from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, isConflict, take } from "../../api/client";
import { groupsQuery, parseTags, tagTexts, treeOf } from "../../api/fleet";
import type { Computer } from "../../api/types";
import { useMayChange } from "../../session";
import { Conflict } from "../../ui/Conflict";
import { SaveError } from "../../ui/states";

/** Where a computer belongs: group, tags, what it is worth. */
export function ComputerOrder({ computer }: { computer: Computer }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const { data: groups = [] } = useQuery(groupsQuery);
  const [groupId, setGroupId] = useState(computer.groupId ?? "");
  const [typedTags, setTypedTags] = useState(() => tagTexts(computer.tags).join(", "));
  const [assetValue, setAssetValue] = useState(String(computer.assetValue));
  const [ephemeral, setEphemeral] = useState(computer.ephemeral);
  const worth = Number(assetValue);
  const fits = Number.isInteger(worth) && worth >= 1 && worth <= 100;
  const save = useMutation({
    mutationFn: () => {
      const wanted: Record<string, string | null> = parseTags(typedTags);
      for (const key of Object.keys(computer.tags)) wanted[key] ??= null;
      return take(
        api.PATCH("/api/v1/computers/{id}", {
          params: { path: { id: computer.id }, header: { "If-Match": computer.etag } },
          body: { groupId: groupId === "" ? null : groupId, tags: wanted, assetValue: worth, ephemeral },
        }),
      );
    },
    onSuccess: async (changed) => {
      client.setQueryData(["computer", computer.id], changed);
      await Promise.all([
        client.invalidateQueries({ queryKey: ["computers"] }),
        client.invalidateQueries({ queryKey: groupsQuery.queryKey }),
      ]);
    },
  });
  return (
    <Form
      onSubmit={(submit) => {
        submit.preventDefault();
        if (fits) save.mutate();
      }}
    >
      {save.isError &&
        (isConflict(save.error) ? (
          <Conflict
            onReload={() => {
              save.reset();
              void client.invalidateQueries({ queryKey: ["computer", computer.id] });
            }}
          />
        ) : (
          <SaveError error={save.error} />
        ))}
      <FormGroup label={t("fleet.group")} fieldId="computer-group">
        <FormSelect
          id="computer-group"
          value={groupId}
          isDisabled={!mayChange}
          onChange={(_, value) => setGroupId(value)}
        >
          <FormSelectOption value="" label={t("fleet.noGroup")} />
          {treeOf(groups).map(({ group, depth }) => (
            <FormSelectOption
              key={group.id}
              value={group.id}
              label={`${"\u2003".repeat(depth)}${group.name}`}
            />
          ))}
        </FormSelect>
      </FormGroup>
      <FormGroup label={t("fleet.tags")} fieldId="computer-tags">
        <TextInput
          id="computer-tags"
          value={typedTags}
          isDisabled={!mayChange}
          aria-describedby="computer-tags-hint"
          onChange={(_, value) => setTypedTags(value)}
        />
        <FormHelperText>
          <HelperText id="computer-tags-hint">
            <HelperTextItem>{t("fleet.tagsHint")}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      </FormGroup>
      <FormGroup label={t("fleet.assetValue")} fieldId="computer-asset-value">
        <TextInput
          id="computer-asset-value"
          inputMode="numeric"
          value={assetValue}
          isDisabled={!mayChange}
          validated={fits ? "default" : "error"}
          onChange={(_, value) => setAssetValue(value)}
        />
      </FormGroup>
      <Checkbox
        id="computer-ephemeral"
        label={t("fleet.ephemeral")}
        description={t("fleet.ephemeralHint")}
        isChecked={ephemeral}
        isDisabled={!mayChange}
        onChange={(_, value) => setEphemeral(value)}
      />
      {mayChange && (
        <div>
          <Button
            type="submit"
            variant="secondary"
            isDisabled={!fits || save.isPending}
            isLoading={save.isPending}
          >
            {t("common.save")}
          </Button>
        </div>
      )}
    </Form>
  );
}
