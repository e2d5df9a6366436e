// Elements: made once, and changed only where what they say has changed. Data becomes text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** The shape of each state: it tells by form what the colour tells. */
const SHAPES = {
  up: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12z",
  down: "M4.2 2 8 5.8 11.8 2 14 4.2 10.2 8 14 11.8 11.8 14 8 10.2 4.2 14 2 11.8 5.8 8 2 4.2z",
  unknown: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12zm0 2.5a3.5 3.5 0 1 1 0 7a3.5 3.5 0 1 1 0-7z",
  warn: "M8 2 15 14H1z",
};

/** The element of the frame with this id. */
const frame = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute, or takes it away where the value is null. */
function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Text of others: all of it can be read in the tooltip if it had to be cut. Where it must break, it does so after its dots. */
function setForeign(node, value) {
  const text = shown(value);
  if (node.textContent !== text) {
    const parts = text.split(/(?<=[./])/);
    node.replaceChildren(...parts.flatMap((part) => [part, element("wbr")]));
  }
  setAttribute(node, "title", text.endsWith(CUT) ? shown(value, 2000) : null);
}

/** A state by shape, word and colour. */
function setState(node, kind, word) {
  if (node.dataset.kind === kind && node.lastChild?.textContent === word) return;
  node.dataset.kind = kind;
  const shape = drawing("path", { d: SHAPES[kind] });
  const icon = drawing("svg", { viewBox: "0 0 16 16", class: "shape", "aria-hidden": "true" }, shape);
  node.replaceChildren(icon, element("span", {}, word));
}

/** The time of something, told as the time since then. */
function setSince(node, at, now, before = "", after = "") {
  const then = Date.parse(at);
  setText(node, Number.isNaN(then) ? "" : `${before}${duration((now - then) / 1000)}${after}`);
  setAttribute(node, "datetime", Number.isNaN(then) ? null : new Date(then).toISOString());
  setAttribute(node, "title", Number.isNaN(then) ? null : clock(then));
}

const views = new WeakMap();

/** Makes the children of `parent` those of `items`: each is made once for its key, with `{root, update(item)}`. */
function keep(parent, items, keyOf, make) {
  const before = views.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    let key = keyOf(item);
    while (after.has(key)) key += "'"; // the same name twice is no reason to fail
    const view = before.get(key) ?? make(item);
    before.delete(key);
    after.set(key, view);
  }
  for (const view of before.values()) view.root.remove();
  let position = 0;
  for (const view of after.values()) {
    const there = parent.children[position];
    if (there !== view.root) parent.insertBefore(view.root, there ?? null);
    view.update(items[position]);
    position += 1;
  }
  views.set(parent, after);
}

/**
 * A table in a container of its own, in which it may scroll. On a phone its rows become cards: the roles are written out because
 * browsers forget what a table is when it is laid out as something else.
 */
function table(label, columns) {
  const heads = columns.map((column) => {
    const head = element("th", { scope: "col", role: "columnheader" }, column.name);
    if (column.kind) head.className = column.kind;
    return head;
  });
  const body = element("tbody", { role: "rowgroup" });
  const row = element("tr", { role: "row" }, ...heads);
  const head = element("thead", { role: "rowgroup" }, row);
  const whole = element("table", { role: "table", "aria-label": label }, head, body);
  return { root: element("div", { class: "scroll" }, whole), body };
}

/** A row of such a table; the first cell is its head. */
function tableRow(columns) {
  const cells = columns.map((column, index) => {
    const [tag, attributes] = index === 0 ? ["th", { scope: "row", role: "rowheader" }] : ["td", { role: "cell" }];
    if (column.kind) attributes.class = column.kind;
    return element(tag, { ...attributes, "data-label": column.name });
  });
  return { row: element("tr", { role: "row" }, ...cells), cells };
}

/** Whoever has no mouse can scroll a table that is too wide, and need not stop at one that is not. */
function scrollableByKeyboard() {
  for (const box of document.querySelectorAll(".scroll")) {
    const wide = box.scrollWidth > box.clientWidth;
    setAttribute(box, "tabindex", wide ? "0" : null);
    setAttribute(box, "role", wide ? "region" : null);
    setAttribute(box, "aria-label", wide ? `${box.firstChild.getAttribute("aria-label")}, scrolls sideways` : null);
  }
}

/** How full something is: a bar with its numbers. */
function meter() {
  const fill = drawing("rect", { height: "6", width: "0" });
  const bar = drawing("svg", { class: "meter", height: "6", "aria-hidden": "true" }, fill);
  const text = element("span");
  return {
    root: element("span", {}, text, bar),
    update(used, limit, level) {
      setText(text, limit > 0 ? `${count(used)} of ${count(limit)}` : count(used));
      setAttribute(fill, "width", `${limit > 0 ? Math.min(100, (100 * used) / limit).toFixed(1) : 0}%`);
      setAttribute(bar, "data-level", level);
    },
  };
}

/** Pairs of a name and what stands beside it, which a function may have filled before. */
function facts(list, pairs) {
  keep(list, pairs, ([name]) => name, ([name]) => {
    const value = element("dd");
    const root = element("div", {}, element("dt", {}, name), value);
    return {
      root,
      update([, content]) {
        if (typeof content !== "string") {
          if (value.firstChild !== content) value.replaceChildren(content);
        } else setForeign(value, content);
      },
    };
  });
}
