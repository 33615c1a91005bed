// Which edges there are, and how each is asked: this one directly, the others through it.

const MOST_EDGES = 32;
let token = "", me = "", others = [], chosen = "";

// The address of the page may hold the token, behind the #: it is never sent from there.
function findToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    history.replaceState(null, "", location.pathname);
    sessionStorage.setItem("weir-token", given);
  }
  token = sessionStorage.getItem("weir-token") || "";
}

// "" is this edge.
const watched = () => (chosen ? [chosen === me ? "" : chosen] : ["", ...others]);
const nameOf = (edge) => edge || me || "this edge";

async function ask(path, edge = "", { method = "GET", body, patience = 4000 } = {}) {
  const headers = token ? { authorization: "Bearer " + token } : {};
  if (body !== undefined) headers["content-type"] = "application/json";
  const url = edge ? `/api/v1/edges/${encodeURIComponent(edge)}/${path}` : `/api/v1/${path}`;
  const answer = await fetch(url, {
    method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(patience),
  });
  const text = await answer.text();
  if (!answer.ok) {
    const error = new Error(refusal(text) || answer.statusText);
    error.status = answer.status;
    throw error;
  }
  return JSON.parse(text);
}
function refusal(text) {
  try { return JSON.parse(text).error; } catch { return text.trim(); }
}

// The answers of all edges that are watched: [edge, answer]; of those that do not answer, [edge, undefined].
async function askAll(path, options) {
  return Promise.all(watched().map(async (edge) => {
    try { return [edge, await ask(path, edge, options)]; } catch { return [edge, undefined]; }
  }));
}

async function findEdges() {
  if (token) {
    try {
      const names = [...new Set((await ask("edges")).edges.map((edge) => edge.name))];
      others = names.filter((name) => name !== me).slice(0, MOST_EDGES - 1);
      at("refusal").textContent = "";
    } catch (error) {
      if (error.status === 401 || error.status === 403) forget(error.message);
    }
  }
  showEdgeChoice();
  setTimeout(findEdges, 5000);
}

function forget(why = "") {
  token = "";
  others = [];
  chosen = "";
  sessionStorage.removeItem("weir-token");
  at("refusal").textContent = why;
  showLock();
}

function showLock() {
  at("unlock").hidden = at("locked").hidden = Boolean(token);
  at("lock").hidden = at("hotcard").hidden = at("dearcard").hidden = !token;
  showEdgeChoice();
}

function showEdgeChoice() {
  at("edgecard").hidden = others.length === 0;
  choices("edge", [["", `all ${others.length + 1} edges`], ...[me, ...others].map((name) => [name, name])], chosen);
}

// Fills a select without closing it under somebody's hand.
function choices(id, options, value) {
  const select = at(id), wanted = JSON.stringify(options);
  if (select.dataset.options !== wanted) {
    select.replaceChildren(...options.map(([name, text]) => new Option(text, name)));
    select.dataset.options = wanted;
  }
  // What is no longer there is not chosen either: the first is.
  if (document.activeElement !== select && options.some(([name]) => name === value)) select.value = value;
}

at("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value.trim();
  at("token").value = "";
  sessionStorage.setItem("weir-token", token);
  showLock();
  pollNow();
});
at("lock").addEventListener("click", () => forget());
at("edge").addEventListener("change", (event) => {
  chosen = event.target.value;
  pollNow();
});
