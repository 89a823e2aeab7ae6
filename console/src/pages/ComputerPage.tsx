import { PageSection, Tab, Tabs, TabTitleText } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { computerQuery } from "../api/queries";
import type { Computer } from "../api/types";
import { type EventSearch, TABS } from "../search";
import { EventList } from "../ui/EventList";
import { StatusLabel } from "../ui/labels";
import { PageHeading } from "../ui/PageHeading";
import { LoadError, Loading } from "../ui/states";
import { ComputerCoverage } from "./computer/ComputerCoverage";
import { ComputerInventory } from "./computer/ComputerInventory";
import { ComputerModules } from "./computer/ComputerModules";
import { ComputerOverview } from "./computer/ComputerOverview";
import { ComputerPorts } from "./computer/ComputerPorts";
import { ComputerRecommendations } from "./computer/ComputerRecommendations";
import { ComputerSettings } from "./computer/ComputerSettings";
import { DeleteComputer } from "./computer/DeleteComputer";
import { FirewallTrial } from "./computer/FirewallTrial";
import { Identity } from "./computer/Identity";

const route = getRouteApi("/app/computers/$computerId");

function Parts({ computer }: { computer: Computer }) {
  const { t } = useTranslation();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const tab = search.tab ?? "overview";
  const filter = useCallback(
    (change: Partial<EventSearch>) =>
      void navigate({ search: (before) => ({ ...before, ...change }), replace: !("event" in change) }),
    [navigate],
  );
  const part = {
    overview: () => <ComputerOverview computer={computer} />,
    coverage: () => <ComputerCoverage id={computer.id} />,
    modules: () => <ComputerModules computer={computer} />,
    settings: () => <ComputerSettings computer={computer} />,
    ports: () => <ComputerPorts ports={computer.ports} />,
    inventory: () => <ComputerInventory computerId={computer.id} />,
    recommendations: () => <ComputerRecommendations computerId={computer.id} />,
    events: () => <EventList search={search} computerId={computer.id} onFilter={filter} />,
  };
  return (
    <>
      <PageSection type="tabs">
        <Tabs
          activeKey={tab}
          aria-label={t("computer.tabs")}
          onSelect={(_, key) =>
            void navigate({
              search: { tab: key === "overview" ? undefined : TABS.find((one) => one === key) },
              replace: true,
            })
          }
        >
          {TABS.map((one) => (
            <Tab
              key={one}
              eventKey={one}
              title={
                <TabTitleText>{one === "coverage" ? t("fleet.coverage") : t(`computer.${one}`)}</TabTitleText>
              }
              tabContentId={`part-${one}`}
            />
          ))}
        </Tabs>
      </PageSection>
      <PageSection
        id={`part-${tab}`}
        role="tabpanel"
        aria-label={tab === "coverage" ? t("fleet.coverage") : t(`computer.${tab}`)}
      >
        {part[tab]()}
      </PageSection>
    </>
  );
}

/** One computer. */
export function ComputerPage() {
  const { t } = useTranslation();
  const { computerId } = route.useParams();
  const query = useQuery(computerQuery(computerId));
  const parent = { to: "/computers" as const, label: t("computers.title") };
  if (query.data === undefined) {
    return (
      <>
        <PageHeading title={t("computers.title")} />
        <PageSection>
          {query.isError ? (
            <LoadError error={query.error} onRetry={() => void query.refetch()} />
          ) : (
            <Loading />
          )}
        </PageSection>
      </>
    );
  }
  const computer = query.data;
  return (
    <>
      <PageHeading
        title={computer.displayName}
        parent={parent}
        beside={<StatusLabel status={computer.status} />}
        actions={
          <>
            <Identity computer={computer} />
            <DeleteComputer computer={computer} />
          </>
        }
      />
      <FirewallTrial computer={computer} />
      <Parts computer={computer} />
    </>
  );
}
