import { useTranslation } from "react-i18next";
import type { ComputerModule } from "../api/types";
import { textOfCode } from "../i18n";
import { modulesAtWork } from "../modulesAtWork";
import { ModuleStateLabel } from "./labels";

/** The modules of a computer in a line: which do less than they should by name, the others counted by how far they go. */
export function ModuleChips({ modules }: { modules: ComputerModule[] }) {
  const { t } = useTranslation();
  const { failing, counts } = modulesAtWork(modules);
  if (failing.length === 0 && counts.length === 0) {
    return <span className="skm-subtle">{t("common.none")}</span>;
  }
  return (
    <>
      {failing.map((one) => (
        <div key={one.module} className="skm-module">
          {textOfCode("module", one.module)}
          <ModuleStateLabel state={one.state} />
        </div>
      ))}
      <div className="skm-small">
        {counts.map(({ mode, modules: some }) => (
          <span
            key={mode}
            className="skm-member"
            title={some.map((module) => textOfCode("module", module)).join(t("common.listComma"))}
          >
            {t("computers.inMode", { mode: t(`mode.${mode}`), count: some.length })}
          </span>
        ))}
      </div>
    </>
  );
}
