// The firewall's questions and its trial, in a real browser.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ask, enter } from "./browser.mjs";
import { assertSound, withPage } from "./checks.mjs";

describe("the question what happens to a packet", () => {
  it("is answered for IP, ARP and other frames, with what is not saved yet", () =>
    withPage({}, async (page) => {
      await enter(page);
      const rules = {
        ssh: { action: "allow", direction: "in", protocol: "tcp", ports: ["22"], remote: ["192.0.2.0/24"] },
        gateway: {
          action: "deny",
          direction: "in",
          frame: "arp",
          remote: ["192.0.2.1"],
          macs: ["02:00:5e:10:00:01"],
          not: ["macs"],
        },
        discovery: { action: "deny", direction: "in", frame: "0x88cc", interfaces: ["eth0"] },
      };
      const made = await ask(page, "POST", "/policies", {
        name: `e2e firewall ${Date.now()}`,
        settings: { firewall: { mode: "prevent", rules } },
      });
      assert.equal(made.status, 201);
      await page.goTo(`/policies/${made.body.id}?module=firewall`);
      const says = async (verdict, text) => {
        await page.getByRole("button", { name: "Ask", exact: true }).click();
        await page.getByRole("heading", { level: 3, name: new RegExp(`: ?${verdict}$`) }).waitFor();
        await page.getByText(text).first().waitFor();
      };

      await page.locator("#packet-from").fill("192.0.2.9");
      await page.locator("#packet-port").fill("22");
      await says("Passes", "the rule “ssh” (allow) decides");
      await page.locator("#packet-from").fill("203.0.113.9");
      await says("Dropped", "the default for inbound traffic denies");
      await assertSound(page, "firewall-explain-ip");

      await page.locator("#packet-frame").selectOption("arp");
      await page.locator("#packet-from").fill("192.0.2.1");
      await page.locator("#packet-mac").fill("02:00:5e:10:00:09");
      await says("Dropped", "the rule “gateway” (deny) decides");
      await page.locator("#packet-mac").fill("02:00:5e:10:00:01");
      await says("Passes", "the default for inbound traffic allows");

      await page.locator("#packet-frame").selectOption("other");
      await page.locator("#packet-number").fill("0x88cc");
      await page.locator("#packet-interface").fill("eth0");
      await says("Dropped", "the rule “discovery” (deny) decides");
      await assertSound(page, "firewall-explain-frame");
      page.expectRefusals(true);
      await page.locator("#packet-number").fill("0x05ff");
      await page.getByRole("button", { name: "Ask", exact: true }).click();
      await page.getByRole("alert").getByText("EtherType").waitFor();
      page.expectRefusals(false);

      // What is not saved yet is asked.
      await page.locator("#packet-number").fill("0x88cc");
      await page.locator("#setting-mode-detect").check();
      await says("Would be dropped", "would be dropped in Prevent");
      assert.equal((await ask(page, "DELETE", `/policies/${made.body.id}`)).status, 204);
    }));
});

describe("a change of the firewall that is on trial", () => {
  const moment = (seconds) => Math.round(Date.now() / 1000) + seconds;

  /** Has the manager say of the computer's firewall what is given, and notes what it is told. */
  async function standing(page, computer, reasons, counters) {
    const told = [];
    await page.unrouteAll({ behavior: "wait" });
    await page.route(`**/api/v1/computers/${computer.id}`, async (route) => {
      const response = await route.fetch();
      const body = await response.json();
      const others = body.modules.filter((one) => one.module !== "firewall");
      const firewall = { module: "firewall", state: "active", mode: "prevent", rules: 1, reasons, counters };
      await route.fulfill({ response, json: { ...body, modules: [firewall, ...others] } });
    });
    await page.route(`**/api/v1/computers/${computer.id}/firewall/*`, (route) => {
      told.push([new URL(route.request().url()).pathname.split("/").pop(), route.request().postDataJSON()]);
      return route.fulfill({ status: 202, json: { requestedAt: new Date().toISOString(), online: true } });
    });
    await page.goTo(`/computers/${computer.id}`);
    return told;
  }

  it("is confirmed, taken back and tried again on the computer's page", (context) =>
    withPage({}, async (page) => {
      await enter(page);
      const { body } = await ask(page, "GET", "/computers?limit=1");
      const [computer] = body.items;
      if (computer === undefined) return context.skip("this manager has no computer");
      const trial = { "change-number": 7, "change-operator-until": moment(90) };
      const button = (name) => page.getByRole("button", { name, exact: true });

      const told = await standing(page, computer, ["unconfirmed"], trial);
      await page.getByRole("heading", { name: /^.*Does everything you need/ }).waitFor();
      const timer = page.getByRole("timer");
      assert.match(await timer.textContent(), /Change 7 .* come back in (8\d|90) seconds/);
      await assertSound(page, "firewall-trial");
      await button("It works: keep the change").click();
      await page.getByText("The computer is being told.").waitFor();
      await button("Take the change back").click();
      assert.deepEqual(told[0], ["confirm", { number: 7 }]);

      const over = { "change-number": 7, "change-operator-until": moment(-1) };
      await standing(page, computer, ["unconfirmed"], over);
      await page.getByText("The time is over: the computer decides now.").waitFor();

      const manager = { "change-number": 7, "change-manager-until": moment(20) };
      await standing(page, computer, ["unconfirmed"], manager);
      await page.getByText("A change of the firewall is on trial").waitFor();
      assert.equal(await button("It works: keep the change").count(), 0, "nobody is asked");

      const again = await standing(page, computer, ["reverted"], { "change-number": 7 });
      await page.getByText("The last change of the firewall was taken back").waitFor();
      await button("Try again").click();
      await page.getByText("The computer is being told.").waitFor();
      assert.equal(again[0][0], "retry");
      await page.unrouteAll({ behavior: "wait" });
    }));
});
