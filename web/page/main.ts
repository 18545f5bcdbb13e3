/** The page: what is clicked, dropped and recorded, and what is shown. */

import { bitrate, read, semanticOnly, write, type Tokens } from "../src/index.js";
import { CancelledError, Client } from "./client.js";
import { decoded, fromFragment, SAMPLE_RATE, toFragment, wav } from "./files.js";
import { draw } from "./picture.js";
import { Player } from "./player.js";

function element<E extends HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

const status = element("status");
const versions = new Map<string, Float32Array[]>();
const addresses: string[] = [];
const player = new Player(() => {
  element("play").textContent = "Play";
  element("play").setAttribute("aria-pressed", "false");
});
const client = new Client((what, share) => {
  element<HTMLProgressElement>("progress").value = share;
  say(what === "loading" ? `Loading the model: ${Math.round(100 * share)} %` : "Working …");
});
let original: Float32Array[] | undefined;
let recorder: MediaRecorder | undefined;

function say(text: string, failed = false): void {
  status.textContent = text;
  status.classList.toggle("failed", failed);
}

/** Runs work with a bar and a way out; what fails is a sentence, and what was there stays. */
async function work(run: () => Promise<void>): Promise<void> {
  element("working").hidden = false;
  try {
    await run();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    say(error instanceof CancelledError ? "Cancelled; what was there is still there." : reason, !(error instanceof CancelledError));
  } finally {
    element("working").hidden = true;
  }
}

async function open(file: Blob): Promise<void> {
  await work(async () => {
    const head = new Uint8Array(await file.slice(0, 2).arrayBuffer());
    if (head[0] === 0x8b && head[1] === 0x53) {
      await show(read(new Uint8Array(await file.arrayBuffer())), undefined);
      return;
    }
    say("Reading …");
    await encode(await decoded(file));
  });
}

async function openExample(name: string): Promise<void> {
  const answer = await fetch(`examples/${name}`).catch(() => undefined);
  if (answer?.ok) await open(await answer.blob());
  else say("The example cannot be loaded; check the connection and try again.", true);
}

async function encode(channels: Float32Array[]): Promise<void> {
  const [rate, vocab] = ["rate", "vocab"].map((id) => Number(element<HTMLSelectElement>(id).value));
  await show(await client.encode(channels, SAMPLE_RATE, rate, vocab), channels);
}

async function show(tokens: Tokens, channels: Float32Array[] | undefined): Promise<void> {
  const found = { ...tokens, samples: Math.ceil((tokens.samples * SAMPLE_RATE) / tokens.sampleRate), sampleRate: SAMPLE_RATE };
  const coded = await client.decode(found);
  const semantic = await client.decode(semanticOnly(found));
  player.stop();
  original = channels;
  versions.clear();
  if (channels) versions.set("original", channels);
  versions.set("coded", coded).set("semantic", semantic);
  const bytes = write(tokens);
  const seconds = tokens.samples / tokens.sampleRate;
  const frames = tokens.codes[0][0].length;
  element("facts").textContent =
    `${seconds.toFixed(2)} s are ${frames * tokens.codes[0].length * tokens.codes.length} tokens: ` +
    `${((bitrate(tokens) * tokens.codes.length) / 1000).toFixed(2)} kbps · file ${bytes.length} bytes ` +
    `(${((bytes.length * 8) / seconds / 1000).toFixed(2)} kbps).`;
  element("tokens").textContent = tokens.codes.map((streams) => streams.map((stream) => stream.join(" ")).join("\n")).join("\n\n");
  offer("sct", new Blob([bytes as Uint8Array<ArrayBuffer>]));
  offer("wav", wav(coded, SAMPLE_RATE));
  offer("json", new Blob([JSON.stringify({ ...tokens, codes: tokens.codes.map((streams) => streams.map((each) => [...each])) })]));
  element<HTMLAnchorElement>("share").href = `#${toFragment(bytes)}`;
  element<HTMLInputElement>("players").querySelectorAll("input").forEach((input) => (input.disabled = !versions.has(input.value)));
  if (!versions.has(heard())) document.querySelector<HTMLInputElement>("input[value=coded]")!.checked = true;
  element("result").hidden = false;
  draw(element<HTMLCanvasElement>("picture"), versions.get(heard())![0]);
  say("Done.");
}

function offer(id: string, blob: Blob): void {
  const address = URL.createObjectURL(blob);
  addresses.push(address);
  element<HTMLAnchorElement>(id).href = address;
  if (addresses.length > 6) URL.revokeObjectURL(addresses.shift()!);
}

function heard(): string {
  return document.querySelector<HTMLInputElement>("input[name=heard]:checked")?.value ?? "coded";
}

async function record(): Promise<void> {
  if (recorder) {
    recorder.stop();
    return;
  }
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    say("There is no microphone that this page may use; allow it in the address bar, or open a file.", true);
    return;
  }
  const parts: Blob[] = [];
  recorder = new MediaRecorder(stream);
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.onstop = () => {
    stream.getTracks().forEach((track) => track.stop());
    recorder = undefined;
    element("record").textContent = "Record";
    void open(new Blob(parts));
  };
  recorder.start();
  element("record").textContent = "Stop";
  say("Recording …");
}

async function openLink(): Promise<void> {
  const fragment = location.hash.slice(1);
  if (fragment) await work(() => show(read(fromFragment(fragment)), undefined));
}

element("record").onclick = () => void record();
element("cancel").onclick = () => client.cancel();
element("play").onclick = () => {
  if (player.isPlaying) {
    player.stop();
    return;
  }
  player.start(versions, heard());
  element("play").textContent = "Stop";
  element("play").setAttribute("aria-pressed", "true");
};
element<HTMLInputElement>("file").onchange = ({ target }) => {
  const [file] = (target as HTMLInputElement).files ?? [];
  if (file) void open(file);
};
document.querySelectorAll<HTMLElement>("[data-example]").forEach((button) => {
  button.onclick = () => void openExample(button.dataset.example!);
});
for (const id of ["rate", "vocab"]) {
  element(id).onchange = () => {
    if (original) void work(() => encode(original!));
  };
}
document.querySelectorAll<HTMLInputElement>("input[name=heard]").forEach((input) => {
  input.onchange = () => {
    player.hear(input.value);
    draw(element<HTMLCanvasElement>("picture"), versions.get(input.value)![0]);
  };
});
/** 0 is the original, as on every page of ours; the space bar plays. */
document.addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || element("result").hidden || target.matches("select")) return;
  const input = /^[0-2]$/.test(event.key) ? document.querySelectorAll<HTMLInputElement>("input[name=heard]")[Number(event.key)] : undefined;
  if (input && !input.disabled) input.click();
  else if (event.key === " " && !target.matches("button, input, summary, a")) element("play").click();
  else return;
  event.preventDefault();
});
const drop = element("drop");
drop.ondragover = (event) => {
  event.preventDefault();
  drop.classList.add("over");
};
drop.ondragleave = () => drop.classList.remove("over");
drop.ondrop = (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const file = event.dataTransfer?.files[0];
  if (file) void open(file);
};
addEventListener("hashchange", () => void openLink());
if ("serviceWorker" in navigator) navigator.serviceWorker.register("service.js").catch(() => undefined); // works online without it
void openLink();
