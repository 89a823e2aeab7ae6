import { Button } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { detailOf, type Event } from "../api/types";
import { columnsOf, type EventColumn } from "./eventColumns";
import { ActionLabel, SeverityLabel } from "./labels";
import { Cves } from "./Outside";
import { Rank } from "./Rank";
import { useEventHeadline } from "./ruleText";
import { Time } from "./Time";

interface Props {
  events: Event[];
  /** Ids of events that came in while the list was shown. */
  arrived: ReadonlySet<string>;
  selected: string | undefined;
  /** The module that all of them are of, where it is one. */
  module: string | undefined;
  showComputer: boolean;
  onSelect: (id: string) => void;
}

type RowProps = Omit<Props, "events" | "module"> & {
  event: Event;
  columns: EventColumn[];
  headline: (event: Event) => string;
};

function EventRow({ event, columns, headline, arrived, selected, showComputer, onSelect }: RowProps) {
  const { t } = useTranslation();
  const known = detailOf(event);
  const intrusion = known.kind === "intrusion" ? known.detail : undefined;
  return (
    <Tr
      className={arrived.has(event.id) ? "skm-arrived" : undefined}
      isRowSelected={event.id === selected}
      data-event-id={event.id}
    >
      <Td dataLabel={t("events.time")}>
        <span className="skm-when">
          <Time at={event.at} />
        </span>
      </Td>
      <Td dataLabel={t("severity.label")}>
        <SeverityLabel severity={event.severity} />
      </Td>
      <Td dataLabel={t("events.rank")}>
        <Rank rank={event.rank} />
      </Td>
      <Td dataLabel={t("action.label")}>
        <ActionLabel action={event.action} />
      </Td>
      <Td dataLabel={t("events.event")} className="skm-main-cell">
        <Button variant="link" isInline className="skm-link-text" onClick={() => onSelect(event.id)}>
          {headline(event)}
        </Button>
        {intrusion && (
          <div className="skm-small">
            <Cves cves={intrusion.cves} />
          </div>
        )}
      </Td>
      {columns.map((column) => (
        <Td key={column.id} dataLabel={column.title(t)}>
          <span className="skm-cell">{column.cell(event)}</span>
        </Td>
      ))}
      {showComputer && (
        <Td dataLabel={t("events.computer")}>
          <Link to="/computers/$computerId" params={{ computerId: event.computerId }} className="skm-break">
            {event.computerName}
          </Link>
        </Td>
      )}
    </Tr>
  );
}

/** Events, one a row. */
export function EventsTable({ events, module, ...rest }: Props) {
  const { t } = useTranslation();
  const headline = useEventHeadline();
  const columns = columnsOf(module);
  return (
    <div className="skm-scroll">
      <Table aria-label={t("events.list")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("events.time")}</Th>
            <Th>{t("severity.label")}</Th>
            <Th>{t("events.rank")}</Th>
            <Th>{t("action.label")}</Th>
            <Th>{t("events.event")}</Th>
            {columns.map((column) => (
              <Th key={column.id}>{column.title(t)}</Th>
            ))}
            {rest.showComputer && <Th>{t("events.computer")}</Th>}
          </Tr>
        </Thead>
        <Tbody>
          {events.map((event) => (
            <EventRow key={event.id} event={event} columns={columns} headline={headline} {...rest} />
          ))}
        </Tbody>
      </Table>
    </div>
  );
}
