import {
  Card,
  CardBody,
  CardTitle,
  Checkbox,
  FormSelect,
  FormSelectOption,
  Toolbar,
  ToolbarContent,
  ToolbarItem,
} from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { rulesQuery } from "../../api/queries";
import { type IntrusionPrevention, MODES, type Mode, type Policy, type Rule } from "../../api/types";
import { entriesOf } from "../../moduleSettings";
import { type Draft, effectiveMode, inheritedSettings, localSettings } from "../../policyDraft";
import { ModeLabel, SeverityLabel } from "../../ui/labels";
import { Cves } from "../../ui/Outside";
import { ruleTitle } from "../../ui/ruleText";
import { SearchBox } from "../../ui/SearchBox";
import { LoadError, Loading, NoMatch } from "../../ui/states";

const MODULE = "intrusion-prevention";

interface Props {
  policy: Policy;
  parent: Policy | undefined;
  draft: Draft;
  /** The settings as they will be. */
  settings: IntrusionPrevention;
  disabled: boolean;
  onChange: (sid: number, mode: Mode | null) => void;
}

/** Whether a rule has the words in its number, message or CVE numbers. */
function matches(rule: Rule, words: string): boolean {
  const text = [rule.sid, rule.message, rule.title.en, rule.title.ja, ...rule.cves].join(" ").toLowerCase();
  return text.includes(words.toLowerCase());
}

/** The mode that a policy sets for a rule itself, drafted or saved; `null` where it inherits. */
function localMode(policy: Policy, draft: Draft, sid: string): Mode | null {
  const own = entriesOf(localSettings(policy, draft, MODULE).ruleModes)[sid];
  return MODES.find((mode) => mode === own) ?? null;
}

function RuleRow({ rule, policy, parent, draft, settings, disabled, onChange }: Props & { rule: Rule }) {
  const { t, i18n } = useTranslation();
  const sid = String(rule.sid);
  const inherited = MODES.find(
    (mode) => mode === entriesOf(inheritedSettings(policy, parent, MODULE).ruleModes)[sid],
  );
  return (
    <Tr>
      <Td dataLabel={t("rules.message")}>
        <Link to="/rules/$sid" params={{ sid }}>
          {ruleTitle(rule, i18n.language)}
        </Link>
        <div className="skm-subtle skm-small">{rule.message}</div>
        <div className="skm-subtle skm-small">{sid}</div>
      </Td>
      <Td dataLabel={t("rules.cve")}>
        <Cves cves={rule.cves} />
      </Td>
      <Td dataLabel={t("rules.cvss")}>{rule.cvss?.toFixed(1)}</Td>
      <Td dataLabel={t("severity.label")}>
        <SeverityLabel severity={rule.severity} />
      </Td>
      <Td dataLabel={t("policy.ruleMode")}>
        <FormSelect
          className="skm-mode-select"
          aria-label={t("policy.ruleModeFor", { sid })}
          isDisabled={disabled}
          value={localMode(policy, draft, sid) ?? ""}
          onChange={(_, chosen) => onChange(rule.sid, MODES.find((mode) => mode === chosen) ?? null)}
        >
          <FormSelectOption
            value=""
            label={
              inherited === undefined
                ? t("policy.ruleModeDefault", { mode: t(`mode.${settings.defaultRuleMode}`) })
                : t("policy.ruleModeInherited", { mode: t(`mode.${inherited}`) })
            }
          />
          {MODES.map((mode) => (
            <FormSelectOption key={mode} value={mode} label={t(`mode.${mode}`)} />
          ))}
        </FormSelect>
      </Td>
      <Td dataLabel={t("policy.effective")}>
        <ModeLabel mode={effectiveMode(settings, rule.sid)} />
      </Td>
    </Tr>
  );
}

/** The mode of each rule in a policy. */
export function PolicyRules(props: Props) {
  const { policy, draft } = props;
  const { t } = useTranslation();
  const query = useQuery(rulesQuery(""));
  const [words, setWords] = useState("");
  const [onlyLocal, setOnlyLocal] = useState(false);
  const rules = (query.data ?? []).filter(
    (rule) => matches(rule, words) && (!onlyLocal || localMode(policy, draft, String(rule.sid)) !== null),
  );
  return (
    <Card>
      <CardTitle component="h2">{t("policy.rules")}</CardTitle>
      <CardBody>
        <Toolbar inset={{ default: "insetNone" }}>
          <ToolbarContent>
            <ToolbarItem>
              <SearchBox value={words} label={t("policy.ruleFilter")} onSearch={setWords} />
            </ToolbarItem>
            <ToolbarItem alignSelf="center">
              <Checkbox
                id="only-local"
                label={t("policy.onlyChanged")}
                isChecked={onlyLocal}
                onChange={(_, checked) => setOnlyLocal(checked)}
              />
            </ToolbarItem>
            <ToolbarItem alignSelf="center">{t("policy.rulesShown", { count: rules.length })}</ToolbarItem>
          </ToolbarContent>
        </Toolbar>
        {query.isPending && <Loading />}
        {query.isError && query.data === undefined && (
          <LoadError error={query.error} onRetry={() => void query.refetch()} />
        )}
        {query.isSuccess && rules.length === 0 && <NoMatch />}
        {rules.length > 0 && (
          <Table aria-label={t("policy.rules")} variant="compact">
            <Thead>
              <Tr>
                <Th>{t("rules.message")}</Th>
                <Th>{t("rules.cve")}</Th>
                <Th>{t("rules.cvss")}</Th>
                <Th>{t("severity.label")}</Th>
                <Th>{t("policy.ruleMode")}</Th>
                <Th>{t("policy.effective")}</Th>
              </Tr>
            </Thead>
            <Tbody>
              {rules.map((rule) => (
                <RuleRow key={rule.sid} rule={rule} {...props} />
              ))}
            </Tbody>
          </Table>
        )}
      </CardBody>
    </Card>
  );
}
