// The three ways to answer: sliders beside a reference, the better of two, an opinion. Each takes what a trial offers
// (make a `button` for a sound, `set` scores, `scores` so far, the trial `shown`) and gives its element, what to `update`
// when something changed, where to `focus`, what to do with a `key`, and the `keys` to tell of.

import { el } from "./dom.js";

const SCALE = ["bad", "poor", "fair", "good", "excellent"];
export const letter = (index) => String.fromCharCode(65 + index);

/** Sliders from 0 to 100. */
export function mushra({ button, set, scores, shown }) {
  const word = (value) => SCALE[Math.min(4, Math.floor(value / 20))];
  const sliders = shown.stimuli.map((id, i) => {
    const value = el("output", { class: "score" });
    const slider = el("input", { type: "range", min: 0, max: 100, step: 1, value: scores[id] ?? 0, "aria-label": `Sound ${letter(i)}: closeness to the reference` });
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
      const step = { PageUp: 10, PageDown: -10 }[event.key];
      if (step) {
        event.preventDefault();
        slider.value = Number(slider.value) + step;
      }
      if (step || event.key === "Home") settled();
    });
    paint();
    return { id, slider, value, paint };
  });
  const rows = sliders.map(({ id, slider, value }, i) => el("div", { class: "rate" }, button(id, letter(i), " sound", letter(i)), slider, value));
  return {
    node: el("div", { class: "mushra" }, el("div", { class: "rate scale", "aria-hidden": "true" }, el("span"), el("div", { class: "labels" }, ...SCALE.map((text) => el("span", { text }))), el("span")), ...rows),
    update: () => sliders.forEach(({ paint }) => paint()),
    focus: (index) => sliders[index].slider.focus({ preventScroll: true }),
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
