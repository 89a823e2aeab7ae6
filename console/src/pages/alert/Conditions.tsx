import { Button, Label, Switch } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type AlertCondition, conditionsQuery } from "../../api/alerts";
import { api, take } from "../../api/client";
import { useMayChange } from "../../session";
import { Confirm } from "../../ui/Confirm";
import { partsOf } from "../../ui/form/duration";
import { SeverityLabel } from "../../ui/labels";
import { spoken } from "../../ui/ruleText";
import { LoadError, Loading, SaveError } from "../../ui/states";
import { ConditionModal } from "./ConditionModal";

function Threshold({ condition }: { condition: AlertCondition }) {
  const { t } = useTranslation();
  if (condition.threshold === null || condition.threshold === undefined || !condition.thresholdUnit) {
    return null;
  }
  const threshold = t(`alerts.units.${condition.thresholdUnit}`, { count: condition.threshold });
  if (!condition.windowSecs) return threshold;
  const { number, unit } = partsOf(condition.windowSecs);
  return t("conditionForm.within", { threshold, time: t(`form.${unit}`, { count: number }) });
}

type Open = { what: "create" } | { what: "edit" | "delete"; id: string };

/** Under which conditions alerts are raised. */
export function Conditions() {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const query = useQuery(conditionsQuery);
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const onSettled = () => client.invalidateQueries({ queryKey: ["alerts"] });
  const change = useMutation({
    mutationFn: ({ condition, enabled }: { condition: AlertCondition; enabled: boolean }) =>
      take(
        api.PATCH("/api/v1/alert-conditions/{id}", {
          params: { path: { id: condition.id }, header: { "If-Match": condition.etag } },
          body: { enabled },
        }),
      ),
    onSettled,
  });
  const remove = useMutation({
    mutationFn: (id: string) =>
      take(api.DELETE("/api/v1/alert-conditions/{id}", { params: { path: { id } } })),
    onSettled,
  });
  if (query.isError && query.data === undefined) {
    return <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  }
  if (query.data === undefined) return <Loading />;
  const { items } = query.data;
  const chosen = open && "id" in open ? items.find((one) => one.id === open.id) : undefined;
  return (
    <>
      <div className="skm-heading skm-gap-below">
        <p className="skm-subtle">{t("conditionForm.under")}</p>
        {mayChange && (
          <Button onClick={() => setOpen({ what: "create" })}>{t("conditionForm.create")}</Button>
        )}
      </div>
      {change.isError && <SaveError error={change.error} />}
      <Table aria-label={t("alerts.conditions")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("alerts.inForce")}</Th>
            <Th>{t("alerts.condition")}</Th>
            <Th>{t("severity.label")}</Th>
            <Th>{t("alerts.threshold")}</Th>
            {mayChange && <Th screenReaderText={t("common.actions")} />}
          </Tr>
        </Thead>
        <Tbody>
          {items.map((condition) => {
            const title = spoken(condition.title, i18n.language);
            const changed = condition.builtIn && Boolean(condition.updatedAt);
            return (
              <Tr key={condition.id}>
                <Td dataLabel={t("alerts.inForce")}>
                  <Switch
                    id={`condition-${condition.id}`}
                    aria-label={title}
                    isChecked={condition.enabled}
                    isDisabled={!mayChange || change.isPending}
                    onChange={(_, enabled) => change.mutate({ condition, enabled })}
                  />
                </Td>
                <Td dataLabel={t("alerts.condition")} className="skm-main-cell">
                  {title} {!condition.builtIn && <Label isCompact>{t("conditionForm.own")}</Label>}
                  {changed && <Label isCompact>{t("conditionForm.changed")}</Label>}
                  {condition.filter && (
                    <div className="skm-small">
                      <code className="skm-break">{condition.filter}</code>
                    </div>
                  )}
                </Td>
                <Td dataLabel={t("severity.label")}>
                  <SeverityLabel severity={condition.severity} />
                </Td>
                <Td dataLabel={t("alerts.threshold")}>
                  <Threshold condition={condition} />
                </Td>
                {mayChange && (
                  <Td isActionCell>
                    <div className="skm-line-actions">
                      <Button
                        variant="link"
                        isInline
                        aria-label={`${t("common.edit")}: ${title}`}
                        onClick={() => setOpen({ what: "edit", id: condition.id })}
                      >
                        {t("common.edit")}
                      </Button>
                      {(!condition.builtIn || changed) && (
                        <Button
                          variant="link"
                          isInline
                          isDanger={!condition.builtIn}
                          aria-label={`${t(condition.builtIn ? "conditionForm.reset" : "common.delete")}: ${title}`}
                          onClick={() => setOpen({ what: "delete", id: condition.id })}
                        >
                          {t(condition.builtIn ? "conditionForm.reset" : "common.delete")}
                        </Button>
                      )}
                    </div>
                  </Td>
                )}
              </Tr>
            );
          })}
        </Tbody>
      </Table>
      {open?.what === "create" && <ConditionModal onClose={close} />}
      {open?.what === "edit" && chosen && (
        <ConditionModal key={chosen.id} condition={chosen} onClose={close} />
      )}
      {open?.what === "delete" && chosen && (
        <Confirm
          title={t(chosen.builtIn ? "conditionForm.resetTitle" : "conditionForm.deleteTitle", {
            name: spoken(chosen.title, i18n.language),
          })}
          confirm={t(chosen.builtIn ? "conditionForm.reset" : "common.delete")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(chosen.id, { onSuccess: close })}
          onClose={() => {
            remove.reset();
            close();
          }}
        >
          {t(chosen.builtIn ? "conditionForm.resetBody" : "conditionForm.deleteBody")}
        </Confirm>
      )}
    </>
  );
}
