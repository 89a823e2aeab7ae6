import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../api/client";
import { FormModal } from "./form/FormModal";
import { TextField } from "./form/fields";

/** Shortest password that the manager takes. */
const SHORTEST = 12;

/** Changes one's own password; all other sessions end. */
export function PasswordModal({ onClose, onChanged }: { onClose: () => void; onChanged: () => void }) {
  const { t } = useTranslation();
  const [current, setCurrent] = useState("");
  const [wanted, setWanted] = useState("");
  const [again, setAgain] = useState("");
  const change = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/users/current/password", {
          body: { currentPassword: current, newPassword: wanted },
        }),
      ),
    onSuccess: onChanged,
  });
  const short = wanted !== "" && wanted.length < SHORTEST;
  const differs = again !== "" && again !== wanted;
  const ready = current !== "" && wanted.length >= SHORTEST && again === wanted;
  return (
    <FormModal
      title={t("access.changePassword")}
      error={change.error}
      pending={change.isPending}
      ready={ready}
      onSubmit={() => change.mutate()}
      onClose={onClose}
    >
      <TextField
        id="password-current"
        label={t("access.currentPassword")}
        pointer="/currentPassword"
        type="password"
        autoComplete="current-password"
        required
        maxLength={1024}
        value={current}
        onChange={setCurrent}
      />
      <TextField
        id="password-new"
        label={t("access.newPassword")}
        pointer="/newPassword"
        type="password"
        autoComplete="new-password"
        required
        maxLength={1024}
        wrong={short ? t("access.tooShort", { count: SHORTEST }) : undefined}
        hint={t("access.passwordHint", { count: SHORTEST })}
        value={wanted}
        onChange={setWanted}
      />
      <TextField
        id="password-again"
        label={t("access.again")}
        type="password"
        autoComplete="new-password"
        required
        maxLength={1024}
        wrong={differs ? t("access.differs") : undefined}
        value={again}
        onChange={setAgain}
      />
    </FormModal>
  );
}
