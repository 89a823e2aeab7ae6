import {
  Alert,
  FormFieldGroupExpandable,
  FormFieldGroupHeader,
  FormGroup,
  Label,
} from "@patternfly/react-core";
import { CheckCircleIcon } from "@patternfly/react-icons/dist/esm/icons/check-circle-icon";
import { TimesCircleIcon } from "@patternfly/react-icons/dist/esm/icons/times-circle-icon";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import { groupsQuery, TRIGGERS, type Trigger, tagTexts, treeOf } from "../../api/fleet";
import { policiesQuery, tokensQuery } from "../../api/queries";
import type { components } from "../../generated/api";
import { ComputerPicker } from "../../ui/ComputerPicker";
import { Fact, Facts } from "../../ui/Facts";
import { FormModal } from "../../ui/form/FormModal";
import { SelectField, TextField } from "../../ui/form/fields";
import { ConditionText } from "./ConditionText";
import { factsOf, NO_FACTS, type TypedFacts } from "./trial";

type Verdict = components["schemas"]["TaskVerdict"];
type ActionKind = components["schemas"]["TaskActionKind"];

function Actions({ kinds }: { kinds: readonly ActionKind[] }) {
  const { t } = useTranslation();
  return kinds.map((kind) => <div key={kind}>{t(`fleet.action.${kind}`)}</div>);
}

function Outcome({ verdict: { outcome, tasks } }: { verdict: Verdict }) {
  const { t } = useTranslation();
  const { data: policies = [] } = useQuery(policiesQuery);
  const { data: groups = [] } = useQuery(groupsQuery);
  const named = (all: readonly { id: string; name: string }[], id: string) =>
    all.find((one) => one.id === id)?.name ?? id;
  if (!tasks.some((task) => task.fits)) {
    return (
      <Alert isInline variant="info" component="h2" title={t("fleet.trialNothing")}>
        {t("fleet.trialNothingBody")}
      </Alert>
    );
  }
  return (
    <Alert isInline variant="success" component="h2" title={t("fleet.trialOutcome")}>
      <Facts>
        {outcome.identity && (
          <Fact name={t("fleet.trialIdentity")}>{t(`fleet.action.${outcome.identity}`)}</Fact>
        )}
        {outcome.policyId && <Fact name={t("tokens.policy")}>{named(policies, outcome.policyId)}</Fact>}
        {outcome.groupId && <Fact name={t("fleet.group")}>{named(groups, outcome.groupId)}</Fact>}
        {Object.keys(outcome.tags).length > 0 && (
          <Fact name={t("fleet.tags")}>{tagTexts(outcome.tags).join(", ")}</Fact>
        )}
        {outcome.ephemeral && <Fact name={t("fleet.ephemeral")}>{t("common.yes")}</Fact>}
      </Facts>
    </Alert>
  );
}

