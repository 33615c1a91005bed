// Asks again and again, and shows what has come.

const RECENT = 10, MINUTE = 60;
const readings = []; // the latest RECENT + 1: {at, bounds, status: {edge: named status, or undefined}}
const past = []; // for each second, by place: {rates, times}
const pages = []; // the latest minute of pages: {at, seconds, hot, dear}
const poolReadings = []; // the latest RECENT + 1: {at, pools: {edge: pools}}
const timers = {};

// What the edges of the last reading have counted together, now and then; one that was restarted begins anew.
function since(then) {
  const last = readings.at(-1), now = {}, before = {};
  for (const [edge, status] of Object.entries(last.status)) {
    now[edge] = status;
    const early = then.status[edge];
    if (status) before[edge] = early && early.uptime_s <= status.uptime_s ? early : status;
  }
  const span = Math.max(0.001, (last.at - then.at) / 1000);
  return { now, then: before, span, bounds: last.bounds, sums: [now, before].map((by) => all(Object.values(by).filter(Boolean)) || {}) };
}

function take(found) {
  const status = Object.fromEntries(found.map(([edge, status]) => [edge, status && named(status)]));
  const first = found.map(([, status]) => status).find(Boolean);
  if (!first) return false;
  const own = found.find(([edge]) => edge === "");
  if (own && own[1]) me = own[1].name;
  const last = readings.at(-1);
  // Another choice of edges: what was before is of others.
  if (last && Object.keys(last.status).join() !== Object.keys(status).join()) readings.length = past.length = 0;
  readings.push({ at: performance.now(), bounds: first.bucket_bounds_s, status });
  if (readings.length > RECENT + 1) readings.shift();
  if (readings.length > 1) past.push(second());
  if (past.length > SECONDS) past.shift();
  return true;
}

function second() {
  const { sums: [now, then], span, bounds } = since(readings.at(-2));
  const of = (requests, buckets) => ({
    rates: Object.fromEntries(Object.entries(requests).map(([word, n]) => [word, n / span])),
    times: percentiles(bounds, buckets),
  });
  const recent = minus(now, then);
  const step = { "": of(recent.requests, all(Object.values(recent.locations).map((l) => l.buckets))) };
  for (const [key, l] of Object.entries(recent.locations)) step[key] = of(l.requests, l.buckets);
  for (const [key, s] of Object.entries(recent.servers)) {
    step[key] = of({ miss: Math.max(0, s.requests - s.errors), error: s.errors }, s.buckets);
  }
  return step;
}

function show() {
  const early = since(readings[0]), just = since(readings.at(-2) || readings[0]);
  const [now, then] = early.sums, { span, bounds } = early, recent = minus(now, then), moment = minus(...just.sums);
  const requests = sum(recent.requests), calls = recent.application.calls;
  const states = Object.values(early.now).map((status) => (status ? status.state : "no answer"));
  state(states.find((word) => word !== "ready") || "ready");
  at("about").textContent = `version ${now.version}, ${states.length > 1 ? `${states.length} edges` : `up ${age(now.uptime_s)}`}`;
  at("rate").textContent = count(sum(moment.requests) / just.span);
  at("total").textContent = count(sum(now.requests)) + " in all";
  at("cached").textContent = percent(fromCache(recent.requests), wereCached(recent.requests));
  at("calls").textContent = count(moment.application.calls / just.span);
  at("spared").textContent = calls > 0 ? `one per ${count(requests / calls)} requests` : `${count(now.application.calls)} in all`;
  const times = percentiles(bounds, all(Object.values(recent.locations).map((l) => l.buckets)));
  at("p50").textContent = time(times.p50);
  at("p9x").textContent = `p95 ${time(times.p95)}, p99 ${time(times.p99)}`;
  at("saved").textContent = short(now.saved.calls);
  at("savedtime").textContent = time(now.saved.seconds);
  at("busy").textContent = `it was busy for ${time(Object.values(now.locations).reduce((n, l) => n + l.application_s, 0))}`;
  at("open").textContent = count(now.connections.active);
  at("refused").textContent = `${count(now.connections.accepted)} accepted, ${count(now.connections.refused)} refused`;
  at("entries").textContent = count(now.l1.entries);
  at("bytes").textContent = `${bytes(now.l1.bytes)}, ${count(now.l1.evictions)} evicted`;
  showEdges(early);
  showPlaces(now);
  showLocations(now, then, span, bounds);
  showReasons(now);
  if (poolReadings.length === 0) showMetServers(now, then, span, bounds);
  draw();
}

