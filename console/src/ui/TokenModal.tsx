import {
  Alert,
  Button,
  Checkbox,
  Form,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Spinner,
  TextArea,
  TextInput,
} from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../api/client";
import { groupsQuery, parseTags, treeOf } from "../api/fleet";
import { newestComputersQuery, policiesQuery, tokensQuery } from "../api/queries";
import type { CreatedActivationToken } from "../api/types";
import { CopyButton } from "./CopyButton";
import { SaveError } from "./states";

const LIFETIMES = [
  { seconds: 3_600, label: "tokens.hour" },
  { seconds: 24 * 3_600, label: "tokens.day" },
  { seconds: 7 * 24 * 3_600, label: "tokens.week" },
  { seconds: 30 * 24 * 3_600, label: "tokens.month" },
] as const;

const MAX_USES = 1_000_000;

/** How many computers at most: nothing for any number, or `invalid`. */
export function parseMaxUses(typed: string): number | undefined | "invalid" {
  const words = typed.trim();
  if (words === "") return undefined;
  const value = Number(words);
  return Number.isInteger(value) && value >= 1 && value <= MAX_USES ? value : "invalid";
}

function TokenForm({ onCreated }: { onCreated: (created: CreatedActivationToken) => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { data: policies = [] } = useQuery(policiesQuery);
  const [name, setName] = useState(() => t("tokens.namePlaceholder"));
  const [policyId, setPolicyId] = useState<string>();
  const [expiresInSecs, setExpiresInSecs] = useState<number>(LIFETIMES[0].seconds);
  const [typedUses, setTypedUses] = useState("");
  const { data: groups = [] } = useQuery(groupsQuery);
  const [groupId, setGroupId] = useState("");
  const [typedTags, setTypedTags] = useState("");
  const [ephemeral, setEphemeral] = useState(false);
  const [needsTask, setNeedsTask] = useState(false);
  const maxUses = parseMaxUses(typedUses);

  // Who has a policy for web servers most likely wants it.
  const suggested =
    policies.find((policy) => policy.settings["intrusion-prevention"].mode === "prevent")?.id ?? "";
  const policy = policyId ?? suggested;

  const create = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/activation-tokens", {
          body: {
            name: name.trim(),
            expiresInSecs,
            ...(policy !== "" && { policyId: policy }),
            ...(groupId !== "" && { groupId }),
            tags: parseTags(typedTags),
            ephemeral,
            needsTask,
            ...(typeof maxUses === "number" && { maxUses }),
          },
        }),
      ),
    onSuccess: (created) => {
      void client.invalidateQueries({ queryKey: tokensQuery.queryKey });
      onCreated(created);
    },
  });
  const ready = name.trim() !== "" && maxUses !== "invalid";

  return (
    <Form
      id="token-form"
      onSubmit={(submit) => {
        submit.preventDefault();
        if (ready) create.mutate();
      }}
    >
      {create.isError && <SaveError error={create.error} />}
      <FormGroup label={t("tokens.name")} isRequired fieldId="token-name">
        <TextInput
          id="token-name"
          isRequired
          maxLength={128}
          value={name}
          onChange={(_, value) => setName(value)}
        />
      </FormGroup>
      <FormGroup label={t("tokens.policy")} fieldId="token-policy">
        <FormSelect id="token-policy" value={policy} onChange={(_, value) => setPolicyId(value)}>
          <FormSelectOption value="" label={t("tokens.policyAny")} />
          {policies.map((one) => (
            <FormSelectOption key={one.id} value={one.id} label={one.name} />
          ))}
        </FormSelect>
      </FormGroup>
      <FormGroup label={t("fleet.group")} fieldId="token-group">
        <FormSelect id="token-group" value={groupId} onChange={(_, value) => setGroupId(value)}>
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
      <FormGroup label={t("fleet.tags")} fieldId="token-tags">
        <TextInput
          id="token-tags"
          value={typedTags}
          aria-describedby="token-tags-hint"
          onChange={(_, value) => setTypedTags(value)}
        />
        <FormHelperText>
          <HelperText id="token-tags-hint">
            <HelperTextItem>{t("fleet.tagsHint")}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      </FormGroup>
      <Checkbox
        id="token-ephemeral"
        label={t("fleet.ephemeral")}
        description={t("fleet.ephemeralHint")}
        isChecked={ephemeral}
        onChange={(_, value) => setEphemeral(value)}
      />
      <Checkbox
        id="token-needs-task"
        label={t("fleet.needsTask")}
        isChecked={needsTask}
        onChange={(_, value) => setNeedsTask(value)}
      />
      <FormGroup label={t("tokens.expiresIn")} fieldId="token-lifetime">
        <FormSelect
          id="token-lifetime"
          value={String(expiresInSecs)}
          onChange={(_, value) => setExpiresInSecs(Number(value))}
        >
          {LIFETIMES.map(({ seconds, label }) => (
            <FormSelectOption key={seconds} value={String(seconds)} label={t(label)} />
          ))}
        </FormSelect>
      </FormGroup>
      <FormGroup label={t("tokens.maxUses")} fieldId="token-uses">
        <TextInput
          id="token-uses"
          inputMode="numeric"
          value={typedUses}
          validated={maxUses === "invalid" ? "error" : "default"}
          aria-describedby="token-uses-hint"
          onChange={(_, value) => setTypedUses(value)}
        />
        <FormHelperText>
          <HelperText id="token-uses-hint">
            <HelperTextItem variant={maxUses === "invalid" ? "error" : "default"}>
              {t(maxUses === "invalid" ? "tokens.maxUsesInvalid" : "tokens.maxUsesHint")}
            </HelperTextItem>
          </HelperText>
        </FormHelperText>
      </FormGroup>
      <Button type="submit" isDisabled={!ready || create.isPending} isLoading={create.isPending}>
        {t("tokens.createLine")}
      </Button>
    </Form>
  );
}

