import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useTranslation } from "react-i18next";
import type { SettingChange } from "../../api/types";
import { textOfCode } from "../../i18n";
import { propertyTitle, settingInWords } from "./fieldText";

/** So many are shown at once; the command line shows all. */
const SHOWN = 100;

/** The parts of a change's pointer: a property, and the key of its entry where it has entries. */
function partsOf(change: SettingChange): string[] {
  return change.pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

interface ValueProps {
  change: SettingChange;
  value: unknown;
  origin: SettingChange["beforeOrigin"];
}

function Value({ change, value, origin }: ValueProps) {
  const { t } = useTranslation();
  const text = settingInWords(change.module, partsOf(change), value, t);
  const from = origin.kind === "default" ? t("change.default") : t("change.from", { name: origin.name });
  return (
    <>
      <span className="skm-break">{value === null ? t("change.none") : text}</span>
      <div className="skm-subtle skm-small">{from}</div>
    </>
  );
}

/** What of a setting people read: the module, the property and the key. */
function settingName(change: SettingChange): string[] {
  const [property = "", key] = partsOf(change);
  if (change.module === "policy") return [property];
  const title = propertyTitle(change.module, property);
  return [textOfCode("module", change.module), title, ...(key === undefined ? [] : [key])];
}

/** Settings that differ, with both values and who set them. */
export function SettingChanges({ changes, total }: { changes: SettingChange[]; total: number }) {
  const { t } = useTranslation();
  const hidden = total - Math.min(changes.length, SHOWN);
  return (
    <>
      <Table aria-label={t("change.list")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("change.setting")}</Th>
            <Th>{t("change.before")}</Th>
            <Th>{t("change.after")}</Th>
          </Tr>
        </Thead>
        <Tbody>
          {changes.slice(0, SHOWN).map((change) => (
            <Tr key={`${change.module}${change.pointer}`}>
              <Td dataLabel={t("change.setting")}>
                <span className="skm-break">
                  {change.module === "policy"
                    ? `${t("change.policy")}: ${settingName(change).join("")}`
                    : settingName(change).join(" › ")}
                </span>
              </Td>
              <Td dataLabel={t("change.before")}>
                <Value change={change} value={change.before} origin={change.beforeOrigin} />
              </Td>
              <Td dataLabel={t("change.after")}>
                <Value change={change} value={change.after} origin={change.afterOrigin} />
              </Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
      {hidden > 0 && <p className="skm-subtle">{t("change.more", { count: hidden })}</p>}
    </>
  );
}
