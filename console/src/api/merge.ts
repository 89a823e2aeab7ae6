import type { InfiniteData } from "@tanstack/react-query";
import type { Page } from "./queries";

type Pages<T> = InfiniteData<Page<T>, string | undefined>;

/**
 * Puts a freshly read first part before what is shown already, newest first and each member once.
 *
 * Where the two do not overlap, more came in than one part holds: the fresh part starts the list anew,
 * so that nothing is silently missing in the middle.
 */
export function mergeFirstPage<T extends { id: string }>(shown: Pages<T>, fresh: Page<T>): Pages<T> {
  const known = new Set(shown.pages.flatMap((page) => page.items.map((item) => item.id)));
  const added = fresh.items.filter((item) => !known.has(item.id));
  const [first, ...rest] = shown.pages;
  const overlaps = added.length < fresh.items.length || fresh.nextCursor === null;
  if (first === undefined || !overlaps) return { pages: [fresh], pageParams: [undefined] };
  if (added.length === 0) return shown;
  return { ...shown, pages: [{ ...first, items: [...added, ...first.items] }, ...rest] };
}
