// Try codecs on a sound of one's own.

import { el, notify } from "./dom.js";
import { Player, audioContext, decodeAll } from "./player.js";
import { drawSpectrogram, drawTokens } from "./spectrogram.js";
import { waveform } from "./waveform.js";

const HIGHEST = 16_000; // Hz that are shown at most
const LONGEST = 30; // s of a recording
const ORIGINAL = "original";
const player = new Player(audioContext());
window.player = player; // for tests and for the curious
const $ = (id) => document.getElementById(id);
let sound = null; // { id, sample_rate, outputs: Map name → facts }
let wave = null;
let files = new Map();
let turn = 0; // of the sound that is worked on; an older one stops when it sees another

class Refused extends Error {}

async function ask(path, body) {
  const answer = await fetch(path, body === undefined ? {} : { method: "POST", headers: { "x-codec": "ui" }, body });
  if (answer.ok) return answer;
  const { detail } = await answer.json().catch(() => ({}));
  throw new Refused(typeof detail === "string" ? detail : `The server refused this (${answer.status}).`);
}

const say = (text) => ($("status").textContent = text);
const chosen = () => [...document.querySelectorAll("#codecs input:checked")].map((input) => input.value);

function offer(name, about, checked) {
  if ([...document.querySelectorAll("#codecs input")].some((input) => input.value === name)) return;
  const input = el("input", { type: "checkbox", value: name, checked, onchange: () => sound && work() });
  $("codecs").append(el("label", { class: "choice", title: about }, input, name));
}

const offered = ask("api/codecs")
  .then((answer) => answer.json())
  .then((codecs) => codecs.forEach(({ name, about, chosen: on }) => offer(name, about, on)));

/** Takes a file or a recording. */
async function open(blob, what) {
  turn += 1;
  notify("");
  say(`Reading ${what} …`);
  try {
    sound = { ...(await (await ask("api/sounds", blob)).json()), outputs: new Map() };
    files = new Map([[ORIGINAL, await (await ask(`api/sounds/${sound.id}/0.wav`)).arrayBuffer()]]);
    await show();
    say(`${what}: ${sound.seconds.toFixed(1)} s at ${(sound.sample_rate / 1000).toFixed(1)} kHz`);
    await offered; // somebody may be faster than the list
    await work();
  } catch (error) {
    report(error);
  }
}

/** Runs the chosen codecs that have not run yet. */
async function work() {
  turn += 1;
  const mine = turn;
  for (const name of chosen()) {
    if (sound.outputs.has(name)) continue;
    notify(`${name} …`);
    try {
      const facts = await (await ask(`api/sounds/${sound.id}?name=${encodeURIComponent(name)}`, "")).json();
      const bytes = await (await ask(facts.wave)).arrayBuffer();
      if (turn !== mine) return;
      sound.outputs.set(name, facts);
      files.set(name, bytes);
    } catch (error) {
      if (turn !== mine) return;
      document.querySelector(`#codecs input[value="${CSS.escape(name)}"]`).checked = false;
      report(error);
      return;
    }
    await show();
    if (turn !== mine) return;
  }
  notify("");
  await show();
}

function report(error) {
  notify("");
  if (error instanceof Refused) say(error.message);
  else say(`Something went wrong: ${error.message}`);
  if (!(error instanceof Refused)) throw error;
}

/** The original and every chosen codec that is ready; goes on playing where it was. */
async function show() {
  const names = [ORIGINAL, ...chosen().filter((name) => sound.outputs.has(name))];
  const decoded = await decodeAll(names.map((name) => [name, files.get(name).slice(0)]));
  const { playing, position, current } = player;
  player.load(decoded);
  player.seek(Math.min(position, player.duration));
  player.current = names.includes(current) ? current : ORIGINAL;
  wave?.dispose();
  wave = waveform(player, decoded.get(ORIGINAL));
  $("wave").replaceChildren(wave.node);
  const toggle = el("button", { type: "button", class: "primary play", id: "toggle", onclick: () => (player.playing ? player.pause() : player.play()) });
  const buttons = names.map((name) => el("button", { type: "button", class: "sound", "aria-pressed": "false", text: name, onclick: () => player.play(name) }));
  $("tools").replaceChildren(toggle, ...buttons);
  $("panels").replaceChildren(...names.map((name) => panel(name, decoded.get(name))));
  $("listen").hidden = false;
  paint = () => {
    toggle.textContent = player.playing ? "Pause" : "Play";
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(player.current === button.textContent)));
    for (const node of $("panels").children) node.classList.toggle("current", node.dataset.name === player.current);
  };
  paint();
  if (playing) await player.play();
}
let paint = () => {};
player.addEventListener("change", () => paint());