/** The line, and the computer as soon as it is there. */
function TokenLine({ created }: { created: CreatedActivationToken }) {
  const { t } = useTranslation();
  const { data } = useQuery(newestComputersQuery);
  const arrived = data?.items.filter((computer) => computer.tokenId === created.activationToken.id) ?? [];
  return (
    <>
      <Alert
        variant="warning"
        isInline
        title={t("tokens.createdOnce")}
        component="p"
        className="skm-gap-below"
      />
      <div className="skm-line">
        <TextArea
          aria-label={t("tokens.line")}
          className="skm-line-text"
          value={created.deploymentLine}
          readOnlyVariant="default"
          rows={5}
          resizeOrientation="none"
        />
        <div className="skm-line-actions">
          <CopyButton text={created.deploymentLine} label={t("tokens.line")} variant="primary" />
          <CopyButton text={created.token} label={t("tokens.token")} variant="secondary" />
        </div>
      </div>
      <div role="status">
        {arrived.length === 0 ? (
          <p className="skm-subtle">
            <Spinner size="md" isInline aria-hidden="true" /> {t("tokens.waiting")}
          </p>
        ) : (
          arrived.map((computer) => (
            <Alert
              key={computer.id}
              variant="success"
              isInline
              component="p"
              title={t("tokens.arrived", { name: computer.displayName })}
              actionLinks={
                <Link to="/computers/$computerId" params={{ computerId: computer.id }}>
                  {t("tokens.openComputer")}
                </Link>
              }
            />
          ))
        )}
      </div>
    </>
  );
}

/** Makes a token and gives the line to run on the server. */
export function TokenModal({ title, onClose }: { title: string; onClose: () => void }) {
  const { t } = useTranslation();
  const [created, setCreated] = useState<CreatedActivationToken>();

  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="token-modal-title">
      <ModalHeader
        title={created === undefined ? title : t("tokens.createdTitle")}
        labelId="token-modal-title"
      />
      <ModalBody>
        {created === undefined ? <TokenForm onCreated={setCreated} /> : <TokenLine created={created} />}
      </ModalBody>
      <ModalFooter>
        <Button variant={created === undefined ? "link" : "secondary"} onClick={onClose}>
          {t(created === undefined ? "common.cancel" : "common.close")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
