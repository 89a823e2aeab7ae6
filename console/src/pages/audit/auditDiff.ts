/** One member that a change touched: its path, and what it was and is. */
export interface AuditChange {
  path: string;
  before?: string;
  after?: string;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The leaves of an object by their paths; lists of plain values are leaves. */
function leaves(value: unknown, path: string, into: Map<string, string>): void {
  if (isObject(value) && Object.keys(value).length > 0) {
    for (const [key, inner] of Object.entries(value))
      leaves(inner, path === "" ? key : `${path} › ${key}`, into);
    return;
  }
  if (value === undefined || value === null || path === "") return;
  const plain = Array.isArray(value) && value.every((one) => typeof one !== "object");
  into.set(
    path,
    plain ? value.join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value),
  );
}

/** What differs between two states of an object, member by member, in the order of the newer one. */
export function auditChanges(before: unknown, after: unknown): AuditChange[] {
  const [old, now] = [new Map<string, string>(), new Map<string, string>()];
  leaves(before, "", old);
  leaves(after, "", now);
  return [...new Set([...now.keys(), ...old.keys()])]
    .filter((path) => old.get(path) !== now.get(path))
    .map((path) => ({ path, before: old.get(path), after: now.get(path) }));
}
