import createFetchClient, { type ClientOptions } from "openapi-fetch";
import type { paths } from "../generated/api";
import type { Problem } from "./types";

/** The manager refused a request and said why. */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
    this.name = "ProblemError";
  }
}

/** The manager could not be reached at all. */
export class NetworkError extends Error {
  constructor(cause: unknown) {
    super("the manager cannot be reached", { cause });
    this.name = "NetworkError";
  }
}

let csrfToken: string | undefined;
let onUnauthorized: () => void = () => {};

/** The token that proves that a change comes from this console; nothing after the log-out. */
export function setCsrfToken(token: string | undefined): void {
  csrfToken = token;
}

/** What to do when the session turns out to be over. */
export function setOnUnauthorized(handler: () => void): void {
  onUnauthorized = handler;
}

/** Told by whoever finds out that the session is over. */
export function sessionOver(): void {
  onUnauthorized();
}

const CHANGING = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/** A typed client of the manager's public API. */
export function createClient(options: ClientOptions) {
  const client = createFetchClient<paths>({ credentials: "same-origin", ...options });
  client.use({
    onRequest({ request }) {
      if (csrfToken !== undefined && CHANGING.has(request.method)) {
        request.headers.set("X-CSRF-Token", csrfToken);
      }
      return request;
    },
    onResponse({ request, response }) {
      const { pathname } = new URL(request.url);
      if (response.status === 401 && !pathname.startsWith("/api/v1/sessions")) onUnauthorized();
      return response;
    },
    onError({ error }) {
      return new NetworkError(error);
    },
  });
  return client;
}

/** The console's own client; it has no other way to the manager. */
export const api = createClient({});

interface Outcome<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "title" in value && "code" in value;
}

/** The data of a request, or the refusal thrown as [`ProblemError`]. */
export async function take<T>(request: Promise<Outcome<T>>): Promise<T> {
  const { data, error, response } = await request;
  if (response.ok) return data as T;
  if (isProblem(error)) throw new ProblemError(error);
  throw new ProblemError({
    type: "about:blank",
    title: `HTTP ${response.status}`,
    status: response.status,
    detail: "",
    code: `http-${response.status}`,
    errors: [],
    requestId: "",
  });
}

/** Whether the manager refused because the object was changed by somebody else in the meantime. */
export function isConflict(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.status === 412;
}
