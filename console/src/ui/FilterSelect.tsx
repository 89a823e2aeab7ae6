import { FormSelect, FormSelectOption } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";

interface Props<T extends string> {
  label: string;
  /** What the choice of everything is called. */
  all?: string;
  value: T | undefined;
  options: readonly { value: T; label: string }[];
  onChange: (value: T | undefined) => void;
}

/** A choice of one value, or of all. */
export function FilterSelect<T extends string>({ label, all, value, options, onChange }: Props<T>) {
  const { t } = useTranslation();
  return (
    <FormSelect
      className="skm-filter"
      aria-label={label}
      value={value ?? ""}
      onChange={(_, chosen) => onChange(options.find((option) => option.value === chosen)?.value)}
    >
      <FormSelectOption value="" label={all ?? t("common.allOf", { what: label })} />
      {options.map((option) => (
        <FormSelectOption key={option.value} value={option.value} label={option.label} />
      ))}
    </FormSelect>
  );
}
