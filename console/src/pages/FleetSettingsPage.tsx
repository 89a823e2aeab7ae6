import { Button, Card, CardBody, CardTitle, PageSection } from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../api/client";
import { fleetSettingsQuery } from "../api/fleet";
import { useFormat } from "../format";
import type { components } from "../generated/api";
import { useMayChange } from "../session";
import { Brake } from "../ui/Brake";
import { Fact, Facts } from "../ui/Facts";
import { useDraft } from "../ui/form/draft";
import { partsOf } from "../ui/form/duration";
import { FormModal } from "../ui/form/FormModal";
import { DurationField, NumberField } from "../ui/form/fields";
import { PageHeading } from "../ui/PageHeading";
import { LoadError, Loading } from "../ui/states";

type Settings = components["schemas"]["FleetSettings"];

const YEAR = 365 * 86_400;

function SettingsModal({ settings, onClose }: { settings: Settings; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { form, changes, set } = useDraft({
    suspendAfterSecs: settings.suspendAfterSecs as number | undefined,
    cleanUpAfterSecs: settings.cleanUpAfterSecs as number | undefined,
    brakePercent: settings.brakePercent as number | undefined,
    brakeCount: settings.brakeCount as number | undefined,
    brakeWindowSecs: settings.brakeWindowSecs as number | undefined,
  });
  const save = useMutation({
    mutationFn: () =>
      take(
        api.PATCH("/api/v1/fleet-settings", {
          params: { header: { "If-Match": settings.etag } },
          body: changes,
        }),
      ),
    onSuccess: (saved) => {
      client.setQueryData(fleetSettingsQuery.queryKey, saved);
      onClose();
    },
  });
  const duration = (key: "suspendAfterSecs" | "cleanUpAfterSecs" | "brakeWindowSecs") => (
    <DurationField
      id={`fleet-${key}`}
      label={t(`fleetSettings.${key}`)}
      hint={t(`fleetSettings.hints.${key}`)}
      pointer={`/${key}`}
      least={key === "cleanUpAfterSecs" ? 1 : 60}
      most={YEAR}
      value={form[key]}
      onChange={(value) => set({ [key]: value })}
    />
  );
  const counted = (key: "brakePercent" | "brakeCount", most: number) => (
    <NumberField
      id={`fleet-${key}`}
      label={t(`fleetSettings.${key}`)}
      hint={t(`fleetSettings.hints.${key}`)}
      pointer={`/${key}`}
      least={1}
      most={most}
      value={form[key]}
      onChange={(value) => set({ [key]: value })}
    />
  );
  return (
    <FormModal
      title={t("fleetSettings.edit")}
      error={save.error}
      pending={save.isPending}
      ready={Object.values(form).every((value) => value !== undefined)}
      onSubmit={() => save.mutate()}
      onClose={onClose}
      onReload={() =>
        void client.invalidateQueries({ queryKey: fleetSettingsQuery.queryKey }).then(() => save.reset())
      }
    >
      {duration("suspendAfterSecs")}
      {duration("cleanUpAfterSecs")}
      {counted("brakePercent", 100)}
      {counted("brakeCount", 1_000_000)}
      {duration("brakeWindowSecs")}
    </FormModal>
  );
}

/** What becomes of computers that come and go, and the brake on it. */
export function FleetSettingsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const mayChange = useMayChange();
  const query = useQuery(fleetSettingsQuery);
  const [editing, setEditing] = useState(false);
  const time = (seconds: number) => {
    const { number, unit } = partsOf(seconds);
    return t(`form.${unit}`, { count: number });
  };
  let content = <Loading />;
  if (query.data) {
    const { data } = query;
    content = (
      <div className="skm-columns">
        <Card>
          <CardTitle component="h2">{t("fleet.ephemeral")}</CardTitle>
          <CardBody>
            <p className="skm-subtle skm-gap-below">{t("fleetSettings.ephemeralUnder")}</p>
            <Facts>
              <Fact name={t("fleetSettings.suspendAfterSecs")}>{time(data.suspendAfterSecs)}</Fact>
              <Fact name={t("fleetSettings.cleanUpAfterSecs")}>{time(data.cleanUpAfterSecs)}</Fact>
            </Facts>
          </CardBody>
        </Card>
        <Card>
          <CardTitle component="h2">{t("fleetSettings.brake")}</CardTitle>
          <CardBody>
            <p className="skm-subtle skm-gap-below">{t("fleetSettings.brakeUnder")}</p>
            <Facts>
              <Fact name={t("fleetSettings.now")}>
                {t(data.brake ? "fleetSettings.braking" : "fleetSettings.notBraking")}
              </Fact>
              <Fact name={t("fleetSettings.brakePercent")}>{format.number(data.brakePercent)} %</Fact>
              <Fact name={t("fleetSettings.brakeCount")}>{format.number(data.brakeCount)}</Fact>
              <Fact name={t("fleetSettings.brakeWindowSecs")}>{time(data.brakeWindowSecs)}</Fact>
            </Facts>
          </CardBody>
        </Card>
      </div>
    );
  } else if (query.isError) {
    content = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  }
  return (
    <>
      <PageHeading
        title={t("fleetSettings.title")}
        actions={
          mayChange &&
          query.data && <Button onClick={() => setEditing(true)}>{t("fleetSettings.edit")}</Button>
        }
      />
      <PageSection>
        <Brake />
        {content}
      </PageSection>
      {editing && query.data && <SettingsModal settings={query.data} onClose={() => setEditing(false)} />}
    </>
  );
}
