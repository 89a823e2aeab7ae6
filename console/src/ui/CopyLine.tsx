import { ClipboardCopy } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";

interface Props {
  label: string;
  children: string;
  inline?: boolean;
}

/** A text that is there to be copied. */
export function CopyLine({ label, children, inline = false }: Props) {
  const { t } = useTranslation();
  return (
    <ClipboardCopy
      isReadOnly
      isCode={inline}
      variant={inline ? "inline-compact" : "inline"}
      hoverTip={t("common.copy")}
      clickTip={t("common.copied")}
      copyAriaLabel={t("common.copyOf", { what: label })}
      textAriaLabel={label}
    >
      {children}
    </ClipboardCopy>
  );
}
