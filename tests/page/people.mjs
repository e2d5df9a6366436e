// Scenarios: whoever looks, with whatever: a phone, in the dark, by keyboard, with a screen reader, without scripts.

import assert from "node:assert/strict";

import { until, visit } from "./content.mjs";

/** Nothing scrolls sideways but tables in their own boxes; rows are cards there, and still tables to whoever listens. */
export async function a_phone_needs_no_sideways_scrolling({ page, stage }) {
  for (const width of [1280, 1024, 840, 768, 360, 320]) {
    await page.setViewportSize({ width, height: 740 });
    await visit({ page, stage });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
  }
  const table = page.getByRole("table", { name: "Port map" }).first();
  assert.equal(await table.getByRole("columnheader").count(), 9);
  assert.equal(await table.getByRole("rowheader").count(), 5);
  const label = await table.getByRole("cell").first().evaluate((cell) => getComputedStyle(cell, "::before").content);
  assert.equal(label, '"State"', "each cell has the name of its column beside it");
  assert.equal(await page.evaluate(() => [...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth).length), 0);
}

/** Dark is another picture than light, and all text stands out in both, also when the proxy is away. */
export async function light_and_dark_are_legible({ page, stage }) {
  const grounds = [];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    stage.answer = null;
    await visit({ page, stage });
    grounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    assert.deepEqual(await page.evaluate(faint), [], `${colorScheme}, serving`);
    stage.answer = { code: 500, body: "" };
    await page.locator("#gone").waitFor();
    assert.deepEqual(await page.evaluate(faint), [], `${colorScheme}, away`);
  }
  assert.equal(new Set(grounds).size, 2, `${grounds}`);
}
light_and_dark_are_legible.complaints = [/Failed to load resource: the server responded with a status of 500/];

/** Texts (and strokes of drawings) that do not stand out enough from what is behind them; runs in the page. */
function faint() {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [red, green, blue] = parse(colour).map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (parse(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const found = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || ["SCRIPT", "NOSCRIPT"].includes(node.tagName)) continue;
    texts += 1;
    const ratio = contrast(getComputedStyle(node).color, ground(node));
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${walker.currentNode.data}`);
  }
  if (texts < 100) found.push(`only ${texts} texts`);
  for (const line of document.querySelectorAll(".spark .out, .shape path")) {
    const style = getComputedStyle(line);
    const ratio = contrast(style.stroke === "none" ? style.fill : style.stroke, ground(line.closest("td, li, p, span, div")));
    if (ratio < 3) found.push(`${ratio.toFixed(2)} of a drawing`);
  }
  return found;
}

/** The keyboard reaches the button and shows where it is; paused is paused, and resumed goes on. */
export async function the_keyboard_pauses_and_resumes({ page, stage }) {
  await page.clock.install();
  await visit({ page, stage });
  const button = page.getByRole("button", { name: "Pause" });
  const focused = () => page.evaluate(() => document.activeElement.id);
  for (let presses = 0; (await focused()) !== "pause" && presses < 5; presses += 1) await page.keyboard.press("Tab");
  assert.equal(await focused(), "pause");
  const outline = await button.evaluate((node) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(node);
    return { outlineStyle, outlineWidth };
  });
  assert.deepEqual(outline, { outlineStyle: "solid", outlineWidth: "3px" });
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Resume" }).waitFor();
  await page.getByText(/^paused, read at \d\d:\d\d:\d\d$/).waitFor();
  const { asked } = stage;
  await page.clock.runFor(60_000);
  assert.equal(stage.asked, asked, "a minute without a question");
  await page.keyboard.press("Space");
  await button.waitFor();
  assert.equal(await focused(), "pause", "the focus stays where it was");
  await until(async () => {
    await page.clock.runFor(2_000);
    return stage.asked > asked + 2;
  }, "it asks again");

  // The line that mends the map is copied, by keyboard too.
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const copy = page.getByRole("button", { name: "Copy the lines for broker 7" });
  await copy.focus();
  await page.keyboard.press("Enter");
  await copy.getByText("Copied").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), stage.status.clusters[0].unmapped[0].remedy);
}

/** Landmarks, headings and tables are what they look like, and a refresh without news is silent. */
export async function a_screen_reader_hears_changes_only({ page, stage }) {
  await visit({ page, stage });
  for (const landmark of ["banner", "main", "contentinfo"]) assert.equal(await page.getByRole(landmark).count(), 1, landmark);
  const levels = await page.locator("h1, h2, h3").evaluateAll((heads) => heads.filter((head) => head.checkVisibility()).map((head) => Number(head.tagName[1])));
  assert.equal(levels[0], 1);
  for (const [index, level] of levels.entries()) assert.ok(index === 0 || (level > 1 && level <= levels[index - 1] + 1), `${levels}`);
  const heads = await page.locator("th").evaluateAll((all) => all.map((head) => head.getAttribute("scope")));
  assert.ok(heads.length > 20 && heads.every((scope) => ["col", "row"].includes(scope)), `${heads}`);
  const unnamed = await page.locator("table, section, [role=img], button, a").evaluateAll((all) =>
    all.filter((node) => !(node.getAttribute("aria-label") || node.getAttribute("aria-labelledby") || node.textContent.trim())).map((node) => node.outerHTML),
  );
  assert.deepEqual(unnamed.filter((html) => !html.includes("hidden")), []);
  await page.evaluate(() => {
    globalThis.heard = [];
    new MutationObserver((records) => globalThis.heard.push(records.length)).observe(document.getElementById("live"), { childList: true, characterData: true, subtree: true });
  });
  const { asked } = stage;
  await until(() => {
    stage.status.uptime_seconds += 1;
    stage.status.clusters[0].routes[1].connections += 1;
    stage.status.process.connections = 7_000 + stage.asked;
    return stage.asked > asked + 2;
  }, "it asks again");
  // That the connections are near their limit is news, once.
  assert.equal((await page.evaluate(() => globalThis.heard)).length, 1);
  assert.match(await page.locator("#live").textContent(), /^7,0\d\d of 8,000 connections are in use\.$/);
  assert.equal(await page.locator("[aria-live]").count(), 1);
}

/** Nothing moves for those who want no motion. */
export async function motion_can_be_turned_off({ page, stage }) {
  const lasting = () => page.locator("#state").evaluate((node) => getComputedStyle(node).transitionDuration);
  await page.emulateMedia({ reducedMotion: "no-preference" });
  await visit({ page, stage });
  assert.match(await lasting(), /^0\.3s/);
  await page.emulateMedia({ reducedMotion: "reduce" });
  assert.equal(await lasting(), "0s");
}

/** Without scripts it says where else to look. */
export async function without_scripts_it_says_where_to_look({ page, stage }) {
  await page.goto(stage.url);
  const text = await page.locator("body").innerText();
  assert.match(text, /This page needs JavaScript\. The same is told by \/status as JSON, and by\s+\/metrics for Prometheus\./);
  assert.equal(await page.locator("noscript a[href='status']").count(), 1);
  assert.equal(stage.asked, 0);
}
without_scripts_it_says_where_to_look.settings = { javaScriptEnabled: false };
