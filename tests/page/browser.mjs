// Chromium, with nothing but the page in it and every complaint of it kept.

import { createRequire } from "node:module";

const OPTIONS = [
  "--disable-gpu",
  "--disable-lcd-text",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** `place` has `{chromium, modules, profile}`: where the program, the packages and an empty directory are. */
export async function open(place, settings = {}) {
  const { chromium } = createRequire(`${place.modules}/`)("playwright-core");
  const context = await chromium.launchPersistentContext(place.profile, {
    executablePath: place.chromium,
    headless: true,
    chromiumSandbox: false,
    args: OPTIONS,
    viewport: { width: 1280, height: 900 },
    ...settings,
  });
  context.setDefaultTimeout(30_000);
  const page = context.pages()[0] ?? (await context.newPage());
  const complaints = [];
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`error: ${error.stack}`));
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== "data:" && host !== new URL(page.url()).host && page.url() !== "about:blank") {
      complaints.push(`request to ${request.url()}`);
    }
  });
  return { context, page, complaints };
}
