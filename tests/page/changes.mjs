// Scenarios: what becomes of the page while time goes on.

import assert from "node:assert/strict";

import { row, until, visit } from "./content.mjs";
import { advance, at } from "./status.mjs";

/** Numbers and rates change by themselves, and there is something to see in the drawing. */
export async function numbers_change({ page, stage }) {
  await visit({ page, stage });
  const node = row(page, "orders", "node 0");
  const cell = (label) => node.locator(`[data-label="${label}"]`);
  assert.equal(await cell("In").innerText(), "–", "no rate before the second read");
  const load = (cluster, route) => (route.route === "node-0" ? { requests: 5e6, responses: 1.25e6 } : { requests: 0, responses: 0 });
  advance(stage.status, 2, load);
  stage.status.clusters[0].routes[1].connections = 777;
  await cell("In").getByText("5.00 MB/s").waitFor();
  await cell("Out").getByText("1.25 MB/s").waitFor();
  await cell("Connections").getByText("777").waitFor();
  advance(stage.status, 2, () => ({ requests: 0, responses: 0 }));
  await cell("In").getByText("0 B/s", { exact: true }).waitFor();
  const picture = node.getByRole("img");
  assert.equal(await picture.getAttribute("aria-label"), "at most 5.00 MB/s in, 1.25 MB/s out");
  for (const direction of ["in", "out"]) {
    assert.match(await picture.locator(`path.${direction}`).getAttribute("d"), /^M[\d.]+ [\d.]+L/);
  }
  await page.getByText("means of 1,200 requests, the last 4 s").waitFor();

  // Started anew it counts from nothing: no rate is told of counters that fell, nor of two lives.
  Object.assign(stage.status, { started: at(200_000), uptime_seconds: 1 });
  for (const route of stage.status.clusters[0].routes) route.request_bytes = 10;
  await cell("In").getByText("–").waitFor();
}

/** A broker goes down: red, with its error, heard once; and back. */
export async function a_route_goes_down_and_up({ page, stage }) {
  await visit({ page, stage });
  const live = page.locator("#live");
  const node = row(page, "orders", "node 1");
  const background = () => node.evaluate((one) => getComputedStyle(one).backgroundColor);
  const before = { colour: await background(), icon: await page.locator("#icon").getAttribute("href") };
  assert.equal(await live.innerText(), "", "nothing is said of the first read");
  const route = stage.status.clusters[0].routes[2];
  const now = at(stage.status.uptime_seconds);
  Object.assign(route, { state: "down", since: now, last_error: { at: now, reason: "timeout", message: "no answer within 5s" } });
  await node.getByText("down", { exact: true }).waitFor();
  await node.getByText("timeout: no answer within 5s").waitFor();
  await page.getByText("4 problems").waitFor();
  await page.getByText("orders: node 1 is down for 0 s: timeout: no answer within 5s").waitFor();
  await until(async () => (await background()) !== before.colour, "the row is red");
  assert.equal(await live.innerText(), "orders: node 1 is down.");
  route.state = "up";
  await node.getByText("up", { exact: true }).waitFor();
  await page.getByText("3 problems").waitFor();
  assert.equal(await live.innerText(), "orders: node 1 is up.");

  // With the last trouble gone it says that all is well, in another colour of the tab.
  Object.assign(stage.status.clusters[0].routes[3], { state: "up" });
  Object.assign(stage.status.clusters[0], { unmapped: [], certificates: [] });
  await page.getByText("Nothing: all is as it should be.").waitFor();
  await page.locator("#count").waitFor({ state: "hidden" });
  assert.equal(await page.title(), "Serving · Portolan");
  assert.notEqual(await page.locator("#icon").getAttribute("href"), before.icon);
}

