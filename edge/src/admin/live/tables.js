// The tables, and what is done to servers from there.

const ROWS = 50;

// Cells are texts, [text, class], or elements.
function fill(id, rows) {
  // What is about to be pressed must not be put away.
  if (at(id).contains(document.activeElement) && document.activeElement.tagName === "BUTTON" && document.activeElement.matches(":active")) return;
  const focus = at(id).contains(document.activeElement) ? document.activeElement.dataset.name : undefined;
  at(id).replaceChildren(...rows.slice(0, ROWS).map((cells) => {
    const row = document.createElement("tr");
    for (const content of cells) {
      const cell = row.insertCell();
      if (content instanceof Element) { cell.append(content); continue; }
      const [text, kind] = Array.isArray(content) ? content : [content, ""];
      cell.textContent = text;
      if (kind) cell.className = kind;
    }
    return row;
  }));
  if (focus) at(id).querySelector(`[data-name=${CSS.escape(focus)}]`)?.focus();
  const none = at("no" + id);
  if (none) none.hidden = rows.length > 0;
}

function showEdges({ now, then, span, bounds }) {
  fill("edges", Object.entries(now).map(([edge, status]) => {
    if (!status) return [nameOf(edge), ["no answer", "bad"], ...Array(10).fill("–")];
    const before = then[edge] || status, recent = minus(status, before);
    const times = percentiles(bounds, all(Object.values(recent.locations).map((l) => l.buckets)));
    const errors = Object.values(status.locations).reduce((n, l) => n + l.server_errors, 0);
    return [nameOf(edge), [status.state, status.state === "ready" ? "" : "bad"], count(sum(recent.requests) / span),
      percent(fromCache(recent.requests), wereCached(recent.requests)), time(times.p50), time(times.p95), time(times.p99),
      count(recent.application.calls / span), [count(errors), errors ? "bad" : ""], count(status.connections.active),
      age(status.uptime_s), status.version];
  }));
}

function showLocations(now, then, span, bounds) {
  const rows = Object.entries(now.locations || {}).map(([key, l]) => {
    const recent = minus(l, (then.locations || {})[key]);
    return { l, recent, total: sum(recent.requests) };
  });
  rows.sort((a, b) => b.total - a.total || sum(b.l.requests) - sum(a.l.requests));
  fill("locations", rows.map(({ l, recent, total }) => {
    // Where nobody asks now, what was since the start.
    const times = percentiles(bounds, total > 0 ? recent.buckets : l.buckets);
    return [l.site, [l.location, "code"], count(total / span), percent(fromCache(recent.requests), wereCached(recent.requests)),
      time(times.p50), time(times.p95), time(times.p99), count(recent.calls / span), bytes(recent.sent_bytes / span),
      [count(l.server_errors), l.server_errors ? "bad" : ""], count(sum(l.requests))];
  }));
}

function showReasons(now) {
  const rows = Object.values(now.locations || {}).flatMap((l) =>
    Object.values(l.reasons).map((r) => ({ l, r, part: r.count / Math.max(1, sum(l.requests)) })));
  rows.sort((a, b) => b.r.count - a.r.count);
  fill("reasons", rows.map(({ l, r, part }) => [[`${l.site} ${l.location}`, "code"], r.reason, count(r.count), percent(part, 1),
    [r.remedy ? `${r.meaning} → ${r.remedy}` : r.meaning, "words"]]));
}

function showPurges(purges) {
  purges.sort((a, b) => b.at - a.at);
  fill("purges", purges.map((p) => [new Date(p.at * 1000).toLocaleTimeString(),
    [p.targets.join(", ") + (p.further_targets ? ` and ${p.further_targets} more` : "") + (p.soft ? " (soft)" : ""), "words"],
    [p.complete ? "yes" : "no", p.complete ? "" : "bad"], time(p.milliseconds / 1000),
    p.acknowledged.join(", ") || "–", [p.missing.join(", ") || "–", p.missing.length ? "bad" : ""]]));
}

