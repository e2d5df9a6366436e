// One cluster: its port map, where the time goes, brokers outside the map, clients and certificates.

const ROUTES = [
  { name: "Route", kind: "short" },
  { name: "State", kind: "whole" },
  { name: "Last error", kind: "name" },
  { name: "Clients dial", kind: "name dialled" },
  { name: "Broker", kind: "name" },
  { name: "Connections", kind: "number" },
  { name: "In", kind: "number in" },
  { name: "Out", kind: "number out" },
  { name: "Last 2 min" },
];

const UNMAPPED = [
  { name: "Broker", kind: "whole" },
  { name: "Address", kind: "name" },
  { name: "Last seen", kind: "whole" },
  { name: "What to add", kind: "name" },
];

const CLIENTS = [{ name: "Software", kind: "short" }, { name: "Version", kind: "short" }, { name: "Connections", kind: "number" }];

const CERTIFICATES = [{ name: "Side", kind: "whole" }, { name: "Good until" }, { name: "Left", kind: "whole" }];

let sections = 0;

function clusterView() {
  sections += 1;
  const id = `cluster-${sections}`;
  const name = element("span");
  const badge = element("span", { class: "badge" });
  const summary = element("p", { class: "dim summary" });
  const routes = part("Port map", ROUTES);
  const time = timeView();
  const unmapped = part("Brokers outside the map", UNMAPPED);
  const clients = part("Clients", CLIENTS);
  const certificates = part("Certificates", CERTIFICATES);
  const root = element(
    "section",
    { class: "card", "aria-labelledby": id },
    element("div", { class: "title" }, element("h2", { id }, "Cluster ", name), badge),
    summary,
    unmapped.root,
    routes.root,
    element("div", { class: "parts" }, time.root, clients.root, certificates.root),
  );
  return {
    root,
    update({ cluster, now }) {
      setForeign(name, cluster.name);
      setState(badge, ...clusterState(cluster));
      setText(summary, clusterSummary(cluster));
      const high = highest(cluster);
      const routeItems = cluster.routes.map((route) => ({ cluster, route, now, high }));
      routes.fill(routeItems, ({ route }) => route.route, routeRow);
      time.update(cluster);
      const nodes = cluster.unmapped.map((node) => ({ node, now }));
      unmapped.fill(nodes, ({ node }) => String(node.node), unmappedRow);
      clients.fill(byUse(cluster.clients), (client) => JSON.stringify([client.name, client.version]), clientRow);
      certificates.fill(cluster.certificates, (certificate) => certificate.side, certificateRow);
    },
  };
}

function clusterState(cluster) {
  if (cluster.reachable === false) return ["down", "no broker can be reached"];
  if (cluster.reachable === null) return ["unknown", "not tried yet"];
  const nodes = cluster.routes.filter((route) => route.node !== null);
  const down = nodes.filter((route) => route.state === "down").length;
  return down > 0 ? ["warn", `${count(down)} of ${plural(nodes.length, "node")} down`] : ["up", "reachable"];
}

function clusterSummary(cluster) {
  const nodes = cluster.routes.filter((route) => route.node !== null);
  const [up, down] = ["up", "down"].map((state) => nodes.filter((route) => route.state === state).length);
  const unknown = nodes.length - up - down;
  const sum = (of) => cluster.routes.reduce((total, route) => total + (of(route) ?? 0), 0);
  return [
    dialled(cluster),
    `${count(up)} of ${plural(nodes.length, "node")} up${unknown > 0 ? `, ${count(unknown)} unknown` : ""}`,
    `${plural(sum((route) => route.connections), "connection")}`,
    `${rate(sum((route) => rates(cluster, route).in))} in, ${rate(sum((route) => rates(cluster, route).out))} out`,
  ].join(" · ");
}

/** What clients are told to dial. */
function dialled(cluster) {
  if (cluster.advertised_host) return `clients dial ${shown(cluster.advertised_host, 80)}`;
  if (cluster.service) return `the address of the Service ${shown(cluster.service.name, 130)} is not known yet`;
  return "clients are told the host that they dialled";
}

/** A table with its title, hidden while it is empty. */
function part(title, columns) {
  const { root: scroll, body } = table(title, columns);
  const root = element("div", { class: "part", hidden: "" }, element("h3", {}, title), scroll);
  return {
    root,
    fill(items, keyOf, make) {
      root.hidden = items.length === 0;
      keep(body, items, keyOf, () => {
        const { row, cells } = tableRow(columns);
        return { root: row, update: make(cells, row) };
      });
    },
  };
}

