// What every test of the console does, and asks of a page.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { keep, launch, open, overflow, settings, violations } from "./browser.mjs";

export const LOOKS = [
  { name: "en-light-1280", language: "en", locale: "en-US", width: 1280, colorScheme: "light" },
  { name: "ja-dark-1280", language: "ja", locale: "ja-JP", width: 1280, colorScheme: "dark" },
  { name: "ja-light-400", language: "ja", locale: "ja-JP", width: 400, colorScheme: "light" },
];

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
  console.log(`screenshots: ${settings.screenshots}`);
});

/** Opens a page, hands it over and sees that nothing went wrong on it. */
export async function withPage(look, use) {
  const page = await open(browser, look);
  try {
    await use(page);
    assert.deepEqual(page.wrong, [], "the browser's console stays empty");
  } catch (error) {
    await keep(page, `failed-${Date.now()}`).catch(() => {});
    throw error;
  } finally {
    await page.context().close();
  }
}

export async function assertSound(page, name) {
  await keep(page, name);
  assert.deepEqual(await violations(page), [], `axe on ${name}`);
  assert.ok((await overflow(page)) <= 0, `${name} fits the window`);
}

export async function assertLanguage(page, language) {
  assert.equal(await page.locator("html").getAttribute("lang"), language);
}
