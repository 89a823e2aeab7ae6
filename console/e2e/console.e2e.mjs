// The built console against a running manager, in a real browser.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { ask, enter, keep, logIn, settings, settled } from "./browser.mjs";
import { assertLanguage, assertSound, LOOKS, withPage } from "./checks.mjs";

const PAGES = [
  { path: "/", name: "overview", en: "Overview", ja: "概要" },
  { path: "/computers", name: "computers", en: "Computers", ja: "コンピュータ" },
  { path: "/groups", name: "groups", en: "Groups", ja: "グループ" },
  { path: "/coverage", name: "coverage", en: "Coverage", ja: "保護状況" },
  { path: "/events", name: "events", en: "Events", ja: "イベント" },
  { path: "/alerts", name: "alerts", en: "Alerts", ja: "アラート" },
  { path: "/alerts?view=conditions", name: "alert-conditions", en: "Alerts", ja: "アラート" },
  { path: "/channels", name: "channels", en: "Delivery", ja: "配信" },
  { path: "/upgrades", name: "upgrades", en: "Upgrades", ja: "アップグレード" },
  { path: "/tasks", name: "tasks", en: "Scheduled tasks", ja: "スケジュールタスク" },
  { path: "/policies", name: "policies", en: "Policies", ja: "ポリシー" },
  { path: "/lists", name: "lists", en: "Lists", ja: "リスト" },
  { path: "/rules", name: "rules", en: "Rules", ja: "ルール" },
  { path: "/activation-tokens", name: "tokens", en: "Activation tokens", ja: "有効化トークン" },
  {
    path: "/event-based-tasks",
    name: "event-based-tasks",
    en: "Event-based tasks",
    ja: "イベントベースタスク",
  },
  { path: "/searches", name: "searches", en: "Searches and tags", ja: "検索とタグ" },
  { path: "/searches?view=tags", name: "auto-tags", en: "Searches and tags", ja: "検索とタグ" },
  { path: "/access", name: "users", en: "Users and API keys", ja: "ユーザと API キー" },
  { path: "/access?view=keys", name: "api-keys", en: "Users and API keys", ja: "ユーザと API キー" },
  { path: "/fleet-settings", name: "fleet-settings", en: "Fleet settings", ja: "フリート設定" },
  { path: "/audit", name: "audit", en: "Audit", ja: "監査" },
];

const MODULES = {
  firewall: { en: "Firewall", ja: "ファイアウォール" },
  "anti-malware": { en: "Anti-malware", ja: "不正プログラム対策" },
  agent: { en: "Agent", ja: "エージェント" },
};

const ARRIVAL_MS = 30_000;

describe("log-in", () => {
  it("refuses a wrong password and says so", () =>
    withPage({}, async (page) => {
      await page.goTo("/login");
      await assertSound(page, "login-en");
      page.expectRefusals(true);
      await logIn(page, "certainly not the password");
      await page.getByText("The user name or the password is not right.").waitFor();
      assert.equal(new URL(page.url()).pathname, "/login");
    }));

  it("speaks the browser's language, and the one that is chosen from then on", () =>
    withPage({ locale: "ja-JP" }, async (page) => {
      await page.goTo("/login");
      await assertLanguage(page, "ja");
      await page.getByRole("heading", { name: "ログイン" }).waitFor();
      await assertSound(page, "login-ja");
      await page.getByRole("button", { name: "表示設定" }).click();
      await page.getByRole("menuitem", { name: "English" }).click();
      await page.getByRole("heading", { name: "Log in" }).waitFor();
      await assertLanguage(page, "en");
      await page.reload();
      await page.getByRole("heading", { name: "Log in" }).waitFor();
      await assertLanguage(page, "en");
    }));

  it("leads to the page that was asked for, keeps the session, and ends it", () =>
    withPage({}, async (page) => {
      page.expectRefusals(true);
      await page.goTo("/policies?x=1");
      assert.equal(new URL(page.url()).pathname, "/login");
      await logIn(page);
      await page.waitForURL((url) => url.pathname === "/policies");
      page.expectRefusals(false);
      await page.reload();
      await page.getByRole("heading", { level: 1, name: "Policies" }).waitFor();
      await page.getByRole("button", { name: /^User menu/ }).click();
      await page.getByRole("menuitem", { name: "Log out" }).click();
      await page.getByRole("heading", { name: "Log in" }).waitFor();
      page.expectRefusals(true);
      await page.goTo("/computers");
      assert.equal(new URL(page.url()).pathname, "/login");
    }));

  it("is shown again when the session has ended elsewhere", () =>
    withPage({}, async (page) => {
      await enter(page);
      // The live stream ends with the session, so the page may be refused before the answer is here.
      page.expectRefusals(true);
      assert.equal((await ask(page, "DELETE", "/sessions/current")).status, 204);
      // A request of the page's own may find out first; then the link is gone before it is clicked,
      // and the page to come back to is the one that was open.
      const clicked = page.getByRole("link", { name: "Policies" }).click({ timeout: 5000 });
      const asked = await clicked.then(
        () => "Policies",
        () => "Overview",
      );
      await page.getByText("Your session has ended. Please log in again.").waitFor();
      await logIn(page);
      await page.getByRole("heading", { level: 1, name: asked }).waitFor();
    }));
});

