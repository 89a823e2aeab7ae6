import { afterEach, describe, expect, it, vi } from "vitest";
import {
  createClient,
  isConflict,
  NetworkError,
  ProblemError,
  setCsrfToken,
  setOnUnauthorized,
  take,
} from "./client";

const answer = (status: number, body: unknown) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": status >= 400 ? "application/problem+json" : "application/json" },
  });

const problem = (status: number) => ({
  type: "about:blank",
  title: "No",
  status,
  detail: "Do this instead.",
  code: "no",
  errors: [],
  requestId: "r",
});

function clientFor(response: () => Response | Promise<Response>) {
  const seen: Request[] = [];
  const api = createClient({
    baseUrl: "https://manager.test",
    fetch: async (request: Request) => {
      seen.push(request);
      return response();
    },
  });
  return { api, seen };
}

afterEach(() => setCsrfToken(undefined));

describe("client", () => {
  it("proves changes with the CSRF token and does not send it along with reading", async () => {
    setCsrfToken("token");
    const { api, seen } = clientFor(() => answer(200, { items: [], nextCursor: null }));
    await take(api.GET("/api/v1/policies"));
    await take(api.POST("/api/v1/policies", { body: { name: "x" } }));
    expect(seen.map((request) => request.headers.get("X-CSRF-Token"))).toEqual([null, "token"]);
  });

  it("throws the manager's refusal with its words", async () => {
    const { api } = clientFor(() => answer(412, problem(412)));
    const refusal = await take(api.GET("/api/v1/policies")).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ProblemError);
    expect((refusal as ProblemError).message).toBe("Do this instead.");
    expect(isConflict(refusal)).toBe(true);
  });

  it("says when a session is over, but not when a log-in was refused", async () => {
    const over = vi.fn();
    setOnUnauthorized(over);
    const { api } = clientFor(() => answer(401, problem(401)));
    await take(api.POST("/api/v1/sessions", { body: { user: "a", password: "b" } })).catch(() => {});
    expect(over).not.toHaveBeenCalled();
    await take(api.GET("/api/v1/computers")).catch(() => {});
    expect(over).toHaveBeenCalledOnce();
  });

  it("tells a manager that cannot be reached from one that refuses", async () => {
    const { api } = clientFor(() => Promise.reject(new TypeError("fetch failed")));
    await expect(take(api.GET("/api/v1/computers"))).rejects.toBeInstanceOf(NetworkError);
  });
});
