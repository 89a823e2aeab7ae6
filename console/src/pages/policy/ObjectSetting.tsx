import { Card, CardBody, CardTitle, Form, FormGroup } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { textOfCode } from "../../i18n";
import { entriesOf, type Member, type ObjectField, pointer } from "../../moduleSettings";
import { draftedSettings, localSettings, originOf, withKey } from "../../policyDraft";
import { FieldHint } from "./FieldHint";
import { memberHint, propertyHint, propertyTitle } from "./fieldText";
import type { ModuleProps } from "./ModuleSettings";
import { OriginNote } from "./OriginNote";
import { ValueInput } from "./ValueInput";

type Props = ModuleProps & { property: string; field: ObjectField };

function MemberInput({ member, property, field, ...props }: Props & { member: Member }) {
  const { module, policy, policies, parent, draft, disabled, typed, errors, onType, onChange } = props;
  const { t } = useTranslation();
  const { name } = member;
  const at = pointer("settings", module, property, name);
  const value = entriesOf(draftedSettings(policy, parent, draft, module)[property])[name] ?? member.default;
  const title = textOfCode(`member.${field.type}`, name);
  const id = `setting-${property}-${name}`;
  const refused = errors.find((one) => one.pointer === at || one.pointer.startsWith(`${at}/`));
  const wrong = typed[at]?.wrong ?? refused?.message;
  const hint = memberHint(field.type, name) || undefined;
  const local = localSettings(policy, draft, module);
  const set = (next: unknown) => onChange(withKey(draft, policy, module, property, name, next));
  return (
    <FormGroup
      label={title}
      fieldId={id}
      labelInfo={
        <OriginNote
          origin={originOf(policy, parent, local, module, property, name)}
          policies={policies}
          isRoot={policy.parentId === null}
          of={title}
          onInherit={
            disabled
              ? undefined
              : () => {
                  onType(at, undefined);
                  set(null);
                }
          }
        />
      }
    >
      <ValueInput
        id={id}
        label={member.field.kind === "boolean" ? t("common.yes") : title}
        field={member.field}
        value={value}
        typed={typed[at]}
        disabled={disabled}
        describedBy={hint === undefined && wrong === undefined ? undefined : `${id}-hint`}
        onType={(next) => onType(at, next)}
        onChange={set}
      />
      <FieldHint id={id} hint={hint} wrong={wrong} />
    </FormGroup>
  );
}

/** A property that is an object of known members, each inherited by itself. */
export function ObjectSetting(props: Props) {
  const { module, property, field } = props;
  const hint = propertyHint(module, property);
  return (
    <Card>
      <CardTitle component="h2">{propertyTitle(module, property)}</CardTitle>
      <CardBody>
        {hint !== undefined && <p className="skm-subtle skm-gap-below">{hint}</p>}
        <Form isWidthLimited onSubmit={(submit) => submit.preventDefault()}>
          {field.members.map((member) => (
            <MemberInput key={member.name} member={member} {...props} />
          ))}
        </Form>
      </CardBody>
    </Card>
  );
}
