import { useTranslation } from "react-i18next";
import type { TaskCondition } from "../../api/fleet";

/** A condition of an event-based task in words. */
export function ConditionText({ condition }: { condition: TaskCondition }) {
  const { t } = useTranslation();
  const key = condition.key ? ` ${condition.key}` : "";
  const not = condition.negate ? ` ${t("fleet.not")}` : "";
  return (
    <div className="skm-small skm-break">
      {t(`fleet.field.${condition.field}`)}
      {key}
      {not}: <code>{condition.value}</code> ({t(`fleet.pattern.${condition.pattern ?? "glob"}`)})
    </div>
  );
}
