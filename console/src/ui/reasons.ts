import type { ComputerModule } from "../api/types";
import { textOfCode } from "../i18n";

/** Why a computer's status is what it is, as a sentence. */
export function statusReasonText(reason: { code: string; args: Record<string, string> }): string {
  const values: Record<string, string> = { reason: "", ...reason.args };
  if (reason.args.module !== undefined) values.module = textOfCode("module", reason.args.module);
  return textOfCode("statusReason", reason.code, values).trim();
}

/** Why a module is not as it should be, as sentences. */
export function moduleReasonTexts(module: ComputerModule): string[] {
  return module.reasons.map((code) => textOfCode(`moduleReason.${module.module}`, code));
}
