// The forms of the console against a running manager, in a real browser. What they make, they remove.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ask, enter, settings, settled } from "./browser.mjs";
import { assertSound, LOOKS, withPage } from "./checks.mjs";

const named = (what) => `e2e ${what} ${Date.now()}`;

const dialog = (page) => page.getByRole("dialog");
const press = (page, name) => dialog(page).getByRole("button", { name, exact: true }).click();
const rowOf = (page, name) => page.getByRole("row").filter({ hasText: name });

/** Waits until the dialogue has gone: what it was asked to do is done. */
const gone = (page) => dialog(page).waitFor({ state: "detached" });

async function remove(page, name) {
  await rowOf(page, name)
    .getByRole("button", { name: new RegExp(`^Delete: ${name}`) })
    .click();
  await press(page, "Delete");
  await gone(page);
  await page.getByText(name, { exact: true }).waitFor({ state: "detached" });
}

/** Makes another change than the page's own meanwhile. */
async function changeMeanwhile(page, path, body) {
  const { body: current } = await ask(page, "GET", path);
  const answer = await ask(page, "PATCH", path, body, { "If-Match": current.etag });
  assert.equal(answer.status, 200);
}

const idOf = async (page, path, name) => {
  const { body } = await ask(page, "GET", `${path}?limit=500`);
  return body.items.find((one) => one.name === name)?.id;
};

describe("overview", () => {
  it("leads from each number to what it counts", (context) =>
    withPage({}, async (page) => {
      await enter(page);
      await page.getByRole("heading", { name: "Waits for somebody" }).waitFor();
      const online = page.getByRole("link", { name: /Online/ });
      await online.first().click();
      await page.waitForURL((url) => url.pathname === "/computers" && url.search === "?status=online");
      await page.goBack();
      await settled(page);
      await page.getByRole("button", { name: "Module", exact: true }).click();
      const { body } = await ask(page, "GET", "/events?limit=1");
      if (body.items.length === 0) return context.skip("this manager has no events");
      const bar = page.locator(".skm-chart button:not([disabled])").last();
      await bar.click();
      await page.waitForURL((url) => url.pathname === "/events" && url.searchParams.has("from"));
      await page.locator("[data-event-id]").first().waitFor();
      await page.goto(settings.url);
      await settled(page);
      for (const title of ["Most attacked computers", "Most frequent rules", "Most active sources"]) {
        const card = page.locator(".pf-v6-c-card").filter({ hasText: title });
        const first = card.getByRole("listitem").first();
        const counted = Number((await first.locator("span").last().innerText()).replaceAll(",", ""));
        assert.ok(counted > 0, title);
        await first.getByRole("link").click();
        await page.waitForURL((url) => url.searchParams.has("filter"));
        await page.locator("[data-event-id]").first().waitFor();
        await page.goBack();
        await settled(page);
      }
    }));
});

