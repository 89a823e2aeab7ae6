import {
  Alert,
  Button,
  Card,
  CardBody,
  CardTitle,
  Checkbox,
  Form,
  FormGroup,
  FormSelect,
  FormSelectOption,
  Stack,
  StackItem,
  TextInput,
} from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import type { FirewallAnswer, FirewallFinding, FirewallQuestion, SettingsPatch } from "../../api/types";
import { spoken } from "../../ui/ruleText";
import { ErrorText } from "../../ui/states";
import { FirewallFindings } from "./FirewallFindings";

interface Props {
  /** The policy, or the computer. */
  id: string;
  ofComputer: boolean;
  /** What is not saved yet. */
  settings: SettingsPatch | undefined;
}

const PROTOCOLS = ["tcp", "udp", "icmp", "icmpv6"];
const VARIANTS = {
  passes: "success",
  bypasses: "success",
  "would-be-dropped": "warning",
  dropped: "danger",
} as const;

function Answer({ answer }: { answer: FirewallAnswer }) {
  const { t, i18n } = useTranslation();
  return (
    <Stack hasGutter>
      <StackItem>
        <Alert
          isInline
          component="h3"
          role="status"
          variant={VARIANTS[answer.decision.verdict]}
          title={t(`packet.verdict.${answer.decision.verdict}`)}
        >
          {spoken(answer.decision.text, i18n.language)}
        </Alert>
      </StackItem>
      {answer.otherwise.map((one) => (
        <StackItem key={one.rule ?? ""}>
          <Alert isInline component="h3" variant="info" title={t("packet.otherwise")}>
            {spoken(one.text, i18n.language)}
          </Alert>
        </StackItem>
      ))}
      {answer.unknown.map((one) => (
        <StackItem key={one.en}>
          <Alert isInline component="h3" variant="info" title={t("packet.unknown")}>
            {spoken(one, i18n.language)}
          </Alert>
        </StackItem>
      ))}
      <StackItem>
        <Table aria-label={t("packet.rules")} variant="compact">
          <Thead>
            <Tr>
              <Th>{t("packet.rule")}</Th>
              <Th>{t("packet.action")}</Th>
              <Th>{t("packet.why")}</Th>
            </Tr>
          </Thead>
          <Tbody>
            {answer.rules.map((one) => (
              <Tr key={one.rule ?? ""}>
                <Td dataLabel={t("packet.rule")} className="skm-break">
                  {one.rule ?? t("packet.default")}
                </Td>
                <Td dataLabel={t("packet.action")}>{one.action}</Td>
                <Td dataLabel={t("packet.why")} className="skm-break">
                  {spoken(one.text, i18n.language)}
                </Td>
              </Tr>
            ))}
          </Tbody>
        </Table>
        {answer.rulesLeftOut > 0 && (
          <p className="skm-subtle">{t("packet.leftOut", { count: answer.rulesLeftOut })}</p>
        )}
      </StackItem>
    </Stack>
  );
}

/** The form's choice for a frame that is neither IP nor ARP. */
const OTHER = "other";

/** A question with what its kind of packet has. */
export function asked(question: FirewallQuestion): FirewallQuestion {
  const { from, to, protocol, port, established, container, ...rest } = question;
  switch (question.frame ?? "ip") {
    case "ip":
      return { ...rest, from, to, protocol, port, established, container };
    case "arp":
      return { ...rest, from, to };
    default:
      return rest;
  }
}

