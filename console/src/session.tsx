import { useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
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
  const { data } = useSuspenseQuery(sessionQuery);
  if (data === null) throw new Error("no session");
  return data;
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
