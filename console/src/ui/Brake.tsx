import { Alert, Button } from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "../api/client";
import { fleetSettingsQuery } from "../api/fleet";
import { useFormat } from "../format";
import { useMayChange } from "../session";
import { SaveError } from "./states";

/** Says that the brake on mass loss is on. */
export function Brake() {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const { data } = useQuery(fleetSettingsQuery);
  const release = useMutation({
    mutationFn: () => take(api.POST("/api/v1/fleet-settings/release-brake")),
    onSuccess: (settings) => client.setQueryData(fleetSettingsQuery.queryKey, settings),
  });
  if (!data?.brake) return null;
  return (
    <Alert
      variant="danger"
      isInline
      component="h2"
      className="skm-gap-below"
      title={t("fleet.brakeOn", { lost: format.number(data.brake.lost), of: format.number(data.brake.of) })}
      actionLinks={
        mayChange && (
          <Button variant="link" isInline isLoading={release.isPending} onClick={() => release.mutate()}>
            {t("fleet.brakeRelease")}
          </Button>
        )
      }
    >
      <p>{t("fleet.brakeBody")}</p>
      {release.isError && <SaveError error={release.error} title={t("error.notDone")} />}
    </Alert>
  );
}
