import { queryOptions } from "@tanstack/react-query";
import type { components } from "../generated/api";
import { type SavedSearch, savedSearchesQuery } from "./access";
import { api, take } from "./client";
import { type Page, readAll } from "./queries";

type Schemas = components["schemas"];

export type ComputerGroup = Schemas["ComputerGroup"];
export type EventBasedTask = Schemas["EventBasedTask"];
export type TaskAction = Schemas["TaskAction"];
export type TaskCondition = Schemas["TaskCondition"];
export type Trigger = Schemas["Trigger"];

const LARGEST_PAGE = 500;

export const TRIGGERS = [
  "activated",
  "returned",
  "address-changed",
  "cloud-changed",
] as const satisfies readonly Trigger[];
export const FIELDS = [
  "host-name",
  "tag",
  "platform",
  "group",
  "cloud-provider",
  "cloud-account",
  "cloud-region",
  "cloud-name",
  "cloud-scale-set",
  "cloud-image",
  "cloud-tag",
  "address",
  "source-address",
  "token",
] as const satisfies readonly Schemas["TaskField"][];
export const PATTERNS = ["glob", "regex", "network"] as const satisfies readonly Schemas["TaskPattern"][];
export const TASK_ACTIONS = [
  "assign-policy",
  "assign-group",
  "add-tags",
  "mark-ephemeral",
  "activate",
  "deactivate",
  "delete",
] as const satisfies readonly Schemas["TaskActionKind"][];

export const groupsQuery = queryOptions({
  queryKey: ["computer-groups"],
  queryFn: () =>
    readAll<ComputerGroup>(
      (cursor) =>
        take(
          api.GET("/api/v1/computer-groups", { params: { query: { limit: LARGEST_PAGE, cursor } } }),
        ) as Promise<Page<ComputerGroup>>,
    ),
});

/** Saved searches of computers. */
export const smartFoldersQuery = {
  ...savedSearchesQuery,
  select: (all: SavedSearch[]) => all.filter((search) => search.subject === "computers"),
};

export const tasksQuery = queryOptions({
  queryKey: ["event-based-tasks"],
  queryFn: () =>
    readAll<EventBasedTask>(
      (cursor) =>
        take(
          api.GET("/api/v1/event-based-tasks", { params: { query: { limit: LARGEST_PAGE, cursor } } }),
        ) as Promise<Page<EventBasedTask>>,
    ),
});

export const coverageQuery = queryOptions({
  queryKey: ["coverage"],
  queryFn: () => take(api.GET("/api/v1/coverage")),
  // The stream tells of changes; this is for the passing of time, which makes computers offline.
  refetchInterval: 60_000,
});

export const computerCoverageQuery = (id: string) =>
  queryOptions({
    queryKey: ["computer", id, "coverage"],
    queryFn: () => take(api.GET("/api/v1/computers/{id}/coverage", { params: { path: { id } } })),
  });

export const fleetSettingsQuery = queryOptions({
  queryKey: ["fleet-settings"],
  queryFn: () => take(api.GET("/api/v1/fleet-settings")),
});

/** The groups as a tree, read from top to bottom; what stands in a cycle is left out. */
export function treeOf(groups: readonly ComputerGroup[]): { group: ComputerGroup; depth: number }[] {
  const found: { group: ComputerGroup; depth: number }[] = [];
  const below = (parentId: string | null, depth: number) => {
    const here = groups.filter((group) => group.parentId === parentId);
    for (const group of here.sort((a, b) => a.name.localeCompare(b.name))) {
      found.push({ group, depth });
      below(group.id, depth + 1);
    }
  };
  below(null, 0);
  return found;
}

/** Tags as they are typed: `role=web, canary`. */
export function parseTags(typed: string): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const part of typed.split(",")) {
    const at = part.indexOf("=");
    const key = (at < 0 ? part : part.slice(0, at)).trim();
    if (key !== "") tags[key] = at < 0 ? "" : part.slice(at + 1).trim();
  }
  return tags;
}

/** Tags as they are shown, each by itself. */
export function tagTexts(tags: Record<string, string>): string[] {
  return Object.entries(tags).map(([key, value]) => (value === "" ? key : `${key}=${value}`));
}
