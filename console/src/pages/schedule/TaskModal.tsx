import { Checkbox, Content, FormGroup } from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Task, tasksQuery } from "../../api/alerts";
import { api, take } from "../../api/client";
import { policiesQuery } from "../../api/queries";
import { useDraft } from "../../ui/form/draft";
import { FormModal } from "../../ui/form/FormModal";
import { CheckField, DurationField, NumberField, SelectField, TextField } from "../../ui/form/fields";
import { FREQUENCIES, scheduleOf, type When, weekdayName, whenOf, zonesWith } from "./schedule";
import { TASK_KINDS, taskKinds } from "./taskKinds";

const DAYS_OF_WEEK = [1, 2, 3, 4, 5, 6, 0];

function Schedule({ when, onChange }: { when: When; onChange: (when: When) => void }) {
  const { t, i18n } = useTranslation();
  const set = (change: Partial<When>) => onChange({ ...when, ...change });
  // What is typed and is no number within its bounds keeps the schedule from being saved.
  const counted = (key: "minute" | "hour", least: number, most: number) => (
    <NumberField
      id={`task-${key}`}
      label={t(`taskForm.${key}`)}
      least={least}
      most={most}
      value={when[key] < 0 ? undefined : when[key]}
      onChange={(value) => set({ [key]: value ?? -1 })}
    />
  );
  return (
    <>
      <SelectField
        id="task-frequency"
        label={t("taskForm.frequency")}
        value={when.frequency}
        options={FREQUENCIES.map((value) => ({ value, label: t(`taskForm.frequencies.${value}`) }))}
        onChange={(frequency) => set({ frequency, own: scheduleOf(when) })}
      />
      {when.frequency === "weekly" && (
        <FormGroup role="group" label={t("taskForm.weekdays")} isInline fieldId="task-weekdays">
          {DAYS_OF_WEEK.map((day) => (
            <Checkbox
              key={day}
              id={`task-weekday-${day}`}
              label={weekdayName(day, i18n.language)}
              isChecked={when.weekdays.includes(day)}
              onChange={(_, on) =>
                set({
                  weekdays: on
                    ? [...when.weekdays, day].sort((a, b) => a - b)
                    : when.weekdays.filter((one) => one !== day),
                })
              }
            />
          ))}
        </FormGroup>
      )}
      {when.frequency === "monthly" && (
        <SelectField
          id="task-day"
          label={t("taskForm.day")}
          value={String(when.day)}
          options={[
            ...Array.from({ length: 31 }, (_, index) => ({
              value: String(index + 1),
              label: String(index + 1),
            })),
            { value: "L", label: t("taskForm.lastDay") },
          ]}
          onChange={(day) => set({ day: day === "L" ? "L" : Number(day) })}
        />
      )}
      {when.frequency === "own" ? (
        <TextField
          id="task-schedule"
          label={t("tasks.schedule")}
          pointer="/schedule"
          required
          maxLength={256}
          hint={t("taskForm.ownHint")}
          value={when.own}
          onChange={(own) => set({ own })}
        />
      ) : (
        <div className="skm-side-by-side">
          {when.frequency !== "hourly" && counted("hour", 0, 23)}
          {counted("minute", 0, 59)}
        </div>
      )}
    </>
  );
}

const isWhole = (when: When) =>
  when.frequency === "own"
    ? when.own.trim() !== ""
    : when.minute >= 0 && when.hour >= 0 && (when.frequency !== "weekly" || when.weekdays.length > 0);

