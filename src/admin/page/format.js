// Numbers, times and foreign text as people read them.

/** What ends a text that was cut. */
const CUT = "…";

/**
 * Text of others (names from configuration, brokers and clients), safe to look at: cut to a bearable length, and with every
 * character spelt out that is invisible or turns the direction of what follows.
 */
function shown(value, most = 160) {
  const whole = String(value ?? "");
  const points = Array.from(whole.slice(0, 2 * most));
  const cut = points.length > most || whole.length > 2 * most;
  const text = points.slice(0, most).join("");
  const spelt = (character) => `\\u{${character.codePointAt(0).toString(16)}}`;
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, spelt) + (cut ? CUT : "");
}

const WHOLE = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

function count(value) {
  return Number.isFinite(value) ? WHOLE.format(value) : "?";
}

function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Three digits and a unit of thousands. */
function scaled(value, units, step = 1000) {
  let rest = value;
  let index = 0;
  while (rest >= step * 0.9995 && index < units.length - 1) {
    rest /= step;
    index += 1;
  }
  const digits = index === 0 || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2;
  return `${rest.toFixed(digits)} ${units[index]}`;
}

/** Bytes in a second; null before there were two reads. */
function rate(value) {
  return value === null ? "–" : scaled(value, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]);
}

function bytes(value) {
  return Number.isFinite(value) ? scaled(value, ["B", "KiB", "MiB", "GiB", "TiB"], 1024) : "?";
}

/** How long one request took. */
function latency(seconds) {
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  if (seconds >= 0.001) return `${(seconds * 1e3).toFixed(seconds >= 0.1 ? 0 : 1)} ms`;
  return `${(seconds * 1e6).toFixed(0)} µs`;
}

/** How long something lasts, in its two largest units. */
function duration(seconds) {
  if (!Number.isFinite(seconds)) return "an unknown time";
  const whole = Math.max(0, Math.floor(seconds));
  const [minutes, hours, days] = [60, 3600, 86400];
  const two = (large, unit, small, smaller) => {
    const rest = Math.floor((whole % large) / small);
    return `${count(Math.floor(whole / large))} ${unit}${rest > 0 ? ` ${rest} ${smaller}` : ""}`;
  };
  if (whole >= days) return two(days, "d", hours, "h");
  if (whole >= hours) return two(hours, "h", minutes, "min");
  if (whole >= minutes) return two(minutes, "min", 1, "s");
  return `${whole} s`;
}

/** A moment, in UTC as in the log. */
function clock(milliseconds) {
  if (!(Math.abs(milliseconds) < 8e15)) return "an unknown time";
  return `${new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
