import { infiniteQueryOptions, type QueryClient, queryOptions } from "@tanstack/react-query";
import type { ComputerSort, EventSort } from "../search";
import { api, take } from "./client";
import type {
  CommonObject,
  Computer,
  ComputerSettings,
  ComputerStatus,
  Event,
  Inventory,
  ModuleState,
  Policy,
  PolicyDiff,
  PolicyVersion,
  Recommendations,
  Rule,
} from "./types";

/** Part of a list, as every list of the API comes. */
export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

const PAGE = 100;
const LARGEST_PAGE = 500;

/** Reads a list to its end, or until `bound` members are there. */
export async function readAll<T>(
  read: (cursor: string | undefined) => Promise<Page<T>>,
  bound = 10_000,
): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    items.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && items.length < bound);
  return items;
}

export interface ComputerFilter {
  status?: ComputerStatus;
  q?: string;
  groupId?: string;
  searchId?: string;
  tag?: string;
  policyId?: string;
  module?: string;
  moduleState?: ModuleState;
  filter?: string;
  sort?: ComputerSort;
  descending?: boolean;
}

export interface EventFilter {
  /** In the filter language. */
  filter?: string;
  computerId?: string;
  severity?: string;
  action?: string;
  module?: string;
  q?: string;
  from?: string;
  to?: string;
  sort?: EventSort;
}

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async () => {
    const { data, error, response } = await api.GET("/api/v1/sessions/current");
    if (response.status === 401) return null;
    return await take(Promise.resolve({ data, error, response }));
  },
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
});

export const computersQuery = (filter: ComputerFilter) =>
  infiniteQueryOptions({
    queryKey: ["computers", "list", filter],
    queryFn: ({ pageParam }) =>
      take(
        api.GET("/api/v1/computers", { params: { query: { ...filter, limit: PAGE, cursor: pageParam } } }),
      ) as Promise<Page<Computer>>,
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last: Page<Computer>) => last.nextCursor ?? undefined,
  });

/** The computers that were activated last. */
export const newestComputersQuery = queryOptions({
  queryKey: ["computers", "newest"],
  queryFn: () =>
    take(
      api.GET("/api/v1/computers", {
        params: { query: { sort: "activatedAt", descending: true, limit: 50 } },
      }),
    ) as Promise<Page<Computer>>,
});

export const computerQuery = (id: string) =>
  queryOptions({
    queryKey: ["computer", id],
    queryFn: () => take(api.GET("/api/v1/computers/{id}", { params: { path: { id } } })) as Promise<Computer>,
  });

/** What is installed on a computer; nothing where its agent has not said yet. */
export const inventoryQuery = (id: string) =>
  queryOptions({
    queryKey: ["computer", id, "inventory"],
    queryFn: async () => {
      const answer = await api.GET("/api/v1/computers/{id}/inventory", { params: { path: { id } } });
      if (answer.error?.code === "no-inventory") return null;
      return (await take(Promise.resolve(answer))) as Inventory;
    },
  });

export const recommendationsQuery = (id: string) =>
  queryOptions({
    queryKey: ["computer", id, "recommendations"],
    queryFn: () =>
      take(
        api.GET("/api/v1/computers/{id}/recommendations", { params: { path: { id } } }),
      ) as Promise<Recommendations>,
  });

/** The first part of the events that match; also what live updates read anew. */
export function readEvents(filter: EventFilter, cursor?: string, limit = PAGE): Promise<Page<Event>> {
  return take(api.GET("/api/v1/events", { params: { query: { ...filter, limit, cursor } } })) as Promise<
    Page<Event>
  >;
}

export const eventsKey = (filter: EventFilter, period: string) => ["events", "list", filter, period] as const;

export const eventQuery = (id: string) =>
  queryOptions({
    queryKey: ["event", id],
    queryFn: () => take(api.GET("/api/v1/events/{id}", { params: { path: { id } } })) as Promise<Event>,
  });

export const eventCommentsQuery = (id: string) =>
  queryOptions({
    queryKey: ["event", id, "comments"],
    queryFn: () =>
      take(api.GET("/api/v1/events/{id}/comments", { params: { path: { id } } })).then(({ items }) => items),
  });

