import { Alert, AlertActionLink, PageSection } from "@patternfly/react-core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import type { Computer } from "../../api/types";
import { useFormat } from "../../format";
import { useMayChange } from "../../session";
import { SaveError } from "../../ui/states";

type Word = "confirm" | "revert" | "retry";

/** Seconds from now to a moment, counted down. */
function useSecondsTo(moment: number | undefined): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (moment === undefined) return;
    setNow(Date.now());
    const tick = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(tick);
  }, [moment]);
  return moment === undefined ? 0 : Math.max(0, Math.ceil(moment - now / 1000));
}

/** How the last change stands, and the operator's word on it. */
function Banner({ computer }: { computer: Computer }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const module = computer.modules.find((one) => one.module === "firewall");
  const number = module?.counters["change-number"];
  const operator = module?.counters["change-operator-until"];
  const until = operator ?? module?.counters["change-manager-until"];
  const released = module?.counters["released-until"];
  const seconds = useSecondsTo(until);
  const say = useMutation({
    mutationFn: (word: Word) => {
      const path = { id: computer.id };
      if (word === "retry")
        return take(api.POST("/api/v1/computers/{id}/firewall/retry", { params: { path } }));
      const body = { number: number ?? 0 };
      return word === "confirm"
        ? take(api.POST("/api/v1/computers/{id}/firewall/confirm", { params: { path }, body }))
        : take(api.POST("/api/v1/computers/{id}/firewall/revert", { params: { path }, body }));
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["computer", computer.id] }),
  });
  const says = (code: string) => module?.reasons.includes(code) ?? false;
  const link = (word: Word) => (
    <AlertActionLink key={word} isDisabled={say.isPending} onClick={() => say.mutate(word)}>
      {t(`firewallTrial.${word}`)}
    </AlertActionLink>
  );
  const after = (
    <>
      {say.isSuccess && <p role="status">{t("firewallTrial.told")}</p>}
      {say.isError && <SaveError error={say.error} />}
    </>
  );
  if (says("released-by-hand")) {
    const time = released === undefined ? "" : format.time(new Date(released * 1000).toISOString());
    return (
      <Alert variant="warning" isInline component="h2" title={t("firewallTrial.releasedTitle")}>
        <p>{t("firewallTrial.releasedBody", { until: time })}</p>
      </Alert>
    );
  }
  if (says("unconfirmed")) {
    const asked = operator !== undefined;
    const values = { number: number ?? 0, seconds };
    const body = t(asked ? "firewallTrial.operatorBody" : "firewallTrial.managerBody", values);
    return (
      <Alert
        variant={asked ? "warning" : "info"}
        isInline
        component="h2"
        title={t(asked ? "firewallTrial.operatorTitle" : "firewallTrial.managerTitle")}
        actionLinks={mayChange && [...(asked ? [link("confirm")] : []), link("revert")]}
      >
        <p role="timer">{seconds > 0 ? body : t("firewallTrial.over")}</p>
        {after}
      </Alert>
    );
  }
  if (says("reverted")) {
    return (
      <Alert
        variant="danger"
        isInline
        component="h2"
        title={t("firewallTrial.revertedTitle")}
        actionLinks={mayChange && link("retry")}
      >
        <p>{t("firewallTrial.revertedBody")}</p>
        {after}
      </Alert>
    );
  }
  return null;
}

const SHOWN = ["unconfirmed", "reverted", "released-by-hand"];

/** The firewall's change on a computer, where there is something to know of it. */
export function FirewallTrial({ computer }: { computer: Computer }) {
  const module = computer.modules.find((one) => one.module === "firewall");
  if (!module?.reasons.some((reason) => SHOWN.includes(reason))) return null;
  return (
    <PageSection>
      <Banner computer={computer} />
    </PageSection>
  );
}
