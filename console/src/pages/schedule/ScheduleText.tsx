import { useTranslation } from "react-i18next";
import { timeOfDay, weekdayName, whenOf } from "./schedule";

/** When a task runs, in words; as cron has it where there are none. */
export function ScheduleText({ schedule }: { schedule: string }) {
  const { t, i18n } = useTranslation();
  const when = whenOf(schedule);
  const time = timeOfDay(when, i18n.language);
  switch (when.frequency) {
    case "hourly":
      return <>{t("taskForm.everyHour", { minute: when.minute })}</>;
    case "daily":
      return <>{t("taskForm.everyDay", { time })}</>;
    case "weekly": {
      const days = when.weekdays.map((day) => weekdayName(day, i18n.language)).join(t("common.listComma"));
      return <>{t("taskForm.everyWeek", { days, time })}</>;
    }
    case "monthly":
      return when.day === "L"
        ? t("taskForm.everyMonthEnd", { time })
        : t("taskForm.everyMonth", { day: when.day, time });
    default:
      return <code>{schedule}</code>;
  }
}
