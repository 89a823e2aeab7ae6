import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { type AlertCondition, conditionsQuery } from "../../api/alerts";
import { api, take } from "../../api/client";
import { SEVERITIES, type Severity } from "../../api/types";
import { useDraft } from "../../ui/form/draft";
import { FilterField } from "../../ui/form/FilterField";
import { FormModal } from "../../ui/form/FormModal";
import { CheckField, DurationField, NumberField, SelectField, TextField } from "../../ui/form/fields";
import { spoken } from "../../ui/ruleText";

const DAY = 86_400;

/** Makes a condition of one's own, or changes any; of the product's own what may be changed. */
export function ConditionModal({ condition, onClose }: { condition?: AlertCondition; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const own = condition === undefined || !condition.builtIn;
  const title = condition === undefined ? "" : spoken(condition.title, i18n.language);
  const { form, changes, set } = useDraft({
    name: title,
    filter: condition?.filter ?? "",
    severity: SEVERITIES.find((one) => one === condition?.severity) ?? ("medium" as Severity),
    threshold: (condition?.threshold ?? 1) as number | undefined,
    windowSecs: (condition?.windowSecs ?? 300) as number | undefined,
    byComputer: condition?.byComputer ?? true,
    enabled: condition?.enabled ?? true,
  });
  const read = () => client.invalidateQueries({ queryKey: conditionsQuery.queryKey });
  const save = useMutation({
    mutationFn: () =>
      condition === undefined
        ? take(api.POST("/api/v1/alert-conditions", { body: { ...form, name: form.name.trim() } }))
        : take(
            api.PATCH("/api/v1/alert-conditions/{id}", {
              params: { path: { id: condition.id }, header: { "If-Match": condition.etag } },
              body: changes,
            }),
          ),
    onSuccess: async () => {
      await read();
      onClose();
    },
  });
  const unit = condition === undefined ? "events" : condition.thresholdUnit;
  const ready =
    form.threshold !== undefined &&
    form.windowSecs !== undefined &&
    (!own || (form.name.trim() !== "" && form.filter.trim() !== ""));
  /** The busiest hour says whether the threshold is near. */
  const busiest = (counts: { from: string; count: number }[]) => {
    const most = Math.max(0, ...counts.map((one) => one.count));
    return t("conditionForm.busiest", { count: most });
  };
  return (
    <FormModal
      title={condition === undefined ? t("conditionForm.create") : t("conditionForm.edit", { name: title })}
      error={save.error}
      pending={save.isPending}
      ready={ready}
      onSubmit={() => save.mutate()}
      onClose={onClose}
      onReload={() => void read().then(() => save.reset())}
    >
      {own && (
        <>
          <TextField
            id="condition-name"
            label={t("common.name")}
            pointer="/name"
            required
            maxLength={128}
            value={form.name}
            onChange={(name) => set({ name })}
          />
          <FilterField
            id="condition-filter"
            label={t("conditionForm.filter")}
            pointer="/filter"
            required
            value={form.filter}
            found={busiest}
            onChange={(filter) => set({ filter })}
          />
        </>
      )}
      {!own && condition && <p>{spoken(condition.remedy, i18n.language)}</p>}
      {unit && (
        <NumberField
          id="condition-threshold"
          label={t(`conditionForm.thresholds.${unit}`)}
          pointer="/threshold"
          least={1}
          most={unit === "percent" ? 100 : 10_000}
          value={form.threshold}
          onChange={(threshold) => set({ threshold })}
        />
      )}
      {own && (
        <>
          <DurationField
            id="condition-window"
            label={t("conditionForm.window")}
            pointer="/windowSecs"
            least={1}
            most={DAY}
            value={form.windowSecs}
            onChange={(windowSecs) => set({ windowSecs })}
          />
          <CheckField
            id="condition-by-computer"
            label={t("conditionForm.byComputer")}
            hint={t("conditionForm.byComputerHint")}
            value={form.byComputer}
            onChange={(byComputer) => set({ byComputer })}
          />
        </>
      )}
      <SelectField
        id="condition-severity"
        label={t("conditionForm.severity")}
        pointer="/severity"
        value={form.severity}
        options={SEVERITIES.map((value) => ({ value, label: t(`severity.${value}`) }))}
        onChange={(severity) => set({ severity })}
      />
      <CheckField
        id="condition-enabled"
        label={t("alerts.inForce")}
        value={form.enabled}
        onChange={(enabled) => set({ enabled })}
      />
    </FormModal>
  );
}
