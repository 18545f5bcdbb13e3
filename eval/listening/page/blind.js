// Without names: which is closer to the original (preference), and is there a difference at all (ABX)?

import { el } from "./dom.js";

const letter = (index) => String.fromCharCode(65 + index);
const coin = (sides) => crypto.getRandomValues(new Uint32Array(1))[0] % sides;

function shuffled(items) {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i -= 1) {
    const j = coin(i + 1);
    [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
  }
  return mixed;
}

/** Chance of so many right answers, or more, by guessing. */
export function byChance(right, of) {
  let [ways, sum] = [1, 0];
  for (let k = 0; k <= of; k += 1) {
    if (k >= right) sum += ways;
    ways = (ways * (of - k)) / (k + 1);
  }
  return sum / 2 ** of;
}

/** Fills a dialog; tracks are [name, title]…, the original first. */
export function blindTest(dialog, player, tracks) {
  const body = el("div", {});
  const titles = new Map(tracks);
  const close = el("button", { type: "button", class: "quiet", text: "Close", onclick: () => dialog.close() });
  let keys = {}; // letter → what to do
  const hear = (label, name) => {
    keys[label.toLowerCase()] = () => player.play(name).then(paint);
    return el("button", { type: "button", class: "sound", text: label, "data-track": label, onclick: () => keys[label.toLowerCase()]() });
  };
  let playing = new Map(); // label → name, to show which one is heard
  const paint = () => {
    for (const button of body.querySelectorAll("[data-track]")) button.setAttribute("aria-pressed", String(playing.get(button.dataset.track) === player.current && heard === button.dataset.track));
  };
  let heard = "";
  const sounds = (pairs) => {
    playing = new Map(pairs);
    keys = {};
    heard = "";
    return pairs.map(([label, name]) => {
      const button = hear(label, name);
      button.addEventListener("click", () => (heard = label));
      return button;
    });
  };

  // Preference
  const wins = new Map();
  function preference() {
    const others = shuffled(tracks.slice(1).map(([name]) => name));
    const pairs = [["R", tracks[0][0]], ...others.map((name, i) => [letter(i), name])];
    const answers = others.map((name, i) => el("button", { type: "button", text: `${letter(i)} is closest`, onclick: () => reveal(name) }));
    const told = el("div", { role: "status" });
    function reveal(best) {
      wins.set(best, (wins.get(best) ?? 0) + 1);
      answers.forEach((button) => (button.disabled = true));
      const rounds = [...wins.values()].reduce((a, b) => a + b, 0);
      told.replaceChildren(
        el("p", { text: others.map((name, i) => `${letter(i)} was ${titles.get(name)}`).join(", ") + "." }),
        el("ul", {}, ...others.map((name) => el("li", { text: `${titles.get(name)}: closest in ${wins.get(name) ?? 0} of ${rounds}` }))),
        el("button", { type: "button", class: "primary", text: "Once more", onclick: () => preference() }),
      );
    }
    body.replaceChildren(el("p", { text: "R is the original. Which of the others is closest to it?" }), el("div", { class: "row" }, ...sounds(pairs)), el("div", { class: "row answers" }, ...answers), told);
    paint();
  }

  // ABX
  function abx(first, second) {
    let [right, of] = [0, 0];
    const told = el("p", { role: "status", text: "X is A or B, drawn anew every time." });
    let drawn = 0;
    const row = el("div", { class: "row" });
    const next = () => {
      drawn = coin(2);
      row.replaceChildren(...sounds([["A", first], ["B", second], ["X", [first, second][drawn]]]));
      paint();
    };
    const answer = (choice) => {
      of += 1;
      right += choice === drawn ? 1 : 0;
      const p = byChance(right, of);
      told.textContent = `${choice === drawn ? "Right" : "Wrong"}: ${right} of ${of}; by guessing as many or more in ${p < 0.001 ? "under 0.1" : (100 * p).toFixed(p < 0.1 ? 1 : 0)} % of tests.`;
      next();
    };
    const picks = [first, second].map((chosen, i) =>
      el("label", {}, `${letter(i)} `, el("select", { "aria-label": `Sound ${letter(i)}`, onchange: ({ target }) => abx(...(i ? [first, target.value] : [target.value, second])) }, ...tracks.map(([name, title]) => el("option", { value: name, text: title, selected: name === chosen })))));
    next();
    body.replaceChildren(el("div", { class: "row picks" }, ...picks), row, el("div", { class: "row answers" }, ...[0, 1].map((i) => el("button", { type: "button", text: `X is ${letter(i)}`, onclick: () => answer(i) }))), told);
  }

  const kinds = [["Preference", preference], ["ABX", () => abx(tracks[0][0], tracks[1][0])]];
  const tabs = kinds.map(([title, start]) => el("button", { type: "button", text: title, onclick: ({ target }) => begin(target, start) }));
  const begin = (tab, start) => {
    tabs.forEach((each) => each.setAttribute("aria-pressed", String(each === tab)));
    start();
  };
  dialog.replaceChildren(el("h2", { text: "Without names", id: "blind-title" }), el("div", { class: "row" }, ...tabs), body, el("p", { class: "muted", text: "Keys: letters hear a sound, 0 the original, Space pauses, Escape closes." }), close);
  dialog.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
    const original = [...playing].find(([each, name]) => name === tracks[0][0] && each !== "X")?.[0];
    const label = event.key === "0" && original ? original : event.key.toUpperCase(); // 0 is the original, as on every page
    if (event.key === " " && !event.target.matches("button")) player.playing ? player.pause() : player.play();
    else if (keys[label.toLowerCase()]) [heard] = [label, keys[label.toLowerCase()]()];
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  begin(tabs[0], preference);
  dialog.showModal();
}