function panel(name, buffer) {
  const facts = sound.outputs.get(name);
  const highest = Math.min(HIGHEST, sound.sample_rate / 2);
  const picture = el("canvas", { class: "spectrogram", role: "img", "aria-label": `Log-spectrogram of ${name}` });
  drawSpectrogram(picture, buffer.getChannelData(0), buffer.sampleRate, highest);
  const axis = [el("span", { class: "axis", text: `${(highest / 1000).toFixed(0)} kHz` }), el("span", { class: "axis low", text: "0" })];
  const box = el("div", { class: "picture" }, el("div", { class: "upper" }, picture, ...axis));
  let legend = null;
  if (facts?.codes.length) {
    const grid = el("canvas", { class: "tokens", role: "img", "aria-label": `Tokens of ${name}` });
    drawTokens(grid, facts.codes);
    box.append(grid);
    const count = facts.codes.length * facts.codes[0].length;
    const streams = name.startsWith("semcodec") ? ["semantic", "acoustic"].slice(0, facts.codes.length).join(" above ") : `${facts.codes.length} streams`;
    legend = el("p", { class: "legend", text: `${count} tokens, ${(facts.frame_rate * facts.codes.length).toFixed(0)} a second: ${streams}; equal colours are equal tokens` });
  }
  box.append(el("div", { class: "head" }));
  const plain = sound.seconds * sound.sample_rate * 2;
  const text = facts
    ? `${facts.kbps.toFixed(2)} kbps · ${size(facts.bytes)} · ${(plain / facts.bytes).toFixed(0)} times smaller`
    : `${((sound.sample_rate * 16) / 1000).toFixed(0)} kbps as 16-bit samples · ${size(plain)}`;
  const node = el("article", { class: "panel", onclick: () => player.play(name) }, el("header", {}, el("h2", { text: name }), el("span", { class: "facts", text })), box, legend);
  node.dataset.name = name;
  return node;
}

const size = (bytes) => (bytes < 1000 ? `${bytes} bytes` : bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

function heads() {
  const share = player.duration ? (100 * player.position) / player.duration : 0;
  for (const head of document.querySelectorAll(".head")) head.style.left = `${share}%`;
  requestAnimationFrame(heads);
}

// Recording

let recorder = null;
async function record() {
  if (recorder) return recorder.stop();
  let stream = null;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  } catch (error) {
    return say(`No microphone: ${error.message}`);
  }
  const parts = [];
  recorder = new MediaRecorder(stream);
  const stop = setTimeout(() => recorder?.stop(), LONGEST * 1000);
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.onstop = async () => {
    clearTimeout(stop);
    stream.getTracks().forEach((track) => track.stop());
    const blob = new Blob(parts, { type: recorder.mimeType });
    recorder = null;
    $("record").setAttribute("aria-pressed", "false");
    $("record").textContent = "Record";
    // Browsers record in formats that not every machine can read; samples can be read everywhere.
    const buffer = await audioContext().decodeAudioData(await blob.arrayBuffer());
    await open(wav(buffer.getChannelData(0), buffer.sampleRate), "Recording");
  };
  recorder.start();
  $("record").setAttribute("aria-pressed", "true");
  $("record").textContent = "Stop";
  say(`Recording, ${LONGEST} s at most …`);
}

/** A wav file of 16-bit mono samples. */
function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, value)) * 32767, true));
  return new Blob([view.buffer]);
}

$("file").addEventListener("change", ({ target }) => target.files[0] && open(target.files[0], target.files[0].name));
$("record").addEventListener("click", record);
$("more").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (!name) return;
  offer(name, "", true);
  $("name").value = "";
  if (sound) work();
});
for (const [type, over] of [["dragover", true], ["dragleave", false], ["drop", false]])
  document.addEventListener(type, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", over);
    const file = type === "drop" && event.dataTransfer.files[0];
    if (file) open(file, file.name);
  });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=text]") || !sound) return;
  const button = /^[1-9]$/.test(event.key) ? document.querySelectorAll("#tools .sound")[Number(event.key) - 1] : event.key === " " && !event.target.matches("button, input, label") ? $("toggle") : null;
  if (!button) return;
  event.preventDefault();
  button.click();
});
requestAnimationFrame(heads);
