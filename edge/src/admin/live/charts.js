// The two pictures: requests by how they were answered, and percentiles of their time.

const LEFT = 60, BOTTOM = 20, TOP = 6, SECONDS = 120;
let hovered = -1, range = "minutes", place = "", longer = null;

// What is drawn: {all, steps: [{rates, times}]}, the newest last, and the words below it.
function shown() {
  if (range === "minutes") {
    return { all: SECONDS, steps: past.map((step) => step[place] || { rates: {}, times: {} }), words: ["2 min ago", "1 min ago", "now"] };
  }
  const kept = longer && longer[range] || { step_s: 10, steps: [] };
  const bounds = readings.length ? readings.at(-1).bounds : [];
  const steps = kept.steps.map((step) => ({
    rates: Object.fromEntries(Object.entries(answers(step)).map(([word, n]) => [word, n / kept.step_s])),
    times: percentiles(bounds, step.buckets),
  }));
  const [span, words] = range === "hour" ? [3600, ["1 hour ago", "30 min ago", "now"]] : [86400, ["1 day ago", "12 h ago", "now"]];
  return { all: Math.round(span / kept.step_s), steps, words };
}

// Of a server only calls are known, and those that failed.
const answers = ({ requests, calls, server_errors: errors }) =>
  place.startsWith('["server"') ? { miss: Math.max(0, calls - errors), error: errors } : requests;

// Axes: `label` makes a text of a height between 0 and 1. Returns what is needed to draw within them.
function axes(id, lines, label, words) {
  const canvas = at(id), pen = canvas.getContext("2d"), scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * scale;
  canvas.height = height * scale;
  pen.scale(scale, scale);
  const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue("--" + name);
  const y = (part) => height - BOTTOM - part * (height - BOTTOM - TOP);
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "right";
  for (let i = 0; i <= lines; i += 1) {
    pen.fillStyle = colour("line");
    pen.fillRect(LEFT, Math.round(y(i / lines)), width - LEFT, 1);
    pen.fillStyle = colour("soft");
    pen.fillText(label(i / lines), LEFT - 8, y(i / lines) + 4);
  }
  words.forEach((text, i) => {
    pen.textAlign = ["left", "center", "right"][i];
    pen.fillText(text, LEFT + ((width - LEFT) * i) / 2, height - 4);
  });
  return { pen, width, colour, y };
}

const figures = {};
for (const [word, meaning] of RESULTS) {
  const line = document.createElement("div"), colour = document.createElement("i"), text = document.createElement("span");
  colour.style.background = `var(--${word})`;
  text.textContent = word;
  const what = document.createElement("span");
  what.className = "soft";
  what.textContent = meaning;
  figures[word] = document.createElement("b");
  line.append(colour, text, what, figures[word]);
  at("legend").append(line);
}

function draw() {
  const { all, steps, words } = shown();
  const most = Math.max(1, ...steps.map((step) => sum(step.rates)));
  const unit = 10 ** Math.floor(Math.log10(most)), ceiling = [1, 2, 4, 8, 10].find((f) => f * unit >= most) * unit;
  const { pen, width, colour, y } = axes("chart", 4, (part) => count(part * ceiling), words);
  const bar = (width - LEFT) / all;
  steps.forEach((step, i) => {
    const x = LEFT + (all - steps.length + i) * bar;
    let below = 0;
    pen.globalAlpha = hovered >= 0 && hovered !== i ? 0.45 : 1;
    for (const [word] of RESULTS) {
      if (!step.rates[word]) continue;
      pen.fillStyle = colour(word);
      const above = below + step.rates[word];
      pen.fillRect(x, y(above / ceiling), Math.max(1, bar - (bar > 3 ? 1 : 0)), y(below / ceiling) - y(above / ceiling));
      below = above;
    }
  });
  pen.globalAlpha = 1;
  const told = (steps[hovered] || steps.at(-1) || { rates: {} }).rates;
  for (const [word] of RESULTS) figures[word].textContent = count(told[word] || 0);
  at("timestitle").textContent = place.startsWith('["server"') ? "Time to the head of the reply" : "Time to the last byte";
  drawTimes(all, steps, words);
}

// From 10 µs to 100 s: each line is ten times as much.
const DECADES = 7;
const decade = (power) => power < -3 ? 10 ** (power + 6) + " µs" : power < 0 ? 10 ** (power + 3) + " ms" : 10 ** power + " s";
function drawTimes(all, steps, words) {
  const height = (seconds) => Math.min(1, Math.max(0, (Math.log10(seconds) + 5) / DECADES));
  const label = (part) => decade(Math.round(part * DECADES) - 5);
  const { pen, width, colour, y } = axes("times", DECADES, label, words);
  const step = (width - LEFT) / all;
  for (const [name, , hue] of PERCENTILES) {
    pen.strokeStyle = colour(hue);
    pen.lineWidth = 1.6;
    pen.beginPath();
    let drawn = false;
    steps.forEach((one, i) => {
      const seconds = one.times[name];
      if (!(seconds > 0)) { drawn = false; return; }
      const x = LEFT + (all - steps.length + i + 0.5) * step;
      if (drawn) pen.lineTo(x, y(height(seconds))); else { pen.moveTo(x, y(height(seconds))); pen.lineTo(x + 1, y(height(seconds))); }
      drawn = true;
    });
    pen.stroke();
  }
}

at("chart").addEventListener("mousemove", (event) => {
  const { all, steps } = shown();
  hovered = Math.floor((event.offsetX - LEFT) / ((event.target.clientWidth - LEFT) / all)) - (all - steps.length);
  draw();
});
at("chart").addEventListener("mouseleave", () => { hovered = -1; draw(); });
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
at("ranges").addEventListener("change", (event) => {
  range = event.target.value;
  hovered = -1;
  pollHistory();
  draw();
});
at("place").addEventListener("change", (event) => {
  place = event.target.value;
  longer = null;
  pollHistory();
  draw();
});

const placeText = (key) => {
  const [kind, one, other] = JSON.parse(key);
  return kind === "server" ? `server ${other} (${one})` : `${one} ${other}`;
};
function showPlaces(now) {
  const keys = [...Object.keys(now.locations || {}), ...Object.keys(now.servers || {})];
  choices("place", [["", "everything"], ...keys.map((key) => [key, placeText(key)])], place);
}
