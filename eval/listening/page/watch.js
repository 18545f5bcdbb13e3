// For who runs a test: raters and trials, fetched again and again.

import { el, notify } from "./dom.js";

const EVERY = 5000; // ms

function table(heading, columns, rows) {
  const head = el("tr", {}, ...columns.map((text) => el("th", { scope: "col", text })));
  return el("section", { class: "card" }, el("h2", { text: heading }), el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": heading }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows))));
}

const row = (first, ...cells) => el("tr", {}, el("th", { scope: "row", text: first, title: first }), ...cells.map((cell) => el("td", {}, cell)));

function ago(stamp) {
  const minutes = (Date.now() - Date.parse(stamp)) / 60000;
  return minutes < 1 ? "now" : minutes < 90 ? `${Math.round(minutes)} min ago` : minutes < 2880 ? `${Math.round(minutes / 60)} h ago` : `${Math.round(minutes / 1440)} days ago`;
}

/** Puts these in the place of what is there; tables stay where somebody has scrolled them, and keep the focus. */
function replace(main, ...nodes) {
  const before = [...main.querySelectorAll(".scroll")];
  const places = before.map((box) => [box.scrollLeft, box === document.activeElement]);
  main.replaceChildren(...nodes);
  [...main.querySelectorAll(".scroll")].forEach((box, i) => {
    const [left, focused] = places[i] ?? [0, false];
    box.scrollLeft = left;
    if (focused) box.focus({ preventScroll: true });
  });
}

const times = (count) => ["never", "once", "twice"][count] ?? `${count} times`;

function show({ title, closes, raters, trials }) {
  document.getElementById("title").textContent = title;
  document.getElementById("when").textContent = closes ? `open until ${new Date(closes).toLocaleString()}` : "open without end";
  const complete = raters.filter(({ finished, planned }) => finished === planned).length;
  const least = Math.min(...trials.map(({ heard }) => heard));
  const missing = trials.filter(({ heard }) => heard === least);
  const people = raters.map(({ name, finished, planned, setup, seconds, last }) => row(name,
    el("span", { class: "progress" }, el("progress", { max: planned, value: finished, "aria-label": `Trials of ${name}` }), ` ${finished} of ${planned}`),
    setup ? "done" : "not yet", seconds === null ? "–" : `${seconds.toFixed(0)} s`, ago(last)));
  const sounds = [...trials].sort((a, b) => a.heard - b.heard).map(({ clip, domain, heard }) => row(clip, domain, String(heard)));
  replace(document.getElementById("main"),
    el("h1", { text: `${raters.length} ${raters.length === 1 ? "rater" : "raters"}, ${complete} finished` }),
    el("p", { class: "lead", text: least === 0 ? `${missing.length} of ${trials.length} trials were heard by nobody yet.` : `Every trial was heard ${times(least)}${missing.length < trials.length ? ` at least; ${missing.length} of ${trials.length} no more often` : ""}.` }),
    table("Raters", ["name", "trials", "set-up", "a trial takes", "last seen"], people),
    table("Trials, the least heard first", ["clip", "domain", "heard"], sounds),
  );
}

async function watch() {
  try {
    const answer = await fetch("api/watch", { headers: { authorization: `Bearer ${location.hash.slice(1)}` } });
    const told = await answer.json();
    notify(answer.ok ? "" : told.detail);
    if (answer.ok) show(told);
    if (answer.status === 401) return;
  } catch {
    notify("The server does not answer; this page asks again.");
  }
  setTimeout(watch, EVERY);
}
watch();