describe("pages", () => {
  for (const look of LOOKS) {
    it(`are sound: ${look.name}`, () =>
      withPage(look, async (page) => {
        await enter(page);
        await assertLanguage(page, look.language);
        for (const one of PAGES) {
          await page.goTo(one.path);
          await page.getByRole("heading", { level: 1, name: one[look.language], exact: true }).waitFor();
          assert.match(await page.title(), new RegExp(`^${one[look.language]} · Sakimori`));
          await assertSound(page, `${one.name}-${look.name}`);
        }
      }));
  }

  it("are reached by keyboard, past the navigation", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/computers");
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to content");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement?.id), "main-content");
    }));

  it("say so when there is nothing at an address", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/nothing-here");
      await page.getByRole("heading", { name: "This page does not exist" }).waitFor();
      page.expectRefusals(true);
      await page.goTo("/computers/00000000-0000-7000-8000-000000000000");
      await page.getByRole("heading", { name: "This could not be loaded" }).waitFor();
      await assertSound(page, "computer-missing");
    }));
});

describe("computers", () => {
  it("are added with one line to run", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/computers");
      await page.getByRole("button", { name: "Add a computer" }).first().click();
      const name = `e2e ${Date.now()}`;
      await page.locator("#token-name").fill(name);
      await page.locator("#token-uses").fill("0");
      await page.getByText("Enter a whole number from 1 to 1,000,000.").waitFor();
      await page.locator("#token-uses").fill("1");
      await assertSound(page, "add-computer");
      await page.getByRole("button", { name: "Create the line" }).click();
      const line = await page.getByRole("textbox", { name: "Deployment line" }).inputValue();
      assert.match(line, /^curl .*--pinnedpubkey 'sha256\/\/.+\/deploy\/linux\.sh .*--token \S+\.\S+/);
      await assertSound(page, "add-computer-line");
      await page
        .getByRole("contentinfo")
        .or(page.locator("footer"))
        .getByRole("button", { name: "Close" })
        .click();

      await page.goTo("/activation-tokens");
      const row = page.getByRole("row").filter({ hasText: name });
      await row.getByText("0 of 1").waitFor();
      await row.getByRole("button", { name: "Revoke" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
      await row.getByText("No longer usable").waitFor();
      assert.equal(await row.getByRole("button").count(), 0, "what is revoked cannot be revoked again");
    }));

  it("are filtered by the address", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/computers?q=no-such-computer-anywhere");
      await page.getByRole("heading", { name: "Nothing matches the filters" }).waitFor();
      await page.getByRole("button", { name: "Clear all filters" }).click();
      await page.waitForURL((url) => url.search === "");
      await page.getByRole("combobox", { name: "Status" }).selectOption("offline");
      await page.waitForURL((url) => url.searchParams.get("status") === "offline");
    }));

  for (const look of LOOKS) {
    it(`are shown one by one: ${look.name}`, (context) =>
      withPage(look, async (page) => {
        await enter(page);
        const { body } = await ask(page, "GET", "/computers?limit=1");
        if (body.items.length === 0) return context.skip("this manager has no computer");
        const [computer] = body.items;
        for (const tab of ["overview", "modules", "ports", "inventory", "recommendations", "events"]) {
          await page.goTo(`/computers/${computer.id}?tab=${tab}`);
          await page.getByRole("heading", { level: 1, name: computer.displayName }).waitFor();
          await assertSound(page, `computer-${tab}-${look.name}`);
        }
      }));
  }
});

