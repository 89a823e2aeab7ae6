import { Alert, Button, Card, CardBody, CardTitle, List, ListItem } from "@patternfly/react-core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import type { Computer } from "../../api/types";
import { textOfCode } from "../../i18n";
import { useMayChange } from "../../session";
import { CopyLine } from "../../ui/CopyLine";
import { Fact, Facts } from "../../ui/Facts";
import { StatusLabel } from "../../ui/labels";
import { ModuleChips } from "../../ui/ModuleChips";
import { moduleReasonTexts, statusReasonText } from "../../ui/reasons";
import { SaveError } from "../../ui/states";
import { Ago, Time } from "../../ui/Time";
import { AssignPolicy } from "./AssignPolicy";
import { ComputerOrder } from "./ComputerOrder";

/** What to do when two machines have one identity. */
function CloneNotice({ computer }: { computer: Computer }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const dismiss = useMutation({
    mutationFn: () =>
      take(
        api.PATCH("/api/v1/computers/{id}", {
          params: { path: { id: computer.id }, header: { "If-Match": computer.etag } },
          body: { clone: false },
        }),
      ),
    onSettled: () => client.invalidateQueries({ queryKey: ["computer", computer.id] }),
  });
  const facts = new Intl.ListFormat(i18n.language, { type: "conjunction" }).format(
    computer.fingerprint.cloneDiffersIn.map((fact) => textOfCode("computer.fact", fact)),
  );
  return (
    <Alert
      variant="danger"
      isInline
      component="h2"
      title={t("computer.cloneTitle")}
      className="skm-gap-below"
      actionLinks={
        mayChange && (
          <Button variant="link" isInline isLoading={dismiss.isPending} onClick={() => dismiss.mutate()}>
            {t("computer.cloneDismiss")}
          </Button>
        )
      }
    >
      <p>{t("computer.cloneBody", { facts })}</p>
      {dismiss.isError && <SaveError error={dismiss.error} />}
    </Alert>
  );
}

/** How a computer is, in words, and what it is. */
export function ComputerOverview({ computer }: { computer: Computer }) {
  const { t } = useTranslation();
  const { bundle } = computer;
  return (
    <>
      {computer.status === "clone" && <CloneNotice computer={computer} />}
      <div className="skm-columns">
        <div className="skm-column">
          <Card>
            <CardTitle component="h2">{t("computers.status")}</CardTitle>
            <CardBody>
              <div className="skm-gap-below">
                <StatusLabel status={computer.status} />
              </div>
              {computer.statusReasons.length > 0 ? (
                <List className="skm-gap-below">
                  {computer.statusReasons.map((reason) => (
                    <ListItem key={`${reason.code} ${reason.args.module ?? ""}`}>
                      {statusReasonText(reason)}
                      {computer.modules
                        .filter((module) => module.module === reason.args.module)
                        .flatMap(moduleReasonTexts)
                        .map((text) => (
                          <div key={text} className="skm-subtle">
                            {text}
                          </div>
                        ))}
                    </ListItem>
                  ))}
                </List>
              ) : (
                computer.status === "online" && <p className="skm-gap-below">{t("computer.allWell")}</p>
              )}
              <Facts>
                <Fact name={t("computer.lastSeen")}>
                  <Ago at={computer.lastSeen} />
                </Fact>
                <Fact name={t("computer.settingsState")}>
                  {t(bundle.upToDate ? "computer.upToDate" : "computer.notUpToDate")}
                  {bundle.refused !== null && (
                    <div className="skm-subtle">{t("computer.refused", { reason: bundle.refused })}</div>
                  )}
                </Fact>
                <Fact name={t("computers.modules")}>
                  <ModuleChips modules={computer.modules} />
                </Fact>
              </Facts>
            </CardBody>
          </Card>
          <Card>
            <CardTitle component="h2">{t("computer.policy")}</CardTitle>
            <CardBody>
              <AssignPolicy computer={computer} />
            </CardBody>
          </Card>
          <Card>
            <CardTitle component="h2">{t("fleet.order")}</CardTitle>
            <CardBody>
              <ComputerOrder key={computer.etag} computer={computer} />
            </CardBody>
          </Card>
        </div>
        <Card>
          <CardTitle component="h2">{t("computer.identity")}</CardTitle>
          <CardBody>
            <Facts>
              <Fact name={t("computer.hostName")}>{computer.hostName}</Fact>
              <Fact name={t("computer.addresses")}>
                {computer.addresses.length === 0
                  ? t("common.unknown")
                  : computer.addresses.map((address) => <div key={address}>{address}</div>)}
              </Fact>
              <Fact name={t("computer.operatingSystem")}>
                {computer.operatingSystem || t("common.unknown")}
              </Fact>
              <Fact name={t("computer.kernel")}>{computer.kernel || t("common.unknown")}</Fact>
              <Fact name={t("computer.agentVersion")}>{computer.agentVersion || t("common.unknown")}</Fact>
              <Fact name={t("computer.queueMechanism")}>
                {computer.queueMechanism === ""
                  ? t("common.unknown")
                  : textOfCode("queueMechanism", computer.queueMechanism)}
              </Fact>
              <Fact name={t("computer.activatedAt")}>
                <Time at={computer.activatedAt} />
              </Fact>
              <Fact name={t("computer.certificateExpires")}>
                <Time at={computer.certificateExpiresAt} />
              </Fact>
              <Fact name={t("computer.id")}>
                <CopyLine inline label={t("computer.id")}>
                  {computer.id}
                </CopyLine>
              </Fact>
            </Facts>
          </CardBody>
        </Card>
      </div>
    </>
  );
}
