import {
  Button,
  Form,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  TextInput,
} from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { entriesOf, type Field, type KeyedField, type Member } from "../../moduleSettings";
import { FieldHint } from "./FieldHint";
import { isPorts, memberHint, type Typed } from "./fieldText";
import { adjusted, ordered } from "./firewallRule";
import { memberTitle } from "./KeyedSetting";
import { ValueInput } from "./ValueInput";

interface Props {
  /** What the entries are. */
  title: string;
  field: KeyedField;
  /** The entry that is changed; a new one where there is none. */
  name: string | undefined;
  /** Names that a new one cannot have. */
  taken: string[];
  value: unknown;
  onSave: (name: string, value: unknown) => void;
  onClose: () => void;
}

/** What a new entry begins with: what must be said, as far as it can be guessed. */
function beginning(field: Field): unknown {
  switch (field.kind) {
    case "boolean":
      return true;
    case "choice":
      return field.values[0];
    case "object": {
      const needed = field.members.filter((one) => one.required);
      return Object.fromEntries(needed.map((one) => [one.name, beginning(one.field)]));
    }
    default:
      return "";
  }
}

/** Whether a member that must be said is. */
function isComplete(field: Field, value: unknown): boolean {
  if (field.kind === "text") return typeof value === "string" && value.trim() !== "";
  if (field.kind !== "object") return value !== undefined;
  return field.members.every((one) => !one.required || isComplete(one.field, entriesOf(value)[one.name]));
}

/** Makes or changes one entry of a keyed property. */
export function EntryEditor({ title, field, name: given, taken, value: before, onSave, onClose }: Props) {
  const { t } = useTranslation();
  const [name, setName] = useState(given ?? "");
  const [value, setValue] = useState<unknown>(before ?? beginning(field.entry));
  const [typed, setTyped] = useState<Record<string, Typed>>({});
  const isNew = given === undefined;
  const isTaken = isNew && taken.includes(name.trim());
  const isNumber = /^[1-9]\d{0,9}$/.test(name.trim());
  const wrongName = isTaken
    ? t("policy.nameTaken")
    : field.numbered && name !== "" && !isNumber
      ? t("policy.nameNumber")
      : undefined;
  const ready =
    name.trim() !== "" &&
    wrongName === undefined &&
    isComplete(field.entry, value) &&
    Object.values(typed).every((one) => one.wrong === undefined);

  const member = (
    { name: key, required, field: kind }: Member,
    current: unknown,
    set: (next: unknown) => void,
  ) => {
    const id = `entry-${key}`;
    const label = memberTitle(field, key);
    const wrong = typed[key]?.wrong;
    const several = kind.kind === "list" && kind.item.kind === "choice";
    const lines = kind.kind === "list" && !several && !isPorts(kind);
    const hint =
      (field.entry.kind === "object" && memberHint(field.entry.type, key)) ||
      (lines && t("policy.oneALine")) ||
      (!required && kind.kind === "number" && t("policy.emptyDefault"));
    return (
      <FormGroup
        key={key}
        label={kind.kind === "boolean" ? undefined : label}
        isRequired={required && kind.kind === "text"}
        fieldId={id}
        role={several ? "group" : undefined}
        isStack={several}
        isInline={several}
      >
        <ValueInput
          id={id}
          label={label}
          field={kind}
          value={current}
          typed={typed[key]}
          disabled={false}
          optional={!required}
          describedBy={hint !== false || wrong !== undefined ? `${id}-hint` : undefined}
          onType={(next) => setTyped({ ...typed, [key]: next })}
          onChange={set}
        />
        <FieldHint id={id} hint={hint === false ? undefined : hint} wrong={wrong} />
      </FormGroup>
    );
  };

  const setMember = (key: string, next: unknown) => {
    const { [key]: _, ...rest } = entriesOf(value);
    setValue(adjusted(field.entry, next === undefined ? rest : { ...rest, [key]: next }, key));
    // What is typed there is not the value any more.
    if (key === "action") setTyped(({ priority: _, ...others }) => others);
  };
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="entry-title">
      <ModalHeader title={title} labelId="entry-title" />
      <ModalBody>
        <Form
          id="entry"
          onSubmit={(submit) => {
            submit.preventDefault();
            if (ready) onSave(name.trim(), value);
          }}
        >
          <FormGroup label={t("common.name")} isRequired fieldId="entry-name">
            <TextInput
              id="entry-name"
              isRequired
              maxLength={256}
              isDisabled={!isNew}
              value={name}
              validated={wrongName === undefined ? "default" : "error"}
              aria-describedby={wrongName === undefined ? undefined : "entry-name-hint"}
              onChange={(_, next) => setName(next)}
            />
            {wrongName !== undefined && (
              <FormHelperText>
                <HelperText id="entry-name-hint">
                  <HelperTextItem variant="error">{wrongName}</HelperTextItem>
                </HelperText>
              </FormHelperText>
            )}
          </FormGroup>
          {field.entry.kind === "object"
            ? ordered(field.entry).map((one) =>
                member(one, entriesOf(value)[one.name], (next) => setMember(one.name, next)),
              )
            : member({ name: "value", required: true, field: field.entry }, value, setValue)}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="entry" isDisabled={!ready}>
          {t("policy.takeOver")}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
