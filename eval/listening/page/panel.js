// What is seen of a sound: its log-spectrogram with its axes, its tokens, what it costs, how far it is from the original.

import { el, sign } from "./dom.js";
import { FLOOR, TOP, drawScale, drawSpectrogram, drawTokens } from "./spectrogram.js";

const HIGHEST = 16_000; // Hz that are shown at most

export const size = (bytes) => (bytes < 1000 ? `${bytes} bytes` : bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const plain = (value) => value.toFixed(2).replace(/\.?0+$/, "");

/** "50 tokens/s · 0.65 kbps · file 1.2 kB": what is sent, and the file beside it. */
export function costs(facts) {
  const parts = [facts.rate ? `${plain(facts.rate)} tokens/s` : "", `${facts.kbps.toFixed(2)} kbps`];
  if (facts.bytes !== null) parts.push(`file ${size(facts.bytes)}${facts.file_kbps ? ` (${facts.file_kbps.toFixed(2)} kbps)` : ""}`);
  return parts.filter(Boolean).join(" · ");
}

/** A panel of a track { name, title, buffer, facts, place, sign }; gives its element, and `tick()` to call while time passes. */
export function panel(track, sound, player, choose) {
  const { name, title, buffer, facts } = track;
  const highest = Math.min(HIGHEST, sound.sample_rate / 2);
  const spectrogram = el("canvas", { class: "spectrogram", "aria-hidden": "true" });
  drawSpectrogram(spectrogram, buffer.getChannelData(0), buffer.sampleRate, highest);
  const head = el("div", { class: "head" });
  const grid = facts?.codes.length ? el("canvas", { class: "tokens", "aria-hidden": "true" }) : null;
  if (grid) drawTokens(grid, facts.codes);
  const axis = [el("span", { class: "axis", text: `${(highest / 1000).toFixed(0)} kHz` }), el("span", { class: "axis low", text: "0" })];
  const seek = el("div", { class: "seek", role: "slider", tabindex: 0, "aria-label": `Position in ${title}`, "aria-valuemin": 0, "aria-valuemax": player.duration.toFixed(1), "aria-valuenow": 0 }, el("div", { class: "upper" }, spectrogram, ...axis), grid, head);
  const readout = grid ? el("p", { class: "legend readout" }) : null;
  const distance = el("span", { class: "distance" });
  const button = el("button", { type: "button", class: "quiet name", "aria-pressed": "false", onclick: () => choose(name) }, sign(track.sign), title);
  const node = el("article", { class: "panel", "aria-label": title }, el("header", {}, el("h2", {}, button), el("span", { class: "facts", text: told(track, sound) }), distance), seek, times(player.duration), readout, el("footer", {}, scale(), downloads(track, sound)));
  let pointed = null; // s, where the pointer is
  const secondsAt = (event) => {
    const box = seek.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * player.duration;
  };
  seek.addEventListener("click", (event) => {
    choose(name);
    player.seek(secondsAt(event));
  });
  seek.addEventListener("pointermove", (event) => (pointed = secondsAt(event)));
  seek.addEventListener("pointerleave", () => (pointed = null));
  seek.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, PageUp: 5, PageDown: -5 }[event.key];
    if (step) player.seek(player.position + step);
    else if (event.key === "Home") player.seek(0);
    else if (event.key === "Enter") choose(name);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  function tick() {
    const { position, duration } = player;
    head.style.left = `${duration ? (100 * position) / duration : 0}%`;
    const now = position.toFixed(1);
    if (seek.getAttribute("aria-valuenow") !== now) {
      seek.setAttribute("aria-valuenow", now);
      seek.setAttribute("aria-valuetext", `${now} of ${duration.toFixed(1)} seconds`);
    }
    if (readout) change(readout, tokensAt(track, pointed ?? position));
    change(distance, distanceAt(facts, position));
  }
  const mark = () => {
    node.classList.toggle("current", player.current === name);
    button.setAttribute("aria-pressed", String(player.current === name));
  };
  return { node, tick, mark };
}

function change(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function told({ facts }, sound) {
  const samples = sound.seconds * sound.sample_rate * 2;
  if (!facts) return `${((sound.sample_rate * 16) / 1000).toFixed(0)} kbps as 16-bit samples · ${size(samples)}`;
  return costs(facts) + (facts.bytes ? ` · ${(samples / facts.bytes).toFixed(0)} times smaller` : "");
}

function distanceAt(facts, position) {
  if (facts?.mel_distance === undefined) return "";
  const here = facts.pieces[Math.min(Math.floor(position / facts.seconds), facts.pieces.length - 1)];
  return `mel distance ${facts.mel_distance.toFixed(2)}${here === undefined ? "" : `, here ${here.toFixed(2)}`}`;
}

/** The tokens of a moment: "at 1.24 s: semantic 4821, acoustic 12 7 3". */
function tokensAt({ facts }, seconds) {
  const at = Math.min(Math.floor(seconds * facts.frame_rate), facts.codes[0].length - 1);
  const codes = facts.codes.map((stream) => stream[at]);
  const numbers = facts.container ? `semantic ${codes[0]}${codes.length > 1 ? `, acoustic ${codes.slice(1).join(" ")}` : ""}` : codes.join(" ");
  return `token ${at + 1} of ${facts.codes[0].length} at ${(at / facts.frame_rate).toFixed(2)} s: ${numbers}`;
}

/** A ruler below the picture. */
function times(duration) {
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10].find((each) => duration / each <= 8) ?? 10;
  const marks = Array.from({ length: Math.floor(duration / step - 0.4) + 1 }, (_, i) => {
    const mark = el("span", { text: i ? plain(i * step) : "0 s" });
    mark.style.left = `${(100 * i * step) / duration}%`;
    return mark;
  });
  return el("div", { class: "times", "aria-hidden": "true" }, ...marks);
}

function scale() {
  const bar = el("canvas", { "aria-hidden": "true" });
  drawScale(bar);
  return el("span", { class: "scale" }, `${FLOOR}`.replace("-", "−"), bar, `${TOP} dB`.replace("-", "−"));
}

function downloads({ name, title, facts, place }, sound) {
  const stem = sound.name.replace(/\.[^.]*$/, "") || "sound";
  const kinds = [["wav", "sound"], ...(facts?.container ? [["sct", "tokens"]] : []), ...(facts?.codes.length ? [["json", "numbers"]] : [])];
  const links = kinds.map(([kind, about]) => el("a", { href: `${place}.${kind}`, download: `${stem}${facts ? `.${name}` : ""}.${kind}`, text: `.${kind}`, "aria-label": `Download ${title} as .${kind} (${about})` }));
  return el("span", { class: "downloads" }, "Save ", ...links);
}