describe("events", () => {
  it("are filtered by the address, and paused", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/events?severity=critical&action=blocked&q=no-such-event-anywhere");
      assert.equal(await page.getByRole("combobox", { name: "Severity" }).inputValue(), "critical");
      assert.equal(await page.getByRole("combobox", { name: "Action" }).inputValue(), "blocked");
      await page.getByRole("heading", { name: "Nothing matches the filters" }).waitFor();
      await page.getByText("Live updates").click();
      await page.waitForURL((url) => url.searchParams.get("live") === "false");
    }));

  for (const look of LOOKS) {
    it(`are listed module by module: ${look.name}`, () =>
      withPage(look, async (page) => {
        await enter(page);
        for (const module of Object.keys(MODULES)) {
          await page.goTo(`/events?module=${module}`);
          await page.getByRole("tab", { name: MODULES[module][look.language], selected: true }).waitFor();
          await assertSound(page, `events-${module}-${look.name}`);
        }
      }));

    it(`show their details: ${look.name}`, (context) =>
      withPage(look, async (page) => {
        await enter(page);
        const { body } = await ask(page, "GET", "/events?module=intrusion-prevention&limit=50");
        const event = body.items.find((one) => one.kind === "intrusion");
        if (event === undefined) return context.skip("this manager has no event of an attack");
        await page.goTo(`/events?event=${event.id}`);
        const panel = page.getByRole("complementary");
        await panel.getByText(event.detail.message).first().waitFor();
        await panel.getByText(event.explanation[look.language]).waitFor();
        await panel.getByText(`${event.detail.incident}`).first().waitFor();
        const match = Buffer.from(event.detail.excerpt, "base64").subarray(
          event.detail.excerptOffset,
          event.detail.excerptOffset + event.detail.length,
        );
        await panel.getByRole("button", { name: look.language === "ja" ? "16 進数" : "Hex" }).click();
        const marked = await panel.locator(".skm-bytes mark").allInnerTexts();
        const hex = marked.filter((_, index) => index % 2 === 0).join(" ");
        assert.equal(
          hex.replaceAll(" ", ""),
          match.toString("hex"),
          "exactly the offending bytes are marked",
        );
        await assertSound(page, `event-${look.name}`);
        await page.keyboard.press("Escape");
        await panel.waitFor({ state: "detached" });
      }));
  }

  it("arrive live", { skip: settings.trigger === undefined && "SAKIMORI_TRIGGER is not set" }, () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/events");
      await page.getByText("Live", { exact: true }).waitFor();
      const shown = () =>
        page.locator("[data-event-id]").evaluateAll((rows) => rows.map((row) => row.dataset.eventId));
      const known = await shown();
      await promisify(execFile)("sh", ["-c", settings.trigger], { timeout: ARRIVAL_MS });
      await page.waitForFunction(
        (before) =>
          [...document.querySelectorAll("[data-event-id]")].some(
            (row) => !before.includes(row.dataset.eventId),
          ),
        known,
        { timeout: ARRIVAL_MS },
      );
      await keep(page, "event-arrived");
    }),
  );
});

