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
  Tab,
  Tabs,
  TabTitleText,
  TextArea,
  TextInput,
} from "@patternfly/react-core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useBlocker } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, isConflict, ProblemError, take } from "../../api/client";
import { policyChanged } from "../../api/queries";
import type { Policy } from "../../api/types";
import { textOfCode } from "../../i18n";
import { CONFIGURABLE, type Configurable } from "../../moduleSettings";
import { changedModules, type Draft, EMPTY_DRAFT, isEmpty, patchOf } from "../../policyDraft";
import { useMayChange } from "../../session";
import { Conflict } from "../../ui/Conflict";
import { SaveError } from "../../ui/states";
import type { Typed } from "./fieldText";
import { ModuleSettings } from "./ModuleSettings";

/** Sets a member, or takes it out where it is what is saved already. */
function without<T extends object, K extends keyof T>(object: T, key: K, value: T[K], saved: unknown): T {
  const { [key]: _, ...rest } = object;
  return (Object.is(value, saved) ? rest : { ...rest, [key]: value }) as T;
}

interface Props {
  policy: Policy;
  policies: Policy[];
  /** The module that is shown; the policy's name and description where there is none. */
  module: Configurable | undefined;
  onModule: (module: Configurable | undefined) => void;
}

/** Name and settings of a policy; nothing changes until it is saved. */
export function PolicyEditor({ policy, policies, module, onModule }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const [draft, setDraft] = useState<Draft>(EMPTY_DRAFT);
  const [typed, setTyped] = useState<Record<string, Typed>>({});
  const valid = Object.values(typed).every((one) => one.wrong === undefined);
  const parent = policies.find((one) => one.id === policy.parentId);
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
      setTyped({});
      await policyChanged(client, saved);
    },
  });
  const name = draft.name ?? policy.name;
  const ready = !isEmpty(draft) && valid && name.trim() !== "" && !save.isPending;

  const errors = save.error instanceof ProblemError ? save.error.problem.errors : [];
  const changed = changedModules(draft);
  const marked = (one: Configurable) =>
    changed.includes(one) ||
    Object.keys(typed).some((at) => at.startsWith(`/settings/${one}/`) && typed[at]?.wrong !== undefined);
  const onType = (at: string, next: Typed | undefined) =>
    setTyped(({ [at]: _, ...rest }) => (next === undefined ? rest : { ...rest, [at]: next }));

  return (
    <Stack hasGutter>
      <StackItem>
        <Tabs
          activeKey={module ?? "general"}
          aria-label={t("policy.tabs")}
          onSelect={(_, key) => onModule(CONFIGURABLE.find((one) => one === key))}
        >
          {["general" as const, ...CONFIGURABLE].map((one) => (
            <Tab
              key={one}
              eventKey={one}
              tabContentId={`policy-${one}`}
              title={
                <TabTitleText>
                  {one === "general" ? t("policy.general") : textOfCode("module", one)}
                  {one !== "general" && marked(one) && (
                    <span title={t("policy.unsaved")} className="skm-marked">
                      {" *"}
                    </span>
                  )}
                </TabTitleText>
              }
            />
          ))}
        </Tabs>
      </StackItem>
      <StackItem
        id={`policy-${module ?? "general"}`}
        role="tabpanel"
        aria-label={module === undefined ? t("policy.general") : textOfCode("module", module)}
      >
        {module === undefined ? (
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
        ) : (
          <ModuleSettings
            key={module}
            module={module}
            policy={policy}
            policies={policies}
            parent={parent}
            draft={draft}
            disabled={!mayChange}
            typed={typed}
            errors={errors}
            onType={onType}
            onChange={change}
          />
        )}
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
                setTyped({});
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
