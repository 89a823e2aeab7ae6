import { api, take } from "../../api/client";
import type { Computer } from "../../api/types";
import type { components } from "../../generated/api";

type Patch = components["schemas"]["ComputerPatch"];

/** How many computers are changed at the same time: the manager has others to serve. */
const AT_ONCE = 4;

/** What came of a change of many computers. */
export interface BulkResult {
  done: number;
  failed: { computer: Computer; error: unknown }[];
}

/** Does something for each, several at a time, and says how far it is; one that fails leaves the others alone. */
export async function forEach<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  onProgress: (done: number) => void,
): Promise<{ item: T; error: unknown }[]> {
  const failed: { item: T; error: unknown }[] = [];
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next < items.length) {
      const item = items[next] as T;
      next += 1;
      try {
        await work(item);
      } catch (error) {
        failed.push({ item, error });
      }
      done += 1;
      onProgress(done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  return failed;
}

/** Changes many computers alike. */
export async function changeComputers(
  computers: readonly Computer[],
  patch: Patch,
  onProgress: (done: number) => void,
): Promise<BulkResult> {
  const change = async ({ id }: Computer) => {
    await take(api.PATCH("/api/v1/computers/{id}", { params: { path: { id } }, body: patch }));
  };
  const failed = await forEach(computers, change, onProgress);
  return {
    done: computers.length - failed.length,
    failed: failed.map(({ item, error }) => ({ computer: item, error })),
  };
}
