import { queryOptions } from "@tanstack/react-query";
import type { components } from "../generated/api";
import { api, take } from "./client";

type Schemas = components["schemas"];
export type WafRuleSet = Schemas["WafRuleSet"];
export type WafExclusionMade = Schemas["WafExclusionMade"];

export const ruleSetsQuery = queryOptions({
  queryKey: ["waf-rule-sets"],
  queryFn: () => take(api.GET("/api/v1/waf-rule-sets")),
});

/** Imports a file of rules, or an archive of such. */
export const importRuleSet = (file: File, name: string, base: string) =>
  take(
    api.POST("/api/v1/waf-rule-sets", {
      params: { query: { file: file.name, name: name || undefined, base: base || undefined } },
      body: file as unknown as string,
      bodySerializer: (body: unknown) => body as BodyInit,
      headers: { "Content-Type": "application/octet-stream" },
    }),
  );

/** Exclusions for what rules found in an event; only shown, or put into the policy. */
export const excludeEvent = (id: string, rule: number | undefined, dryRun: boolean) =>
  take(
    api.POST("/api/v1/events/{id}/waf-exclusions", {
      params: { path: { id } },
      body: { rule: rule ?? null, policyId: null, dryRun },
    }),
  );
