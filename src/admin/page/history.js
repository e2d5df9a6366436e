// What two reads tell that one does not: rates, and how they went in the last two minutes.

/** Seconds that are remembered. */
const WINDOW = 120;

/** For each route and each cluster what it counted at the last reads; forgotten where the proxy was started anew. */
const history = { started: null, uptime: 0, routes: new Map(), clusters: new Map() };

function remember(status) {
  const again = status.started !== history.started || status.uptime_seconds < history.uptime;
  if (again) {
    history.routes.clear();
    history.clusters.clear();
  }
  history.started = status.started;
  history.uptime = status.uptime_seconds;
  const routes = new Map();
  const clusters = new Map();
  for (const cluster of status.clusters) {
    for (const route of cluster.routes) {
      const key = routeKey(cluster, route);
      const before = history.routes.get(key) ?? { reads: [], points: [] };
      routes.set(key, withRoute(before, route, status.uptime_seconds));
    }
    const reads = history.clusters.get(cluster.name) ?? [];
    clusters.set(cluster.name, withLatency(reads, cluster.latency, status.uptime_seconds));
  }
  history.routes = routes;
  history.clusters = clusters;
}

const routeKey = (cluster, route) => JSON.stringify([cluster.name, route.route]);

const recent = (points, now) => points.filter((point) => now - point.at <= WINDOW);

function withRoute(before, route, now) {
  const last = before.last;
  const read = { at: now, in: route.request_bytes, out: route.response_bytes };
  const points = recent(before.points, now);
  // Counters that fell are those of another route of the same name.
  if (last && now > last.at && read.in >= last.in && read.out >= last.out) {
    const seconds = now - last.at;
    points.push({ at: now, in: (read.in - last.in) / seconds, out: (read.out - last.out) / seconds });
  }
  return { last: read, points };
}

function withLatency(reads, latency, now) {
  if (!latency) return [];
  const last = reads.at(-1);
  const kept = last && last.requests > latency.requests ? [] : recent(reads, now);
  return [...kept, { at: now, ...latency }];
}

/** Bytes a second of a route between the last two reads; nulls before there were two. */
function rates(cluster, route) {
  return history.routes.get(routeKey(cluster, route))?.points.at(-1) ?? { in: null, out: null };
}

/** The highest rate of any route of a cluster that is remembered: the scale of its drawings. */
function highest(cluster) {
  const all = cluster.routes.flatMap((route) => history.routes.get(routeKey(cluster, route))?.points ?? []);
  return all.reduce((high, point) => Math.max(high, point.in, point.out), 0);
}

/** Means for one request: of the last two minutes, or since the start if there was none in them. */
function means(cluster) {
  const newest = cluster.latency;
  if (!newest || !(newest.requests > 0)) return null;
  const oldest = history.clusters.get(cluster.name)?.[0];
  const lately = oldest && newest.requests > oldest.requests;
  const from = lately ? oldest : { requests: 0, broker_seconds: 0, proxy_seconds: 0 };
  const requests = newest.requests - from.requests;
  return {
    requests,
    broker: Math.max(0, newest.broker_seconds - from.broker_seconds) / requests,
    proxy: Math.max(0, newest.proxy_seconds - from.proxy_seconds) / requests,
    over: lately ? `the last ${duration(history.uptime - oldest.at)}` : "all since the start",
  };
}

/** A drawing of both rates of a route: requests as an area, responses as a line. */
function sparkline() {
  const area = drawing("path", { class: "in" });
  const line = drawing("path", { class: "out" });
  const box = { viewBox: "0 0 120 24", preserveAspectRatio: "none", class: "spark", role: "img" };
  const root = drawing("svg", box, area, line);
  return {
    root,
    update(cluster, route, high) {
      const points = history.routes.get(routeKey(cluster, route))?.points ?? [];
      const x = (point) => (120 - history.uptime + point.at).toFixed(1);
      const y = (value) => (high > 0 ? 23 - (22 * value) / high : 23).toFixed(1);
      const path = (key) => points.map((point) => `${x(point)} ${y(point[key])}`).join("L");
      const drawn = points.length > 1;
      setAttribute(area, "d", drawn ? `M${x(points[0])} 23L${path("in")}L${x(points.at(-1))} 23z` : "");
      setAttribute(line, "d", drawn ? `M${path("out")}` : "");
      const most = (key) => rate(points.reduce((top, point) => Math.max(top, point[key]), 0));
      setAttribute(root, "aria-label", drawn ? `at most ${most("in")} in, ${most("out")} out` : "no history yet");
    },
  };
}
