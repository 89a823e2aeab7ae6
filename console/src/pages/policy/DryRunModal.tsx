import {
  Button,
  FormGroup,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  TextInput,
  Title,
} from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { DryRun } from "../../api/types";
import { FirewallFindings } from "./FirewallFindings";
import { SettingChanges } from "./SettingChanges";

interface Props {
  run: DryRun;
  /** Whether the change is kept with a comment; nothing else is. */
  commented?: boolean;
  pending: boolean;
  onSave: (comment: string) => void;
  onClose: () => void;
}

/** Says before something is saved which computers change, and how. */
export function DryRunModal({ run, commented = true, pending, onSave, onClose }: Props) {
  const { t } = useTranslation();
  const [comment, setComment] = useState("");
  return (
    <Modal isOpen variant="large" onClose={onClose} aria-labelledby="dry-run-title">
      <ModalHeader title={t("dryRun.title")} labelId="dry-run-title" />
      <ModalBody>
        <p className="skm-gap-below">
          <strong>
            {run.computers === 0 ? t("dryRun.nothing") : t("dryRun.computers", { count: run.computers })}
          </strong>
        </p>
        {commented && (
          <FormGroup label={t("history.comment")} fieldId="save-comment" className="skm-gap-below">
            <TextInput
              id="save-comment"
              maxLength={1024}
              placeholder={t("history.commentHint")}
              value={comment}
              onChange={(_, value) => setComment(value)}
            />
          </FormGroup>
        )}
        {(run.firewall ?? []).length > 0 && <FirewallFindings findings={run.firewall ?? []} />}
        {run.groups.map((group) => (
          <div key={`${group.policyId} ${group.examples[0]?.id ?? ""}`}>
            <Title headingLevel="h2" size="md" className="skm-gap-below">
              {t("dryRun.group", { policy: group.policyName, count: group.computers })}
            </Title>
            <p className="skm-subtle skm-break">
              {group.examples
                .slice(0, 10)
                .map((one) => one.name)
                .join(", ")}
            </p>
            <SettingChanges changes={group.changes} total={group.changes.length} />
          </div>
        ))}
      </ModalBody>
      <ModalFooter>
        <Button isLoading={pending} isDisabled={pending} onClick={() => onSave(comment.trim())}>
          {t("dryRun.save")}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
