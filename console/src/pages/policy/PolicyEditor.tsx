import {
  Alert,
  Button,
  Card,
  CardBody,
  CardTitle,
  Form,
  FormGroup,
  Stack,
  StackItem,
  TextArea,
  TextInput,
} from "@patternfly/react-core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useBlocker } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, isConflict, take } from "../../api/client";
import { policyChanged } from "../../api/queries";
import type { Mode, Policy } from "../../api/types";
import { type Draft, drafted, EMPTY_DRAFT, isEmpty, patchOf } from "../../policyDraft";
import { useMayChange } from "../../session";
import { Conflict } from "../../ui/Conflict";
import { SaveError } from "../../ui/states";
import { PolicyRules } from "./PolicyRules";
import { PolicySettings } from "./PolicySettings";

/** Sets a member, or takes it out where it is what is saved already. */
function without<T extends object, K extends keyof T>(object: T, key: K, value: T[K], saved: unknown): T {
  const { [key]: _, ...rest } = object;
  return (Object.is(value, saved) ? rest : { ...rest, [key]: value }) as T;
}

/** Name, settings and modes of a policy; nothing changes until it is saved. */
export function PolicyEditor({ policy, policies }: { policy: Policy; policies: Policy[] }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const [draft, setDraft] = useState<Draft>(EMPTY_DRAFT);
  const [typedPorts, setTypedPorts] = useState<string>();
  const [valid, setValid] = useState(true);
  const parent = policies.find((one) => one.id === policy.parentId);
  const settings = drafted(policy, parent, draft);
  const dirty = !isEmpty(draft) || !valid;
  useBlocker({ shouldBlockFn: () => false, enableBeforeUnload: () => dirty });

  const change = (next: Draft) => {
    save.reset();
    setDraft(next);
  };
  const save = useMutation({
    mutationFn: () =>
      take(
        api.PATCH("/api/v1/policies/{id}", {
          params: { path: { id: policy.id }, header: { "If-Match": policy.etag } },
          body: patchOf(draft),
        }),
      ),
    onSuccess: async (saved) => {
      setDraft(EMPTY_DRAFT);
      setTypedPorts(undefined);
      await policyChanged(client, saved);
    },
  });
  const name = draft.name ?? policy.name;
  const ready = !isEmpty(draft) && valid && name.trim() !== "" && !save.isPending;

  const changeMode = (sid: number, mode: Mode | null) => {
    const own = policy.overriddenRuleModes.includes(String(sid));
    const saved = own ? policy.intrusionPrevention.ruleModes[String(sid)] : null;
    change({ ...draft, ruleModes: without(draft.ruleModes, String(sid), mode, saved) });
  };

  return (
    <Stack hasGutter>
      <StackItem>
        <Card>
          <CardTitle component="h2">{t("policy.general")}</CardTitle>
          <CardBody>
            <Form isWidthLimited>
              <FormGroup label={t("common.name")} isRequired fieldId="policy-edit-name">
                <TextInput
                  id="policy-edit-name"
                  isRequired
                  maxLength={128}
                  isDisabled={!mayChange}
                  value={name}
                  validated={name.trim() === "" ? "error" : "default"}
                  onChange={(_, value) => change(without(draft, "name", value, policy.name))}
                />
              </FormGroup>
              <FormGroup label={t("common.description")} fieldId="policy-edit-description">
                <TextArea
                  id="policy-edit-description"
                  maxLength={1024}
                  isDisabled={!mayChange}
                  value={draft.description ?? policy.description}
                  resizeOrientation="vertical"
                  onChange={(_, value) => change(without(draft, "description", value, policy.description))}
                />
              </FormGroup>
              <p className="skm-subtle">{t("policy.assignedCount", { count: policy.computers })}</p>
            </Form>
          </CardBody>
        </Card>
      </StackItem>
      <StackItem>
        <PolicySettings
          policy={policy}
          parent={parent}
          draft={draft}
          settings={settings}
          disabled={!mayChange}
          typedPorts={typedPorts}
          onPorts={(typed, isValid) => {
            setTypedPorts(typed);
            setValid(isValid);
          }}
          onChange={change}
        />
      </StackItem>
      <StackItem>
        <PolicyRules
          policy={policy}
          parent={parent}
          draft={draft}
          settings={settings}
          disabled={!mayChange}
          onChange={changeMode}
        />
      </StackItem>
      {mayChange && (
        <StackItem className="skm-save-bar">
          {save.isSuccess && isEmpty(draft) && (
            <Alert variant="success" isInline component="p" role="status" title={t("policy.saved")} />
          )}
          {save.isError &&
            (isConflict(save.error) ? (
              <Conflict
                onReload={() => {
                  save.reset();
                  void policyChanged(client);
                }}
              />
            ) : (
              <SaveError error={save.error} />
            ))}
          <div className="skm-heading-title">
            <Button isDisabled={!ready} isLoading={save.isPending} onClick={() => save.mutate()}>
              {t("common.save")}
            </Button>
            <Button
              variant="link"
              isDisabled={!dirty || save.isPending}
              onClick={() => {
                setTypedPorts(undefined);
                setValid(true);
                change(EMPTY_DRAFT);
              }}
            >
              {t("common.discard")}
            </Button>
            <span role="status" className="skm-subtle">
              {!valid ? t("policy.fixFirst") : dirty && t("policy.unsaved")}
            </span>
          </div>
        </StackItem>
      )}
    </Stack>
  );
}
