// The picture of the README: an ordinary day with two minutes of traffic behind it.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";

import { visit } from "./content.mjs";
import { withPalette } from "./png.mjs";
import { advance, at } from "./status.mjs";

/** A picture may be so large. */
const MOST_BYTES = 150_000;

export async function screenshot({ page, stage }, file) {
  // Two minutes pass in no time: each question moves the proxy's clock on, and the page's own timers are run by hand.
  await page.clock.install({ time: Date.parse("2026-11-27T09:12:00Z") });
  stage.status.clusters.length = 1;
  await visit({ page, stage });
  for (let read = 1; read <= 60; read += 1) {
    advance(stage.status, 2, (cluster, route) => load(route, read));
    const now = stage.status.uptime_seconds;
    const [cluster] = stage.status.clusters;
    cluster.routes[3].since = at(now - 74);
    cluster.routes[3].last_error.at = at(now - 2);
    cluster.unmapped[0].last_seen = at(now - 14);
    const { asked } = stage;
    while (stage.asked === asked) await page.clock.runFor(500);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
  }
  const picture = withPalette(await page.screenshot({ fullPage: true, scale: "css" }));
  assert.ok(picture.length < MOST_BYTES, `${picture.length} bytes`);
  writeFileSync(file, picture);
}
screenshot.settings = { viewport: { width: 1240, height: 700 }, colorScheme: "light" };

/** Traffic of a node that looks like traffic, the same in each picture. */
function load(route, read) {
  if (route.node === null) return { requests: 2e3, responses: 9e3 };
  if (route.node === 2 && read > 23) return { requests: 0, responses: 0 };
  const takenOver = read > 26 ? 1.35 : 1;
  const wave = (period, shift) => Math.sin((read + shift) / period + route.node * 1.7);
  const size = [1, 0.8, 0.85, 0.55][route.node] * takenOver;
  return {
    requests: Math.round(size * 1e6 * (9 + 1.6 * wave(5, 0) + 0.9 * wave(1.3, 2))),
    responses: Math.round(size * 1e6 * (21 + 3.4 * wave(7, 3) + 1.8 * wave(1.7, 5))),
  };
}