/** A row of the port map. */
function routeRow(cells, row) {
  const [route, state, error, dialled, broker, connections, incoming, outgoing, spark] = cells;
  const [stateBox, since] = twoLines(state, "time");
  stateBox.className = "mark";
  const [message, when] = twoLines(error, "time");
  const [address, more] = twoLines(dialled);
  const [open, all] = twoLines(connections);
  const picture = sparkline();
  spark.append(picture.root);
  return (item) => {
    const { cluster, route: told, now, high } = item;
    const kind = ["up", "down"].includes(told.state) ? told.state : "unknown";
    row.dataset.level = kind;
    setForeign(route, routeName(told));
    setState(stateBox, kind, kind);
    if (told.since) setSince(since, told.since, now, "for ");
    else setText(since, "");
    const last = told.last_error;
    setForeign(message, last ? errorText(last) : "none");
    message.className = last ? "" : "dim";
    setAttribute(error, "data-empty", last ? null : "");
    if (last) setSince(when, last.at, now, "", " ago");
    else setText(when, "");
    setForeign(address, told.advertised ?? told.sni ?? "–");
    setText(more, otherDoor(told));
    setForeign(broker, told.broker ?? "not known yet");
    setText(open, count(told.connections));
    setText(all, `${count(told.connections_total)} in all`);
    const { in: requests, out: responses } = rates(cluster, told);
    setText(incoming, rate(requests));
    setText(outgoing, rate(responses));
    picture.update(cluster, told, high);
  };
}

/** What is bound where it is not what clients dial, and the name in TLS where there is one too. */
function otherDoor(route) {
  const dialledPort = route.advertised?.split(":").at(-1);
  const bound = route.bound !== null && String(route.bound) !== dialledPort ? `bound ${route.bound}` : "";
  const name = route.advertised && route.sni ? `or ${shown(route.sni, 80)}` : "";
  return [bound, name].filter(Boolean).join(", ");
}

function twoLines(cell, tag = "span") {
  const first = element("span");
  const second = element(tag, { class: "dim" });
  cell.append(element("div", { class: "lines" }, first, second));
  return [first, second];
}

function unmappedRow([broker, address, seen, remedy]) {
  const time = element("time");
  seen.append(time);
  const line = element("code", { class: "remedy" });
  const button = copyButton(line);
  remedy.append(element("div", { class: "copy" }, line, button));
  return ({ node, now }) => {
    setText(broker, String(node.node));
    setForeign(address, node.address);
    setSince(time, node.last_seen, now, "", " ago");
    // Whole and with its own lines, for it is there to be copied.
    setText(line, String(node.remedy).slice(0, 4000).split("\n").map((one) => shown(one, 2000)).join("\n"));
    setAttribute(button, "aria-label", `Copy the lines for broker ${node.node}`);
  };
}

/** Copies a text; where the browser does not allow that (http from afar), selects it. */
function copyButton(source) {
  const button = element("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      setText(button, "Copied");
      say("Copied.");
    } catch {
      getSelection().selectAllChildren(source);
      setText(button, "Selected");
      say("Selected, to be copied by the browser.");
    }
    setTimeout(() => setText(button, "Copy"), 2000);
  });
  return button;
}

const byUse = (clients) => [...clients].sort((one, other) => other.connections_total - one.connections_total);

function clientRow([name, version, connections]) {
  return (client) => {
    setForeign(name, client.name);
    setForeign(version, client.version);
    setText(connections, count(client.connections_total));
  };
}

function certificateRow([side, until, left], row) {
  const mark = element("span", { class: "mark" });
  left.append(mark);
  return (certificate) => {
    const end = clock(Date.parse(certificate.until));
    const level = certificateLevel(certificate);
    setAttribute(row, "data-level", level);
    setText(side, certificate.side === "broker" ? "towards brokers" : "towards clients");
    setText(until, end.slice(0, 10));
    setAttribute(until, "title", end);
    setState(mark, level ?? "up", certificate.days_left < 0 ? "expired" : plural(Math.floor(certificate.days_left), "day"));
  };
}

/** The brokers' time beside our own share of it. */
function timeView() {
  const own = drawing("rect", { class: "own", height: "10", width: "0" });
  const bar = drawing("svg", { class: "share", height: "10", "aria-hidden": "true" }, own);
  const ofBroker = element("span");
  const ofProxy = element("span");
  const values = element("p", {}, element("span", { class: "sample" }), ofBroker, element("span", { class: "sample own" }), ofProxy);
  const over = element("p", { class: "dim" });
  const root = element("div", { class: "part" }, element("h3", {}, "Time of a request"), values, bar, over);
  return {
    root,
    update(cluster) {
      const mean = means(cluster);
      values.hidden = !mean;
      setAttribute(bar, "hidden", mean ? null : "");
      if (!mean) {
        setText(over, "No requests were answered yet.");
        return;
      }
      const share = (100 * mean.proxy) / (mean.broker + mean.proxy || 1);
      setText(ofBroker, `broker ${latency(mean.broker)}, `);
      setText(ofProxy, `Portolan ${latency(mean.proxy)} (${share.toFixed(share < 10 ? 1 : 0)} %)`);
      setAttribute(own, "width", `${Math.max(0.5, share).toFixed(1)}%`);
      setText(over, `means of ${plural(mean.requests, "request")}, ${mean.over}`);
    },
  };
}
