import { Button, Flex, PageSection, Title } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../api/client";
import { type Upgrade, upgradeComputersQuery, upgradeQuery } from "../api/upgrades";
import { textOfCode } from "../i18n";
import { useMayChange } from "../session";
import { Confirm } from "../ui/Confirm";
import { PageHeading } from "../ui/PageHeading";
import { LoadError, Loading, SaveError } from "../ui/states";
import { Time } from "../ui/Time";
import { UpgradeLabel } from "./upgrade/UpgradeLabel";

const route = getRouteApi("/app/upgrades/$upgradeId");

type Decision = "pause" | "resume" | "abort" | "rollBack" | "rollBackAll";

/** What may be decided in each state. */
const DECISIONS: Record<Upgrade["state"], readonly Decision[]> = {
  running: ["pause", "abort", "rollBack", "rollBackAll"],
  paused: ["resume", "abort", "rollBack", "rollBackAll"],
  halted: ["abort", "rollBack", "rollBackAll"],
  "going-back": ["abort"],
  succeeded: ["rollBackAll"],
  aborted: ["rollBackAll"],
  "rolled-back": [],
};

function decide(upgrade: Upgrade, decision: Decision) {
  const params = { path: { id: upgrade.id }, header: { "If-Match": upgrade.etag } };
  switch (decision) {
    case "pause":
      return take(api.POST("/api/v1/upgrades/{id}/pause", { params }));
    case "resume":
      return take(api.POST("/api/v1/upgrades/{id}/resume", { params }));
    case "abort":
      return take(api.POST("/api/v1/upgrades/{id}/abort", { params }));
    case "rollBack":
    case "rollBackAll":
      return take(
        api.POST("/api/v1/upgrades/{id}/roll-back", { params, body: { all: decision === "rollBackAll" } }),
      );
  }
}

function Decisions({ upgrade }: { upgrade: Upgrade }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [asking, setAsking] = useState<Decision>();
  const act = useMutation({
    mutationFn: (decision: Decision) => decide(upgrade, decision),
    onSuccess: () => setAsking(undefined),
    onSettled: () => client.invalidateQueries({ queryKey: ["upgrades"] }),
  });
  const asks = (decision: Decision) => decision !== "pause" && decision !== "resume";
  return (
    <>
      <Flex gap={{ default: "gapSm" }}>
        {DECISIONS[upgrade.state].map((decision) => (
          <Button
            key={decision}
            variant="secondary"
            isDanger={asks(decision)}
            isDisabled={act.isPending}
            onClick={() => (asks(decision) ? setAsking(decision) : act.mutate(decision))}
          >
            {t(`upgrades.${decision}`)}
          </Button>
        ))}
      </Flex>
      {act.isError && asking === undefined && <SaveError error={act.error} />}
      {asking && (
        <Confirm
          title={t(asking === "abort" ? "upgrades.abortTitle" : "upgrades.rollBackTitle", {
            name: upgrade.name,
          })}
          confirm={t(`upgrades.${asking}`)}
          pending={act.isPending}
          error={act.error}
          onConfirm={() => act.mutate(asking)}
          onClose={() => {
            act.reset();
            setAsking(undefined);
          }}
        >
          {t(asking === "abort" ? "upgrades.abortBody" : "upgrades.rollBackBody")}
        </Confirm>
      )}
    </>
  );
}

const COUNTS = [
  "waiting",
  "atWork",
  "healthy",
  "failed",
  "unreached",
  "skipped",
  "returned",
  "stuck",
] as const satisfies readonly (keyof Upgrade["rings"][number])[];