export const policiesQuery = queryOptions({
  queryKey: ["policies"],
  queryFn: () =>
    readAll<Policy>(
      (cursor) =>
        take(api.GET("/api/v1/policies", { params: { query: { limit: LARGEST_PAGE, cursor } } })) as Promise<
          Page<Policy>
        >,
    ),
});

export const policyQuery = (id: string) =>
  queryOptions({
    queryKey: ["policy", id],
    queryFn: () => take(api.GET("/api/v1/policies/{id}", { params: { path: { id } } })) as Promise<Policy>,
  });

export const policyVersionsQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["policy", id, "versions"],
    queryFn: ({ pageParam }) =>
      take(
        api.GET("/api/v1/policies/{id}/versions", {
          params: { path: { id }, query: { limit: PAGE, cursor: pageParam } },
        }),
      ) as Promise<Page<PolicyVersion>>,
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last: Page<PolicyVersion>) => last.nextCursor ?? undefined,
  });

/** What a version of a policy changed over the one before, or what differs from it now. */
export const policyDiffQuery = (id: string, version: number, withVersion?: number) =>
  queryOptions({
    queryKey: ["policy", id, "diff", version, withVersion],
    queryFn: () =>
      take(
        api.GET("/api/v1/policies/{id}/diff", { params: { path: { id }, query: { version, withVersion } } }),
      ) as Promise<PolicyDiff>,
  });

export const computerSettingsQuery = (id: string) =>
  queryOptions({
    queryKey: ["computer-settings", id],
    queryFn: () =>
      take(
        api.GET("/api/v1/computers/{id}/settings", { params: { path: { id } } }),
      ) as Promise<ComputerSettings>,
  });

export const listsQuery = queryOptions({
  queryKey: ["lists"],
  queryFn: () =>
    readAll<CommonObject>(
      (cursor) =>
        take(
          api.GET("/api/v1/common-objects", { params: { query: { limit: LARGEST_PAGE, cursor } } }),
        ) as Promise<Page<CommonObject>>,
    ),
});

/** Which rules are in force. */
export const contentQuery = queryOptions({
  queryKey: ["content"],
  queryFn: () => take(api.GET("/api/v1/content")),
  staleTime: 60_000,
});

export const rulesQuery = (q: string) =>
  queryOptions({
    queryKey: ["rules", q],
    queryFn: () =>
      readAll<Rule>(
        (cursor) =>
          take(
            api.GET("/api/v1/rules", {
              params: { query: { q: q || undefined, limit: LARGEST_PAGE, cursor } },
            }),
          ) as Promise<Page<Rule>>,
      ),
    staleTime: 60_000,
  });

export const ruleQuery = (sid: number) =>
  queryOptions({
    queryKey: ["rule", sid],
    queryFn: () => take(api.GET("/api/v1/rules/{sid}", { params: { path: { sid } } })) as Promise<Rule>,
  });

export const tokensQuery = queryOptions({
  queryKey: ["tokens"],
  queryFn: () =>
    readAll((cursor) =>
      take(api.GET("/api/v1/activation-tokens", { params: { query: { limit: LARGEST_PAGE, cursor } } })).then(
        ({ items, nextCursor }) => ({ items, nextCursor: nextCursor ?? null }),
      ),
    ),
});

export const auditQuery = infiniteQueryOptions({
  queryKey: ["audit"],
  queryFn: ({ pageParam }) =>
    take(api.GET("/api/v1/audit-records", { params: { query: { limit: PAGE, cursor: pageParam } } })),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last) => last.nextCursor ?? undefined,
});

/** Everything that a change of one policy shows in. */
export async function policyChanged(client: QueryClient, policy?: Policy): Promise<void> {
  if (policy) client.setQueryData(["policy", policy.id], policy);
  await Promise.all([
    client.invalidateQueries({ queryKey: ["policies"] }),
    client.invalidateQueries({ queryKey: ["policy"] }),
    client.invalidateQueries({ queryKey: ["computer-settings"] }),
    client.invalidateQueries({ queryKey: ["lists"] }),
    client.invalidateQueries({ queryKey: ["computers"] }),
  ]);
}
