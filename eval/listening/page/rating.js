// The three ways to answer: sliders beside a reference, the better of two, an opinion. Each takes what a trial offers
// (make a `button` for a sound, `set` scores, `scores` so far, the trial `shown`) and gives its element, what to `update`
// when something changed, where to `focus`, what to do with a `key`, and the `keys` to tell of.

import { el } from "./dom.js";

const SCALE = ["bad", "poor", "fair", "good", "excellent"];
const IMPAIRMENT = ["very annoying", "annoying", "slightly annoying", "perceptible", "imperceptible"];
export const letter = (index) => String.fromCharCode(65 + index);

/** Sliders from 0 to 100. */
export function mushra(parts) {
  return sliders(parts, { min: 0, max: 100, step: 1, page: 10, words: SCALE, about: "closeness to the reference", word: (value) => SCALE[Math.min(4, Math.floor(value / 20))] });
}

/** Sliders from 1.0 to 5.0; one of the two sounds is the reference, and so beyond reproach. */
export function bs1116(parts) {
  const made = sliders(parts, { min: 1, max: 5, step: 0.1, page: 0.5, words: IMPAIRMENT, about: "impairment", word: (value) => IMPAIRMENT[Math.round(value) - 1] });
  const problem = () => (parts.shown.stimuli.some((id) => parts.scores[id] === 5) ? "" : "One of the two is the reference: one must be 5");
  return { ...made, problem };
}

/** Is X the one or the other? */
export function abx({ button, set, scores, shown }) {
  const [x] = shown.stimuli;
  const made = choices("X is", [["1", "A"], ["0", "B"]], x in scores ? String(scores[x]) : null, (value) => set({ [x]: Number(value) }));
  const sounds = [["A", shown.reference], ["B", shown.other], ["X", x]];
  return {
    ...made,
    node: el("div", {}, el("div", { class: "row pair" }, ...sounds.map(([name, id]) => button(id, name, " sound", name))), made.node),
    sound: (pressed) => new Map(sounds).get(pressed),
    keys: [["A", ""], ["B", ""], ["X", "hear a sound"], ["1 – 2", "answer"]],
  };
}

function sliders({ button, set, scores, shown }, { min, max, step, page, words, about, word }) {
  const made = shown.stimuli.map((id, i) => {
    const value = el("output", { class: "score" });
    const slider = el("input", { type: "range", min, max, step, value: scores[id] ?? min, "aria-label": `Sound ${letter(i)}: ${about}` });
    const paint = () => {
      const known = id in scores;
      value.textContent = known ? scores[id] : "–";
      slider.classList.toggle("unset", !known);
      slider.setAttribute("aria-valuetext", known ? `${scores[id]}, ${word(scores[id])}` : "not rated");
    };
    const moved = () => {
      value.textContent = slider.value;
      slider.classList.remove("unset");
    };
    const settled = () => {
      if (scores[id] !== Number(slider.value)) set({ [id]: Number(slider.value) });
    };
    slider.addEventListener("input", moved);
    for (const event of ["change", "pointerup"]) slider.addEventListener(event, settled); // pointerup: a click at 0 changes nothing
    slider.addEventListener("keydown", (event) => {
      const change = { PageUp: page, PageDown: -page }[event.key];
      if (change) {
        event.preventDefault();
        slider.value = Number(slider.value) + change;
      }
      if (change || event.key === "Home") settled();
    });
    paint();
    return { id, slider, value, paint };
  });
  const rows = made.map(({ id, slider, value }, i) => el("div", { class: "rate" }, button(id, letter(i), " sound", letter(i)), slider, value));
  return {
    node: el("div", { class: "mushra" }, el("div", { class: "rate scale", "aria-hidden": "true" }, el("span"), el("div", { class: "labels" }, ...words.map((text) => el("span", { text: text.replace("perceptible", "per\u00adcep\u00adtible") }))), el("span")), ...rows),
    update: () => made.forEach(({ paint }) => paint()),
    focus: (index) => made[index].slider.focus({ preventScroll: true }),
    keys: [[`A – ${letter(shown.stimuli.length - 1)}`, "hear a sound"], ["← →", "rate it"]],
  };
}

/** One answer out of several. */
function choices(legend, options, chosen, choose) {
  const inputs = options.map(([value, text], i) => [value, el("input", { type: "radio", name: "answer", value, checked: value === chosen, onchange: () => choose(value) }), text, i]);
  return {
    node: el("fieldset", {}, el("legend", { text: legend }), ...inputs.map(([, input, text]) => el("label", { class: "choice" }, input, text))),
    key: (pressed) => {
      const found = inputs[Number(pressed) - 1];
      if (!found) return false;
      found[1].checked = true;
      found[1].focus();
      choose(found[0]);
      return true;
    },
  };
}

/** The better of two, or neither. */
export function ab({ button, set, scores, shown }) {
  const [a, b] = shown.stimuli;
  const chosen = a in scores ? String(scores[a]) : null;
  const made = choices("Closer to the reference", [["1", "A"], ["0.5", "No difference"], ["0", "B"]], chosen, (value) => set({ [a]: Number(value), [b]: 1 - Number(value) }));
  return {
    ...made,
    node: el("div", {}, el("div", { class: "row pair" }, ...shown.stimuli.map((id, i) => button(id, letter(i), " sound", letter(i)))), made.node),
    keys: [["A", ""], ["B", "hear a sound"], ["1 – 3", "answer"]],
  };
}

/** An opinion from 1 to 5. */
export function acr({ set, scores, shown }) {
  const [id] = shown.stimuli;
  const options = [5, 4, 3, 2, 1].map((value) => [String(value), SCALE[value - 1]]);
  const made = choices("Quality", options, id in scores ? String(scores[id]) : null, (value) => set({ [id]: Number(value) }));
  return { ...made, node: el("div", { class: "acr" }, made.node), keys: [["1 – 5", "excellent … bad"]] };
}
