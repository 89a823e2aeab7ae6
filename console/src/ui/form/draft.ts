import { useState } from "react";

/** Whether two values of a form say the same. */
const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/** Those members of a draft that say something else than what is saved: a merge patch fits a newer version as well. */
export function changesOf<F extends object>(saved: F, draft: Partial<F>): Partial<F> {
  const changed = Object.entries(draft).filter(([key, value]) => !same(saved[key as keyof F], value));
  return Object.fromEntries(changed) as Partial<F>;
}

/** What is typed on top of what is saved, which may become newer underneath. */
export function useDraft<F extends object>(saved: F) {
  const [draft, setDraft] = useState<Partial<F>>({});
  return {
    form: { ...saved, ...draft },
    changes: changesOf(saved, draft),
    set: (change: Partial<F>) => setDraft((before) => ({ ...before, ...change })),
  };
}
