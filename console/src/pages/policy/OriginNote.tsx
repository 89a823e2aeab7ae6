import { Button, Label } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import type { Policy } from "../../api/types";
import type { Origin } from "../../policyDraft";

/** Where a value comes from, and the way back to what is inherited. */
export function OriginNote({
  origin,
  policies,
  isRoot,
  of,
  onInherit,
}: {
  origin: Origin;
  policies: Policy[];
  isRoot: boolean;
  /** What it is the origin of, for who cannot see what the button stands beside. */
  of: string;
  onInherit?: () => void;
}) {
  const { t } = useTranslation();
  if (origin.from === "local") {
    const again = t(isRoot ? "policy.useDefaultAgain" : "policy.inheritAgain");
    return (
      <span className="skm-heading-title">
        <Label isCompact color="blue">
          {t("policy.local")}
        </Label>
        {onInherit && (
          <Button variant="link" isInline aria-label={`${again}: ${of}`} onClick={onInherit}>
            {again}
          </Button>
        )}
      </span>
    );
  }
  const name = origin.from === "policy" ? policies.find((one) => one.id === origin.id)?.name : undefined;
  return (
    <Label isCompact variant="outline">
      {origin.from === "default"
        ? t("policy.default")
        : name === undefined
          ? t("policy.inherited")
          : t("policy.inheritedFrom", { name })}
    </Label>
  );
}
