import {
  Button,
  Card,
  CardBody,
  CardTitle,
  Checkbox,
  Form,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Label,
  Radio,
  TextInput,
} from "@patternfly/react-core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { type IntrusionPrevention, MODES, type Policy } from "../../api/types";
import { type Draft, parsePorts, type Setting } from "../../policyDraft";

interface Props {
  policy: Policy;
  parent: Policy | undefined;
  draft: Draft;
  /** The settings as they will be. */
  settings: IntrusionPrevention;
  disabled: boolean;
  /** The ports as they are typed, until then those in force. */
  typedPorts: string | undefined;
  onPorts: (typed: string | undefined, valid: boolean) => void;
  onChange: (draft: Draft) => void;
}

const MODE_HINTS = {
  off: "policy.modeOffHint",
  detect: "policy.modeDetectHint",
  prevent: "policy.modePreventHint",
} as const;

const FAILURE_LABELS = { open: "policy.failOpen", closed: "policy.failClosed" } as const;

interface FieldProps {
  setting: Setting;
  label: string;
  hint?: string;
  wrong?: string;
  group?: boolean;
  children: ReactNode;
}

/** Intrusion prevention of a policy; of each setting, whether it is inherited. */
export function PolicySettings(props: Props) {
  const { policy, parent, draft, settings, disabled, typedPorts, onPorts, onChange } = props;
  const { t } = useTranslation();

  const set = <S extends Setting>(setting: S, value: IntrusionPrevention[S] | null) =>
    onChange({ ...draft, settings: { ...draft.settings, [setting]: value } });
  const isLocal = (setting: Setting) => {
    const value = draft.settings[setting];
    return value === undefined ? policy.overridden.includes(setting) : value !== null;
  };
  const inherit = (setting: Setting) => {
    if (setting === "httpPorts") onPorts(undefined, true);
    if (policy.overridden.includes(setting)) {
      set(setting, null);
      return;
    }
    const { [setting]: _, ...rest } = draft.settings;
    onChange({ ...draft, settings: rest });
  };

  const field = ({ setting, label, hint, wrong, group, children }: FieldProps) => (
    <FormGroup
      label={label}
      fieldId={`setting-${setting}`}
      role={group ? "radiogroup" : undefined}
      isStack={group}
      labelInfo={
        <span className="skm-heading-title">
          {isLocal(setting) ? (
            <>
              <Label isCompact color="blue">
                {t("policy.local")}
              </Label>
              {!disabled && (
                <Button variant="link" isInline onClick={() => inherit(setting)}>
                  {t(policy.parentId === null ? "policy.useDefaultAgain" : "policy.inheritAgain")}
                </Button>
              )}
            </>
          ) : (
            <Label isCompact variant="outline">
              {parent === undefined
                ? t(policy.parentId === null ? "policy.default" : "policy.inherited")
                : t("policy.inheritedFrom", { name: parent.name })}
            </Label>
          )}
        </span>
      }
    >
      {children}
      {(hint !== undefined || wrong !== undefined) && (
        <FormHelperText>
          <HelperText id={`setting-${setting}-hint`}>
            <HelperTextItem variant={wrong === undefined ? "default" : "error"}>
              {wrong ?? hint}
            </HelperTextItem>
          </HelperText>
        </FormHelperText>
      )}
    </FormGroup>
  );

  const ports = typedPorts ?? settings.httpPorts.join(", ");
  const wrongPort = parsePorts(ports).wrong[0];

  return (
    <Card>
      <CardTitle component="h2">{t("policy.settings")}</CardTitle>
      <CardBody>
        <Form isWidthLimited onSubmit={(submit) => submit.preventDefault()}>
          {field({
            setting: "mode",
            label: t("policy.mode"),
            hint: t("policy.modeHint"),
            group: true,
            children: MODES.map((mode) => (
              <Radio
                key={mode}
                id={`setting-mode-${mode}`}
                name="setting-mode"
                label={t(`mode.${mode}`)}
                description={t(MODE_HINTS[mode])}
                isDisabled={disabled}
                isChecked={settings.mode === mode}
                onChange={() => set("mode", mode)}
              />
            )),
          })}
          {field({
            setting: "failureResponse",
            label: t("policy.failureResponse"),
            group: true,
            children: (["open", "closed"] as const).map((response) => (
              <Radio
                key={response}
                id={`setting-failure-${response}`}
                name="setting-failure"
                label={t(FAILURE_LABELS[response])}
                isDisabled={disabled}
                isChecked={settings.failureResponse === response}
                onChange={() => set("failureResponse", response)}
              />
            )),
          })}
          {field({
            setting: "httpPorts",
            label: t("policy.httpPorts"),
            hint: t("policy.httpPortsHint"),
            wrong: wrongPort === undefined ? undefined : t("policy.httpPortsInvalid", { value: wrongPort }),
            children: (
              <TextInput
                id="setting-httpPorts"
                aria-describedby="setting-httpPorts-hint"
                value={ports}
                isDisabled={disabled}
                validated={wrongPort === undefined ? "default" : "error"}
                onChange={(_, typed) => {
                  const { ports: list, wrong } = parsePorts(typed);
                  onPorts(typed, wrong.length === 0);
                  if (wrong.length === 0) set("httpPorts", list);
                }}
              />
            ),
          })}
          {field({
            setting: "answerPage",
            label: t("policy.answerPage"),
            children: (
              <Checkbox
                id="setting-answerPage"
                label={t("policy.answerPageLabel")}
                isDisabled={disabled}
                isChecked={settings.answerPage}
                onChange={(_, checked) => set("answerPage", checked)}
              />
            ),
          })}
          {field({
            setting: "defaultRuleMode",
            label: t("policy.defaultRuleMode"),
            hint: t("policy.defaultRuleModeHint"),
            group: true,
            children: MODES.map((mode) => (
              <Radio
                key={mode}
                id={`setting-default-${mode}`}
                name="setting-default"
                label={t(`mode.${mode}`)}
                isDisabled={disabled}
                isChecked={settings.defaultRuleMode === mode}
                onChange={() => set("defaultRuleMode", mode)}
              />
            )),
          })}
        </Form>
      </CardBody>
    </Card>
  );
}
