import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { type SavedSearch, savedSearchesQuery } from "../api/access";
import { api, take } from "../api/client";
import { useDraft } from "./form/draft";
import { FilterField } from "./form/FilterField";
import { FormModal } from "./form/FormModal";
import { AreaField, CheckField, TextField } from "./form/fields";

interface Props {
  search?: SavedSearch;
  /** What a new one looks through. */
  subject: SavedSearch["subject"];
  /** What a new one begins with. */
  filter?: string;
  onClose: () => void;
  onSaved?: (search: SavedSearch) => void;
}

/** Keeps a search of events, or of computers (a smart folder), or changes one. */
export function SearchModal({ search, subject, filter = "", onClose, onSaved }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { form, changes, set } = useDraft({
    name: search?.name ?? "",
    filter: search?.filter ?? filter,
    shared: search?.shared ?? false,
  });
  const read = () => client.invalidateQueries({ queryKey: savedSearchesQuery.queryKey });
  const save = useMutation({
    mutationFn: () =>
      search === undefined
        ? take(api.POST("/api/v1/saved-searches", { body: { ...form, name: form.name.trim(), subject } }))
        : take(
            api.PATCH("/api/v1/saved-searches/{id}", {
              params: { path: { id: search.id }, header: { "If-Match": search.etag } },
              body: changes,
            }),
          ),
    onSuccess: async (saved) => {
      await read();
      onSaved?.(saved);
      onClose();
    },
  });
  const ofComputers = (search?.subject ?? subject) === "computers";
  const title =
    search === undefined
      ? t(ofComputers ? "fleet.createFolder" : "searches.create")
      : t("searches.edit", { name: search.name });
  return (
    <FormModal
      title={title}
      error={save.error}
      pending={save.isPending}
      ready={form.name.trim() !== "" && form.filter.trim() !== ""}
      onSubmit={() => save.mutate()}
      onClose={onClose}
      onReload={() => void read().then(() => save.reset())}
    >
      <TextField
        id="search-name"
        label={t("common.name")}
        pointer="/name"
        required
        maxLength={128}
        value={form.name}
        onChange={(name) => set({ name })}
      />
      {ofComputers ? (
        <AreaField
          id="search-filter"
          label={t("fleet.folderFilter")}
          pointer="/filter"
          required
          maxLength={4096}
          hint={t("fleet.folderHint")}
          value={form.filter}
          onChange={(text) => set({ filter: text })}
        />
      ) : (
        <FilterField
          id="search-filter"
          label={t("fleet.folderFilter")}
          pointer="/filter"
          required
          value={form.filter}
          onChange={(text) => set({ filter: text })}
        />
      )}
      <CheckField
        id="search-shared"
        label={t("searches.share")}
        value={form.shared}
        onChange={(shared) => set({ shared })}
      />
    </FormModal>
  );
}
