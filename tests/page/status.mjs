// What /status answers in the tests and on the picture: a proxy on an ordinary day with two troubles.

const START = Date.parse("2026-11-26T06:12:00Z");

/** A moment so many seconds after the start of the proxy. */
export const at = (seconds) => new Date(START + seconds * 1000).toISOString().replace(".000Z", "Z");

const HOUR = 3600;

/** Two clusters: in `orders` node 2 is down and broker 7 is not in the map; a certificate ends in nine days. */
export function ordinary() {
  return {
    version: "0.1.0",
    commit: "9f3c2ab",
    started: at(0),
    uptime_seconds: 27 * HOUR,
    state: "serving",
    drain: null,
    config: {
      file: "/etc/portolan/portolan.toml",
      loaded: at(20 * HOUR),
      reloads: { success: 3, failure: 1 },
      last_fault: { at: at(19 * HOUR), message: "clusters.orders.nodes[0].prot: unknown key; did you mean `port`?" },
    },
    process: { open_fds: 1312, max_fds: 65536, resident_bytes: 48 << 20, threads: 6, connections: 641, connection_limit: 8000 },
    clusters: [orders(), logs()],
  };
}

function orders() {
  const routes = [route("bootstrap", null, 9092, 12, "kafka-headless.orders:9092")];
  for (const node of [0, 1, 2, 3]) {
    routes.push(route(`node-${node}`, node, 9093 + node, 150 - 20 * node, `kafka-${node}.kafka-headless.orders:9092`));
  }
  routes[2].last_error = { at: at(15 * HOUR), reason: "reset", message: "connection reset by peer" };
  Object.assign(routes[3], {
    state: "down",
    since: at(27 * HOUR - 207),
    last_error: { at: at(27 * HOUR - 2), reason: "refused", message: "connection refused (kafka-2.kafka-headless.orders:9092)" },
    connections: 0,
  });
  return {
    name: "orders",
    advertised_host: "kafka.example.com",
    service: null,
    reachable: true,
    routes,
    unmapped: [
      {
        node: 7,
        address: "kafka-7.kafka-headless.orders:9092",
        last_seen: at(27 * HOUR - 14),
        remedy: 'add a [[clusters.orders.nodes]] with ids = "7", port = 9100, address = "kafka-7.kafka-headless.orders:9092"',
      },
    ],
    clients: [
      { name: "apache-kafka-java", version: "4.3.1", connections_total: 48211 },
      { name: "librdkafka", version: "2.12.1", connections_total: 9120 },
      { name: "confluent-kafka-python", version: "2.12.2", connections_total: 1884 },
      { name: "franz-go", version: "v1.20.4", connections_total: 730 },
    ],
    certificates: [
      { side: "client", until: at(27 * HOUR + 9.4 * 24 * HOUR), days_left: 9 },
      { side: "broker", until: at(27 * HOUR + 188.2 * 24 * HOUR), days_left: 188 },
    ],
    latency: { requests: 8_120_400, broker_seconds: 33_420, proxy_seconds: 251 },
  };
}

function logs() {
  const routes = [route("bootstrap", null, 29092, 4, "192.0.2.10:9092")];
  for (const node of [1001, 1002, 2001]) {
    const sni = { sni: `b${node}.logs.example.com:9443`, bound: 29443, advertised: null };
    routes.push({ ...route(`node-${node}`, node, null, 60, `192.0.2.${node % 1000 + 9}:9092`), ...sni });
  }
  Object.assign(routes[3], { state: "unknown", since: null, broker: null, connections: 0, connections_total: 0 });
  return {
    name: "logs",
    advertised_host: null,
    service: null,
    reachable: true,
    routes,
    unmapped: [],
    clients: [{ name: "librdkafka", version: "2.10.0", connections_total: 311 }],
    certificates: [],
    latency: null,
  };
}

/** A route that is up. */
export function route(name, node, port, connections, broker) {
  return {
    route: name,
    node,
    bound: port,
    advertised: port === null ? null : `kafka.example.com:${port}`,
    sni: null,
    broker,
    state: "up",
    since: at(60),
    last_error: null,
    connections,
    connections_total: connections * 130,
    request_bytes: 0,
    response_bytes: 0,
  };
}

/** Time goes on: by so many seconds, with the traffic of each route in bytes a second as `load(cluster, route)` has it. */
export function advance(status, seconds, load) {
  status.uptime_seconds += seconds;
  for (const cluster of status.clusters) {
    for (const one of cluster.routes) {
      const { requests, responses } = load(cluster, one);
      one.request_bytes += requests * seconds;
      one.response_bytes += responses * seconds;
    }
    if (cluster.latency) {
      cluster.latency.requests += 300 * seconds;
      cluster.latency.broker_seconds += 1.26 * seconds;
      cluster.latency.proxy_seconds += 0.0093 * seconds;
    }
  }
}
