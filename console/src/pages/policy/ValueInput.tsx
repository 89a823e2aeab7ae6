import { Checkbox, FormSelect, FormSelectOption, Radio, TextArea, TextInput } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import type { Field } from "../../moduleSettings";
import { choiceTitle, isPorts, read, type Typed, written } from "./fieldText";
import { FRAMES, PROTOCOLS } from "./firewallRule";

interface Props {
  id: string;
  label: string;
  field: Field;
  value: unknown;
  /** What is typed, until then the value. */
  typed: Typed | undefined;
  disabled: boolean;
  /** Whether it may be left open; then the manager's default counts. */
  optional?: boolean;
  /** All choices at once, with what each does. */
  spacious?: boolean;
  describedBy?: string;
  onType: (typed: Typed) => void;
  onChange: (value: unknown) => void;
}

/** What may be typed beside numbers, by the type of the text. */
const SUGGESTED: Record<string, string[]> = { Protocol: PROTOCOLS, Frame: FRAMES };

const MODE_HINTS = {
  off: "policy.modeOffHint",
  detect: "policy.modeDetectHint",
  prevent: "policy.modePreventHint",
} as const;

function Choices({ id, label, field, value, disabled, optional, spacious, onChange }: Props) {
  const { t } = useTranslation();
  if (field.kind !== "choice") return null;
  if (spacious) {
    return field.values.map((one) => (
      <Radio
        key={one}
        id={`${id}-${one}`}
        name={id}
        label={choiceTitle(field.type, one)}
        description={
          field.type === "Mode" && id.endsWith("-mode")
            ? t(MODE_HINTS[one as keyof typeof MODE_HINTS])
            : undefined
        }
        isDisabled={disabled}
        isChecked={value === one}
        onChange={() => onChange(one)}
      />
    ));
  }
  return (
    <FormSelect
      id={id}
      aria-label={label}
      isDisabled={disabled}
      value={typeof value === "string" ? value : ""}
      onChange={(_, chosen) => onChange(chosen === "" ? undefined : chosen)}
    >
      {(optional || value === undefined) && <FormSelectOption value="" label={t("policy.default")} />}
      {field.values.map((one) => (
        <FormSelectOption key={one} value={one} label={choiceTitle(field.type, one)} />
      ))}
    </FormSelect>
  );
}

/** Several of a few values. */
function Several({ id, field, value, disabled, onChange }: Props) {
  if (field.kind !== "list" || field.item.kind !== "choice") return null;
  const { type, values } = field.item;
  const chosen = Array.isArray(value) ? (value as unknown[]) : [];
  return values.map((one) => (
    <Checkbox
      key={one}
      id={`${id}-${one}`}
      label={choiceTitle(type, one)}
      isDisabled={disabled}
      isChecked={chosen.includes(one)}
      onChange={(_, on) => {
        const next = values.filter((other) => (other === one ? on : chosen.includes(other)));
        onChange(next.length > 0 ? next : undefined);
      }}
    />
  ));
}

/** The input for a value of any kind that settings have. */
export function ValueInput(props: Props) {
  const { id, label, field, value, typed, disabled, optional, describedBy, onType, onChange } = props;
  const { t } = useTranslation();
  if (field.kind === "choice") return <Choices {...props} />;
  if (field.kind === "boolean") {
    return (
      <Checkbox
        id={id}
        label={label}
        aria-describedby={describedBy}
        isDisabled={disabled}
        isChecked={value === true}
        onChange={(_, checked) => onChange(checked)}
      />
    );
  }
  if (field.kind === "list" && field.item.kind === "choice") return <Several {...props} />;
  const type = (text: string) => {
    if (optional && text.trim() === "") {
      onType({ text });
      onChange(undefined);
      return;
    }
    const { value: next, wrong } = read(field, text, t);
    onType({ text, wrong });
    if (wrong === undefined) onChange(next);
  };
  const shared = {
    id,
    "aria-describedby": describedBy,
    value: typed?.text ?? written(field, value),
    isDisabled: disabled,
    validated: typed?.wrong === undefined ? ("default" as const) : ("error" as const),
  };
  if (field.kind === "list" && !isPorts(field)) {
    return <TextArea {...shared} rows={4} resizeOrientation="vertical" onChange={(_, text) => type(text)} />;
  }
  const known = (field.kind === "text" ? SUGGESTED[field.type ?? ""] : undefined) ?? [];
  return (
    <>
      <TextInput
        {...shared}
        inputMode={field.kind === "number" ? "numeric" : undefined}
        list={known.length > 0 ? `${id}-known` : undefined}
        onChange={(_, text) => type(text)}
      />
      {known.length > 0 && (
        <datalist id={`${id}-known`}>
          {known.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
    </>
  );
}
