import { FormSelect, FormSelectOption, Split, SplitItem } from "@patternfly/react-core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { computersQuery } from "../api/queries";
import { SearchBox } from "./SearchBox";

interface Props {
  id: string;
  /** The chosen computer's id, empty for none. */
  value: string;
  onChange: (id: string) => void;
}

/** A computer, found by its name among any number of them. */
export function ComputerPicker({ id, value, onChange }: Props) {
  const { t } = useTranslation();
  const [q, setQ] = useState("");
  const query = useInfiniteQuery(computersQuery({ q: q || undefined }));
  const found = query.data?.pages.flatMap((page) => page.items) ?? [];
  const more = query.hasNextPage;
  return (
    <Split hasGutter isWrappable>
      <SplitItem>
        <SearchBox value={q} label={t("computers.searchPlaceholder")} onSearch={setQ} />
      </SplitItem>
      <SplitItem isFilled>
        <FormSelect
          id={id}
          aria-label={t("events.computer")}
          value={value}
          onChange={(_, chosen) => onChange(chosen)}
        >
          <FormSelectOption value="" label={t(more ? "fleet.chooseNarrow" : "fleet.choose")} isPlaceholder />
          {found.map((computer) => (
            <FormSelectOption key={computer.id} value={computer.id} label={computer.displayName} />
          ))}
        </FormSelect>
      </SplitItem>
    </Split>
  );
}
