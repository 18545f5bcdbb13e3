// Try codecs on a sound of one's own.

import { blindTest } from "./blind.js";
import { el, sign } from "./dom.js";
import { openFile, openSamples } from "./opening.js";
import { panel } from "./panel.js";
import { Player, audioContext, decodeAll } from "./player.js";
import { Queue, chips } from "./queue.js";
import { startRecording } from "./recorder.js";
import { Refused, follow, get, send } from "./request.js";
import { Transport, levels } from "./transport.js";
import { waveform } from "./waveform.js";

const ORIGINAL = "original";
const player = new Player(audioContext());
window.player = player; // for tests and for the curious
const $ = (id) => document.getElementById(id);
const transport = new Transport($("transport"), player);
const queue = new Queue(work);
let sound = null; // as the server tells it
let wave = null;
let tracks = new Map(); // name → { name, title, buffer, facts, peak, place, sign, panel }

// What is offered and what is chosen

const inputs = () => [...document.querySelectorAll("#ours input, #others input")];
const nameOf = (input) => (input.dataset.rate ? `semcodec@${input.dataset.rate}${$("vocab").value === $("vocab").dataset.usual ? "" : `,vocab=${$("vocab").value}`}${input.dataset.semantic ? ",semantic" : ""}` : input.value);
const chosen = () => inputs().filter((input) => input.checked).map(nameOf);

function offerOurs({ rate, tokens, kbps, semantic, chosen: on, sign: mark }) {
  const input = el("input", { type: "checkbox", checked: on, "data-rate": rate, "data-semantic": semantic || null, onchange: choose });
  const cost = el("span", { class: "muted" });
  input.paint = () => (cost.textContent = `${kbps[$("vocab").value].toFixed(2)} kbps · ${perMinute(kbps[$("vocab").value])} kB a minute`);
  $("ours").append(el("label", { class: "choice" }, input, el("span", {}, sign(mark), el("b", { text: `${tokens} tokens/s` }), semantic ? " meaning alone" : "", el("br"), cost)));
}

function offerOther(name, about, checked, mark = null) {
  const there = inputs().find((input) => nameOf(input) === name);
  if (there) return (there.checked = there.checked || checked);
  const input = el("input", { type: "checkbox", value: name, checked, onchange: choose });
  return $("others").append(el("label", { class: "choice", title: about }, input, el("span", {}, mark && sign(mark), name)));
}

const offered = get("api/codecs").then((answer) => answer.json()).then(({ vocab, vocabs, ours, others, examples }) => {
  $("vocab").append(...vocabs.map((each) => el("option", { value: each, text: String(each), selected: each === vocab })));
  $("vocab").dataset.usual = vocab;
  ours.forEach(offerOurs);
  others.forEach(({ name, about, sign: mark }) => offerOther(name, about, false, mark));
  for (const [file, title] of Object.entries(examples)) $("examples").append(el("button", { type: "button", class: "quiet", text: title, onclick: () => open(title, (progress) => send(`api/examples/${file}`, "", progress)) }));
  paintCosts();
});
const perMinute = (kbps) => ((kbps * 60) / 8).toPrecision(2);
const paintCosts = () => inputs().forEach((input) => input.paint?.());

/** After every change of what is ticked: asks for what is missing, lets go of what is no longer wanted, shows the rest. */
function choose() {
  paintCosts();
  if (!sound) return;
  const wanted = chosen();
  for (const job of queue.open) if (!wanted.includes(job.name)) queue.drop(job.name);
  for (const name of wanted) if (!tracks.has(name) && !queue.open.some((job) => job.name === name)) queue.want(name);
  show();
}

function cancel(name) {
  const input = inputs().find((each) => nameOf(each) === name);
  if (input) input.checked = false;
  queue.drop(name);
  choose();
}
chips(queue, $("queue"), cancel);

// Opening

let turn = 0; // of what is opened; an older one is forgotten

/** Takes a file, a recording, an example: `fetchSound(progress)` gives what the server knows of it. */
async function open(what, fetchSound) {
  turn += 1;
  const mine = turn;
  refuse("");
  say(`Reading ${what} …`);
  const progress = (share) => ([$("sent").hidden, $("sent").value] = [share >= 1, share]);
  try {
    const opened = await fetchSound(progress);
    const place = `api/sounds/${opened.id}/0`;
    const decoded = await decodeAll([[ORIGINAL, await (await get(`${place}.wav`)).arrayBuffer()]]);
    await offered; // somebody may be faster than the list
    if (turn !== mine) return;
    queue.clear();
    sound = opened;
    player.load(decoded);
    player.current = ORIGINAL;
    const title = sound.source ? "decoded" : ORIGINAL;
    tracks = new Map([[ORIGINAL, { name: ORIGINAL, title, buffer: decoded.get(ORIGINAL), facts: sound.source, peak: sound.peak, place, sign: sound.sign }]]);
    wave?.dispose();
    wave = waveform(player, decoded.get(ORIGINAL));
    $("wave").replaceChildren(wave.node);
    $("panels").replaceChildren();
    $("listen").hidden = false;
    say(`${what}: ${sound.seconds.toFixed(1)} s at ${(sound.sample_rate / 1000).toFixed(1)} kHz`);
    if (sound.source) inputs().forEach((input) => (input.checked = false)); // there is no original to compare with
    choose();
  } catch (error) {
    if (turn !== mine) return;
    say(sound ? `${sound.name} is still open.` : "The first minute is used, all channels together.");
    refuse(error.message.includes(what) ? error.message : `${what}: ${error.message}`);
    if (!(error instanceof Refused)) throw error;
  } finally {
    $("sent").hidden = true;
  }
}

