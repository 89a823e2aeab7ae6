import { useTranslation } from "react-i18next";
import type { ComputerModule } from "../api/types";
import { textOfCode } from "../i18n";
import { ModeLabel, ModuleStateLabel } from "./labels";

/** The modules of a computer in a few words. */
export function ModuleChips({ modules }: { modules: ComputerModule[] }) {
  const { t } = useTranslation();
  if (modules.length === 0) return <span className="skm-subtle">{t("common.none")}</span>;
  return (
    <>
      {modules.map((one) => (
        <span key={one.module} className="skm-module">
          {textOfCode("module", one.module)}
          {one.state === "active" || one.state === "off" ? (
            <ModeLabel mode={one.state === "off" ? "off" : one.mode} />
          ) : (
            <ModuleStateLabel state={one.state} />
          )}
        </span>
      ))}
    </>
  );
}
