import { Dropdown, DropdownItem, DropdownList, MenuToggle } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { filterText } from "../api/alerts";
import { type EventSearch, periodBounds } from "../search";

/** Where the events that a page shows lie as a file. */
export function exportAddress(search: EventSearch, format: "csv" | "jsonl", now: number): string {
  const { from, to } = periodBounds(search, now);
  const query = new URLSearchParams({ format });
  const filter = filterText(search);
  for (const [name, value] of Object.entries({ filter, from, to, sort: search.sort })) {
    if (value !== undefined && value !== "") query.set(name, value);
  }
  return `/api/v1/events/export?${query}`;
}

/** The events that are shown, as a file. */
export function ExportEvents({ search }: { search: EventSearch }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const item = (format: "csv" | "jsonl") => (
    <DropdownItem key={format} to={exportAddress(search, format, Date.now())} download="">
      {t(`notes.formats.${format}`)}
    </DropdownItem>
  );
  return (
    <Dropdown
      isOpen={open}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      popperProps={{ position: "end" }}
      toggle={(ref) => (
        <MenuToggle ref={ref} isExpanded={open} onClick={() => setOpen(!open)}>
          {t("notes.export")}
        </MenuToggle>
      )}
    >
      <DropdownList>
        {item("csv")}
        {item("jsonl")}
      </DropdownList>
    </Dropdown>
  );
}
