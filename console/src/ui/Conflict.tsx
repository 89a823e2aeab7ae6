import { Alert, AlertActionLink } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";

/** Somebody else was faster: what that means, and how to go on. */
export function Conflict({ onReload }: { onReload: () => void }) {
  const { t } = useTranslation();
  return (
    <Alert
      variant="warning"
      isInline
      component="h2"
      role="alert"
      title={t("error.conflictTitle")}
      actionLinks={<AlertActionLink onClick={onReload}>{t("error.conflictReload")}</AlertActionLink>}
    >
      <p>{t("error.conflictBody")}</p>
    </Alert>
  );
}
