import { useTranslation } from "react-i18next";
import type { Mode, Policy } from "../api/types";
import { textOfCode } from "../i18n";
import { CONFIGURABLE, type Values } from "../moduleSettings";
import { ModeLabel, TapLabel } from "./labels";

/** The modules that a policy has on, with how far each goes. */
export function PolicyModes({ policy }: { policy: Policy }) {
  const { t } = useTranslation();
  const modeOf = (module: string) => (policy.settings as Values)[module]?.mode as Mode | undefined;
  const on = CONFIGURABLE.filter(
    (module) => module !== "network-engine" && (modeOf(module) ?? "off") !== "off",
  );
  if (on.length === 0) return <span className="skm-subtle">{t("policies.allOff")}</span>;
  return (
    <>
      {on.map((module) => (
        <span key={module} className="skm-module">
          {textOfCode("module", module)}
          <ModeLabel mode={modeOf(module) ?? "off"} />
        </span>
      ))}
      {policy.settings["network-engine"].mode === "tap" && <TapLabel />}
    </>
  );
}