function Rings({ upgrade }: { upgrade: Upgrade }) {
  const { t } = useTranslation();
  return (
    <Table aria-label={t("upgrades.rings")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("upgrades.ring")}</Th>
          <Th>{t("upgrades.who")}</Th>
          {COUNTS.map((count) => (
            <Th key={count}>{t(`upgrades.${count}`)}</Th>
          ))}
        </Tr>
      </Thead>
      <Tbody>
        {upgrade.rings.map((ring, index) => (
          // The rings of a roll-out never change.
          // biome-ignore lint/suspicious/noArrayIndexKey: a ring's number is its name
          <Tr key={index} isRowSelected={index === upgrade.ring && !upgrade.finishedAt}>
            <Td dataLabel={t("upgrades.ring")}>{index + 1}</Td>
            <Td dataLabel={t("upgrades.who")}>
              <span className="skm-break">
                {ring.percent !== null && ring.percent !== undefined
                  ? t("upgrades.percent", { percent: ring.percent })
                  : ring.tag
                    ? t("upgrades.tag", { tag: ring.tag })
                    : t("upgrades.group", { id: ring.groupId ?? "" })}
              </span>
            </Td>
            {COUNTS.map((count) => (
              <Td key={count} dataLabel={t(`upgrades.${count}`)}>
                {ring[count]}
              </Td>
            ))}
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

function Computers({ id }: { id: string }) {
  const { t } = useTranslation();
  const query = useQuery(upgradeComputersQuery(id));
  if (query.isError && query.data === undefined) {
    return <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  }
  if (query.data === undefined) return <Loading />;
  return (
    <Table aria-label={t("upgrades.computers")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("upgrades.computer")}</Th>
          <Th>{t("upgrades.ring")}</Th>
          <Th>{t("upgrades.state")}</Th>
          <Th>{t("upgrades.from")}</Th>
          <Th>{t("upgrades.now")}</Th>
          <Th>{t("upgrades.why")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {query.data.map((one) => (
          <Tr key={one.computerId}>
            <Td dataLabel={t("upgrades.computer")}>
              <Link to="/computers/$computerId" params={{ computerId: one.computerId }} className="skm-break">
                {one.computerName ?? one.computerId}
              </Link>
            </Td>
            <Td dataLabel={t("upgrades.ring")}>{one.ring + 1}</Td>
            <Td dataLabel={t("upgrades.state")}>
              {textOfCode("upgrades.memberStates", one.state)}
              <div className="skm-subtle skm-small">
                {one.step && <>{textOfCode("upgrades.steps", one.step)} · </>}
                <Time at={one.since} />
              </div>
            </Td>
            <Td dataLabel={t("upgrades.from")}>
              <span className="skm-break">{one.fromVersion}</span>
            </Td>
            <Td dataLabel={t("upgrades.now")}>
              <span className="skm-break">{one.version}</span>
            </Td>
            <Td dataLabel={t("upgrades.why")}>
              <span className="skm-break" lang="en">
                {one.message}
              </span>
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** One roll-out with its rings and their computers. */
export function UpgradePage() {
  const { t } = useTranslation();
  const { upgradeId } = route.useParams();
  const mayChange = useMayChange();
  const query = useQuery(upgradeQuery(upgradeId));
  const upgrade = query.data;
  if (upgrade === undefined) {
    return (
      <PageSection>
        {query.isError ? <LoadError error={query.error} onRetry={() => void query.refetch()} /> : <Loading />}
      </PageSection>
    );
  }
  return (
    <>
      <PageHeading
        title={upgrade.name}
        beside={<UpgradeLabel state={upgrade.state} />}
        under={`${t("upgrades.version")} ${upgrade.version}`}
        parent={{ to: "/upgrades", label: t("upgrades.title") }}
        actions={mayChange && <Decisions upgrade={upgrade} />}
      />
      <PageSection>
        {upgrade.reason !== "" && (
          <p className="skm-break" lang="en">
            {upgrade.reason}
          </p>
        )}
        {upgrade.leftOut > 0 && <p>{t("upgrades.leftOut", { count: upgrade.leftOut })}</p>}
        <Rings upgrade={upgrade} />
      </PageSection>
      <PageSection>
        <Title headingLevel="h2" className="skm-gap-below">
          {t("upgrades.computers")}
        </Title>
        <Computers id={upgrade.id} />
      </PageSection>
    </>
  );
}
