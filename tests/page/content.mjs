// Scenarios: what is on the page.

import assert from "node:assert/strict";

import { at, ordinary, route } from "./status.mjs";

/** Goes to the page and waits until it shows the first answer. */
export async function visit({ page, stage }) {
  await page.goto(stage.url);
  await page.locator("main").waitFor();
}

/** The text of a row of the port map, cell by cell. */
export function row(page, cluster, name) {
  return page
    .locator("section", { has: page.getByRole("heading", { level: 2, name: `Cluster ${cluster}` }) })
    .getByRole("table", { name: "Port map" })
    .getByRole("row", { name: new RegExp(`^${name} `) });
}

export async function shows_status({ page, stage }) {
  await visit({ page, stage });
  const text = await page.locator("body").innerText();
  for (const expected of [
    "Serving",
    "3 problems",
    "version 0.1.0 (9f3c2ab) · up 1 d 3 h",
    "orders: node 2 is down for 3 min 27 s: connection refused (kafka-2.kafka-headless.orders:9092)",
    "orders: broker 7 (kafka-7.kafka-headless.orders:9092) is not in the map, clients do not see it",
    "orders: certificate towards clients expires in 9 days",
    "clients dial kafka.example.com · 3 of 4 nodes up · ",
    "1 of 4 nodes down",
    "clients are told the host that they dialled · 2 of 3 nodes up, 1 unknown · ",
    'add a [[clusters.orders.nodes]] with ids = "7", port = 9100, address = "kafka-7.kafka-headless.orders:9092"',
    "broker 4.1 ms, Portolan 31 µs (0.7 %)",
    "apache-kafka-java",
    "48,211",
    "188 days",
    "641 of 8,000",
    "1,312 of 65,536",
    "48.0 MiB",
    "/etc/portolan/portolan.toml",
    "3 taken, 1 refused",
    "unknown key; did you mean `port`?",
    "not draining",
  ]) {
    assert.ok(text.includes(expected), `${expected} is missing in:\n${text}`);
  }
  const cells = async (cluster, name) => (await row(page, cluster, name).getByRole("cell").allInnerTexts()).map((cell) => cell.replace(/\s+/g, " ").trim());
  assert.deepEqual(await cells("orders", "node 2"), [
    "down for 3 min 27 s", "connection refused (kafka-2.kafka-headless.orders:9092) 2 s ago",
    "kafka.example.com:9095", "kafka-2.kafka-headless.orders:9092", "0 14,300 in all", "–", "–", "",
  ]);
  assert.deepEqual(await cells("logs", "node 2001"), [
    "unknown", "none", "b2001.logs.example.com:9443 bound 29443", "not known yet", "0 0 in all", "–", "–", "",
  ]);
  assert.equal(await page.title(), "3 problems · Portolan");
  assert.ok(stage.paths.every((path) => ["/", "/status"].includes(path)), `${stage.paths}`);
}

/** Green, red and unknown differ by word, by shape and by colour. */
export async function states_differ_in_three_ways({ page, stage }) {
  await visit({ page, stage });
  const look = async (cluster, name) => {
    const mark = row(page, cluster, name).locator("td .mark").first();
    return {
      word: await mark.innerText(),
      shape: await mark.locator("path").getAttribute("d"),
      colour: await mark.evaluate((node) => getComputedStyle(node).color),
    };
  };
  const looks = [await look("orders", "node 0"), await look("orders", "node 2"), await look("logs", "node 2001")];
  assert.deepEqual(looks.map((one) => one.word), ["up", "down", "unknown"]);
  for (const way of ["shape", "colour"]) assert.equal(new Set(looks.map((one) => one[way])).size, 3, way);
}