function Tried({ tasks }: { tasks: Verdict["tasks"] }) {
  const { t } = useTranslation();
  if (tasks.length === 0) return <p className="skm-subtle">{t("fleet.trialNoTask")}</p>;
  return (
    <Table aria-label={t("fleet.trialTasks")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("common.name")}</Th>
          <Th>{t("fleet.trialFits")}</Th>
          <Th>{t("fleet.trialConditions")}</Th>
          <Th>{t("fleet.trialDecides")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {tasks.map((task) => (
          <Tr key={task.id}>
            <Td dataLabel={t("common.name")}>{task.name}</Td>
            <Td dataLabel={t("fleet.trialFits")}>
              <Label isCompact {...(task.fits ? { status: "success" as const } : { color: "grey" as const })}>
                {t(task.fits ? "common.yes" : "common.no")}
              </Label>
            </Td>
            <Td dataLabel={t("fleet.trialConditions")}>
              {task.conditions.length === 0 && t("fleet.conditionsNone")}
              {task.conditions.map((one) => (
                <div key={JSON.stringify(one.condition)} className="skm-tried">
                  {one.met ? (
                    <CheckCircleIcon className="skm-met" title={t("fleet.trialMet")} />
                  ) : (
                    <TimesCircleIcon className="skm-unmet" title={t("fleet.trialNotMet")} />
                  )}
                  <div>
                    <ConditionText condition={one.condition} />
                    <div className="skm-subtle skm-small skm-break">
                      {one.values.length === 0
                        ? t("fleet.trialNotSaid")
                        : t("fleet.trialLookedAt", { values: one.values.join(", ") })}
                    </div>
                  </div>
                </div>
              ))}
            </Td>
            <Td dataLabel={t("fleet.trialDecides")}>
              <Actions kinds={task.decides} />
              {task.overruled.length > 0 && (
                <div className="skm-subtle">
                  {t("fleet.trialOverruled")} <Actions kinds={task.overruled} />
                </div>
              )}
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** What came of it lies below the form: it is shown, not looked for. */
const intoView = (verdict: HTMLElement | null) => verdict?.scrollIntoView({ block: "nearest" });

/** Asks which event-based tasks would fit a computer, one that is there or one that is made up. Nothing is done. */
export function TaskTrial({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const { data: groups = [] } = useQuery(groupsQuery);
  const { data: tokens = [] } = useQuery(tokensQuery);
  const [trigger, setTrigger] = useState<Trigger>("activated");
  const [computerId, setComputerId] = useState("");
  const [facts, setFacts] = useState<TypedFacts>(NO_FACTS);
  const trial = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/event-based-tasks/test", {
          body: { trigger, facts: factsOf(facts), ...(computerId !== "" && { computerId }) },
        }),
      ),
  });
  const text = (key: keyof TypedFacts, label: string, placeholder: string, pointer = `/facts/${key}`) => (
    <TextField
      id={`trial-${key}`}
      label={label}
      pointer={pointer}
      maxLength={256}
      placeholder={placeholder}
      value={facts[key]}
      onChange={(value) => setFacts({ ...facts, [key]: value })}
    />
  );
  return (
    <FormModal
      title={t("fleet.trialTitle")}
      action={t("fleet.trialRun")}
      error={trial.error}
      pending={trial.isPending}
      ready
      onSubmit={() => trial.mutate()}
      onClose={onClose}
      wide
    >
      <p className="skm-subtle">{t("fleet.trialUnder")}</p>
      <SelectField
        id="trial-trigger"
        label={t("fleet.triggers")}
        value={trigger}
        options={TRIGGERS.map((value) => ({ value, label: t(`fleet.trigger.${value}`) }))}
        onChange={setTrigger}
      />
      <FormGroup label={t("fleet.trialComputer")} fieldId="trial-computer">
        <ComputerPicker id="trial-computer" value={computerId} onChange={setComputerId} />
      </FormGroup>
      <div className="skm-columns">
        {text("hostName", t("fleet.field.host-name"), "shop-7")}
        {text("platform", t("fleet.field.platform"), "Debian GNU/Linux 12")}
        {text("addresses", t("fleet.field.address"), "10.0.0.7, 2001:db8::7")}
        {text("sourceAddress", t("fleet.field.source-address"), "203.0.113.7")}
        {text("tags", t("fleet.tags"), "role=web, canary")}
        <SelectField
          id="trial-group"
          label={t("fleet.group")}
          value={facts.groupId}
          options={[
            { value: "", label: t("fleet.noGroup") },
            ...treeOf(groups).map(({ group, depth }) => ({
              value: group.id,
              label: `${"\u2003".repeat(depth)}${group.name}`,
            })),
          ]}
          onChange={(groupId) => setFacts({ ...facts, groupId })}
        />
        <SelectField
          id="trial-token"
          label={t("fleet.field.token")}
          value={facts.tokenId}
          options={[
            { value: "", label: t("common.none") },
            ...tokens.map((token) => ({ value: token.id, label: token.name })),
          ]}
          onChange={(tokenId) => setFacts({ ...facts, tokenId })}
        />
      </div>
      <FormFieldGroupExpandable
        toggleAriaLabel={t("fleet.trialCloud")}
        header={<FormFieldGroupHeader titleText={{ text: t("fleet.trialCloud"), id: "trial-cloud" }} />}
      >
        <div className="skm-columns">
          {text("provider", t("fleet.field.cloud-provider"), "azure", "/facts/cloud/provider")}
          {text("account", t("fleet.field.cloud-account"), "", "/facts/cloud/account")}
          {text("region", t("fleet.field.cloud-region"), "japaneast", "/facts/cloud/region")}
          {text("name", t("fleet.field.cloud-name"), "", "/facts/cloud/name")}
          {text("scaleSet", t("fleet.field.cloud-scale-set"), "shop", "/facts/cloud/scaleSet")}
          {text("image", t("fleet.field.cloud-image"), "", "/facts/cloud/image")}
          {text("cloudTags", t("fleet.field.cloud-tag"), "env=prod", "/facts/cloud/tags")}
        </div>
      </FormFieldGroupExpandable>
      <div role="status">
        {trial.data && (
          <div className="skm-column" ref={intoView}>
            <Outcome verdict={trial.data} />
            <Tried tasks={trial.data.tasks} />
          </div>
        )}
      </div>
    </FormModal>
  );
}
