import { Alert, Button, Label, PageSection, Switch } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Channel, channelsQuery } from "../api/alerts";
import { api, take } from "../api/client";
import { useFormat } from "../format";
import { textOfCode } from "../i18n";
import { useSession } from "../session";
import { Confirm } from "../ui/Confirm";
import { PageHeading } from "../ui/PageHeading";
import { Empty, LoadError, Loading, SaveError } from "../ui/states";
import { Ago, Time } from "../ui/Time";
import { ChannelModal } from "./channel/ChannelModal";

function where(channel: Channel): string {
  const { target } = channel;
  switch (target.kind) {
    case "email":
      return target.to.join(", ");
    case "syslog":
      return `${target.server}:${target.port} (${target.transport.toUpperCase()}, ${target.format.toUpperCase()})`;
    default:
      return target.url;
  }
}

function State({ channel }: { channel: Channel }) {
  const { t } = useTranslation();
  if (!channel.enabled) return <Label isCompact>{t("channels.off")}</Label>;
  if (!channel.failingSince) {
    return (
      <>
        <Label isCompact status="success">
          {t("channels.working")}
        </Label>
        {channel.lastDeliveredAt && (
          <div className="skm-subtle skm-small">
            {t("channelForm.lastSent")}: <Ago at={channel.lastDeliveredAt} />
          </div>
        )}
      </>
    );
  }
  return (
    <>
      <Label isCompact status="danger">
        {t("channels.failing")}
      </Label>
      <div className="skm-small">
        {t("channelForm.since")}: <Time at={channel.failingSince} />
      </div>
      <div className="skm-small skm-break" lang="en">
        {channel.lastError}
      </div>
      {channel.nextAttemptAt && (
        <div className="skm-subtle skm-small">
          {t("channels.nextAttempt")}: <Time at={channel.nextAttemptAt} />
        </div>
      )}
    </>
  );
}

function Sent({ channel }: { channel: Channel }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <>
      {format.number(channel.delivered)}
      {channel.alertsWaiting > 0 && (
        <div className="skm-subtle skm-small">{t("channels.waiting", { count: channel.alertsWaiting })}</div>
      )}
      {channel.eventsThrough && channel.failingSince && (
        <div className="skm-subtle skm-small">
          {t("channelForm.eventsThrough")}: <Time at={channel.eventsThrough} />
        </div>
      )}
      {channel.lost > 0 && (
        <Alert
          isInline
          isPlain
          variant="danger"
          component="p"
          title={t("channels.lost", { count: channel.lost })}
        />
      )}
      {channel.eventsLostFrom && channel.eventsLostUntil && (
        <Alert isInline isPlain variant="danger" component="p" title={t("channels.eventsLost")}>
          <Time at={channel.eventsLostFrom} /> – <Time at={channel.eventsLostUntil} />
        </Alert>
      )}
    </>
  );
}

function Test({ channel }: { channel: Channel }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const test = useMutation({
    mutationFn: () => take(api.POST("/api/v1/channels/{id}/test", { params: { path: { id: channel.id } } })),
    onSettled: () => client.invalidateQueries({ queryKey: channelsQuery.queryKey }),
  });
  return (
    <>
      <Button
        variant="secondary"
        size="sm"
        aria-label={`${t("channels.test")}: ${channel.name}`}
        isLoading={test.isPending}
        isDisabled={test.isPending}
        onClick={() => test.mutate()}
      >
        {t("channels.test")}
      </Button>
      <div role="status">
        {test.isError && <SaveError error={test.error} title={t("error.notDone")} />}
        {test.data && (
          <Alert
            isInline
            isPlain
            variant={test.data.delivered ? "success" : "danger"}
            component="p"
            title={test.data.delivered ? t("channels.tested") : t("channels.testFailed")}
          >
            <span lang="en" className="skm-break">
              {test.data.error}
            </span>
          </Alert>
        )}
      </div>
    </>
  );
}

/** What is open beside the list; objects by their id, so that what is read anew reaches the form. */
type Open = { what: "create" } | { what: "edit" | "delete"; id: string };