describe("channels", () => {
  it("are made, tried, changed by two people at once, and deleted", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/channels");
      const name = named("hook");
      await page.getByRole("button", { name: "Create a channel" }).first().click();
      await page.locator("#channel-kind").selectOption("webhook");
      await page.locator("#channel-name").fill(name);
      await page.locator("#channel-url").fill("http://example.com/hook");
      await page.getByRole("button", { name: "Make a key and copy it" }).click();
      assert.equal((await page.locator("#channel-key").inputValue()).length, 32);
      page.expectRefusals(true);
      await press(page, "Save");
      await page.locator("#channel-url[aria-invalid=true]").waitFor();
      await page.getByText("A URL with https, or with http to localhost").waitFor();
      assert.equal(await page.evaluate(() => document.activeElement?.id), "channel-url", "led to the field");
      page.expectRefusals(false);
      await assertSound(page, "channel-refused");
      await page.locator("#channel-url").fill("https://127.0.0.1:9/hook");
      await page.locator("#channel-headers").fill("Authorization: Bearer e2e");
      await page.locator("#channel-sends-events").check();
      await page.locator("#channel-events").fill("severity >= nonsense");
      page.expectRefusals(true);
      await dialog(page).getByRole("button", { name: "Try it" }).click();
      await page.getByText("nonsense is not a severity").waitFor();
      page.expectRefusals(false);
      await page.locator("#channel-events").fill("severity >= critical");
      await dialog(page).getByRole("button", { name: "Try it" }).click();
      await page.getByText(/It finds [\d,]+ events/).waitFor();
      await press(page, "Save");
      await gone(page);
      const id = await idOf(page, "/channels", name);
      const saved = (await ask(page, "GET", `/channels/${id}`)).body;
      assert.deepEqual(saved.secretsSet, ["headers.Authorization", "signingKey"]);
      assert.equal(saved.events, "severity >= critical");

      await rowOf(page, name)
        .getByRole("button", { name: /^Send a test/ })
        .click();
      await rowOf(page, name).getByText("Not delivered").waitFor();
      await assertSound(page, "channels-tested");

      await rowOf(page, name).getByRole("button", { name, exact: true }).click();
      await page.locator("#channel-alerts").selectOption("high");
      await changeMeanwhile(page, `/channels/${id}`, { enabled: false });
      page.expectRefusals(true);
      await press(page, "Save");
      await page.getByText("Somebody else changed this in the meantime").waitFor();
      page.expectRefusals(false);
      await assertSound(page, "channel-conflict");
      await page.getByRole("button", { name: "Load the current version" }).click();
      await page.getByText("Somebody else changed this in the meantime").waitFor({ state: "detached" });
      assert.ok(!(await page.locator("#channel-enabled").isChecked()), "the other's change is shown");
      await press(page, "Save");
      await gone(page);
      const both = (await ask(page, "GET", `/channels/${id}`)).body;
      assert.deepEqual([both.alerts, both.enabled], ["high", false], "both changes are there");
      assert.deepEqual(both.secretsSet, saved.secretsSet, "the secrets stay");
      await remove(page, name);
    }));

  for (const look of LOOKS) {
    it(`have a form for every kind: ${look.name}`, () =>
      withPage(look, async (page) => {
        await enter(page);
        await page.goTo("/channels");
        const create = look.language === "ja" ? "チャネルの作成" : "Create a channel";
        await page.getByRole("button", { name: create }).first().click();
        for (const kind of ["email", "webhook", "syslog", "otlp"]) {
          await page.locator("#channel-kind").selectOption(kind);
          await assertSound(page, `channel-${kind}-${look.name}`);
        }
      }));
  }

  it("keep the keyboard in the form, and give it back", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/channels");
      const create = page.getByRole("button", { name: "Create a channel" }).first();
      await create.focus();
      await page.keyboard.press("Enter");
      await dialog(page).waitFor();
      for (let tab = 0; tab < 30; tab += 1) {
        await page.keyboard.press("Tab");
        assert.ok(await page.evaluate(() => document.activeElement?.closest("[role=dialog]") !== null));
      }
      await page.keyboard.press("Escape");
      await gone(page);
      await page.waitForFunction(() => document.activeElement?.textContent === "Create a channel");
    }));
});

describe("scheduled tasks", () => {
  it("are made, run, looked into and deleted", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/tasks");
      const name = named("clean-up");
      await page.getByRole("button", { name: "Create a task" }).first().click();
      await page.locator("#task-kind").selectOption("retention");
      await page.locator("#task-name").fill(name);
      await page.locator("#task-frequency").selectOption("own");
      await page.locator("#task-schedule").fill("61 2 * * *");
      page.expectRefusals(true);
      await press(page, "Save");
      await page.locator("#task-schedule[aria-invalid=true]").waitFor();
      page.expectRefusals(false);
      await page.locator("#task-frequency").selectOption("weekly");
      await page.getByLabel("Mon", { exact: true }).check();
      await page.locator("#task-hour").fill("25");
      assert.ok(await dialog(page).getByRole("button", { name: "Save" }).isDisabled());
      await page.locator("#task-hour").fill("3");
      await page.locator("#task-zone").selectOption("Asia/Tokyo");
      await assertSound(page, "task-form");
      await press(page, "Save");
      await gone(page);
      await rowOf(page, name).getByText("Sun, Mon at 03:30").waitFor();
      const id = await idOf(page, "/tasks", name);
      assert.equal((await ask(page, "GET", `/tasks/${id}`)).body.schedule, "30 3 * * sun,mon");

      await rowOf(page, name)
        .getByRole("button", { name: /^Run now/ })
        .click();
      await rowOf(page, name).getByText("Succeeded").waitFor();
      await rowOf(page, name)
        .getByRole("button", { name: `Runs of “${name}”` })
        .click();
      await dialog(page).getByText(`Asked for by ${settings.user}`).waitFor();
      await dialog(page).getByText("Succeeded").waitFor();
      await assertSound(page, "task-runs");
      await dialog(page).getByRole("button", { name: "Close" }).click();
      await remove(page, name);
    }));
});