// pages: {name: figures} of the last `span` seconds.
function showPages(hot, dear, span) {
  const sorted = (pages, by) => Object.entries(pages).sort(([, a], [, b]) => b[by] - a[by]).slice(0, 12);
  fill("hot", sorted(hot, "requests").map(([name, p]) => [[name, "code"], count(p.requests / span), percent(p.hits, p.requests),
    time(p.seconds / p.requests), time(p.slowest_s), bytes(p.bytes / span), [count(p.errors), p.errors ? "bad" : ""]]));
  const whole = Object.values(dear).reduce((n, p) => n + p.application_s, 0);
  fill("dear", sorted(dear, "application_s").map(([name, p]) => [[name, "code"], time(p.application_s), percent(p.application_s, whole),
    count(p.calls), time(p.application_s / p.calls), count(p.requests), percent(p.hits, p.requests)]));
}

const SERVER_HEAD = ["Pool", "Server", "State", "In flight", "Requests/s", "p50", "p95", "p99", "Failures", "Requests"];
function serverHead(more) {
  const titles = [...SERVER_HEAD, ...more];
  if (at("serverhead").cells.length !== titles.length) {
    at("serverhead").replaceChildren(...titles.map((text) => Object.assign(document.createElement("th"), { textContent: text })));
  }
}

// pools: [edge, pools now, pools 10 s ago], of each edge that has some.
function showServers(pools, span) {
  const rows = [], several = pools.length > 1;
  serverHead([...(several ? ["Edge"] : []), ...(token ? ["Change"] : [])]);
  for (const [edge, now, early] of pools) {
    for (const pool of now) {
      const then = early.find((p) => p.name === pool.name);
      for (const server of pool.servers) {
        const before = then && then.servers.find((s) => s.id === server.id), recent = minus(server, before || server);
        const times = percentiles(pool.bucket_bounds_s, recent.requests > 0 ? recent.buckets : server.buckets);
        rows.push([pool.name, [server.address, "code"], [server.state, server.state === "up" ? "" : "bad"],
          count(server.in_flight), count(recent.requests / span), time(times.p50), time(times.p95), time(times.p99),
          [count(server.failures), server.failures ? "bad" : ""], count(server.requests),
          ...(several ? [nameOf(edge)] : []), ...(token ? [drainButton(edge, pool, server)] : [])]);
      }
    }
  }
  fill("servers", rows);
  at("elsewhere").hidden = true;
  at("add").hidden = !token;
  choices("pool", pools.flatMap(([edge, now]) => now.map((pool) =>
    [keyOf(edge, pool.name), several ? `${pool.name} at ${nameOf(edge)}` : pool.name])), at("pool").value);
}

// The servers as the edges have met them, where the pools are in other processes.
function showMetServers(now, then, span, bounds) {
  serverHead([]);
  fill("servers", Object.entries(now.servers || {}).map(([key, s]) => {
    const recent = minus(s, (then.servers || {})[key]);
    const times = percentiles(bounds, recent.requests > 0 ? recent.buckets : s.buckets);
    return [s.pool, [s.server, "code"], "–", "–", count(recent.requests / span), time(times.p50), time(times.p95), time(times.p99),
      [count(s.errors), s.errors ? "bad" : ""], count(s.requests)];
  }));
  at("add").hidden = true;
  at("elsewhere").hidden = false;
}

function drainButton(edge, pool, server) {
  const button = document.createElement("button"), drains = !server.drain;
  button.textContent = drains ? "Drain" : "Resume";
  button.dataset.name = keyOf(edge, pool.name, server.id);
  button.setAttribute("aria-label", `${button.textContent} ${server.address}`);
  button.addEventListener("click", () => change(
    `${server.address}: ${drains ? "gets no new visitors" : "takes requests again"}`,
    () => ask(`pools/${encodeURIComponent(pool.name)}/servers/${server.id}`, edge, { method: "PATCH", body: { drain: drains } })));
  return button;
}

async function change(done, order) {
  try {
    await order();
    at("served").className = "soft";
    at("served").textContent = done;
    pollServers();
    return true;
  } catch (error) {
    at("served").className = "bad";
    at("served").textContent = error.message;
    return false;
  }
}

at("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [edge, pool] = JSON.parse(at("pool").value), address = at("address").value.trim();
  const body = { address, weight: Number(at("weight").value) || 1 };
  const added = await change(`${address} was added`, () =>
    ask(`pools/${encodeURIComponent(pool)}/servers`, edge, { method: "POST", body }));
  if (added) at("address").value = "";
});
