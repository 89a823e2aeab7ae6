import { Button, Form, InputGroup, InputGroupItem, TextInput } from "@patternfly/react-core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  value: string;
  placeholder: string;
  onApply: (value: string) => void;
}

/** A line of the filter language: asked when it is whole, not while it is typed. */
export function FilterLine({ value, placeholder, onApply }: Props) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  return (
    <Form
      className="skm-filter-line"
      onSubmit={(submit) => {
        submit.preventDefault();
        onApply(typed.trim());
      }}
    >
      <InputGroup>
        <InputGroupItem isFill>
          <TextInput
            aria-label={t("eventFilter.label")}
            placeholder={placeholder}
            value={typed}
            maxLength={4096}
            spellCheck={false}
            onChange={(_, words) => setTyped(words)}
          />
        </InputGroupItem>
        <InputGroupItem>
          <Button type="submit" variant="control">
            {t("eventFilter.apply")}
          </Button>
        </InputGroupItem>
      </InputGroup>
    </Form>
  );
}