/** Saves a policy, or the settings of one computer: what it would do is shown before. */
async function savePolicy(page, comment) {
  await page.getByRole("button", { name: "Save" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Save this?").waitFor();
  if (comment !== undefined) {
    await dialog.locator("#save-comment").fill(comment);
    await assertSound(page, "policy-dry-run");
  }
  await dialog.getByRole("button", { name: "Save" }).click();
}

describe("policies", () => {
  it("are made, changed, guarded against each other's changes, and deleted", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/policies");
      await page.getByRole("button", { name: "Create a policy" }).click();
      const name = `e2e ${Date.now()}`;
      await page.locator("#policy-name").fill(name);
      await assertSound(page, "create-policy");
      await page.getByRole("dialog").getByRole("button", { name: "Create", exact: true }).click();
      await page.getByRole("heading", { level: 1, name }).waitFor();
      const id = new URL(page.url()).pathname.split("/").pop();

      // Settings.
      await assertSound(page, "policy-general");
      await page.getByRole("tab", { name: "Intrusion prevention" }).click();
      await page.waitForURL((url) => url.searchParams.get("module") === "intrusion-prevention");
      await page.locator("#setting-mode-prevent").check();
      await page.locator("#setting-httpPorts").fill("80, 99999");
      await page.getByText("“99999” is neither a port").waitFor();
      assert.ok(await page.getByRole("button", { name: "Save" }).isDisabled());
      await page.locator("#setting-httpPorts").fill("80, 8000-8090");
      await savePolicy(page, "ticket 7");
      await page.getByText("The policy has been saved.").waitFor();
      const saved = (await ask(page, "GET", `/policies/${id}`)).body;
      const own = saved.local["intrusion-prevention"];
      assert.equal(own.mode, "prevent");
      assert.deepEqual(own.httpPorts, ["80", "8000-8090"]);
      await assertSound(page, "policy");

      // One rule's mode, where the manager has rules.
      const { body: rules } = await ask(page, "GET", "/rules?limit=1");
      const rule = rules.items[0];
      if (rule !== undefined) {
        await page.getByRole("combobox", { name: `Mode of rule ${rule.sid}` }).selectOption("off");
        await savePolicy(page);
        await page.getByText("The policy has been saved.").waitFor();
        const { body } = await ask(page, "GET", `/policies/${id}`);
        assert.equal(body.settings["intrusion-prevention"].ruleModes[rule.sid], "off");
      }

      // Somebody else is faster.
      await page.locator("#setting-failureResponse-closed").check();
      const { body: current } = await ask(page, "GET", `/policies/${id}`);
      const other = await ask(
        page,
        "PATCH",
        `/policies/${id}`,
        { description: "Changed elsewhere" },
        { "If-Match": current.etag },
      );
      assert.equal(other.status, 200);
      page.expectRefusals(true);
      await savePolicy(page);
      await page.getByText("Somebody else changed this in the meantime").waitFor();
      page.expectRefusals(false);
      await keep(page, "policy-conflict");
      await page.getByRole("button", { name: "Load the current version" }).click();
      await page.getByRole("tab", { name: "General" }).click();
      await page.locator("#policy-edit-description").filter({ hasText: "Changed elsewhere" }).waitFor();
      await page.getByRole("tab", { name: "Intrusion prevention" }).click();
      assert.ok(
        await page.locator("#setting-failureResponse-closed").isChecked(),
        "the own change is still there",
      );
      await savePolicy(page);
      await page.getByText("The policy has been saved.").waitFor();
      const { body: merged } = await ask(page, "GET", `/policies/${id}`);
      assert.equal(merged.settings["intrusion-prevention"].failureResponse, "closed");
      assert.equal(merged.description, "Changed elsewhere");

      // Every change is a version; the first one comes back.
      await page.getByRole("tab", { name: "Versions" }).click();
      await page.getByText("ticket 7").waitFor();
      await page.locator("#version-22").click();
      await page.getByText("8000-8090").first().waitFor();
      await assertSound(page, "policy-versions");
      await page.getByRole("button", { name: "Roll back to version 1", exact: true }).click();
      await page.getByText("This is what changes").waitFor();
      await assertSound(page, "policy-roll-back");
      await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
      await page.getByText("Rolled back").waitFor();
      const { body: restored } = await ask(page, "GET", `/policies/${id}`);
      assert.deepEqual(restored.local, {});

      await page.getByRole("button", { name: "Delete" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await page.getByRole("heading", { level: 1, name: "Policies" }).waitFor();
      page.expectRefusals(true);
      assert.equal((await ask(page, "GET", `/policies/${id}`)).status, 404);
    }));

  for (const look of LOOKS) {
    it(`show every module: ${look.name}`, () =>
      withPage(look, async (page) => {
        await enter(page);
        const { body } = await ask(page, "GET", "/policies?limit=1");
        const [policy] = body.items;
        for (const module of Object.keys(policy.settings)) {
          await page.goTo(`/policies/${policy.id}?module=${module}`);
          await page.getByRole("heading", { level: 1, name: policy.name, exact: true }).waitFor();
          // Of the network engine it is inline or tap.
          await page.locator("#setting-mode-prevent, #setting-mode-inline").first().waitFor();
          await assertSound(page, `policy-${module}-${look.name}`);
        }
      }));
  }

  it("inherit what they do not set, and leave out what they do not want", () =>
    withPage({}, async (page) => {
      await enter(page);
      const rule = { action: "allow", direction: "in", protocol: "tcp", ports: ["22"] };
      const name = `e2e parent ${Date.now()}`;
      const parent = await ask(page, "POST", "/policies", {
        name,
        settings: { firewall: { mode: "detect", rules: { ssh: rule, web: { ...rule, ports: ["80"] } } } },
      });
      assert.equal(parent.status, 201);
      const child = await ask(page, "POST", "/policies", {
        name: `${name} child`,
        parentId: parent.body.id,
      });
      assert.equal(child.status, 201);
      const own = async () => (await ask(page, "GET", `/policies/${child.body.id}`)).body;
      const save = async () => {
        await savePolicy(page);
        await page.getByText("The policy has been saved.").waitFor();
      };

      await page.goTo(`/policies/${child.body.id}?module=firewall`);
      assert.ok(await page.locator("#setting-mode-detect").isChecked(), "the mode is inherited");
      await page.getByText(`Inherited from ${name}`).first().waitFor();
      await page.getByRole("button", { name: "Leave out: ssh" }).click();
      await page.locator("#add-rules").click();
      await page.locator("#entry-name").fill("from the office");
      await page.locator("#entry-protocol").fill("tcp");
      await page.locator("#entry-ports").fill("nonsense");
      await page.getByText("“nonsense” is neither a port").waitFor();
      await page.locator("#entry-ports").fill("22, 8000-8090");
      await page.locator("#entry-remote").fill("192.0.2.0/24\nnot a network");
      await assertSound(page, "policy-entry");
      await page.getByRole("button", { name: "Apply" }).click();
      page.expectRefusals(true);
      await page.getByRole("button", { name: "Save" }).click();
      const entry = page.locator("[data-entry='from the office']");
      await entry.getByText("Write an address, a network or a range").waitFor();
      page.expectRefusals(false);
      // At the end of the page nothing is half below the bar that tells of the refusal.
      await entry.evaluate((row) => {
        for (let one = row; one !== null; one = one.parentElement) one.scrollTop = one.scrollHeight;
      });
      await assertSound(page, "policy-refused");
      await entry.getByRole("button", { name: /^Change/ }).click();
      await page.locator("#entry-remote").fill("192.0.2.0/24");
      await page.getByRole("button", { name: "Apply" }).click();
      await save();
      let saved = await own();
      assert.equal(saved.local.firewall.rules.ssh, "excluded");
      assert.deepEqual(Object.keys(saved.settings.firewall.rules).sort(), ["from the office", "web"]);
      assert.deepEqual(saved.settings.firewall.rules["from the office"].remote, ["192.0.2.0/24"]);
      await assertSound(page, "policy-firewall");

      await page.getByRole("button", { name: "Inherit again: ssh" }).click();
      await page.getByRole("button", { name: "Remove: from the office" }).click();
      await page.locator("#setting-mode-prevent").check();
      await page.getByRole("button", { name: "Inherit again: Mode" }).click();
      assert.ok(await page.locator("#setting-mode-detect").isChecked(), "inherited again");
      await save();
      saved = await own();
      assert.deepEqual(saved.local, {});

      for (const one of [saved, parent.body]) {
        const gone = await ask(page, "DELETE", `/policies/${one.id}`);
        assert.equal(gone.status, 204);
      }
    }));
});

describe("settings of one computer", () => {
  it("stand above its policy and go back to it", (context) =>
    withPage({}, async (page) => {
      await enter(page);
      const { body } = await ask(page, "GET", "/computers?limit=1");
      const [computer] = body.items;
      if (computer === undefined) return context.skip("this manager has no computer");
      const own = async () => (await ask(page, "GET", `/computers/${computer.id}/settings`)).body;
      await page.goTo(`/computers/${computer.id}?tab=settings`);
      await page.getByText("counts on this computer alone").waitFor();
      await page.getByRole("tab", { name: "Recommendation scan" }).click();
      await page.locator("#setting-intervalMinutes").fill("77");
      await savePolicy(page);
      await page.getByRole("button", { name: "Inherit again: " }).first().waitFor();
      await page.getByText("The settings of this computer have been saved.").waitFor();
      assert.equal((await own()).local.recommendation.intervalMinutes, 77);
      await assertSound(page, "computer-settings");
      await page.getByRole("button", { name: "Inherit again: " }).first().click();
      await savePolicy(page);
      await page.getByText("The settings of this computer have been saved.").waitFor();
      assert.deepEqual((await own()).local, {});
    }));
});

describe("lists", () => {
  it("are made, used, changed and kept while they are in use", () =>
    withPage({}, async (page) => {
      await enter(page);
      await page.goTo("/lists");
      const name = `e2e-${Date.now()}`;
      await page.getByRole("button", { name: "Create a list" }).first().click();
      await page.locator("#list-kind").selectOption("ports");
      await page.locator("#list-name").fill(name);
      await page.locator("#list-items").fill("80\nnonsense");
      page.expectRefusals(true);
      await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
      await page.getByText("/items/1").waitFor();
      page.expectRefusals(false);
      await page.locator("#list-items").fill("80\n8000-8090");
      await assertSound(page, "list-modal");
      await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
      await page.getByText("80, 8000-8090").first().waitFor();
      const policy = await ask(page, "POST", "/policies", {
        name,
        settings: { "intrusion-prevention": { httpPorts: [`list:${name}`] } },
      });
      assert.equal(policy.status, 201);
      await page.goTo("/lists?used");
      await page.getByRole("link", { name }).waitFor();
      await assertSound(page, "lists-used");
      assert.equal((await ask(page, "DELETE", `/policies/${policy.body.id}`)).status, 204);
      await page.goTo("/lists?unused");
      await page.getByRole("button", { name: `Remove: ${name}` }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await page.getByText(name, { exact: true }).waitFor({ state: "detached" });
    }));
});

describe("rules", () => {
  it("are searched and read", (context) =>
    withPage({}, async (page) => {
      await enter(page);
      const { body } = await ask(page, "GET", "/rules?limit=1");
      const rule = body.items[0];
      if (rule === undefined) return context.skip("this manager has no rules");
      await page.goTo(`/rules?q=${rule.sid}`);
      const title = rule.title.en || rule.message;
      await page.getByRole("link", { name: title, exact: true }).click();
      await page.getByRole("heading", { level: 1, name: title }).waitFor();
      await settled(page);
      await page.getByText(`sid:${rule.sid}`).waitFor();
      await assertSound(page, "rule");
    }));
});
