import { describe, expect, it } from "vitest";
import { forEach } from "./bulk";

describe("a change of many", () => {
  it("does each once, a few at a time, says how far it is, and goes on after a failure", async () => {
    const items = Array.from({ length: 20 }, (_, index) => index);
    const seen: number[] = [];
    const progress: number[] = [];
    let atOnce = 0;
    let most = 0;
    const failed = await forEach(
      items,
      async (item) => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        await Promise.resolve();
        atOnce -= 1;
        seen.push(item);
        if (item === 7) throw new Error("no");
      },
      (done) => progress.push(done),
    );
    expect(seen.sort((a, b) => a - b)).toEqual(items);
    expect(failed.map((one) => one.item)).toEqual([7]);
    expect(progress.at(-1)).toBe(20);
    expect(most).toBeLessThanOrEqual(4);
  });
  it("does nothing for nobody", async () => {
    expect(
      await forEach(
        [],
        () => Promise.resolve(),
        () => {},
      ),
    ).toEqual([]);
  });
});