/** A whole cluster that cannot be reached, a failed reload, limits that are near, and the end of the proxy's life. */
export async function other_troubles_are_told({ page, stage }) {
  await visit({ page, stage });
  const { status } = stage;
  status.clusters[1].reachable = false;
  status.config.last_fault = { at: at(21 * 3600), message: "port 9093 is taken" };
  status.process.connections = 7_700;
  status.process.open_fds = 55_000;
  status.clusters[0].certificates[1].days_left = -1;
  for (const text of [
    "logs: no broker can be reached",
    "The last reload failed, the configuration before stays in force: port 9093 is taken",
    "7,700 of 8,000 connections are in use",
    "55,000 of 65,536 open files are in use",
    "orders: certificate towards brokers has expired",
  ]) {
    await page.locator("#problems").getByText(text).waitFor();
  }
  Object.assign(status, { state: "lame_duck", drain: { since: at(status.uptime_seconds - 5), connections_left: 641 } });
  await page.locator("#state").getByText("Lame duck for 5 s, 641 connections left").waitFor();
  Object.assign(status, { state: "draining", drain: { since: at(status.uptime_seconds - 9), connections_left: 1 } });
  await page.locator("#state").getByText("Draining for 9 s, 1 connection left").waitFor();
}

/** The proxy goes away: told, with the last state kept; it comes back: gone on by itself. */
export async function the_proxy_goes_away_and_returns({ page, stage }) {
  await visit({ page, stage });
  await stage.leave();
  await page.getByText(/^Proxy unreachable since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/).waitFor();
  const gone = page.locator("#gone");
  assert.match(await gone.innerText(), /^Proxy unreachable for \d+ s\. Below is what it said at .* UTC\. This page asks on\.$/);
  assert.ok(await row(page, "orders", "node 0").isVisible(), "the last state is still there");
  assert.equal(await page.locator("#live").innerText(), "Proxy unreachable.");
  assert.equal(await page.title(), "proxy unreachable · Portolan");
  stage.status.clusters[0].routes[1].connections = 4321;
  await stage.comeBack();
  await row(page, "orders", "node 0").getByText("4,321").waitFor();
  await gone.waitFor({ state: "hidden" });
  await page.locator("#state").getByText("Serving").waitFor();
  assert.equal(await page.locator("#live").innerText(), "Portolan answers again.");
}
the_proxy_goes_away_and_returns.complaints = [/Failed to load resource: net::ERR_/];

/** Answers that are no status are told as such, not as an empty cluster. */
export async function what_cannot_be_read_is_told({ page, stage }) {
  stage.answer = { code: 503, body: "starting" };
  await page.goto(stage.url);
  await page.locator("#gone").getByText("it answers 503 to /status").waitFor();
  assert.ok(await page.locator("main").isHidden());
  for (const body of ["<html>", "{}", "null", "[]", ""]) {
    stage.answer = { code: 200, body };
    const { asked } = stage;
    await until(() => stage.asked > asked + 1, "it asks again");
    await page.locator("#gone").getByText("is not what this page can read").waitFor();
  }
  // Something this page was not made for, in the middle of a status.
  const readable = async () => {
    stage.answer = null;
    await page.locator("#gone").waitFor({ state: "hidden" });
    await row(page, "orders", "node 0").waitFor();
  };
  await readable();
  stage.answer = { code: 200, body: JSON.stringify({ ...stage.status, clusters: [null] }) };
  await page.locator("#gone").getByText("is not what this page can read").waitFor();
  await readable();
  stage.status.version = "0.2.0";
  await page.getByText("This page is of version 0.1.0, and Portolan is 0.2.0 now: reload the page.").waitFor();
}
what_cannot_be_read_is_told.complaints = [/Failed to load resource: the server responded with a status of 503/];

/** The page and the status of the same proxy, whose broker is in this state or soon will be. */
export async function a_real_proxy_tells_of_its_broker({ page, url }, state) {
  await page.goto(url);
  const node = row(page, "main", "node 0");
  await node.getByText(state, { exact: true }).waitFor();
  await page.locator("#state").getByText("Serving").waitFor();
  await page.getByText(`clients dial kafka.example.com · ${state === "up" ? 1 : 0} of 1 node up · `).waitFor();
  await node.locator('[data-label="In"]').getByText("0 B/s").waitFor();
  assert.match(await page.locator("#config").innerText(), /In force since\s+(\d+ min )?\d+ s ago, 2\d{3}-/);
  assert.match(await page.locator("#process").innerText(), /Open files\s+[1-9]\d* of [1-9][\d,]*\s+Memory\s+[\d.]+ MiB/);
  if (state === "down") {
    await node.getByText("does not accept connections (refused)").waitFor();
    await page.locator("#problems").getByText("main: no broker can be reached").waitFor();
    await page.locator("#problems").getByText("main: node 0 is down for").waitFor();
  }
}
