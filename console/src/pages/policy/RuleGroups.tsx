import {
  Button,
  Card,
  CardBody,
  CardTitle,
  Form,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  TextInput,
} from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import type { FirewallRuleGroup } from "../../api/types";
import { withKey } from "../../policyDraft";
import { spoken } from "../../ui/ruleText";
import type { ModuleProps } from "./ModuleSettings";

const query = {
  queryKey: ["rule-groups"],
  queryFn: async (): Promise<FirewallRuleGroup[]> =>
    (await take(api.GET("/api/v1/firewall/rule-groups"))).items,
  staleTime: Number.POSITIVE_INFINITY,
};

/** Adds a ready group of rules to the draft of a policy. */
export function RuleGroups({ policy, draft, onChange }: ModuleProps) {
  const { t, i18n } = useTranslation();
  const { data: groups = [] } = useQuery(query);
  const [chosen, setChosen] = useState("");
  const [typed, setTyped] = useState("");
  const group = groups.find((one) => one.id === chosen);
  const remote = typed
    .split(/[\s,]+/)
    .map((one) => one.trim())
    .filter((one) => one !== "");
  const ready = group !== undefined && (!group.asksRemote || remote.length > 0);
  const add = () => {
    if (group === undefined) return;
    const rules = Object.entries(group.rules);
    onChange(
      rules.reduce(
        (next, [name, rule]) =>
          withKey(next, policy, "firewall", "rules", name, group.asksRemote ? { ...rule, remote } : rule),
        draft,
      ),
    );
    setChosen("");
    setTyped("");
  };
  return (
    <Card>
      <CardTitle component="h2">{t("ruleGroups.title")}</CardTitle>
      <CardBody>
        <p className="skm-subtle skm-gap-below">{t("ruleGroups.hint")}</p>
        <Form isWidthLimited onSubmit={(submit) => submit.preventDefault()}>
          <FormGroup label={t("ruleGroups.group")} fieldId="rule-group">
            <FormSelect id="rule-group" value={chosen} onChange={(_, next) => setChosen(next)}>
              <FormSelectOption value="" label={t("ruleGroups.choose")} />
              {groups.map((one) => (
                <FormSelectOption key={one.id} value={one.id} label={spoken(one.title, i18n.language)} />
              ))}
            </FormSelect>
            {group && (
              <FormHelperText>
                <HelperText>
                  <HelperTextItem>{spoken(group.about, i18n.language)}</HelperTextItem>
                </HelperText>
              </FormHelperText>
            )}
          </FormGroup>
          {group?.asksRemote && (
            <FormGroup label={t("member.FirewallRule.remote")} fieldId="rule-group-remote" isRequired>
              <TextInput
                id="rule-group-remote"
                value={typed}
                placeholder="192.0.2.0/24, list:office"
                onChange={(_, next) => setTyped(next)}
              />
            </FormGroup>
          )}
          <div>
            <Button variant="secondary" id="add-rule-group" isDisabled={!ready} onClick={add}>
              {t("ruleGroups.add")}
            </Button>
          </div>
        </Form>
      </CardBody>
    </Card>
  );
}