const say = (text) => ($("status").textContent = text);

function refuse(text) {
  $("refused").hidden = !text;
  $("refused").replaceChildren(...(text ? [el("p", { class: "problem", text }), el("button", { type: "button", class: "quiet", text: "Dismiss", onclick: () => refuse("") })] : []));
}

// Work and its results

/** One codec on the open sound: steps, then the track, then its distance. */
async function work(name, step, signal) {
  const { id } = sound;
  let failed = null;
  for await (const told of follow(`api/sounds/${id}?name=${encodeURIComponent(name)}`, signal)) {
    if (told.step) step(told.step);
    else if (told.error) failed = told.error;
    else if (told.done) {
      const bytes = await (await get(`${told.done.place}.wav`)).arrayBuffer();
      const buffer = (await decodeAll([[name, bytes]])).get(name);
      signal.throwIfAborted();
      tracks.set(name, { name, title: name, buffer, facts: told.done, peak: told.done.peak, place: told.done.place, sign: told.done.sign });
      player.add(name, buffer);
      show();
    } else if (told.distances && tracks.has(name)) Object.assign(tracks.get(name).facts, told.distances);
  }
  if (failed) throw new Refused(failed);
}

/** The original and every chosen codec that is ready. */
function show() {
  const wanted = [ORIGINAL, ...chosen()].map((name) => tracks.get(name)).filter(Boolean);
  for (const track of wanted) track.panel ??= panel(track, sound, player, (name) => player.play(name));
  const nodes = wanted.map((track) => track.panel.node);
  for (const node of [...$("panels").children]) if (!nodes.includes(node)) node.remove();
  nodes.forEach((node, i) => $("panels").children[i] !== node && $("panels").insertBefore(node, $("panels").children[i] ?? null));
  transport.show(wanted);
  player.setLevels(levels(wanted, $("equal").checked));
  if (!transport.names.includes(player.current)) player.select(ORIGINAL);
  $("blind").disabled = wanted.length < 2;
}
player.addEventListener("change", () => tracks.forEach((track) => track.panel?.mark()));

(function frame() {
  transport.tick();
  for (const name of transport.names) tracks.get(name)?.panel?.tick();
  requestAnimationFrame(frame);
})();

// Recording

let recording = null;
async function record() {
  if (recording) return recording.stop();
  refuse("");
  const done = (samples, rate) => {
    recording = null;
    [$("meter").hidden, $("record").textContent] = [true, "Record"];
    $("record").setAttribute("aria-pressed", "false");
    return open("Recording", (progress) => openSamples(samples, rate, "recording.wav", progress));
  };
  const paint = (level, seconds) => ([$("level").value, $("recorded").textContent] = [level, `${seconds.toFixed(1)} s`]);
  try {
    recording = await startRecording(paint, done);
  } catch (error) {
    return refuse(`No microphone: ${error.message}`);
  }
  [$("meter").hidden, $("record").textContent] = [false, "Stop"];
  $("record").setAttribute("aria-pressed", "true");
  return say("Recording; a minute at most.");
}

// What people do

const take = (file) => file && open(file.name, (progress) => openFile(file, progress));
$("file").addEventListener("change", ({ target }) => {
  take(target.files[0]);
  target.value = ""; // the same file again is a change, too
});
$("record").addEventListener("click", record);
$("vocab").addEventListener("change", choose);
$("equal").addEventListener("change", () => sound && show());
$("blind").addEventListener("click", () => blindTest($("dialog"), player, transport.names.map((name) => [name, tracks.get(name).title])));
$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (!name) return;
  offerOther(name, "", true);
  $("name").value = "";
  choose();
});
for (const [type, over] of [["dragover", true], ["dragleave", false], ["drop", false]])
  document.addEventListener(type, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", over);
    if (type === "drop") take(event.dataTransfer.files[0]);
  });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !sound || $("dialog").open || event.target.matches("input[type=text], select")) return;
  const name = /^[0-9]$/.test(event.key) ? transport.names[Number(event.key)] : null;
  const step = event.target.matches("input") ? 0 : { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (name) player.play(name);
  else if (step) player.seek(player.position + step);
  else if (event.key === " " && !event.target.matches("button, input, label, summary, a")) transport.toggle.click();
  else return;
  event.preventDefault();
});
