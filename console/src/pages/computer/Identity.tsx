import { Button } from "@patternfly/react-core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import type { Computer } from "../../api/types";
import { useMayChange } from "../../session";
import { Confirm } from "../../ui/Confirm";

/** Takes a computer's identity away, or gives it back. */
export function Identity({ computer }: { computer: Computer }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const [asking, setAsking] = useState(false);
  const params = { path: { id: computer.id } };
  const change = useMutation({
    mutationFn: () =>
      computer.managed
        ? take(api.POST("/api/v1/computers/{id}/deactivate", { params }))
        : take(api.POST("/api/v1/computers/{id}/reactivate", { params })),
    onSuccess: async (changed) => {
      setAsking(false);
      client.setQueryData(["computer", computer.id], changed);
      await client.invalidateQueries({ queryKey: ["computers"] });
    },
  });
  if (!mayChange) return null;
  if (!computer.managed) {
    return (
      <Button variant="secondary" isLoading={change.isPending} onClick={() => change.mutate()}>
        {t("fleet.reactivate")}
      </Button>
    );
  }
  return (
    <>
      <Button variant="secondary" onClick={() => setAsking(true)}>
        {t("fleet.deactivate")}
      </Button>
      {asking && (
        <Confirm
          title={t("fleet.deactivateTitle", { name: computer.displayName })}
          confirm={t("fleet.deactivate")}
          pending={change.isPending}
          error={change.error}
          onConfirm={() => change.mutate()}
          onClose={() => {
            change.reset();
            setAsking(false);
          }}
        >
          {t("fleet.deactivateBody")}
        </Confirm>
      )}
    </>
  );
}
