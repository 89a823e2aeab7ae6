import {
  Alert,
  Button,
  ExpandableSection,
  FormFieldGroup,
  FormFieldGroupHeader,
} from "@patternfly/react-core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { type Channel, channelsQuery } from "../../api/alerts";
import { api, take } from "../../api/client";
import { SEVERITIES } from "../../api/types";
import { useDraft } from "../../ui/form/draft";
import { FilterField } from "../../ui/form/FilterField";
import { FormModal } from "../../ui/form/FormModal";
import { AreaField, CheckField, NumberField, SelectField, TextField } from "../../ui/form/fields";
import {
  type ChannelForm,
  changesTarget,
  FORMATS,
  formOf,
  isReady,
  KINDS,
  MAIL_PORTS,
  MAIL_SECURITY,
  newChannel,
  newSigningKey,
  patchOf,
  SYSLOG_PORTS,
  TRANSPORTS,
} from "./channelForm";

interface Parts {
  form: ChannelForm;
  set: (change: Partial<ChannelForm>) => void;
  /** Whether a secret is kept that is not asked for again. */
  kept: (secret: string) => boolean;
}

function Secret({
  id,
  label,
  pointer,
  value,
  kept,
  hint,
  onChange,
}: {
  id: string;
  label: string;
  pointer: string;
  value: string;
  kept: boolean;
  hint?: string;
  onChange: (value: string) => void;
}) {
  const { t } = useTranslation();
  return (
    <TextField
      id={id}
      label={label}
      type="password"
      pointer={pointer}
      autoComplete="new-password"
      maxLength={1024}
      value={value}
      hint={kept ? t("channelForm.kept") : hint}
      onChange={onChange}
    />
  );
}

function Mail({ form, set, kept }: Parts) {
  const { t } = useTranslation();
  return (
    <>
      <Server form={form} set={set} />
      <SelectField
        id="channel-security"
        label={t("channelForm.security")}
        pointer="/target/security"
        value={form.security}
        options={MAIL_SECURITY.map((value) => ({ value, label: t(`channelForm.securities.${value}`) }))}
        onChange={(security) => set({ security, port: MAIL_PORTS[security] })}
      />
      <TextField
        id="channel-user"
        label={t("channelForm.user")}
        pointer="/target/user"
        maxLength={320}
        hint={t("channelForm.userHint")}
        value={form.user}
        onChange={(user) => set({ user })}
      />
      {form.user !== "" && (
        <Secret
          id="channel-password"
          label={t("channelForm.password")}
          pointer="/secrets/password"
          value={form.password}
          kept={kept("password")}
          onChange={(password) => set({ password })}
        />
      )}
      <TextField
        id="channel-from"
        label={t("channelForm.from")}
        pointer="/target/from"
        type="email"
        required
        maxLength={320}
        placeholder="sakimori@example.com"
        value={form.from}
        onChange={(from) => set({ from })}
      />
      <AreaField
        id="channel-to"
        label={t("channelForm.to")}
        pointer="/target/to"
        required
        hint={t("channelForm.toHint")}
        value={form.to}
        onChange={(to) => set({ to })}
      />
      <SelectField
        id="channel-language"
        label={t("channelForm.language")}
        value={form.language}
        options={[
          { value: "en", label: "English" },
          { value: "ja", label: "日本語" },
        ]}
        onChange={(language) => set({ language })}
      />
    </>
  );
}

function Server({ form, set }: Pick<Parts, "form" | "set">) {
  const { t } = useTranslation();
  return (
    <>
      <TextField
        id="channel-server"
        label={t("channelForm.server")}
        pointer="/target/server"
        required
        maxLength={253}
        placeholder={form.kind === "email" ? "mail.example.com" : "siem.example.com"}
        value={form.server}
        onChange={(server) => set({ server })}
      />
      <NumberField
        id="channel-port"
        label={t("channelForm.port")}
        pointer="/target/port"
        required
        least={1}
        most={65_535}
        value={form.port}
        onChange={(port) => set({ port })}
      />
    </>
  );
}

function Syslog({ form, set }: Parts) {
  const { t } = useTranslation();
  return (
    <>
      <Server form={form} set={set} />
      <SelectField
        id="channel-transport"
        label={t("channelForm.transport")}
        hint={form.transport === "udp" ? t("channelForm.udpHint") : undefined}
        value={form.transport}
        options={TRANSPORTS.map((value) => ({ value, label: value.toUpperCase() }))}
        onChange={(transport) => set({ transport, port: SYSLOG_PORTS[transport] })}
      />
      <SelectField
        id="channel-format"
        label={t("channelForm.format")}
        value={form.format}
        options={FORMATS.map((value) => ({ value, label: t(`channelForm.formats.${value}`) }))}
        onChange={(format) => set({ format })}
      />
    </>
  );
}

