import { Switch, TextInput, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { ACTIONS, MODULES, SEVERITIES } from "../api/types";
import { EVENT_SORTS, type EventSearch, PERIODS } from "../search";
import { FilterSelect } from "./FilterSelect";
import { SearchBox } from "./SearchBox";

interface Props {
  search: EventSearch;
  /** Whether the module is chosen here; otherwise something else on the page does it. */
  withModule: boolean;
  onFilter: (change: Partial<EventSearch>) => void;
}

const PERIOD_LABELS = {
  hour: "events.periodHour",
  day: "events.periodDay",
  week: "events.periodWeek",
  month: "events.periodMonth",
  custom: "events.periodCustom",
} as const;

/** `2026-11-22T10:15` in local time, as the browser's field wants it. */
function localMinute(iso: string | undefined): string {
  if (iso === undefined) return "";
  const date = new Date(iso);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function fromLocalMinute(value: string): string | undefined {
  const date = new Date(value);
  return value === "" || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** What of the events is shown. */
export function EventFilters({ search, withModule, onFilter }: Props) {
  const { t } = useTranslation();
  return (
    <Toolbar inset={{ default: "insetNone" }}>
      <ToolbarContent>
        <ToolbarItem>
          <FilterSelect
            label={t("severity.label")}
            value={SEVERITIES.find((one) => one === search.severity)}
            options={SEVERITIES.map((value) => ({ value, label: t(`severity.${value}`) }))}
            onChange={(severity) => onFilter({ severity })}
          />
        </ToolbarItem>
        <ToolbarItem>
          <FilterSelect
            label={t("action.label")}
            value={ACTIONS.find((one) => one === search.action)}
            options={ACTIONS.map((value) => ({ value, label: t(`action.${value}`) }))}
            onChange={(action) => onFilter({ action })}
          />
        </ToolbarItem>
        {withModule && (
          <ToolbarItem>
            <FilterSelect
              label={t("events.module")}
              value={MODULES.find((one) => one === search.module)}
              options={MODULES.map((value) => ({ value, label: t(`module.${value}`) }))}
              onChange={(module) => onFilter({ module })}
            />
          </ToolbarItem>
        )}
        <ToolbarItem>
          <FilterSelect
            label={t("events.period")}
            all={t("events.periodAll")}
            value={search.period}
            options={PERIODS.map((value) => ({ value, label: t(PERIOD_LABELS[value]) }))}
            onChange={(period) => onFilter({ period, from: undefined, to: undefined })}
          />
        </ToolbarItem>
        {search.period === "custom" && (
          <>
            <ToolbarItem>
              <TextInput
                type="datetime-local"
                aria-label={t("events.from")}
                value={localMinute(search.from)}
                onChange={(_, value) => onFilter({ from: fromLocalMinute(value) })}
              />
            </ToolbarItem>
            <ToolbarItem>
              <TextInput
                type="datetime-local"
                aria-label={t("events.to")}
                value={localMinute(search.to)}
                onChange={(_, value) => onFilter({ to: fromLocalMinute(value) })}
              />
            </ToolbarItem>
          </>
        )}
        <ToolbarItem>
          <SearchBox
            value={search.q ?? ""}
            label={t("events.searchPlaceholder")}
            onSearch={(value) => onFilter({ q: value || undefined })}
          />
        </ToolbarItem>
        <ToolbarItem>
          <FilterSelect
            label={t("events.order")}
            all={t("events.newestFirst")}
            value={search.sort}
            options={EVENT_SORTS.map((value) => ({ value, label: t("events.byRank") }))}
            onChange={(sort) => onFilter({ sort })}
          />
        </ToolbarItem>
        <ToolbarItem alignSelf="center">
          <Switch
            id="events-live"
            label={t("live.toggle")}
            isChecked={search.live !== false && search.sort === undefined}
            isDisabled={search.sort !== undefined}
            onChange={(_, on) => onFilter({ live: on ? undefined : false })}
          />
        </ToolbarItem>
      </ToolbarContent>
    </Toolbar>
  );
}
