import { Alert, Button, Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { apiKeysQuery, ROLES, type Role } from "../../api/access";
import { api, take } from "../../api/client";
import { useSession } from "../../session";
import { CopyLine } from "../../ui/CopyLine";
import { FormModal } from "../../ui/form/FormModal";
import { SelectField, TextField } from "../../ui/form/fields";

const DAY = 86_400;
/** How long a key lives, in days; none for ever. */
const LIFETIMES = ["30", "90", "365", ""] as const;

function Secret({ secret, onClose }: { secret: string; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="key-title">
      <ModalHeader title={t("access.keyMade")} labelId="key-title" />
      <ModalBody>
        <Alert
          isInline
          variant="warning"
          component="p"
          className="skm-gap-below"
          title={t("access.shownOnce")}
        />
        <CopyLine label={t("access.secret")}>{secret}</CopyLine>
        <p className="skm-subtle skm-small">{t("access.secretUse")}</p>
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{t("common.close")}</Button>
      </ModalFooter>
    </Modal>
  );
}

/** Makes a key for scripts and shows its secret once. */
export function ApiKeyModal({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mine = ROLES.indexOf(useSession().user.role);
  const roles = ROLES.slice(mine);
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("auditor");
  const [days, setDays] = useState<(typeof LIFETIMES)[number]>("90");
  const create = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/api-keys", {
          body: {
            name: name.trim(),
            role,
            ...(days !== "" && { expiresInSecs: Number(days) * DAY }),
          },
        }),
      ),
    onSuccess: () => client.invalidateQueries({ queryKey: apiKeysQuery.queryKey }),
  });
  if (create.data) return <Secret secret={create.data.secret} onClose={onClose} />;
  return (
    <FormModal
      title={t("access.createKey")}
      action={t("common.create")}
      error={create.error}
      pending={create.isPending}
      ready={name.trim() !== ""}
      onSubmit={() => create.mutate()}
      onClose={onClose}
    >
      <TextField
        id="key-name"
        label={t("common.name")}
        pointer="/name"
        required
        maxLength={128}
        hint={t("access.keyNameHint")}
        value={name}
        onChange={setName}
      />
      <SelectField
        id="key-role"
        label={t("access.role")}
        pointer="/role"
        hint={t(`access.roleHints.${role}`)}
        value={role}
        options={roles.map((value) => ({ value, label: t(`role.${value}`) }))}
        onChange={setRole}
      />
      <SelectField
        id="key-lifetime"
        label={t("access.expires")}
        pointer="/expiresInSecs"
        value={days}
        options={LIFETIMES.map((value) => ({
          value,
          label: value === "" ? t("common.never") : t("form.days", { count: Number(value) }),
        }))}
        onChange={setDays}
      />
    </FormModal>
  );
}
