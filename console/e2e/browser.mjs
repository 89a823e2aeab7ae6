// The browser and what every test asks of every page.
import { mkdtempSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`set ${name}: see README.md, "End to end"`);
  return value;
}

export const settings = {
  url: required("SAKIMORI_URL").replace(/\/$/, ""),
  user: required("SAKIMORI_USER"),
  password: required("SAKIMORI_PASSWORD"),
  /** A shell command that makes an event happen; without it nothing is expected to arrive live. */
  trigger: process.env.SAKIMORI_TRIGGER,
  screenshots: process.env.SAKIMORI_SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "sakimori-console-")),
};

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ARGUMENTS,
  });
}

/**
 * A page that remembers what went wrong on it.
 *
 * Refusals that a test provokes show as failed resources in the browser's console: `expectRefusals` lets
 * these, and only these, pass.
 */
export async function open(browser, { locale = "en-US", width = 1280, colorScheme = "light" } = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    locale,
    viewport: { width, height: 900 },
    colorScheme,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const wrong = [];
  let refusals = false;
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (violation) => {
      console.error(`CSP violation: ${violation.violatedDirective} ${violation.blockedURI}`);
    });
  });
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    if (refusals && message.text().startsWith("Failed to load resource")) return;
    wrong.push(`${message.type()}: ${message.text()} at ${page.url()}`);
  });
  page.on("pageerror", (error) => wrong.push(`exception: ${error.stack} at ${page.url()}`));
  return Object.assign(page, {
    wrong,
    expectRefusals(expected) {
      refusals = expected;
    },
    async goTo(path) {
      await page.goto(settings.url + path);
      await settled(page);
    },
  });
}

/** Waits until the page shows something and nothing on it is loading any more. */
export async function settled(page) {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => document.querySelector(".pf-v6-c-spinner:not([aria-hidden])") === null);
}

/** Logs in on the log-in page that is shown. */
export async function logIn(page, password = settings.password) {
  await page.locator("#pf-login-username-id").fill(settings.user);
  await page.locator("#pf-login-password-id").fill(password);
  await page.locator("button[type=submit]").click();
}

/** Logs in and waits for the overview. */
export async function enter(page) {
  await page.goto(`${settings.url}/login`);
  await logIn(page);
  await page.waitForURL((url) => !url.pathname.startsWith("/login"));
  await settled(page);
}

/** What axe finds, in words; empty when all is well. */
export async function violations(page) {
  await page.evaluate(AXE);
  const result = await page.evaluate(
    (tags) => globalThis.axe.run(document, { runOnly: { type: "tag", values: tags } }),
    AXE_TAGS,
  );
  return result.violations.map(
    (one) =>
      `${one.id} (${one.impact}): ${one.help}\n${one.nodes
        .slice(0, 3)
        .map((node) => `  ${node.html}\n    ${node.failureSummary?.replaceAll("\n", " ")}`)
        .join("\n")}`,
  );
}

/** By how many pixels the page is wider than the window. */
export function overflow(page) {
  return page.evaluate(() => {
    const main = document.querySelector("main");
    return Math.max(
      document.documentElement.scrollWidth - window.innerWidth,
      main === null ? 0 : main.scrollWidth - main.clientWidth,
    );
  });
}

/** Keeps what the page looks like. */
export function keep(page, name) {
  return page.screenshot({ path: join(settings.screenshots, `${name}.png`) });
}

/** A request of the console's own session to the API. */
export async function ask(page, method, path, body, headers = {}) {
  return page.evaluate(
    async ([method, path, body, headers]) => {
      const session = await (await fetch("/api/v1/sessions/current")).json();
      const response = await fetch(`/api/v1${path}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          ...(method === "GET" ? {} : { "X-CSRF-Token": session.csrfToken }),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await response.text();
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
    },
    [method, path, body ?? undefined, headers],
  );
}