/** Makes a scheduled task, or changes one. */
export function TaskModal({ task, onClose }: { task?: Task; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { data: policies = [] } = useQuery(policiesQuery);
  const { form, changes, set } = useDraft({
    name: task?.name ?? "",
    kind: task?.kind ?? ("recommendation-scan" as Task["kind"]),
    timeZone: task?.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC",
    jitterSecs: (task?.jitterSecs ?? 600) as number | undefined,
    windowSecs: (task?.windowSecs ?? 4 * 3_600) as number | undefined,
    policyId: task?.policyId ?? "",
    enabled: task?.enabled ?? true,
  });
  const [when, setWhen] = useState(() => whenOf(task?.schedule ?? "30 2 * * *"));
  const schedule = scheduleOf(when);
  const read = () => client.invalidateQueries({ queryKey: tasksQuery.queryKey });
  const save = useMutation({
    mutationFn: () =>
      task === undefined
        ? take(
            api.POST("/api/v1/tasks", {
              body: { ...form, name: form.name.trim(), schedule, policyId: form.policyId || null },
            }),
          )
        : take(
            api.PATCH("/api/v1/tasks/{id}", {
              params: { path: { id: task.id }, header: { "If-Match": task.etag } },
              body: {
                ...("name" in changes && { name: form.name.trim() }),
                ...("timeZone" in changes && { timeZone: form.timeZone }),
                ...("jitterSecs" in changes && { jitterSecs: form.jitterSecs }),
                ...("windowSecs" in changes && { windowSecs: form.windowSecs }),
                ...("enabled" in changes && { enabled: form.enabled }),
                ...("policyId" in changes && { policyId: form.policyId || null }),
                ...(schedule !== task.schedule && { schedule }),
              },
            }),
          ),
    onSuccess: async () => {
      await read();
      onClose();
    },
  });
  const ready =
    form.name.trim() !== "" &&
    form.jitterSecs !== undefined &&
    form.windowSecs !== undefined &&
    isWhole(when);
  const onComputers = TASK_KINDS[form.kind].onComputers;
  return (
    <FormModal
      title={task === undefined ? t("taskForm.create") : t("taskForm.edit", { name: task.name })}
      error={save.error}
      pending={save.isPending}
      ready={ready}
      onSubmit={() => save.mutate()}
      onClose={onClose}
      onReload={() => void read().then(() => save.reset())}
    >
      <SelectField
        id="task-kind"
        label={t("tasks.kind")}
        pointer="/kind"
        disabled={task !== undefined}
        hint={t(`taskForm.kindHints.${form.kind}`)}
        value={form.kind}
        options={taskKinds.map((value) => ({ value, label: t(`tasks.kinds.${value}`) }))}
        onChange={(kind) => set({ kind })}
      />
      <TextField
        id="task-name"
        label={t("common.name")}
        pointer="/name"
        required
        maxLength={128}
        value={form.name}
        onChange={(name) => set({ name })}
      />
      <Schedule when={when} onChange={setWhen} />
      <SelectField
        id="task-zone"
        label={t("taskForm.zone")}
        pointer="/timeZone"
        value={form.timeZone}
        options={zonesWith(form.timeZone).map((value) => ({ value, label: value }))}
        onChange={(timeZone) => set({ timeZone })}
      />
      {onComputers && (
        <SelectField
          id="task-policy"
          label={t("taskForm.policy")}
          pointer="/policyId"
          value={form.policyId}
          options={[
            { value: "", label: t("taskForm.allComputers") },
            ...policies.map((one) => ({ value: one.id, label: one.name })),
          ]}
          onChange={(policyId) => set({ policyId })}
        />
      )}
      <DurationField
        id="task-window"
        label={t("taskForm.window")}
        pointer="/windowSecs"
        hint={t("taskForm.windowHint")}
        least={60}
        most={604_800}
        value={form.windowSecs}
        onChange={(windowSecs) => set({ windowSecs })}
      />
      {onComputers && (
        <DurationField
          id="task-jitter"
          label={t("taskForm.jitter")}
          pointer="/jitterSecs"
          hint={t("taskForm.jitterHint")}
          least={0}
          most={86_400}
          value={form.jitterSecs}
          onChange={(jitterSecs) => set({ jitterSecs })}
        />
      )}
      <CheckField
        id="task-enabled"
        label={t("alerts.inForce")}
        value={form.enabled}
        onChange={(enabled) => set({ enabled })}
      />
      <Content component="small">
        {t("tasks.schedule")}: <code>{schedule}</code>
      </Content>
    </FormModal>
  );
}
