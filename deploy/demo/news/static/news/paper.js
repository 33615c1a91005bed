// How long ago the page was made, ticking; and "/" to search. The site works without it.
"use strict";

const made = document.getElementById("made");
const age = document.getElementById("age");

function tick() {
  const seconds = Math.max(0, (Date.now() - Date.parse(made.dateTime)) / 1000);
  age.textContent = ` (${seconds.toFixed(1)} s)`;
}
tick();
setInterval(tick, 100);

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, textarea")) return;
  event.preventDefault();
  document.querySelector(".find input").focus();
});