function state(word) {
  at("state").textContent = word;
  at("state").dataset.state = word;
}

// One poll of each kind at a time: another call takes the place of the next one.
function repeated(name, every, poll) {
  let turn = 0;
  return async () => {
    const mine = (turn += 1);
    clearTimeout(timers[name]);
    try { await poll(); } catch (error) { console.error(name, error); }
    if (mine === turn) timers[name] = setTimeout(running[name], every);
  };
}

const running = {
  status: repeated("status", 1000, async () => {
    if (take(await askAll("status"))) show(); else state("no answer");
  }),
  servers: repeated("servers", 1000, async () => {
    const found = (await askAll("pools")).filter(([, answer]) => answer);
    if (found.length === 0) { poolReadings.length = 0; return; }
    const last = poolReadings.at(-1), pools = Object.fromEntries(found.map(([edge, answer]) => [edge, answer.pools]));
    if (last && Object.keys(last.pools).join() !== Object.keys(pools).join()) poolReadings.length = 0;
    poolReadings.push({ at: performance.now(), pools });
    if (poolReadings.length > RECENT + 1) poolReadings.shift();
    const now = poolReadings.at(-1), early = poolReadings[0], span = Math.max(0.001, (now.at - early.at) / 1000);
    showServers(Object.entries(now.pools).map(([edge, pools]) => [edge, pools, early.pools[edge] || []]), span);
  }),
  purges: repeated("purges", 5000, async () => {
    showPurges((await askAll("purges")).flatMap(([, answer]) => (answer ? answer.purges : [])));
  }),
  history: repeated("history", 10000, async () => {
    if (range === "minutes") return;
    const wanted = place, [kind, one, other] = place ? JSON.parse(place) : [];
    const names = kind === "server" ? { pool: one, server: other } : { site: one, location: other };
    const found = await askAll("history" + (place ? "?" + new URLSearchParams(names) : ""));
    if (wanted !== place) return;
    const told = found.map(([, answer]) => answer).filter(Boolean);
    longer = { hour: together(told.map((t) => t.hour)), day: together(told.map((t) => t.day)) };
    draw();
  }),
  // As long as somebody looks: each answer is of the five seconds before it.
  pages: repeated("pages", 200, async () => {
    if (!token) { await new Promise((done) => setTimeout(done, 2000)); return; }
    const found = (await askAll("top?seconds=5&once=1", { patience: 20000 })).filter(([, answer]) => answer);
    if (found.length === 0) { await new Promise((done) => setTimeout(done, 2000)); return; }
    const table = (name) => all(found.map(([, answer]) => byName(answer[name], (row) => row.name, ({ name, ...row }) => row))) || {};
    pages.push({ at: performance.now(), seconds: Math.max(...found.map(([, a]) => a.seconds)), hot: table("hot"), dear: table("expensive") });
    while (pages[0].at < performance.now() - MINUTE * 1000) pages.shift();
    showPages(all(pages.map((p) => p.hot)), all(pages.map((p) => p.dear)), pages.reduce((n, p) => n + p.seconds, 0));
  }),
};
const pollServers = running.servers, pollHistory = running.history;
function pollNow() {
  readings.length = past.length = poolReadings.length = pages.length = 0;
  longer = null;
  for (const poll of Object.values(running)) poll();
}

// The steps of several edges end at about the same time.
function together(kept) {
  const step_s = kept.length ? kept[0].step_s : 10, byTime = {};
  for (const step of kept.flatMap((one) => one.steps)) {
    const at = Math.round(step.at / step_s);
    byTime[at] = plus(byTime[at], step);
  }
  return { step_s, steps: Object.keys(byTime).sort((a, b) => a - b).map((at) => byTime[at]) };
}

findToken();
showLock();
draw();
pollNow();
findEdges();
