import {
  Checkbox,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  Split,
  SplitItem,
  TextArea,
  TextInput,
} from "@patternfly/react-core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { fieldErrorText } from "../problemText";
import { partsOf, secondsOf, UNITS, type Unit } from "./duration";
import { useFieldErrors } from "./FormModal";

interface Common {
  id: string;
  label: string;
  /** Where the manager's request has it: `/target/port`. */
  pointer?: string;
  hint?: ReactNode;
  required?: boolean;
  disabled?: boolean;
}

/** A label, its input, and under it what is wrong or what to know. */
function Field({
  id,
  label,
  pointer,
  hint,
  required,
  wrong,
  children,
}: Common & {
  wrong?: string;
  children: (input: { validated: "error" | "default"; describedBy: string | undefined }) => ReactNode;
}) {
  const { i18n } = useTranslation();
  const told = useFieldErrors(pointer).map((error) => fieldErrorText(error, i18n.language));
  const messages = wrong === undefined ? told : [wrong];
  const hintId = `${id}-hint`;
  const described = messages.length > 0 || hint !== undefined;
  return (
    <FormGroup label={label} isRequired={required} fieldId={id}>
      {children({
        validated: messages.length > 0 ? "error" : "default",
        describedBy: described ? hintId : undefined,
      })}
      {described && (
        <FormHelperText>
          <HelperText id={hintId}>
            {messages.map((message) => (
              <HelperTextItem key={message} variant="error">
                {message}
              </HelperTextItem>
            ))}
            {hint !== undefined && <HelperTextItem>{hint}</HelperTextItem>}
          </HelperText>
        </FormHelperText>
      )}
    </FormGroup>
  );
}

/** One line of text. */
export function TextField({
  value,
  onChange,
  type = "text",
  maxLength,
  placeholder,
  autoComplete = "off",
  wrong,
  ...common
}: Common & {
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "password" | "email" | "url";
  maxLength?: number;
  placeholder?: string;
  autoComplete?: string;
  wrong?: string;
}) {
  return (
    <Field {...common} wrong={wrong}>
      {({ validated, describedBy }) => (
        <TextInput
          id={common.id}
          type={type}
          isRequired={common.required}
          isDisabled={common.disabled}
          maxLength={maxLength}
          placeholder={placeholder}
          autoComplete={autoComplete}
          spellCheck={false}
          value={value}
          validated={validated}
          aria-describedby={describedBy}
          onChange={(_, text) => onChange(text)}
        />
      )}
    </Field>
  );
}

/** Several lines of text. */
export function AreaField({
  value,
  onChange,
  rows = 3,
  maxLength,
  ...common
}: Common & { value: string; onChange: (value: string) => void; rows?: number; maxLength?: number }) {
  return (
    <Field {...common}>
      {({ validated, describedBy }) => (
        <TextArea
          id={common.id}
          isRequired={common.required}
          isDisabled={common.disabled}
          rows={rows}
          maxLength={maxLength}
          resizeOrientation="vertical"
          spellCheck={false}
          value={value}
          validated={validated}
          aria-describedby={describedBy}
          onChange={(_, text) => onChange(text)}
        />
      )}
    </Field>
  );
}

/** A whole number; `undefined` while what is typed is none within the bounds. */
export function NumberField({
  value,
  onChange,
  least,
  most,
  ...common
}: Common & {
  value: number | undefined;
  onChange: (value: number | undefined) => void;
  least: number;
  most: number;
}) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(value === undefined ? "" : String(value));
  // What was saved meanwhile is shown; what is typed and is no number stays as it is.
  const shown = value === undefined || Number(typed) === value ? typed : String(value);
  return (
    <Field
      {...common}
      wrong={value === undefined ? t("policy.notInRange", { minimum: least, maximum: most }) : undefined}
    >
      {({ validated, describedBy }) => (
        <TextInput
          id={common.id}
          inputMode="numeric"
          className="skm-number"
          isRequired={common.required}
          isDisabled={common.disabled}
          value={shown}
          validated={validated}
          aria-describedby={describedBy}
          onChange={(_, text) => {
            setTyped(text);
            const number = /^\d{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN;
            onChange(number >= least && number <= most ? number : undefined);
          }}
        />
      )}
    </Field>
  );
}

/** A length of time in seconds, typed in a unit that fits. */
export function DurationField({
  value,
  onChange,
  least,
  most,
  ...common
}: Common & {
  value: number | undefined;
  onChange: (seconds: number | undefined) => void;
  least: number;
  most: number;
}) {
  const { t } = useTranslation();
  const [{ typed, unit }, setTyped] = useState(() => {
    const parts = partsOf(value ?? least);
    return { typed: String(parts.number), unit: parts.unit };
  });
  const change = (text: string, chosen: Unit) => {
    setTyped({ typed: text, unit: chosen });
    onChange(secondsOf(text, chosen, { least, most }));
  };
  const words = (seconds: number) => {
    const parts = partsOf(seconds);
    return t(`form.${parts.unit}`, { count: parts.number });
  };
  const wrong =
    value === undefined ? t("form.notInTime", { least: words(least), most: words(most) }) : undefined;
  return (
    <Field {...common} wrong={wrong}>
      {({ validated, describedBy }) => (
        <Split hasGutter>
          <SplitItem>
            <TextInput
              id={common.id}
              inputMode="numeric"
              className="skm-number"
              isDisabled={common.disabled}
              value={typed}
              validated={validated}
              aria-describedby={describedBy}
              onChange={(_, text) => change(text, unit)}
            />
          </SplitItem>
          <SplitItem>
            <FormSelect
              id={`${common.id}-unit`}
              aria-label={t("form.unitOf", { what: common.label })}
              isDisabled={common.disabled}
              value={unit}
              onChange={(_, chosen) => change(typed, UNITS.find(([name]) => name === chosen)?.[0] ?? unit)}
            >
              {UNITS.map(([name]) => (
                <FormSelectOption key={name} value={name} label={t(`form.unit.${name}`)} />
              ))}
            </FormSelect>
          </SplitItem>
        </Split>
      )}
    </Field>
  );
}

/** One of several. */
export function SelectField<T extends string>({
  value,
  options,
  onChange,
  ...common
}: Common & {
  value: T;
  options: readonly { value: T; label: string }[];
  onChange: (value: T) => void;
}) {
  return (
    <Field {...common}>
      {({ validated, describedBy }) => (
        <FormSelect
          id={common.id}
          isDisabled={common.disabled}
          value={value}
          validated={validated}
          aria-describedby={describedBy}
          onChange={(_, chosen) => {
            const option = options.find((one) => one.value === chosen);
            if (option) onChange(option.value);
          }}
        >
          {options.map((option) => (
            <FormSelectOption key={option.value} value={option.value} label={option.label} />
          ))}
        </FormSelect>
      )}
    </Field>
  );
}

/** Yes or no. */
export function CheckField({
  id,
  label,
  hint,
  value,
  disabled,
  onChange,
}: Omit<Common, "pointer" | "required"> & { value: boolean; onChange: (value: boolean) => void }) {
  return (
    <Checkbox
      id={id}
      label={label}
      description={hint}
      isChecked={value}
      isDisabled={disabled}
      onChange={(_, on) => onChange(on)}
    />
  );
}
