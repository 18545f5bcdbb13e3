// The bar that stays in sight: play, every track, the clock, equal loudness.

import { el, sign } from "./dom.js";

export class Transport {
  #buttons = new Map(); // name → button

  constructor(root, player) {
    Object.assign(this, { root, player });
    this.toggle = el("button", { type: "button", class: "primary play", id: "toggle", text: "Play", onclick: () => (player.playing ? player.pause() : player.play()) });
    this.tracks = el("div", { class: "tracks", role: "group", "aria-label": "Sounds" });
    this.clock = el("output", { class: "clock", "aria-label": "Position" });
    root.replaceChildren(this.toggle, this.tracks, this.clock);
    player.addEventListener("change", () => this.paint());
  }

  /** The names in sight, in order. */
  get names() {
    return [...this.#buttons.keys()];
  }

  /** Shows these tracks, { name, title, sign }…; those that stay keep their buttons. */
  show(tracks) {
    const before = this.#buttons;
    this.#buttons = new Map(tracks.map(({ name, title, sign: mark }, i) => {
      const button = before.get(name) ?? el("button", { type: "button", class: "sound", onclick: () => this.player.play(name) });
      button.replaceChildren(el("kbd", { text: String(i) }), " ", sign(mark), title);
      return [name, button];
    }));
    this.tracks.replaceChildren(...this.#buttons.values());
    this.paint();
  }

  paint() {
    this.toggle.textContent = this.player.playing ? "Pause" : "Play";
    for (const [name, button] of this.#buttons) button.setAttribute("aria-pressed", String(name === this.player.current));
    const now = this.#buttons.get(this.player.current);
    if (now && this.tracks.scrollWidth > this.tracks.clientWidth) this.tracks.scrollLeft = now.offsetLeft - this.tracks.offsetLeft - 24;
  }

  tick() {
    const text = `${this.player.position.toFixed(1)} / ${(this.player.duration ?? 0).toFixed(1)} s`;
    if (this.clock.textContent !== text) this.clock.textContent = text;
  }
}

/** Factors that make all as loud as the quietest may be without clipping; or none at all. */
export function levels(tracks, equal) {
  if (!equal) return new Map();
  const gains = tracks.map(({ name, facts, peak }) => [name, 10 ** ((facts?.gain ?? 0) / 20), peak]);
  const highest = Math.max(...gains.map(([, gain, peak]) => gain * peak));
  const room = Math.min(1, 0.99 / (highest || 1));
  return new Map(gains.map(([name, gain]) => [name, gain * room]));
}
