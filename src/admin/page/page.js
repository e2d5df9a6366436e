// The life of the page: reads /status every two seconds, shows it, and goes on by itself when the proxy was away.

/** Milliseconds from one answer to the next question. */
const PERIOD = 2000;

/** How long an answer may take. */
const PATIENCE = 5000;

const STATES = {
  starting: { kind: "unknown", word: "Starting" },
  serving: { kind: "up", word: "Serving" },
  lame_duck: { kind: "warn", word: "Lame duck" },
  draining: { kind: "warn", word: "Draining" },
};

const ICON_COLOURS = { up: "#1a7f37", warn: "#b26a00", down: "#c62828", unknown: "#6b7680" };

const page = { paused: false, timer: null, goneSince: null, lastRead: null };

const meters = { connections: meter(), files: meter() };

function start() {
  const button = frame("pause");
  button.hidden = false;
  button.addEventListener("click", () => {
    page.paused = !page.paused;
    setText(button, page.paused ? "Resume" : "Pause");
    showRead();
    if (page.paused) clearTimeout(page.timer);
    else void refresh();
  });
  addEventListener("resize", scrollableByKeyboard);
  void refresh();
}

async function refresh() {
  clearTimeout(page.timer);
  try {
    const status = await read();
    // A question that was under way when the button was pressed changes nothing any more.
    if (page.paused) return;
    try {
      show(status);
    } catch {
      throw unreadable();
    }
  } catch (error) {
    if (page.paused) return;
    showGone(error);
  }
  page.timer = setTimeout(refresh, PERIOD);
}

/** One answer. A connection that just ended, as they do after a minute, is no fault yet: asked once more. */
async function read() {
  try {
    return await ask();
  } catch (error) {
    if (error.said) throw error;
    return await ask();
  }
}

async function ask() {
  const response = await fetch("status", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!response.ok) throw fault(`it answers ${response.status} to /status`);
  const text = await response.text();
  try {
    const status = JSON.parse(text);
    if (!Array.isArray(status.clusters) || typeof status.process !== "object") throw new TypeError();
    return status;
  } catch {
    throw unreadable();
  }
}

/** What was answered, and is no status. */
const fault = (text) => Object.assign(new Error(text), { said: true });

const unreadable = () => fault("its answer to /status is not what this page can read; reload the page if Portolan was replaced");

function show(status) {
  // The clock of the proxy, not the one of whoever looks: times are differences to times that the proxy told.
  const now = Date.parse(status.started) + status.uptime_seconds * 1000;
  remember(status);
  const found = problems(status, now);
  const state = STATES[status.state] ?? { kind: "unknown", word: shown(status.state, 40) };
  if (page.goneSince !== null) say("Portolan answers again.");
  page.goneSince = null;
  page.lastRead = Date.now();
  frame("main").hidden = false;
  frame("main").classList.remove("stale");
  frame("gone").hidden = true;
  setState(frame("state"), state.kind, state.word + drainText(status, now));
  showCount(found);
  showAbout(status);
  showRead();
  showProblems(found);
  keep(frame("clusters"), status.clusters.map((cluster) => ({ cluster, now })), ({ cluster }) => cluster.name, clusterView);
  showProcess(status.process);
  showConfig(status, now);
  announce(status, found);
  const worst = found.length > 0 ? found[0].level : state.kind;
  showIcon(worst, found.length > 0 ? plural(found.length, "problem") : state.word);
  scrollableByKeyboard();
}

function showGone(error) {
  const first = page.goneSince === null;
  page.goneSince ??= Date.now();
  const why = error.said ? `: ${error.message}` : "";
  const kept = page.lastRead ? ` Below is what it said at ${clock(page.lastRead)}.` : "";
  const lasting = duration((Date.now() - page.goneSince) / 1000);
  const what = error.said ? "Proxy not readable" : "Proxy unreachable";
  setState(frame("state"), "down", `${what} since ${clock(page.goneSince)}`);
  frame("gone").hidden = false;
  setText(frame("gone"), `${what} for ${lasting}${why}.${kept} This page asks on.`);
  frame("main").classList.add("stale");
  showIcon("unknown", what.toLowerCase());
  showRead();
  if (first) say(`${what}${why}.`);
}

function drainText(status, now) {
  if (!status.drain) return "";
  const since = duration((now - Date.parse(status.drain.since)) / 1000);
  return ` for ${since}, ${plural(status.drain.connections_left, "connection")} left`;
}

function showCount(found) {
  const badge = frame("count");
  badge.hidden = found.length === 0;
  if (found.length > 0) setState(badge, found[0].level, plural(found.length, "problem"));
}

function showAbout(status) {
  const commit = status.commit ? ` (${shown(status.commit, 12)})` : "";
  setText(frame("about"), `version ${shown(status.version, 40)}${commit} · up ${duration(status.uptime_seconds)}`);
  setAttribute(frame("about"), "title", `since ${clock(Date.parse(status.started))}`);
  const own = document.documentElement.dataset.version;
  const other = status.version !== own;
  frame("note").hidden = !other;
  if (other) setText(frame("note"), `This page is of version ${own}, and Portolan is ${shown(status.version, 40)} now: reload the page.`);
}

function showRead() {
  const at = page.lastRead ? clock(page.lastRead).slice(11, 19) : "never";
  setText(frame("read"), page.paused ? `paused, read at ${at}` : `read at ${at}`);
}

function showProcess(process) {
  meters.connections.update(process.connections, process.connection_limit, nearness(process.connections, process.connection_limit));
  meters.files.update(process.open_fds, process.max_fds, nearness(process.open_fds, process.max_fds));
  facts(frame("process"), [
    ["Connections", meters.connections.root],
    ["Open files", meters.files.root],
    ["Memory", bytes(process.resident_bytes)],
    ["Threads", count(process.threads)],
  ]);
}

function showConfig(status, now) {
  const config = status.config;
  const ago = (at) => `${duration((now - Date.parse(at)) / 1000)} ago, ${clock(Date.parse(at))}`;
  const fault = config.last_fault;
  facts(frame("config"), [
    ["File", config.file ?? "none: by flags, or from standard input"],
    ["In force since", config.loaded ? ago(config.loaded) : "not yet"],
    ["Reloads", `${count(config.reloads.success)} taken, ${count(config.reloads.failure)} refused`],
    ["Last fault", fault ? `${ago(fault.at)}: ${shown(fault.message, 1000)}` : "none"],
    ["Drain", status.drain ? `${STATES[status.state]?.word ?? ""}${drainText(status, now)}` : "not draining"],
  ]);
}

/** The tab tells too how it is, among many tabs. */
function showIcon(kind, word) {
  setText(document.querySelector("title"), `${word} · Portolan`);
  const path = `<path fill='${ICON_COLOURS[kind]}' d='${SHAPES[kind]}'/>`;
  const svg = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>${path}<\/svg>`;
  setAttribute(frame("icon"), "href", `data:image/svg+xml,${encodeURIComponent(svg)}`);
}

start();
