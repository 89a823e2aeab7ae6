import { Button } from "@patternfly/react-core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import type { Computer } from "../../api/types";
import { useMayChange } from "../../session";
import { Confirm } from "../../ui/Confirm";

/** Makes the manager forget a computer. */
export function DeleteComputer({ computer }: { computer: Computer }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const mayChange = useMayChange();
  const [asking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: () => take(api.DELETE("/api/v1/computers/{id}", { params: { path: { id: computer.id } } })),
    onSuccess: async () => {
      await navigate({ to: "/computers" });
      client.removeQueries({ queryKey: ["computer", computer.id] });
      await client.invalidateQueries({ queryKey: ["computers"] });
    },
  });
  if (!mayChange) return null;
  return (
    <>
      <Button variant="secondary" isDanger onClick={() => setAsking(true)}>
        {t("common.delete")}
      </Button>
      {asking && (
        <Confirm
          title={t("computer.deleteTitle", { name: computer.displayName })}
          confirm={t("common.delete")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate()}
          onClose={() => {
            remove.reset();
            setAsking(false);
          }}
        >
          {t("computer.deleteBody")}
        </Confirm>
      )}
    </>
  );
}
