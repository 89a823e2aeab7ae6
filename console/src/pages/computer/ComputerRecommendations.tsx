import { Alert, Button, Label, List, ListItem } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import { recommendationsQuery } from "../../api/queries";
import type { Recommendations } from "../../api/types";
import { useFormat } from "../../format";
import { textOfCode } from "../../i18n";
import { useMayChange } from "../../session";
import { Fact, Facts } from "../../ui/Facts";
import { SeverityLabel } from "../../ui/labels";
import { spoken } from "../../ui/ruleText";
import { Empty, LoadError, Loading, SaveError } from "../../ui/states";

function Scan({ computerId }: { computerId: string }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const scan = useMutation({
    mutationFn: () =>
      take(api.POST("/api/v1/computers/{id}/recommendations/scan", { params: { path: { id: computerId } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["computer", computerId, "recommendations"] }),
  });
  if (!mayChange) return null;
  return (
    <>
      {scan.isError && <SaveError error={scan.error} />}
      {scan.isSuccess && (
        <Alert
          isInline
          variant="info"
          title={t(scan.data.online ? "recommendation.asked" : "recommendation.askedOffline")}
        />
      )}
      <Button variant="secondary" isLoading={scan.isPending} onClick={() => scan.mutate()}>
        {t("recommendation.scan")}
      </Button>
    </>
  );
}

function Rules({ rules }: { rules: Recommendations["rules"] }) {
  const { t, i18n } = useTranslation();
  return (
    <Table aria-label={t("recommendation.list")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("recommendation.rule")}</Th>
          <Th>{t("recommendation.severity")}</Th>
          <Th>{t("recommendation.why")}</Th>
          <Th>{t("recommendation.assigned")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {rules.map((rule) => (
          <Tr key={rule.sid}>
            <Td dataLabel={t("recommendation.rule")}>
              <Link to="/rules/$sid" params={{ sid: String(rule.sid) }}>
                {spoken(rule.title, i18n.language)}
              </Link>
              <div className="skm-subtle skm-small">{rule.sid}</div>
            </Td>
            <Td dataLabel={t("recommendation.severity")}>
              <SeverityLabel severity={rule.severity} />
            </Td>
            <Td dataLabel={t("recommendation.why")}>
              <List isPlain>
                {rule.reasons.map((reason) => (
                  <ListItem key={`${reason.kind} ${reason.product} ${reason.version} ${reason.place}`}>
                    <span className="skm-break">{spoken(reason.explanation, i18n.language)}</span>
                  </ListItem>
                ))}
              </List>
            </Td>
            <Td dataLabel={t("recommendation.assigned")}>
              <Label color={rule.assigned ? "green" : "grey"}>
                {t(rule.assigned ? "recommendation.assigned" : "recommendation.notAssigned")}
              </Label>
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** Which rules a computer needs, and why. */
export function ComputerRecommendations({ computerId }: { computerId: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useQuery(recommendationsQuery(computerId));
  if (query.isError) return <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data === undefined) return <Loading />;
  const { scannedAt, scanRequestedAt, incomplete, assignsRecommended, rules } = query.data;
  return (
    <>
      <Facts>
        <Fact name={t("recommendation.scanned")}>
          {scannedAt === null ? t("recommendation.never") : format.time(scannedAt)}
          {scanRequestedAt !== null && (
            <div className="skm-subtle skm-small">
              {t("recommendation.requested", { when: format.time(scanRequestedAt) })}
            </div>
          )}
        </Fact>
        {incomplete.length > 0 && (
          <Fact name={t("inventory.incomplete")}>
            {incomplete.map((kind) => textOfCode("inventory.kinds", kind)).join(", ")}
          </Fact>
        )}
        <Fact name={t("recommendation.byPolicy")}>
          {t(assignsRecommended ? "recommendation.assignsRecommended" : "recommendation.assignsByHand")}
        </Fact>
      </Facts>
      <Scan computerId={computerId} />
      {rules.length === 0 ? (
        <Empty title={t("recommendation.empty")}>{t("recommendation.emptyBody")}</Empty>
      ) : (
        <Rules rules={rules} />
      )}
    </>
  );
}
