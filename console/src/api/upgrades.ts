import { queryOptions } from "@tanstack/react-query";
import type { components } from "../generated/api";
import { api, take } from "./client";
import { readAll } from "./queries";

export type Upgrade = components["schemas"]["Upgrade"];
export type UpgradeComputer = components["schemas"]["UpgradeComputer"];
export type AgentPackage = components["schemas"]["AgentPackage"];
export type NewUpgradeRing = components["schemas"]["NewUpgradeRing"];

/** Roll-outs that are under way change by themselves. */
const OFTEN = 5_000;

export const upgradesQuery = queryOptions({
  queryKey: ["upgrades"],
  queryFn: () =>
    readAll((cursor) =>
      take(api.GET("/api/v1/upgrades", { params: { query: { limit: 500, cursor } } })).then(
        ({ items, nextCursor }) => ({ items, nextCursor: nextCursor ?? null }),
      ),
    ),
  refetchInterval: OFTEN,
});

export const upgradeQuery = (id: string) =>
  queryOptions({
    queryKey: ["upgrades", id],
    queryFn: () => take(api.GET("/api/v1/upgrades/{id}", { params: { path: { id } } })),
    refetchInterval: OFTEN,
  });

export const upgradeComputersQuery = (id: string) =>
  queryOptions({
    queryKey: ["upgrades", id, "computers"],
    queryFn: () =>
      readAll((cursor) =>
        take(
          api.GET("/api/v1/upgrades/{id}/computers", {
            params: { path: { id }, query: { limit: 500, cursor } },
          }),
        ).then(({ items, nextCursor }) => ({ items, nextCursor: nextCursor ?? null })),
      ),
    refetchInterval: OFTEN,
  });

export const packagesQuery = queryOptions({
  queryKey: ["agent-packages"],
  queryFn: () => take(api.GET("/api/v1/agent-packages")),
});

/** Rings as they are typed: `10%, tag:ring=canary, group:ID`; nothing where one is none. */
export function parseRings(text: string): NewUpgradeRing[] | undefined {
  const rings: NewUpgradeRing[] = [];
  for (const one of text.split(",").map((part) => part.trim())) {
    if (one === "") continue;
    const percent = /^(\d{1,3})%$/.exec(one);
    if (percent) rings.push({ percent: Number(percent[1]) });
    else if (one.startsWith("tag:")) rings.push({ tag: one.slice(4) });
    else if (one.startsWith("group:")) rings.push({ groupId: one.slice(6) });
    else return undefined;
  }
  return rings.length > 0 ? rings : undefined;
}
