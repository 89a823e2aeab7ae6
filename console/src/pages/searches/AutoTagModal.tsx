import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { type AutoTagRule, autoTagRulesQuery } from "../../api/access";
import { api, take } from "../../api/client";
import { useDraft } from "../../ui/form/draft";
import { FilterField } from "../../ui/form/FilterField";
import { FormModal } from "../../ui/form/FormModal";
import { CheckField, TextField } from "../../ui/form/fields";

/** Makes a rule that tags events as they arrive, or changes one. */
export function AutoTagModal({ rule, onClose }: { rule?: AutoTagRule; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { form, changes, set } = useDraft({
    name: rule?.name ?? "",
    filter: rule?.filter ?? "",
    tag: rule?.tag ?? "",
    enabled: rule?.enabled ?? true,
  });
  const read = () => client.invalidateQueries({ queryKey: autoTagRulesQuery.queryKey });
  const save = useMutation({
    mutationFn: () =>
      rule === undefined
        ? take(api.POST("/api/v1/auto-tag-rules", { body: { ...form, name: form.name.trim() } }))
        : take(
            api.PATCH("/api/v1/auto-tag-rules/{id}", {
              params: { path: { id: rule.id }, header: { "If-Match": rule.etag } },
              body: changes,
            }),
          ),
    onSuccess: async () => {
      await read();
      onClose();
    },
  });
  return (
    <FormModal
      title={rule === undefined ? t("searches.createRule") : t("searches.editRule", { name: rule.name })}
      error={save.error}
      pending={save.isPending}
      ready={[form.name, form.filter, form.tag].every((text) => text.trim() !== "")}
      onSubmit={() => save.mutate()}
      onClose={onClose}
      onReload={() => void read().then(() => save.reset())}
    >
      <TextField
        id="auto-tag-name"
        label={t("common.name")}
        pointer="/name"
        required
        maxLength={128}
        value={form.name}
        onChange={(name) => set({ name })}
      />
      <FilterField
        id="auto-tag-filter"
        label={t("searches.ruleFilter")}
        pointer="/filter"
        required
        value={form.filter}
        onChange={(filter) => set({ filter })}
      />
      <TextField
        id="auto-tag-tag"
        label={t("searches.tag")}
        pointer="/tag"
        required
        maxLength={64}
        hint={t("searches.tagHint")}
        value={form.tag}
        onChange={(tag) => set({ tag })}
      />
      <CheckField
        id="auto-tag-enabled"
        label={t("alerts.inForce")}
        hint={t("searches.ruleHint")}
        value={form.enabled}
        onChange={(enabled) => set({ enabled })}
      />
    </FormModal>
  );
}