describe("conditions of alerts", () => {
  it("are tried, made, changed and deleted; the product's are changed and reset", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/alerts?view=conditions");
      const name = named("guessing");
      await page.getByRole("button", { name: "Create a condition" }).click();
      await page.locator("#condition-name").fill(name);
      await page.locator("#condition-filter").fill("kind = log");
      await dialog(page).getByRole("button", { name: "Try it" }).click();
      await page.getByText(/At most \d+ in an hour/).waitFor();
      await page.locator("#condition-threshold").fill("20");
      await page.locator("#condition-window").fill("10");
      await assertSound(page, "condition-form");
      await press(page, "Save");
      await gone(page);
      await rowOf(page, name).getByText("20 events within 10 minutes").waitFor();
      await rowOf(page, name)
        .getByRole("button", { name: `Edit: ${name}` })
        .click();
      await page.locator("#condition-severity").selectOption("critical");
      await press(page, "Save");
      await gone(page);
      await rowOf(page, name).getByText("Critical").waitFor();
      await remove(page, name);

      const offline = "Computer out of contact";
      await rowOf(page, offline)
        .getByRole("button", { name: `Edit: ${offline}` })
        .click();
      await page.locator("#condition-threshold").fill("77");
      await press(page, "Save");
      await gone(page);
      await rowOf(page, offline).getByText("77 minutes").waitFor();
      await rowOf(page, offline)
        .getByRole("button", { name: `Reset: ${offline}` })
        .click();
      await press(page, "Reset");
      await gone(page);
      await rowOf(page, offline).getByText("10 minutes").waitFor();
    }));
});

describe("event-based tasks", () => {
  it("are tried on a computer that is made up", () =>
    withPage({}, async (page) => {
      await enter(page);
      const name = named("shop");
      const made = await ask(page, "POST", "/event-based-tasks", {
        name,
        triggers: ["activated"],
        conditions: [
          { field: "host-name", value: "e2e-shop-*" },
          { field: "cloud-region", pattern: "regex", value: "^japan" },
        ],
        actions: [{ action: "add-tags", tags: { role: "shop" } }],
      });
      assert.equal(made.status, 201);
      await page.goTo("/event-based-tasks");
      await page.getByRole("button", { name: "Try the tasks" }).click();
      await page.locator("#trial-hostName").fill("e2e-shop-7");
      await press(page, "Try");
      const tried = dialog(page).getByRole("row").filter({ hasText: name });
      await tried.getByRole("img", { name: "Met", exact: true }).waitFor();
      await tried.getByRole("img", { name: "Not met" }).waitFor();
      await tried.getByText("The computer says nothing of this.").waitFor();
      await dialog(page).getByRole("button", { name: "What the cloud says" }).click();
      await page.locator("#trial-region").fill("japaneast");
      await press(page, "Try");
      await tried.getByText("Looked at: japaneast").waitFor();
      await dialog(page).getByText("This is what the tasks come to").waitFor();
      await dialog(page).getByText("role=shop").first().waitFor();
      await assertSound(page, "task-trial");
      assert.equal((await ask(page, "DELETE", `/event-based-tasks/${made.body.id}`)).status, 204);
    }));
});

