import { Label, PageSection, Tab, Tabs, TabTitleText } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { computerQuery } from "../api/queries";
import { MODULES } from "../api/types";
import type { EventSearch } from "../search";
import { EventList } from "../ui/EventList";
import { ExportEvents } from "../ui/ExportEvents";
import { PageHeading } from "../ui/PageHeading";

const route = getRouteApi("/app/events");

/** The tab with the events of every module. */
const ALL = "all";

function OnlyComputer({ id, onClear }: { id: string; onClear: () => void }) {
  const { t } = useTranslation();
  const { data } = useQuery(computerQuery(id));
  return (
    <Label onClose={onClear} closeBtnAriaLabel={t("common.clearFilters")}>
      {t("events.onlyComputer", { name: data?.displayName ?? id })}
    </Label>
  );
}

/** What happened on all computers. */
export function EventsPage() {
  const { t } = useTranslation();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const filter = useCallback(
    (change: Partial<EventSearch>) =>
      void navigate({ search: (before) => ({ ...before, ...change }), replace: !("event" in change) }),
    [navigate],
  );
  return (
    <>
      <PageHeading
        title={t("events.title")}
        actions={<ExportEvents search={search} />}
        beside={
          search.computerId !== undefined && (
            <OnlyComputer id={search.computerId} onClear={() => filter({ computerId: undefined })} />
          )
        }
      />
      <PageSection type="tabs">
        <Tabs
          activeKey={search.module ?? ALL}
          aria-label={t("events.tabs")}
          onSelect={(_, key) => filter({ module: MODULES.find((one) => one === key), event: undefined })}
        >
          {[ALL, ...MODULES].map((one) => (
            <Tab
              key={one}
              eventKey={one}
              tabContentId="events-list"
              title={
                <TabTitleText>{one === ALL ? t("common.all") : t(`module.${one}` as never)}</TabTitleText>
              }
            />
          ))}
        </Tabs>
      </PageSection>
      <PageSection id="events-list" role="tabpanel" aria-label={t("events.title")}>
        <EventList search={search} withModule={false} onFilter={filter} />
      </PageSection>
    </>
  );
}
