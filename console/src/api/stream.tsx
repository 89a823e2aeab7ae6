import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from "react";
import { sessionOver } from "./client";
import { sessionQuery } from "./queries";
import type { Computer, Event } from "./types";

interface Stream {
  connected: boolean;
  /** Calls `listener` for each event that arrives; the result ends that. `null` means: read the lists again. */
  subscribe: (listener: (event: Event | null) => void) => () => void;
}

const StreamContext = createContext<Stream>({ connected: false, subscribe: () => () => {} });

/** How long changes are gathered before lists are read again, in milliseconds. */
const GATHER_MS = 400;
/** The same for what is counted over the whole fleet. */
const GATHER_FLEET_MS = 5_000;
/** How long to wait before a closed stream is opened again, in milliseconds. */
const REOPEN_MS = 3_000;

function computerChanged(client: QueryClient, computer: Computer): void {
  client.setQueryData(["computer", computer.id], computer);
}

/** Opens the manager's event stream for everything below it. */
export function StreamProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [connected, setConnected] = useState(false);
  const listeners = useRef(new Set<(event: Event | null) => void>());

  useEffect(() => {
    let source: EventSource | undefined;
    let reopen: ReturnType<typeof setTimeout> | undefined;
    let gather: ReturnType<typeof setTimeout> | undefined;
    let alerts: ReturnType<typeof setTimeout> | undefined;
    let fleet: ReturnType<typeof setTimeout> | undefined;
    let before = false;

    const tell = (event: Event | null) => {
      for (const listener of listeners.current) listener(event);
    };
    const readListsAgain = () => {
      void client.invalidateQueries({ queryKey: ["computers"] });
      void client.invalidateQueries({ queryKey: ["computer"] });
      void client.invalidateQueries({ queryKey: ["alerts"] });
      void client.invalidateQueries({ queryKey: ["coverage"] });
      tell(null);
    };
    const open = () => {
      source = new EventSource("/api/v1/stream");
      source.addEventListener("open", () => {
        setConnected(true);
        // What happened while nobody listened is in the lists.
        if (before) readListsAgain();
        before = true;
      });
      source.addEventListener("error", () => {
        setConnected(false);
        if (source?.readyState === EventSource.CLOSED) {
          // The browser gives up on a refusal: most likely the session has ended.
          void client
            .fetchQuery({ ...sessionQuery, staleTime: 0 })
            .then((session) => session === null && sessionOver())
            .catch(() => {});
          reopen = setTimeout(open, REOPEN_MS);
        }
      });
      source.addEventListener("event", (message) => tell(JSON.parse(message.data) as Event));
      source.addEventListener("computer", (message) => {
        computerChanged(client, JSON.parse(message.data) as Computer);
        gather ??= setTimeout(() => {
          gather = undefined;
          void client.invalidateQueries({ queryKey: ["computers"] });
        }, GATHER_MS);
        fleet ??= setTimeout(() => {
          fleet = undefined;
          void client.invalidateQueries({ queryKey: ["coverage"] });
        }, GATHER_FLEET_MS);
      });
      source.addEventListener("alert", () => {
        alerts ??= setTimeout(() => {
          alerts = undefined;
          void client.invalidateQueries({ queryKey: ["alerts"] });
        }, GATHER_MS);
      });
      source.addEventListener("lagged", readListsAgain);
    };
    open();
    return () => {
      clearTimeout(reopen);
      clearTimeout(gather);
      clearTimeout(alerts);
      clearTimeout(fleet);
      source?.close();
    };
  }, [client]);

  const stream = useMemo<Stream>(
    () => ({
      connected,
      subscribe: (listener) => {
        listeners.current.add(listener);
        return () => listeners.current.delete(listener);
      },
    }),
    [connected],
  );
  return <StreamContext value={stream}>{children}</StreamContext>;
}

/** Whether live updates arrive. */
export function useStreamConnected(): boolean {
  return useContext(StreamContext).connected;
}

/** Calls `onEvents` soon after events have arrived, several at once where they come fast. */
export function useArrivingEvents(enabled: boolean, wanted: (event: Event) => boolean, onEvents: () => void) {
  const { subscribe } = useContext(StreamContext);
  const latest = useRef({ wanted, onEvents });
  latest.current = { wanted, onEvents };
  useEffect(() => {
    if (!enabled) return;
    let gather: ReturnType<typeof setTimeout> | undefined;
    const listener = (event: Event | null) => {
      if (event !== null && !latest.current.wanted(event)) return;
      gather ??= setTimeout(() => {
        gather = undefined;
        latest.current.onEvents();
      }, GATHER_MS);
    };
    const end = subscribe(listener);
    return () => {
      end();
      clearTimeout(gather);
    };
  }, [enabled, subscribe]);
}
