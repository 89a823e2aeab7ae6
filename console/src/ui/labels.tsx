import { Label } from "@patternfly/react-core";
import { BanIcon } from "@patternfly/react-icons/dist/esm/icons/ban-icon";
import { CheckCircleIcon } from "@patternfly/react-icons/dist/esm/icons/check-circle-icon";
import { CloneIcon } from "@patternfly/react-icons/dist/esm/icons/clone-icon";
import { ExclamationCircleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon";
import { ExclamationTriangleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon";
import { EyeIcon } from "@patternfly/react-icons/dist/esm/icons/eye-icon";
import { InfoCircleIcon } from "@patternfly/react-icons/dist/esm/icons/info-circle-icon";
import { LockIcon } from "@patternfly/react-icons/dist/esm/icons/lock-icon";
import { MinusCircleIcon } from "@patternfly/react-icons/dist/esm/icons/minus-circle-icon";
import { PendingIcon } from "@patternfly/react-icons/dist/esm/icons/pending-icon";
import { ShieldAltIcon } from "@patternfly/react-icons/dist/esm/icons/shield-alt-icon";
import { UnpluggedIcon } from "@patternfly/react-icons/dist/esm/icons/unplugged-icon";
import type { ComponentProps, ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { ComputerStatus, Coverage, Mode, ModuleState } from "../api/types";
import { textOfCode } from "../i18n";

type LabelLook = Pick<ComponentProps<typeof Label>, "color" | "status" | "variant"> & { icon?: ReactNode };

const STATUS: Record<ComputerStatus, LabelLook> = {
  online: { status: "success", icon: <CheckCircleIcon /> },
  degraded: { status: "warning", icon: <ExclamationTriangleIcon /> },
  offline: { color: "grey", icon: <UnpluggedIcon /> },
  clone: { status: "danger", icon: <CloneIcon /> },
  pending: { status: "info", icon: <PendingIcon /> },
  suspended: { color: "grey", icon: <PendingIcon /> },
  unmanaged: { color: "grey", icon: <BanIcon /> },
};

/** How a computer is. */
export function StatusLabel({ status }: { status: ComputerStatus }) {
  const { t } = useTranslation();
  return <Label {...STATUS[status]}>{t(`status.${status}`)}</Label>;
}

const SEVERITY: Record<string, LabelLook> = {
  critical: { color: "red", icon: <ExclamationCircleIcon /> },
  high: { color: "orangered", icon: <ExclamationTriangleIcon /> },
  medium: { color: "orange", icon: <ExclamationTriangleIcon /> },
  low: { color: "blue", icon: <InfoCircleIcon /> },
  info: { color: "grey", icon: <InfoCircleIcon /> },
};

/** How much an event or a rule matters. */
export function SeverityLabel({ severity }: { severity: string }) {
  useTranslation();
  return (
    <Label isCompact {...(SEVERITY[severity] ?? SEVERITY.info)}>
      {textOfCode("severity", severity)}
    </Label>
  );
}

const ACTION: Record<string, LabelLook> = {
  blocked: { color: "green", variant: "outline", icon: <ShieldAltIcon /> },
  detected: { color: "orange", variant: "outline", icon: <EyeIcon /> },
  noted: { color: "grey", variant: "outline", icon: <InfoCircleIcon /> },
};

/** What was done about an event. */
export function ActionLabel({ action }: { action: string }) {
  useTranslation();
  return (
    <Label isCompact {...(ACTION[action] ?? ACTION.noted)}>
      {textOfCode("action", action)}
    </Label>
  );
}

const MODE: Record<Mode, LabelLook> = {
  prevent: { color: "green", icon: <ShieldAltIcon /> },
  detect: { color: "blue", icon: <EyeIcon /> },
  off: { color: "grey", icon: <MinusCircleIcon /> },
};

/** How far a module or a rule goes. */
export function ModeLabel({ mode }: { mode: Mode }) {
  const { t } = useTranslation();
  return (
    <Label isCompact {...MODE[mode]}>
      {t(`mode.${mode}`)}
    </Label>
  );
}

/** That a policy has the network's modules stop nothing. */
export function TapLabel() {
  const { t } = useTranslation();
  return (
    <Label isCompact status="warning" icon={<ExclamationTriangleIcon />}>
      {t("policies.tap")}
    </Label>
  );
}

const STATE: Record<ModuleState, LabelLook> = {
  active: { status: "success", icon: <CheckCircleIcon /> },
  off: { color: "grey", icon: <MinusCircleIcon /> },
  degraded: { status: "warning", icon: <ExclamationTriangleIcon /> },
  failed: { status: "danger", icon: <ExclamationCircleIcon /> },
};

/** How a module is. */
export function ModuleStateLabel({ state }: { state: ModuleState }) {
  const { t } = useTranslation();
  return (
    <Label isCompact {...STATE[state]}>
      {t(`moduleState.${state}`)}
    </Label>
  );
}

const COVERAGE: Record<Coverage, LabelLook> = {
  inspected: { status: "success", icon: <ShieldAltIcon /> },
  "not-inspected-encrypted": { status: "warning", icon: <LockIcon /> },
  "not-inspected-policy": { color: "grey", icon: <MinusCircleIcon /> },
  "not-inspected-module": { status: "danger", icon: <BanIcon /> },
};

/** Whether a port's content is inspected. */
export function CoverageLabel({ coverage }: { coverage: Coverage }) {
  const { t } = useTranslation();
  return <Label {...COVERAGE[coverage]}>{t(`coverage.${coverage}`)}</Label>;
}
