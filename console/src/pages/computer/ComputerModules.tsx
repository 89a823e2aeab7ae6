import { Card, CardBody, CardTitle, Gallery, List, ListItem, Title } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { type Computer, type ComputerModule, MODULES } from "../../api/types";
import { useFormat } from "../../format";
import { textOfCode } from "../../i18n";
import { Fact, Facts } from "../../ui/Facts";
import { ModeLabel, ModuleStateLabel } from "../../ui/labels";
import { moduleReasonTexts } from "../../ui/reasons";
import { Empty } from "../../ui/states";
import { BlockedSource } from "./BlockedSource";

/** The counters that say that something was missed: marked where they are not zero. */
const WORRYING = new Set([
  "packets-uninspected",
  "packets-refused",
  "events-lost",
  "events-dropped",
  "files-infected",
  "files-unscanned",
  "files-not-watched",
  "actions-failed",
  "lines-skipped",
]);

/** What the names begin with that say whether the computer is in a context: 1 or 0. */
const CONTEXT = "context:";
/** The same of sources that are blocked: when that ends, in seconds since 1970. */
const BLOCKED = "blocked:";

function OneModule({ computerId, module }: { computerId: string; module: ComputerModule }) {
  const { t } = useTranslation();
  const format = useFormat();
  const reasons = moduleReasonTexts(module);
  const all = Object.entries(module.counters);
  const contexts = all.filter(([name]) => name.startsWith(CONTEXT));
  const blocked = all.filter(([name]) => name.startsWith(BLOCKED));
  const counters = all.filter(([name]) => !name.startsWith(CONTEXT) && !name.startsWith(BLOCKED));
  return (
    <Card>
      <CardTitle component="h2">{textOfCode("module", module.module)}</CardTitle>
      <CardBody>
        <Facts>
          <Fact name={t("computer.state")}>
            <ModuleStateLabel state={module.state} />
          </Fact>
          <Fact name={t("computer.mode")}>
            <ModeLabel mode={module.mode} />
          </Fact>
          <Fact name={t("computer.rulesLoaded")}>{format.number(module.rules)}</Fact>
          {reasons.length > 0 && (
            <Fact name={t("computer.reasons")}>
              <List isPlain>
                {reasons.map((reason) => (
                  <ListItem key={reason}>{reason}</ListItem>
                ))}
              </List>
            </Fact>
          )}
          {contexts.length > 0 && (
            <Fact name={t("computer.contexts")}>
              <List isPlain>
                {contexts.map(([name, holds]) => (
                  <ListItem key={name}>
                    {t(holds > 0 ? "computer.contextHolds" : "computer.contextNot", {
                      name: name.slice(CONTEXT.length),
                    })}
                  </ListItem>
                ))}
              </List>
            </Fact>
          )}
          {blocked.length > 0 && (
            <Fact name={t("computer.blocked")}>
              <List isPlain>
                {blocked.map(([name, until]) => (
                  <ListItem key={name}>
                    <BlockedSource
                      computerId={computerId}
                      source={name.slice(BLOCKED.length)}
                      until={until}
                    />
                  </ListItem>
                ))}
              </List>
            </Fact>
          )}
        </Facts>
        {counters.length > 0 && (
          <>
            <Title headingLevel="h3" size="md" className="skm-subhead">
              {t("computer.counters")}
            </Title>
            <Facts>
              {counters.map(([name, value]) => (
                <Fact key={name} name={textOfCode("counter", name)}>
                  <span className={WORRYING.has(name) && value > 0 ? "skm-worrying" : undefined}>
                    {format.number(value)}
                  </span>
                </Fact>
              ))}
            </Facts>
          </>
        )}
      </CardBody>
    </Card>
  );
}

/** What each module of a computer does. */
export function ComputerModules({ computer }: { computer: Computer }) {
  const { modules } = computer;
  const { t } = useTranslation();
  if (modules.length === 0) return <Empty title={t("computer.noModules")} />;
  const rank = (one: ComputerModule) => (MODULES as readonly string[]).indexOf(one.module);
  const inOrder = [...modules].sort((one, other) => rank(one) - rank(other));
  return (
    <Gallery hasGutter minWidths={{ default: "100%", lg: "28rem" }}>
      {inOrder.map((module) => (
        <OneModule key={module.module} computerId={computer.id} module={module} />
      ))}
    </Gallery>
  );
}
