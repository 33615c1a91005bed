"use strict";
// Figures as people read them, and sums of what several edges tell.

// From the cheapest to the dearest answer, which is the order of the bars from below.
const RESULTS = [
  ["hit", "fresh from the cache"],
  ["stale", "stale from the cache"],
  ["collapsed", "shared another's fetch"],
  ["file", "a file"],
  ["own", "the edge's own answer"],
  ["revalidated", "still holds, says the application"],
  ["miss", "made by the application"],
  ["pass", "may not be shared"],
  ["bypass", "location not cached"],
  ["error", "the application failed"],
];
const PERCENTILES = [["p50", 0.5, "hit"], ["p95", 0.95, "miss"], ["p99", 0.99, "error"]];
const at = (id) => document.getElementById(id);

const count = (n) => n.toLocaleString("en", { maximumFractionDigits: n < 10 ? 1 : 0 });
const short = (n) => n.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 });
const percent = (part, whole) => (whole > 0 ? (100 * part / whole).toFixed(part === whole ? 0 : 1) + " %" : "–");
function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit += 1; }
  return n.toFixed(unit > 0 && n < 100 ? 1 : 0) + " " + units[unit];
}
function time(seconds) {
  if (!isFinite(seconds)) return "–";
  if (seconds < 0.001) return Math.round(seconds * 1e6) + " µs";
  if (seconds < 1) return (seconds * 1e3).toFixed(seconds < 0.1 ? 1 : 0) + " ms";
  return seconds < 120 ? seconds.toFixed(seconds < 10 ? 1 : 0) + " s" : age(seconds);
}
function age(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = Math.max(0, parts.findIndex(([size]) => seconds >= size));
  return parts.slice(first, first + 2).map(([size, unit], i) =>
    Math.floor(i ? (seconds % parts[first][0]) / size : seconds / size) + " " + unit).join(" ");
}
// The time that this part of the requests stays below, by the buckets of their times.
function quantile(bounds, buckets, part) {
  const wanted = part * buckets.reduce((a, b) => a + b, 0);
  let before = 0, lower = 0;
  for (let i = 0; i < buckets.length; i += 1) {
    const upper = bounds[Math.min(i, bounds.length - 1)];
    if (buckets[i] > 0 && before + buckets[i] >= wanted) {
      return lower + (upper - lower) * Math.min(1, (wanted - before) / buckets[i]);
    }
    before += buckets[i];
    lower = upper;
  }
  return NaN;
}
const percentiles = (bounds, buckets) =>
  Object.fromEntries(PERCENTILES.map(([name, part]) => [name, quantile(bounds, buckets || [], part)]));

// Numbers are added, lists and objects member by member; of texts the first stays, and of what is slowest the slowest.
function plus(a, b) {
  if (a === undefined) return b;
  if (b === undefined) return a;
  if (typeof a === "number") return a + b;
  if (Array.isArray(a)) return a.length >= b.length ? a.map((n, i) => plus(n, b[i])) : plus(b, a);
  if (a && typeof a === "object") {
    return Object.fromEntries([...new Set([...Object.keys(a), ...Object.keys(b)])].map((key) =>
      [key, key === "slowest_s" ? Math.max(a[key] || 0, b[key] || 0) : plus(a[key], b[key])]));
  }
  return a;
}
// What was added since; never less than nothing.
function minus(now, before) {
  if (typeof now === "number") return Math.max(0, now - (before || 0));
  if (Array.isArray(now)) return now.map((n, i) => minus(n, before && before[i]));
  if (now && typeof now === "object") {
    return Object.fromEntries(Object.entries(now).map(([key, n]) => [key, minus(n, before && before[key])]));
  }
  return now;
}
const all = (list) => list.reduce(plus, undefined);
const sum = (requests) => Object.values(requests || {}).reduce((a, b) => a + b, 0);
const fromCache = (r) => (r.hit || 0) + (r.stale || 0) + (r.collapsed || 0);
const wereCached = (r) => fromCache(r) + (r.revalidated || 0) + (r.miss || 0) + (r.pass || 0) + (r.error || 0);

// A status with its lists by name, so that those of several edges can be added.
const keyOf = (...names) => JSON.stringify(names);
const byName = (list, name, change = (item) => item) => Object.fromEntries((list || []).map((item) => [name(item), change(item)]));
const named = (status) => ({
  ...status,
  bucket_bounds_s: undefined,
  locations: byName(status.locations, (l) => keyOf("location", l.site, l.location),
    (l) => ({ ...l, reasons: byName(l.reasons, (r) => r.reason) })),
  servers: byName(status.servers, (s) => keyOf("server", s.pool, s.server)),
});