describe("access", () => {
  it("is given to a script by a key that is shown once, and taken back", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/access?view=keys");
      const name = named("key");
      await page.getByRole("button", { name: "Create an API key" }).first().click();
      await page.locator("#key-name").fill(name);
      await assertSound(page, "key-form");
      await press(page, "Create");
      const secret = await page.getByRole("textbox", { name: "API key" }).inputValue();
      assert.match(secret, /^sak_/);
      await assertSound(page, "key-made");
      const asKey = () =>
        page.request.get(`${settings.url}/api/v1/users`, { headers: { Authorization: `Bearer ${secret}` } });
      assert.equal((await asKey()).status(), 200);
      await dialog(page)
        .getByRole("contentinfo")
        .or(dialog(page).locator("footer"))
        .getByRole("button")
        .click();
      await rowOf(page, name)
        .getByRole("button", { name: `Revoke: ${name}` })
        .click();
      await press(page, "Revoke");
      await gone(page);
      await page.getByText(name, { exact: true }).waitFor({ state: "detached" });
      await page.context().clearCookies();
      assert.equal((await asKey()).status(), 401);
    }));

  it("is kept by a password that its user changes", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.getByRole("button", { name: /^User menu/ }).click();
      await page.getByRole("menuitem", { name: "Change password" }).click();
      await page.locator("#password-current").fill("certainly not the password");
      await page.locator("#password-new").fill("short");
      await page.locator("#password-new[aria-invalid=true]").waitFor();
      await page.locator("#password-new").fill("long enough, really");
      await page.locator("#password-again").fill("something else");
      await page.getByText("This is not the same as above.").waitFor();
      assert.ok(await dialog(page).getByRole("button", { name: "Save" }).isDisabled());
      await page.locator("#password-again").fill("long enough, really");
      page.expectRefusals(true);
      await press(page, "Save");
      await dialog(page).getByRole("alert").or(page.locator("[aria-invalid=true]")).first().waitFor();
      await assertSound(page, "password-refused");
    }));
});

describe("searches", () => {
  it("are kept from the page of events, and followed from theirs", () =>
    withPage({}, async (page) => {
      await enter(page);
      const name = named("search");
      await page.goTo("/events?severity=high");
      await page.getByRole("button", { name: "Save this search" }).click();
      assert.equal(await page.locator("#search-filter").inputValue(), "severity = high");
      await page.locator("#search-name").fill(name);
      await assertSound(page, "search-form");
      await press(page, "Save");
      await gone(page);
      await page.goTo("/searches");
      await page.getByRole("link", { name }).click();
      await page.waitForURL((url) => url.searchParams.get("filter") === "severity = high");
      await page.goTo("/searches");
      await remove(page, name);
    }));

  it("tag events as they arrive", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/searches?view=tags");
      const name = named("tag");
      await page.getByRole("button", { name: "Create an auto-tag" }).click();
      await page.locator("#auto-tag-name").fill(name);
      await page.locator("#auto-tag-filter").fill("severity = nonsense");
      await page.locator("#auto-tag-tag").fill("e2e");
      page.expectRefusals(true);
      await press(page, "Save");
      await page.locator("#auto-tag-filter[aria-invalid=true]").waitFor();
      page.expectRefusals(false);
      await page.locator("#auto-tag-filter").fill("severity = low");
      await assertSound(page, "auto-tag-form");
      await press(page, "Save");
      await gone(page);
      await rowOf(page, name).getByRole("link", { name: "e2e" }).waitFor();
      await remove(page, name);
    }));

  it("of computers become smart folders", () =>
    withPage({}, async (page) => {
      await enter(page);
      const name = named("folder");
      await page.goTo("/computers?status=offline");
      await page.getByRole("button", { name: "Save as smart folder" }).click();
      assert.equal(await page.locator("#search-filter").inputValue(), "status = offline");
      await page.locator("#search-name").fill(name);
      await press(page, "Save");
      await page.waitForURL((url) => url.searchParams.has("searchId"));
      await page.goTo("/searches");
      await remove(page, name);
    }));
});

