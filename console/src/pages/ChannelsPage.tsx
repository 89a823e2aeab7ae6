import { Alert, Button, Label, PageSection } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Channel, channelsQuery } from "../api/alerts";
import { api, take } from "../api/client";
import { useFormat } from "../format";
import { useSession } from "../session";
import { Confirm } from "../ui/Confirm";
import { PageHeading } from "../ui/PageHeading";
import { Empty, LoadError, Loading, SaveError } from "../ui/states";
import { Time } from "../ui/Time";

function where(channel: Channel): string {
  const { target } = channel;
  switch (target.kind) {
    case "email":
      return target.to.join(", ");
    case "syslog":
      return `${target.server}:${target.port} (${target.transport}, ${target.format})`;
    default:
      return target.url;
  }
}

function State({ channel }: { channel: Channel }) {
  const { t } = useTranslation();
  if (!channel.enabled) return <Label isCompact>{t("channels.off")}</Label>;
  if (!channel.failingSince) {
    return (
      <Label isCompact status="success">
        {t("channels.working")}
      </Label>
    );
  }
  return (
    <>
      <Label isCompact status="danger">
        {t("channels.failing")}
      </Label>
      <div className="skm-small skm-break">{channel.lastError}</div>
      {channel.nextAttemptAt && (
        <div className="skm-subtle skm-small">
          {t("channels.nextAttempt")}: <Time at={channel.nextAttemptAt} />
        </div>
      )}
    </>
  );
}

function Test({ channel }: { channel: Channel }) {
  const { t } = useTranslation();
  const test = useMutation({
    mutationFn: () => take(api.POST("/api/v1/channels/{id}/test", { params: { path: { id: channel.id } } })),
  });
  return (
    <>
      <Button
        variant="secondary"
        size="sm"
        isLoading={test.isPending}
        isDisabled={test.isPending}
        onClick={() => test.mutate()}
      >
        {t("channels.test")}
      </Button>
      <div role="status">
        {test.isError && <SaveError error={test.error} />}
        {test.data && (
          <Alert
            isInline
            isPlain
            variant={test.data.delivered ? "success" : "danger"}
            title={test.data.delivered ? t("channels.tested") : t("channels.testFailed")}
          >
            {test.data.error}
          </Alert>
        )}
      </div>
    </>
  );
}

/** Where alerts and events are sent. */
export function ChannelsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const mayChange = useSession().user.role === "administrator";
  const query = useQuery(channelsQuery);
  const [doomed, setDoomed] = useState<Channel>();
  const remove = useMutation({
    mutationFn: (channel: Channel) =>
      take(api.DELETE("/api/v1/channels/{id}", { params: { path: { id: channel.id } } })),
    onSuccess: () => {
      setDoomed(undefined);
      return client.invalidateQueries({ queryKey: channelsQuery.queryKey });
    },
  });

  let list = <Loading />;
  if (query.isError && query.data === undefined) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.data?.length === 0) {
    list = <Empty title={t("channels.emptyTitle")}>{t("channels.emptyBody")}</Empty>;
  } else if (query.data) {
    list = (
      <Table aria-label={t("channels.title")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("common.name")}</Th>
            <Th>{t("channels.kind")}</Th>
            <Th>{t("channels.what")}</Th>
            <Th>{t("channels.state")}</Th>
            <Th>{t("channels.delivered")}</Th>
            {mayChange && <Th screenReaderText={t("common.actions")} />}
          </Tr>
        </Thead>
        <Tbody>
          {query.data.map((channel) => (
            <Tr key={channel.id}>
              <Td dataLabel={t("common.name")}>
                <span className="skm-break">{channel.name}</span>
              </Td>
              <Td dataLabel={t("channels.kind")}>
                {t(`channels.kinds.${channel.target.kind}`)}
                <div className="skm-subtle skm-small skm-break">{where(channel)}</div>
              </Td>
              <Td dataLabel={t("channels.what")}>
                {channel.alerts && (
                  <div>
                    {t("channels.alertsFrom", {
                      severity: t(`severity.${channel.alerts}` as never) as string,
                    })}
                  </div>
                )}
                {channel.events !== null && channel.events !== undefined && (
                  <div>
                    {t("channels.events")}{" "}
                    <code className="skm-break">{channel.events || t("common.all")}</code>
                  </div>
                )}
              </Td>
              <Td dataLabel={t("channels.state")}>
                <State channel={channel} />
              </Td>
              <Td dataLabel={t("channels.delivered")}>
                {format.number(channel.delivered)}
                {channel.alertsWaiting > 0 && (
                  <div className="skm-subtle skm-small">
                    {t("channels.waiting", { count: channel.alertsWaiting })}
                  </div>
                )}
                {channel.lost > 0 && (
                  <div className="skm-small">{t("channels.lost", { count: channel.lost })}</div>
                )}
              </Td>
              {mayChange && (
                <Td>
                  <Test channel={channel} />
                  <Button variant="link" isDanger isInline onClick={() => setDoomed(channel)}>
                    {t("common.delete")}
                  </Button>
                </Td>
              )}
            </Tr>
          ))}
        </Tbody>
      </Table>
    );
  }
  return (
    <>
      <PageHeading title={t("channels.title")} under={t("channels.under")} />
      <PageSection>{list}</PageSection>
      {doomed && (
        <Confirm
          title={t("channels.deleteTitle")}
          confirm={t("common.delete")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(doomed)}
          onClose={() => setDoomed(undefined)}
        >
          {t("channels.deleteBody", { name: doomed.name })}
        </Confirm>
      )}
    </>
  );
}