/** Where alerts and events are sent. */
export function ChannelsPage() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useSession().user.role === "administrator";
  const query = useQuery(channelsQuery);
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const chosen = open && "id" in open ? query.data?.find((channel) => channel.id === open.id) : undefined;
  const onSettled = () => client.invalidateQueries({ queryKey: channelsQuery.queryKey });
  const enable = useMutation({
    mutationFn: ({ channel, enabled }: { channel: Channel; enabled: boolean }) =>
      take(
        api.PATCH("/api/v1/channels/{id}", {
          params: { path: { id: channel.id }, header: { "If-Match": channel.etag } },
          body: { enabled },
        }),
      ),
    onSettled,
  });
  const remove = useMutation({
    mutationFn: (id: string) => take(api.DELETE("/api/v1/channels/{id}", { params: { path: { id } } })),
    onSettled,
  });
  const create = mayChange && (
    <Button onClick={() => setOpen({ what: "create" })}>{t("channelForm.create")}</Button>
  );

  let list = <Loading />;
  if (query.isError && query.data === undefined) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.data?.length === 0) {
    list = (
      <Empty title={t("channels.emptyTitle")} action={create}>
        {t(mayChange ? "channels.emptyBody" : "channelForm.emptyReader")}
      </Empty>
    );
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
            <Th>{t("alerts.inForce")}</Th>
            {mayChange && <Th screenReaderText={t("common.actions")} />}
          </Tr>
        </Thead>
        <Tbody>
          {query.data.map((channel) => (
            <Tr key={channel.id}>
              <Td dataLabel={t("common.name")}>
                {mayChange ? (
                  <Button
                    variant="link"
                    isInline
                    className="skm-link-text skm-break"
                    onClick={() => setOpen({ what: "edit", id: channel.id })}
                  >
                    {channel.name}
                  </Button>
                ) : (
                  <span className="skm-break">{channel.name}</span>
                )}
              </Td>
              <Td dataLabel={t("channels.kind")}>
                {t(`channels.kinds.${channel.target.kind}`)}
                <div className="skm-subtle skm-small skm-break">{where(channel)}</div>
              </Td>
              <Td dataLabel={t("channels.what")}>
                {channel.alerts && (
                  <div>{t("channels.alertsFrom", { severity: textOfCode("severity", channel.alerts) })}</div>
                )}
                {channel.events !== null && channel.events !== undefined && (
                  <div>
                    {t("channels.events")}{" "}
                    {channel.events === "" ? (
                      t("common.all")
                    ) : (
                      <code className="skm-break">{channel.events}</code>
                    )}
                  </div>
                )}
              </Td>
              <Td dataLabel={t("channels.state")}>
                <State channel={channel} />
              </Td>
              <Td dataLabel={t("channels.delivered")}>
                <Sent channel={channel} />
              </Td>
              <Td dataLabel={t("alerts.inForce")}>
                <Switch
                  id={`channel-${channel.id}`}
                  aria-label={`${t("alerts.inForce")}: ${channel.name}`}
                  isChecked={channel.enabled}
                  isDisabled={!mayChange || enable.isPending}
                  onChange={(_, enabled) => enable.mutate({ channel, enabled })}
                />
              </Td>
              {mayChange && (
                <Td isActionCell>
                  <Test channel={channel} />
                  <Button
                    variant="link"
                    isDanger
                    isInline
                    aria-label={`${t("common.delete")}: ${channel.name}`}
                    onClick={() => setOpen({ what: "delete", id: channel.id })}
                  >
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
      <PageHeading title={t("channels.title")} under={t("channels.under")} actions={create} />
      <PageSection>
        {enable.isError && <SaveError error={enable.error} />}
        {list}
      </PageSection>
      {open?.what === "create" && <ChannelModal onClose={close} />}
      {open?.what === "edit" && chosen && <ChannelModal key={chosen.id} channel={chosen} onClose={close} />}
      {open?.what === "delete" && chosen && (
        <Confirm
          title={t("channels.deleteTitle")}
          confirm={t("common.delete")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(chosen.id, { onSuccess: close })}
          onClose={() => {
            remove.reset();
            close();
          }}
        >
          {t("channels.deleteBody", { name: chosen.name })}
        </Confirm>
      )}
    </>
  );
}
