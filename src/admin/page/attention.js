// What somebody should look at: the list at the top, and what a screen reader is told when it changes.

/** Days before the end of a certificate at which it is a warning. */
const CERTIFICATE_DAYS = 14;

/** Problems that are listed one by one; of more only the number is told. */
const LISTED = 12;

/** How near a limit is: null, "warn" or "down". */
function nearness(used, limit) {
  if (!(limit > 0)) return null;
  return used >= limit * 0.95 ? "down" : used >= limit * 0.8 ? "warn" : null;
}

function certificateLevel(certificate) {
  if (certificate.days_left < 0) return "down";
  return certificate.days_left < CERTIFICATE_DAYS ? "warn" : null;
}

function certificateText(certificate) {
  const side = certificate.side === "broker" ? "towards brokers" : "towards clients";
  const days = certificate.days_left;
  return days < 0 ? `certificate ${side} has expired` : `certificate ${side} expires in ${plural(Math.floor(days), "day")}`;
}

/** A reload that failed and that nothing has mended since. */
function failedReload(config) {
  const fault = config.last_fault;
  return fault && !(Date.parse(fault.at) < Date.parse(config.loaded)) ? fault : null;
}

/** Everything wrong, worst first: `{key, level, text}`. */
function problems(status, now) {
  const found = status.clusters.flatMap((cluster) => clusterProblems(cluster, now));
  const fault = failedReload(status.config);
  if (fault) {
    found.push({ key: "reload", level: "warn", text: `The last reload failed, the configuration before stays in force: ${shown(fault.message, 300)}` });
  }
  const process = status.process;
  const limits = [
    ["connections", process.connections, process.connection_limit],
    ["open files", process.open_fds, process.max_fds],
  ];
  for (const [name, used, limit] of limits) {
    const level = nearness(used, limit);
    if (level) found.push({ key: name, level, text: `${count(used)} of ${count(limit)} ${name} are in use` });
  }
  return [...found.filter((problem) => problem.level === "down"), ...found.filter((problem) => problem.level !== "down")];
}

/** How bad it is that a Service has no address, and for whom. */
const closedWithoutAddress = {
  all: ["down", "clients"],
  all_but_sni: ["down", "clients of all ports but sni.port"],
  undialled: ["warn", "clients of which nothing says what they dialled"],
};

function clusterProblems(cluster, now) {
  const name = shown(cluster.name, 60);
  const found = [];
  const add = (key, level, text) => found.push({ key: JSON.stringify([cluster.name, key]), level, text: `${name}: ${text}` });
  if (cluster.reachable === false) add("cluster", "down", "no broker can be reached");
  const service = cluster.service;
  const unread = service?.last_error ? `: ${shown(errorText(service.last_error), 300)}` : "";
  if (service && !service.address) {
    const [level, closed] = closedWithoutAddress[service.told_to];
    add("service", level, `${closed} are closed, for the address of the Service ${shown(service.name, 130)} is not known${unread}`);
  } else if (service?.state === "lost" || unread) {
    const what = unread ? "cannot be read" : "has lost its address";
    add("service", "warn", `the Service ${shown(service.name, 130)} ${what}, clients are still told the last one${unread}`);
  }
  for (const route of cluster.routes) {
    if (route.state !== "down") continue;
    const since = route.since ? ` for ${duration((now - Date.parse(route.since)) / 1000)}` : "";
    const error = route.last_error;
    add(route.route, "down", `${routeName(route)} is down${since}${error ? `: ${shown(errorText(error))}` : ""}`);
  }
  for (const node of cluster.unmapped) {
    add(`unmapped ${node.node}`, "warn", `broker ${node.node} (${shown(node.address, 80)}) is not in the map, clients do not see it`);
  }
  for (const certificate of cluster.certificates) {
    const level = certificateLevel(certificate);
    if (level) add(`certificate ${certificate.side}`, level, certificateText(certificate));
  }
  return found;
}

/** The reason as metrics have it, where the message does not say it anyway. */
function errorText(error) {
  if (!error.message) return String(error.reason);
  return String(error.message).includes(error.reason) ? error.message : `${error.reason}: ${error.message}`;
}

const routeName = (route) => (route.node === null ? shown(route.route, 60) : `node ${route.node}`);

function showProblems(found) {
  const listed = found.slice(0, LISTED);
  if (found.length > LISTED) listed.push({ key: "more", level: "warn", text: `and ${count(found.length - LISTED)} more` });
  if (found.length === 0) listed.push({ key: "none", level: "up", text: "Nothing: all is as it should be." });
  keep(frame("problems"), listed, (problem) => problem.key, () => {
    const mark = element("span", { class: "mark" });
    const root = element("li", {}, mark);
    return {
      root,
      update(problem) {
        root.dataset.level = problem.level;
        setState(mark, problem.level, problem.text);
      },
    };
  });
}

const told = { states: null };

/** Tells a screen reader what is another state than at the last read, and nothing else: numbers change all the time. */
function announce(status, found) {
  const states = statesOf(status, found);
  const last = told.states;
  told.states = states;
  if (!last) return;
  const news = [...states].filter(([key, { state }]) => last.get(key)?.state !== state).map(([, { text }]) => text);
  if (news.length > 5) say(`${count(news.length)} states changed. ${plural(found.length, "problem")}.`);
  else if (news.length > 0) say(`${news.join(". ")}.`);
}

function statesOf(status, found) {
  const word = STATES[status.state]?.word.toLowerCase() ?? shown(status.state, 40);
  const states = new Map([["state", { state: status.state, text: `Portolan is ${word}` }]]);
  for (const cluster of status.clusters) {
    for (const route of cluster.routes) {
      const text = `${shown(cluster.name, 60)}: ${routeName(route)} is ${shown(route.state, 40)}`;
      states.set(routeKey(cluster, route), { state: route.state, text });
    }
  }
  // A route that is down is a problem too, and was told already.
  for (const { key, level, text } of found) {
    if (!states.has(key)) states.set(key, { state: level, text });
  }
  return states;
}

function say(text) {
  setText(frame("live"), text);
}