function Explain({ id, ofComputer, settings }: Props) {
  const { t } = useTranslation();
  const [question, setQuestion] = useState<FirewallQuestion>({ direction: "in", protocol: "tcp" });
  const change = (part: FirewallQuestion) => {
    ask.reset();
    setQuestion((before) => ({ ...before, ...part }));
  };
  const ask = useMutation({
    mutationFn: () => {
      const params = { path: { id } };
      const body = { ...asked(question), ...(settings && { settings }) };
      const answer = ofComputer
        ? api.POST("/api/v1/computers/{id}/firewall/explain", { params, body })
        : api.POST("/api/v1/policies/{id}/firewall/explain", { params, body });
      return take(answer) as Promise<FirewallAnswer>;
    },
  });
  const frame = question.frame ?? "ip";
  const kind = frame === "ip" || frame === "arp" ? frame : OTHER;
  const hasPort = kind === "ip" && (question.protocol === "tcp" || question.protocol === "udp");
  const typed = (text: string) => (text.trim() === "" ? undefined : text.trim());
  return (
    <Card>
      <CardTitle component="h2">{t("packet.title")}</CardTitle>
      <CardBody>
        <p className="skm-subtle skm-gap-below">{t("packet.about")}</p>
        <Form
          isWidthLimited
          className="skm-gap-below"
          onSubmit={(event) => {
            event.preventDefault();
            ask.mutate();
          }}
        >
          <FormGroup label={t("packet.direction")} fieldId="packet-direction">
            <FormSelect
              id="packet-direction"
              value={question.direction}
              onChange={(_, value) => change({ direction: value === "out" ? "out" : "in" })}
            >
              <FormSelectOption value="in" label={t("packet.in")} />
              <FormSelectOption value="out" label={t("packet.out")} />
            </FormSelect>
          </FormGroup>
          <FormGroup label={t("packet.frame")} fieldId="packet-frame">
            <FormSelect
              id="packet-frame"
              value={kind}
              onChange={(_, value) => change({ frame: value === OTHER ? "0x88cc" : value })}
            >
              <FormSelectOption value="ip" label={t("packet.ip")} />
              <FormSelectOption value="arp" label="ARP" />
              <FormSelectOption value={OTHER} label={t("packet.otherFrame")} />
            </FormSelect>
          </FormGroup>
          {kind === OTHER && (
            <FormGroup label={t("packet.number")} fieldId="packet-number">
              <TextInput id="packet-number" value={frame} onChange={(_, text) => change({ frame: text })} />
            </FormGroup>
          )}
          {kind !== OTHER && (
            <>
              <FormGroup label={t("packet.from")} fieldId="packet-from">
                <TextInput
                  id="packet-from"
                  value={question.from ?? ""}
                  onChange={(_, text) => change({ from: typed(text) })}
                />
              </FormGroup>
              <FormGroup label={t("packet.to")} fieldId="packet-to">
                <TextInput
                  id="packet-to"
                  value={question.to ?? ""}
                  onChange={(_, text) => change({ to: typed(text) })}
                />
              </FormGroup>
            </>
          )}
          {kind !== "ip" && (
            <>
              <FormGroup label={t("packet.mac")} fieldId="packet-mac">
                <TextInput
                  id="packet-mac"
                  value={question.mac ?? ""}
                  onChange={(_, text) => change({ mac: typed(text) })}
                />
              </FormGroup>
              <FormGroup label={t("packet.interface")} fieldId="packet-interface">
                <TextInput
                  id="packet-interface"
                  value={question.interface ?? ""}
                  onChange={(_, text) => change({ interface: typed(text) })}
                />
              </FormGroup>
            </>
          )}
          {kind === "ip" && (
            <FormGroup label={t("packet.protocol")} fieldId="packet-protocol">
              <FormSelect
                id="packet-protocol"
                value={question.protocol}
                onChange={(_, protocol) => change({ protocol })}
              >
                {PROTOCOLS.map((one) => (
                  <FormSelectOption key={one} value={one} label={one} />
                ))}
              </FormSelect>
            </FormGroup>
          )}
          {hasPort && (
            <FormGroup label={t("packet.port")} fieldId="packet-port">
              <TextInput
                id="packet-port"
                type="number"
                min={0}
                max={65535}
                value={question.port ?? ""}
                onChange={(_, text) => change({ port: text === "" ? undefined : Number(text) })}
              />
            </FormGroup>
          )}
          {kind === "ip" && (
            <>
              <Checkbox
                id="packet-established"
                label={t("packet.established")}
                isChecked={question.established ?? false}
                onChange={(_, established) => change({ established })}
              />
              <Checkbox
                id="packet-container"
                label={t("packet.container")}
                isChecked={question.container ?? false}
                onChange={(_, container) => change({ container })}
              />
              <Checkbox
                id="packet-fragment"
                label={t("packet.fragment")}
                isChecked={question.fragment ?? false}
                onChange={(_, fragment) => change({ fragment })}
              />
            </>
          )}
          <div>
            <Button type="submit" variant="secondary" isLoading={ask.isPending} isDisabled={ask.isPending}>
              {t("packet.ask")}
            </Button>
          </div>
        </Form>
        {ask.isError && (
          <Alert isInline variant="danger" component="h3" role="alert" title={t("packet.title")}>
            <ErrorText error={ask.error} />
          </Alert>
        )}
        {ask.data && <Answer answer={ask.data} />}
      </CardBody>
    </Card>
  );
}

function Lint({ id, ofComputer, settings }: Props) {
  const { t } = useTranslation();
  const check = useMutation({
    mutationFn: async () => {
      const params = { path: { id } };
      const body = settings ? { settings } : {};
      const answer = ofComputer
        ? api.POST("/api/v1/computers/{id}/firewall/lint", { params, body })
        : api.POST("/api/v1/policies/{id}/firewall/lint", { params, body });
      return ((await take(answer)) as { findings: FirewallFinding[] }).findings;
    },
  });
  return (
    <Card>
      <CardTitle component="h2">{t("lint.title")}</CardTitle>
      <CardBody>
        <p className="skm-subtle skm-gap-below">{t("lint.about")}</p>
        <Button
          variant="secondary"
          className="skm-gap-below"
          isLoading={check.isPending}
          isDisabled={check.isPending}
          onClick={() => check.mutate()}
        >
          {t("lint.check")}
        </Button>
        {check.isError && (
          <Alert isInline variant="danger" component="h3" role="alert" title={t("lint.title")}>
            <ErrorText error={check.error} />
          </Alert>
        )}
        {check.data?.length === 0 && (
          <Alert isInline variant="success" component="h3" role="status" title={t("lint.nothing")} />
        )}
        {check.data !== undefined && check.data.length > 0 && <FirewallFindings findings={check.data} />}
      </CardBody>
    </Card>
  );
}

/** Questions about the firewall's rules as they are drafted. */
export function FirewallTools(props: Props) {
  // What was answered about another draft is not shown beside this one.
  const draft = JSON.stringify(props.settings ?? null);
  return (
    <>
      <StackItem>
        <Lint key={draft} {...props} />
      </StackItem>
      <StackItem>
        <Explain {...props} />
      </StackItem>
    </>
  );
}