function Http({ form, set, kept }: Parts) {
  const { t } = useTranslation();
  return (
    <>
      <TextField
        id="channel-url"
        label="URL"
        pointer="/target/url"
        type="url"
        required
        maxLength={2048}
        placeholder={
          form.kind === "otlp"
            ? "https://collector.example.com:4318/v1/logs"
            : "https://example.com/hooks/sakimori"
        }
        value={form.url}
        onChange={(url) => set({ url })}
      />
      {form.kind === "webhook" && (
        <div className="skm-with-button">
          <Secret
            id="channel-key"
            label={t("channelForm.signingKey")}
            pointer="/secrets/signingKey"
            value={form.signingKey}
            kept={kept("signingKey")}
            hint={t("channelForm.signingKeyHint")}
            onChange={(signingKey) => set({ signingKey })}
          />
          <Button
            variant="secondary"
            onClick={() => {
              const signingKey = newSigningKey();
              set({ signingKey });
              void navigator.clipboard?.writeText(signingKey).catch(() => {});
            }}
          >
            {t("channelForm.makeKey")}
          </Button>
        </div>
      )}
      <AreaField
        id="channel-headers"
        label={t("channelForm.headers")}
        pointer="/secrets/headers"
        hint={t("channelForm.headersHint")}
        value={form.headers}
        onChange={(headers) => set({ headers })}
      />
    </>
  );
}

/** Makes a channel, or changes one. */
export function ChannelModal({ channel, onClose }: { channel?: Channel; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const { form, changes, set } = useDraft(formOf(channel, i18n.language));
  const read = () => client.invalidateQueries({ queryKey: channelsQuery.queryKey });
  const save = useMutation({
    mutationFn: () =>
      channel === undefined
        ? take(api.POST("/api/v1/channels", { body: newChannel(form) }))
        : take(
            api.PATCH("/api/v1/channels/{id}", {
              params: { path: { id: channel.id }, header: { "If-Match": channel.etag } },
              body: patchOf(form, changes),
            }),
          ),
    onSuccess: async () => {
      await read();
      onClose();
    },
  });
  const moved = channel !== undefined && changesTarget(changes);
  const kept = (secret: string) => !moved && channel?.secretsSet.includes(secret) === true;
  const parts = { form, set, kept };
  return (
    <FormModal
      title={channel === undefined ? t("channelForm.create") : t("channelForm.edit", { name: channel.name })}
      error={save.error}
      pending={save.isPending}
      ready={isReady(form)}
      onSubmit={() => save.mutate()}
      onClose={onClose}
      onReload={() => void read().then(() => save.reset())}
      wide
    >
      <SelectField
        id="channel-kind"
        label={t("channels.kind")}
        value={form.kind}
        options={KINDS.map((value) => ({ value, label: t(`channels.kinds.${value}`) }))}
        onChange={(kind) =>
          set({
            kind,
            ...(kind === "email" && { port: MAIL_PORTS[form.security] }),
            ...(kind === "syslog" && { port: SYSLOG_PORTS[form.transport] }),
          })
        }
      />
      <TextField
        id="channel-name"
        label={t("common.name")}
        pointer="/name"
        required
        maxLength={128}
        value={form.name}
        onChange={(name) => set({ name })}
      />
      <FormFieldGroup
        header={<FormFieldGroupHeader titleText={{ text: t("channelForm.where"), id: "channel-where" }} />}
      >
        {moved && channel.secretsSet.length > 0 && (
          <Alert isInline isPlain variant="info" title={t("channelForm.secretsAgain")} component="p" />
        )}
        {form.kind === "email" && <Mail {...parts} />}
        {form.kind === "syslog" && <Syslog {...parts} />}
        {(form.kind === "webhook" || form.kind === "otlp") && <Http {...parts} />}
        <ExpandableSection toggleText={t("channelForm.authorities")}>
          <AreaField
            id="channel-authorities"
            label={t("channelForm.authoritiesPem")}
            pointer="/target/authorities"
            hint={t("channelForm.authoritiesHint")}
            maxLength={65_536}
            value={form.authorities}
            onChange={(authorities) => set({ authorities })}
          />
        </ExpandableSection>
      </FormFieldGroup>
      <FormFieldGroup
        header={<FormFieldGroupHeader titleText={{ text: t("channels.what"), id: "channel-what" }} />}
      >
        <SelectField
          id="channel-alerts"
          label={t("alerts.title")}
          pointer="/alerts"
          value={form.alerts}
          options={[
            { value: "", label: t("channelForm.noAlerts") },
            ...SEVERITIES.map((value) => ({
              value: value as string,
              label: t("channels.alertsFrom", { severity: t(`severity.${value}`) }),
            })),
          ]}
          onChange={(alerts) => set({ alerts })}
        />
        <CheckField
          id="channel-sends-events"
          label={t("channelForm.sendsEvents")}
          hint={t("channelForm.sendsEventsHint")}
          value={form.sendsEvents}
          onChange={(sendsEvents) => set({ sendsEvents })}
        />
        {form.sendsEvents && (
          <FilterField
            id="channel-events"
            label={t("channelForm.events")}
            pointer="/events"
            hint={t("channelForm.eventsHint")}
            value={form.events}
            onChange={(events) => set({ events })}
          />
        )}
      </FormFieldGroup>
      <CheckField
        id="channel-enabled"
        label={t("alerts.inForce")}
        hint={t("channelForm.enabledHint")}
        value={form.enabled}
        onChange={(enabled) => set({ enabled })}
      />
    </FormModal>
  );
}
