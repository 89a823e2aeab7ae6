import { Label } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import type { Upgrade } from "../../api/upgrades";

const LOOK = {
  running: { status: "info" },
  paused: { status: "warning" },
  halted: { status: "danger" },
  "going-back": { status: "warning" },
  succeeded: { status: "success" },
  aborted: { color: "grey" },
  "rolled-back": { status: "warning" },
} as const;

/** How a roll-out is. */
export function UpgradeLabel({ state }: { state: Upgrade["state"] }) {
  const { t } = useTranslation();
  return (
    <Label isCompact {...LOOK[state]}>
      {t(`upgrades.states.${state}`)}
    </Label>
  );
}
