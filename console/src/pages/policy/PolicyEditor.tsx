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
import type { ComputerSettings, DryRun, Policy } from "../../api/types";
import { textOfCode } from "../../i18n";
import { CONFIGURABLE, type Configurable } from "../../moduleSettings";
import { changedModules, type Draft, EMPTY_DRAFT, isEmpty, patchOf } from "../../policyDraft";
import type { PolicyPart } from "../../search";
import { useMayChange } from "../../session";
import { Conflict } from "../../ui/Conflict";
import { SaveError } from "../../ui/states";
import { DryRunModal } from "./DryRunModal";
import { FirewallTools } from "./FirewallTools";
import type { Typed } from "./fieldText";
import { ModuleSettings } from "./ModuleSettings";
import { PolicyVersions } from "./PolicyVersions";

/** Sets a member, or takes it out where it is what is saved already. */
function without<T extends object, K extends keyof T>(object: T, key: K, value: T[K], saved: unknown): T {
  const { [key]: _, ...rest } = object;
  return (Object.is(value, saved) ? rest : { ...rest, [key]: value }) as T;
}

interface Props {
  policy: Policy;
  policies: Policy[];
  /** The part that is shown; the policy's name and description where there is none. */
  module: PolicyPart | undefined;
  onModule: (module: PolicyPart | undefined) => void;
  /** Whether these are the settings of one computer, above its policy, in the form of a policy. */
  ofComputer?: boolean;
}

/** Name and settings of a policy, or the settings of one computer; nothing changes until it is saved. */
export function PolicyEditor({ policy, policies, module, onModule, ofComputer = false }: Props) {
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
    dryRun.reset();
    setDraft(next);
  };
  const params = { path: { id: policy.id }, header: { "If-Match": policy.etag } };
  const save = useMutation({
    mutationFn: async (comment: string) => {
      if (ofComputer) {
        const body = { settings: patchOf(draft).settings ?? {} };
        const saved = await take(api.PATCH("/api/v1/computers/{id}/settings", { params, body }));
        client.setQueryData(["computer-settings", policy.id], saved as ComputerSettings);
        return undefined;
      }
      const body = { ...patchOf(draft), ...(comment !== "" && { comment }) };
      return await take(api.PATCH("/api/v1/policies/{id}", { params, body }));
    },
    onSuccess: async (saved) => {
      setDraft(EMPTY_DRAFT);
      setTyped({});
      setWould(undefined);
      await policyChanged(client, saved);
    },
    onError: () => setWould(undefined),
  });
  const [would, setWould] = useState<DryRun>();
  const dryRun = useMutation({
    mutationFn: () => {
      const params = { path: { id: policy.id } };
      const answer = ofComputer
        ? api.POST("/api/v1/computers/{id}/dry-run", {
            params,
            body: { settings: patchOf(draft).settings ?? {} },
          })
        : api.POST("/api/v1/policies/{id}/dry-run", { params, body: patchOf(draft) });
      return take(answer) as Promise<DryRun>;
    },
    onSuccess: setWould,
  });
  const name = draft.name ?? policy.name;
  const ready = !isEmpty(draft) && valid && name.trim() !== "" && !save.isPending && !dryRun.isPending;

  const failure = save.error ?? dryRun.error;
  const errors = failure instanceof ProblemError ? failure.problem.errors : [];
  const changed = changedModules(draft);
  const marked = (one: Configurable) =>
    changed.includes(one) ||
    Object.keys(typed).some((at) => at.startsWith(`/settings/${one}/`) && typed[at]?.wrong !== undefined);
  const shown = module === "versions" ? undefined : (module ?? (ofComputer ? CONFIGURABLE[0] : undefined));
  const partsShown = ofComputer
    ? [...CONFIGURABLE]
    : [...(["general"] as const), ...CONFIGURABLE, ...(["versions"] as const)];
  const title = (one: (typeof partsShown)[number]) =>
    one === "general" || one === "versions" ? t(`policy.${one}`) : textOfCode("module", one);
  const active = module === "versions" ? "versions" : (shown ?? "general");
  const onType = (at: string, next: Typed | undefined) =>
    setTyped(({ [at]: _, ...rest }) => (next === undefined ? rest : { ...rest, [at]: next }));

  return (
    <Stack hasGutter>
      <StackItem>
        <Tabs
          activeKey={active}
          aria-label={t(ofComputer ? "computer.settingsTabs" : "policy.tabs")}
          onSelect={(_, key) =>
            onModule(key === "versions" ? "versions" : CONFIGURABLE.find((one) => one === key))
          }
        >
          {partsShown.map((one) => (
            <Tab
              key={one}
              eventKey={one}
              tabContentId={`policy-${one}`}
              title={
                <TabTitleText>
                  {title(one)}
                  {one !== "general" && one !== "versions" && marked(one) && (
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
      <StackItem id={`policy-${active}`} role="tabpanel" aria-label={title(active)}>
        {module === "versions" ? (
          <PolicyVersions policy={policy} />
        ) : shown === undefined ? (
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
            key={shown}
            module={shown}
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
      {shown === "firewall" && module !== "versions" && valid && (
        <FirewallTools id={policy.id} ofComputer={ofComputer} settings={patchOf(draft).settings} />
      )}
      {would && (
        <DryRunModal
          run={would}
          commented={!ofComputer}
          pending={save.isPending}
          onSave={(comment) => save.mutate(comment)}
          onClose={() => setWould(undefined)}
        />
      )}
      {mayChange && module !== "versions" && (
        <StackItem className="skm-save-bar">
          {save.isSuccess && isEmpty(draft) && (
            <Alert
              variant="success"
              isInline
              component="p"
              role="status"
              title={t(ofComputer ? "computer.settingsSaved" : "policy.saved")}
            />
          )}
          {failure !== null &&
            (isConflict(failure) ? (
              <Conflict
                onReload={() => {
                  save.reset();
                  void policyChanged(client);
                }}
              />
            ) : (
              <SaveError error={failure} />
            ))}
          <div className="skm-heading-title">
            <Button
              isDisabled={!ready}
              isLoading={save.isPending || dryRun.isPending}
              onClick={() => dryRun.mutate()}
            >
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
