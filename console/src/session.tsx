import { useQueryClient } from "@tanstack/react-query";
import { useRouteContext } from "@tanstack/react-router";
import { useCallback } from "react";
import { api, setCsrfToken, take } from "./api/client";
import { sessionQuery } from "./api/queries";
import type { Session } from "./api/types";

/** Remembers a session for the requests that follow. */
export function adoptSession(session: Session | null): void {
  setCsrfToken(session?.csrfToken);
}

/** The session of whoever looks at the page. Only below the routes that need one. */
export function useSession(): Session {
  // From the route, not from the cache: a session that ends must not take the page away under its own feet.
  return useRouteContext({ from: "/app", select: (context) => context.session });
}

/** Whether the role of whoever looks at the page may change things. */
export function useMayChange(): boolean {
  return useSession().user.role !== "auditor";
}

/** Ends the session here and at the manager. */
export function useLogOut(): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(async () => {
    await take(api.DELETE("/api/v1/sessions/current"));
    adoptSession(null);
    client.clear();
    client.setQueryData(sessionQuery.queryKey, null);
  }, [client]);
}
