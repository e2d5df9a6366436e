// Runs one scenario: node run.mjs NAME URL-OF-THE-PAGE CHROMIUM MODULES PROFILE. Exits with 0 if all of it is so.

import assert from "node:assert/strict";

import { open } from "./browser.mjs";
import * as changes from "./changes.mjs";
import * as content from "./content.mjs";
import * as people from "./people.mjs";
import { screenshot } from "./screenshot.mjs";
import { serve } from "./server.mjs";
import { ordinary } from "./status.mjs";

const [name, url, chromium, modules, profile, ...rest] = process.argv.slice(2);
const scenario = { ...content, ...changes, ...people, screenshot }[name];
assert.ok(scenario, `no scenario ${name}`);

const stage = await serve(url, ordinary());
const browser = await open({ chromium, modules, profile }, scenario.settings);
try {
  await scenario({ stage, url, ...browser }, ...rest);
  const allowed = scenario.complaints ?? [];
  const complaints = browser.complaints.filter((text) => !allowed.some((pattern) => pattern.test(text)));
  assert.deepEqual(complaints, [], "the browser has nothing to complain of");
} catch (error) {
  console.error(`On the page was then:\n${await browser.page.locator("body").innerText()}\n${browser.complaints.join("\n")}`);
  throw error;
} finally {
  await browser.context.close();
  await stage.leave();
}