/** Names come from configuration, brokers and clients: nothing in them is more than text. */
export async function hostile_names_are_inert({ page, stage, context }) {
  const markup = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
  const long = "n".repeat(10_000);
  const turned = "abc\u202Ecod.\u0000\u200B";
  const status = ordinary();
  const cluster = status.clusters[0];
  for (const name of [markup, long, turned, "__proto__", "constructor", "\" onload=\"x", ""]) {
    status.clusters.push({ ...cluster, name, advertised_host: name, routes: [{ ...cluster.routes[3], route: name, node: null, broker: name, advertised: name, last_error: { at: name, reason: name, message: name } }] });
    cluster.clients.push({ name, version: name, connections_total: 1 });
    cluster.unmapped.push({ node: 8, address: name, last_seen: name, remedy: name });
  }
  status.config.file = long;
  status.config.last_fault = { at: at(97_000), message: markup };
  status.commit = markup;
  stage.status = status;
  await visit({ page, stage });
  const asked = stage.asked;
  await until(() => stage.asked > asked + 1, "it goes on asking");
  const text = await page.locator("body").innerText();
  assert.ok(text.includes("<img src=x onerror="), "shown as it is");
  assert.ok(text.includes("abc\\u{202e}cod.\\u{0}\\u{200b}"), "what is invisible or turns text is spelt out");
  assert.ok(!text.includes("n".repeat(2001)), "what is long is cut");
  assert.equal(await page.locator("img, main script, iframe, [onerror], [onload]").count(), 0);
  assert.notEqual(await page.title(), "owned");
  assert.equal(await page.locator("#clusters > section").count(), status.clusters.length);
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: 800 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
  }

  // That silence means something: were there markup, the policy would stop it, and the test would hear of it.
  const other = await context.newPage();
  const heard = [];
  other.on("console", (message) => heard.push(message.text()));
  await other.goto(stage.url);
  await other.evaluate((html) => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'owned'";
    document.body.append(script);
    document.body.innerHTML = html;
  }, markup).catch((error) => heard.push(error.message));
  assert.notEqual(await other.title(), "owned");
  assert.ok(heard.some((text) => /Content Security Policy|TrustedHTML|TrustedScript/.test(text)), `${heard}`);
}

/** Clients are closed, not yet served by the last address, or served: each is said. */
export async function an_address_of_a_service_that_is_not_known_is_told({ page, stage }) {
  const [cluster] = stage.status.clusters;
  const error = { at: at(97_000), reason: "forbidden", message: "the API server answered 403" };
  const service = { name: "kafka/lb", state: "unread", told_to: "all", address: null, since: null, last_error: error };
  Object.assign(cluster, { advertised_host: null, service });
  await visit({ page, stage });
  const shows = (text) => until(async () => (await page.locator("body").innerText()).includes(text), text);
  await shows("orders: clients are closed, for the address of the Service kafka/lb is not known: forbidden: the API server answered 403");
  await shows("the address of the Service kafka/lb is not known yet · 3 of 4 nodes up");
  Object.assign(service, { state: "no_address", last_error: null });
  await shows("orders: clients are closed, for the address of the Service kafka/lb is not known\n");
  service.told_to = "all_but_sni";
  await shows("orders: clients of all ports but sni.port are closed, for the address of the Service kafka/lb is not known\n");
  service.told_to = "undialled";
  await shows("orders: clients of which nothing says what they dialled are closed, for the address of the Service kafka/lb is not known\n");
  cluster.advertised_host = "lb.example.com";
  Object.assign(service, { state: "lost", address: "lb.example.com", since: at(0) });
  await shows("orders: the Service kafka/lb has lost its address, clients are still told the last one\n");
  await shows("clients dial lb.example.com · 3 of 4 nodes up");
  Object.assign(service, { state: "known", last_error: error });
  await shows("orders: the Service kafka/lb cannot be read, clients are still told the last one: forbidden: the API server answered 403");
  await shows("4 problems");
  service.last_error = null;
  await shows("3 problems");
}

export async function two_hundred_nodes_are_shown({ page, stage }) {
  const [cluster] = stage.status.clusters;
  stage.status.clusters = [cluster];
  cluster.routes = [cluster.routes[0]];
  for (let node = 0; node < 200; node += 1) {
    const one = route(`node-${node}`, node, 9093 + node, 3, `kafka-${node}.kafka:9092`);
    if (node % 10 === 3) Object.assign(one, { state: "down", since: at(90_000) });
    cluster.routes.push(one);
  }
  await visit({ page, stage });
  assert.equal(await page.getByRole("table", { name: "Port map" }).locator("tbody tr").count(), 201);
  const problems = await page.locator("#problems li").allInnerTexts();
  assert.equal(problems.length, 13, "they do not fill the screen");
  assert.equal(problems.at(-1).trim(), "and 10 more");
  await page.setViewportSize({ width: 360, height: 800 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
}

/** Waits for something that is not on the page. */
export async function until(condition, what) {
  const end = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within 30 s: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
