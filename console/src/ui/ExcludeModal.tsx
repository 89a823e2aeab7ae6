import { Button, Content, Modal, ModalBody, ModalFooter, ModalHeader, Title } from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { excludeEvent, type WafExclusionMade } from "../api/waf";
import { Loading, SaveError } from "./states";

function Effect({ made }: { made: WafExclusionMade }) {
  const { t } = useTranslation();
  const { effect } = made;
  return (
    <Content>
      <ul>
        {Object.entries(made.exclusions).map(([name, one]) => (
          <li key={name} className="skm-break">
            {t("waf.excludeOne", {
              rule: one.rule === 0 ? one.tag : String(one.rule),
              variable: one.variable || t("waf.excludeAnything"),
              path: one.path || t("waf.excludeAnywhere"),
            })}
          </li>
        ))}
      </ul>
      <Title headingLevel="h3" size="md">
        {t("waf.effect")}
      </Title>
      <p>
        {t("waf.effectEvents", {
          events: effect.events,
          blocked: effect.blocked,
          passing: effect.passing,
        })}{" "}
        {t("waf.effectSilenced", { silenced: effect.silenced })} {effect.more && t("waf.effectMore")}
      </p>
      {effect.examples.length > 0 && (
        <ul>
          {effect.examples.map((one) => (
            <li key={one.eventId} className="skm-break">
              {one.client} {one.request}: {one.message}
            </li>
          ))}
        </ul>
      )}
    </Content>
  );
}

/** Shows exclusions for what was found in an event, and what they would have changed, before they are saved. */
export function ExcludeModal({
  id,
  rule,
  onClose,
}: {
  id: string;
  rule: number | undefined;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const tried = useQuery({
    queryKey: ["waf-exclusion", id, rule],
    queryFn: () => excludeEvent(id, rule, true),
    staleTime: 0,
    retry: false,
  });
  const save = useMutation({
    mutationFn: () => excludeEvent(id, rule, false),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["policies"] });
      onClose();
    },
  });
  const error = tried.error ?? save.error;
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="exclude-title">
      <ModalHeader
        title={tried.data ? t("waf.excludeTitle", { policy: tried.data.policyName }) : t("waf.exclude")}
        labelId="exclude-title"
      />
      <ModalBody>
        {tried.data && <Effect made={tried.data} />}
        {tried.isPending && <Loading />}
        {error && <SaveError error={error} />}
      </ModalBody>
      <ModalFooter>
        <Button
          isDisabled={tried.data === undefined || save.isPending}
          isLoading={save.isPending}
          onClick={() => save.mutate()}
        >
          {t("waf.excludeSave")}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
