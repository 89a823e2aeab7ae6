import { Button, type ButtonProps } from "@patternfly/react-core";
import { CheckIcon } from "@patternfly/react-icons/dist/esm/icons/check-icon";
import { CopyIcon } from "@patternfly/react-icons/dist/esm/icons/copy-icon";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  text: string;
  label: string;
  variant: ButtonProps["variant"];
}

/** Copies a text and says so. */
export function CopyButton({ text, label, variant }: Props) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const back = setTimeout(() => setCopied(false), 3_000);
    return () => clearTimeout(back);
  }, [copied]);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <Button
      variant={variant}
      icon={copied ? <CheckIcon /> : <CopyIcon />}
      aria-live="polite"
      onClick={() => void copy()}
    >
      {copied ? t("common.copied") : t("common.copyOf", { what: label })}
    </Button>
  );
}
