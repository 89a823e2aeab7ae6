import { Card, CardBody, CardTitle, Form, FormGroup, Stack, StackItem } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import type { FieldError, Policy } from "../../api/types";
import { textOfCode } from "../../i18n";
import { type Member, pointer, propertiesOf } from "../../moduleSettings";
import {
  type Draft,
  drafted,
  draftedSettings,
  localSettings,
  originOf,
  withKey,
  withProperty,
} from "../../policyDraft";
import { FieldHint } from "./FieldHint";
import { propertyHint, propertyTitle, type Typed } from "./fieldText";
import { KeyedSetting } from "./KeyedSetting";
import { ObjectSetting } from "./ObjectSetting";
import { OriginNote } from "./OriginNote";
import { PolicyRules } from "./PolicyRules";
import { RuleGroups } from "./RuleGroups";
import { ValueInput } from "./ValueInput";

export interface ModuleProps {
  module: string;
  policy: Policy;
  policies: Policy[];
  parent: Policy | undefined;
  draft: Draft;
  disabled: boolean;
  /** What is typed, by JSON pointer. */
  typed: Record<string, Typed>;
  /** What the manager found wrong when it was last saved. */
  errors: FieldError[];
  onType: (at: string, typed: Typed | undefined) => void;
  onChange: (draft: Draft) => void;
}

function Property({ member, ...props }: ModuleProps & { member: Member }) {
  const { module, policy, policies, parent, draft, disabled, typed, errors, onType, onChange } = props;
  const { t } = useTranslation();
  const { name, field } = member;
  const at = pointer("settings", module, name);
  const local = localSettings(policy, draft, module);
  const value = draftedSettings(policy, parent, draft, module)[name];
  const title = propertyTitle(module, name);
  const id = `setting-${name}`;
  const refused = errors.find((one) => one.pointer === at || one.pointer.startsWith(`${at}/`));
  const wrong = typed[at]?.wrong ?? refused?.message;
  const hint = propertyHint(module, name);
  const grouped = field.kind === "choice" || (field.kind === "list" && field.item.kind === "choice");
  return (
    <FormGroup
      label={title}
      fieldId={id}
      role={field.kind === "choice" ? "radiogroup" : grouped ? "group" : undefined}
      isStack={grouped}
      labelInfo={
        <OriginNote
          origin={originOf(policy, parent, local, module, name)}
          policies={policies}
          isRoot={policy.parentId === null}
          of={title}
          onInherit={
            disabled
              ? undefined
              : () => {
                  onType(at, undefined);
                  onChange(withProperty(draft, policy, module, name, null));
                }
          }
        />
      }
    >
      <ValueInput
        id={id}
        label={field.kind === "boolean" ? t("common.yes") : title}
        field={field}
        value={value}
        typed={typed[at]}
        disabled={disabled}
        spacious
        describedBy={hint === undefined && wrong === undefined ? undefined : `${id}-hint`}
        onType={(next) => onType(at, next)}
        onChange={(next) => onChange(withProperty(draft, policy, module, name, next))}
      />
      <FieldHint id={id} hint={hint} wrong={wrong} />
    </FormGroup>
  );
}

/** The settings of one module in a policy, made from the module's schema; of each, where it comes from. */
export function ModuleSettings(props: ModuleProps) {
  const { module, policy, parent, draft, disabled, onChange } = props;
  const { t } = useTranslation();
  const members = propertiesOf(module);
  // The modes of signatures have their rules beside them.
  const isRules = (one: Member) => module === "intrusion-prevention" && one.name === "ruleModes";
  return (
    <Stack hasGutter>
      <StackItem>
        <Card>
          <CardTitle component="h2">{textOfCode("module", module)}</CardTitle>
          <CardBody>
            <p className="skm-subtle skm-gap-below">{t(`moduleHint.${module}` as never)}</p>
            <Form isWidthLimited onSubmit={(submit) => submit.preventDefault()}>
              {members
                .filter((one) => one.field.kind !== "keyed" && one.field.kind !== "object")
                .map((one) => (
                  <Property key={one.name} member={one} {...props} />
                ))}
            </Form>
          </CardBody>
        </Card>
      </StackItem>
      {members.map(
        (one) =>
          one.field.kind === "keyed" &&
          !isRules(one) && (
            <StackItem key={one.name}>
              <KeyedSetting property={one.name} field={one.field} {...props} />
            </StackItem>
          ),
      )}
      {members.map(
        (one) =>
          one.field.kind === "object" && (
            <StackItem key={one.name}>
              <ObjectSetting property={one.name} field={one.field} {...props} />
            </StackItem>
          ),
      )}
      {module === "firewall" && !disabled && (
        <StackItem>
          <RuleGroups {...props} />
        </StackItem>
      )}
      {members.some(isRules) && (
        <StackItem>
          <PolicyRules
            policy={policy}
            parent={parent}
            draft={draft}
            settings={drafted(policy, parent, draft)}
            disabled={disabled}
            onChange={(sid, mode) => onChange(withKey(draft, policy, module, "ruleModes", String(sid), mode))}
          />
        </StackItem>
      )}
    </Stack>
  );
}
