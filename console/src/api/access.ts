import { queryOptions } from "@tanstack/react-query";
import type { components } from "../generated/api";
import { api, take } from "./client";
import { type Page, readAll } from "./queries";

type Schemas = components["schemas"];
export type ApiKey = Schemas["ApiKey"];
export type Role = Schemas["Role"];
export type SavedSearch = Schemas["SavedSearch"];
export type AutoTagRule = Schemas["AutoTagRule"];
export type User = Schemas["User"];

/** From who may do most to who may do least. */
export const ROLES = ["administrator", "operator", "auditor"] as const satisfies readonly Role[];

const LARGEST_PAGE = 500;

export const usersQuery = queryOptions({
  queryKey: ["users"],
  queryFn: () =>
    readAll<User>(
      (cursor) =>
        take(api.GET("/api/v1/users", { params: { query: { limit: LARGEST_PAGE, cursor } } })) as Promise<
          Page<User>
        >,
    ),
});

export const apiKeysQuery = queryOptions({
  queryKey: ["api-keys"],
  queryFn: () =>
    readAll<ApiKey>(
      (cursor) =>
        take(api.GET("/api/v1/api-keys", { params: { query: { limit: LARGEST_PAGE, cursor } } })) as Promise<
          Page<ApiKey>
        >,
    ),
});

export const savedSearchesQuery = queryOptions({
  queryKey: ["saved-searches"],
  queryFn: () =>
    readAll<SavedSearch>(
      (cursor) =>
        take(
          api.GET("/api/v1/saved-searches", { params: { query: { limit: LARGEST_PAGE, cursor } } }),
        ) as Promise<Page<SavedSearch>>,
    ),
});

export const autoTagRulesQuery = queryOptions({
  queryKey: ["auto-tag-rules"],
  queryFn: () =>
    readAll<AutoTagRule>(
      (cursor) =>
        take(
          api.GET("/api/v1/auto-tag-rules", { params: { query: { limit: LARGEST_PAGE, cursor } } }),
        ) as Promise<Page<AutoTagRule>>,
    ),
});