describe("fleet settings", () => {
  it("are changed and changed back", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/fleet-settings");
      const { body: before } = await ask(page, "GET", "/fleet-settings");
      await page.getByRole("button", { name: "Change", exact: true }).click();
      await page.locator("#fleet-suspendAfterSecs").fill("77");
      await page.locator("#fleet-suspendAfterSecs-unit").selectOption("minutes");
      await assertSound(page, "fleet-settings-form");
      await press(page, "Save");
      await gone(page);
      await page.getByText("77 minutes").waitFor();
      const { suspendAfterSecs } = before;
      const back = await ask(page, "PATCH", "/fleet-settings", { suspendAfterSecs });
      assert.equal(back.status, 200);
    }));
});

describe("many at once", () => {
  it("computers are changed alike", (context) =>
    withPage({}, async (page) => {
      await enter(page);
      const { body } = await ask(page, "GET", "/computers?limit=1&sort=displayName");
      const [computer] = body.items;
      if (computer === undefined) return context.skip("this manager has no computer");
      await page.goTo("/computers?sort=displayName");
      await page.getByRole("checkbox", { name: `Choose ${computer.displayName}` }).check();
      await page.getByRole("button", { name: "Change the chosen ones" }).click();
      await page.locator("#bulk-what").selectOption("assetValue");
      await page.locator("#bulk-asset").fill("77");
      await assertSound(page, "bulk-form");
      await press(page, "Change them");
      await gone(page);
      const now = (await ask(page, "GET", `/computers/${computer.id}`)).body;
      assert.equal(now.assetValue, 77);
      const { assetValue } = computer;
      assert.equal((await ask(page, "PATCH", `/computers/${computer.id}`, { assetValue })).status, 200);
    }));

  it("alerts are acknowledged", (context) =>
    withPage({}, async (page) => {
      await enter(page);
      const { body } = await ask(page, "GET", "/alerts?state=open&limit=1");
      const [alert] = body.items;
      if (alert === undefined) return context.skip("this manager has no open alert");
      await page.goTo("/alerts");
      await page
        .getByRole("checkbox", { name: `Choose ${alert.title.en}` })
        .first()
        .check();
      await page.getByRole("button", { name: "Acknowledge" }).click();
      await page.getByText("1 chosen").waitFor({ state: "detached" });
      const acknowledged = (await ask(page, "GET", "/alerts?state=acknowledged&limit=100")).body.items;
      const mine = acknowledged.find((one) => one.stateBy === settings.user);
      assert.ok(mine, "it is acknowledged");
      assert.equal((await ask(page, "PATCH", `/alerts/${mine.id}`, { state: "open" })).status, 200);
    }));
});

describe("notes on an event", () => {
  it("are tags, which are taken away again, and comments, which stay", (context) =>
    withPage({}, async (page) => {
      await enter(page);
      const { body } = await ask(page, "GET", "/events?limit=1");
      const [event] = body.items;
      if (event === undefined) return context.skip("this manager has no events");
      await page.goTo(`/events?event=${event.id}&live=false`);
      const panel = page.getByRole("complementary");
      const tag = `e2e-${Date.now()}`;
      await panel.getByRole("textbox", { name: "New tag" }).fill(tag);
      await panel.getByRole("button", { name: "Tag", exact: true }).click();
      await panel.getByRole("link", { name: tag }).waitFor();
      await panel.getByRole("textbox", { name: "What is there to say?" }).fill("looked at\nby the test");
      await panel.getByRole("button", { name: "Comment", exact: true }).click();
      await panel.getByText("looked at").first().waitFor();
      await assertSound(page, "event-notes");
      await panel.getByRole("button", { name: `Take the tag away: ${tag}` }).click();
      await panel.getByRole("link", { name: tag }).waitFor({ state: "detached" });
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Export" }).click();
      const download = page.waitForEvent("download");
      await page.getByRole("menuitem", { name: "CSV, for spreadsheets" }).click();
      assert.match((await download).suggestedFilename(), /\.csv$/);
    }));
});
