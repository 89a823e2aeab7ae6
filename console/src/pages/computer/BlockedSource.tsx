import { Button } from "@patternfly/react-core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import { useFormat } from "../../format";
import { useMayChange } from "../../session";
import { SaveError } from "../../ui/states";

/** A source that is kept out because it looked for ways in, until a moment in seconds since 1970. */
export function BlockedSource({
  computerId,
  source,
  until,
}: {
  computerId: string;
  source: string;
  until: number;
}) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const letIn = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/computers/{id}/firewall/let-in", {
          params: { path: { id: computerId } },
          body: { source },
        }),
      ),
    onSettled: () => client.invalidateQueries({ queryKey: ["computer", computerId] }),
  });
  const time = format.time(new Date(until * 1000).toISOString());
  return (
    <>
      {t("computer.blockedUntil", { address: source, until: time })}{" "}
      {mayChange && !letIn.isSuccess && (
        <Button
          variant="link"
          isInline
          isDisabled={letIn.isPending}
          aria-label={t("computer.letInSource", { address: source })}
          onClick={() => letIn.mutate()}
        >
          {t("computer.letIn")}
        </Button>
      )}
      {letIn.isSuccess && <span role="status">{t("firewallTrial.told")}</span>}
      {letIn.isError && <SaveError error={letIn.error} />}
    </>
  );
}
