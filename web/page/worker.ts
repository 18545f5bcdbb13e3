/** The model, in a thread of its own, so that the page stays awake. */

import { env } from "onnxruntime-web";

import { load, type Codec } from "../src/index.js";
import type { Ask, Told } from "./messages.js";

env.wasm.wasmPaths = new URL("ort/", self.location.href).href;
env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
let codec: Promise<Codec> | undefined;

self.addEventListener("message", async ({ data: ask }: MessageEvent<Ask>) => {
  const tell = (told: Told): void => self.postMessage(told);
  const { id } = ask;
  try {
    codec ??= load("model", { progress: (share) => tell({ kind: "share", id, what: "loading", share }) });
    const model = await codec;
    const progress = (share: number): void => tell({ kind: "share", id, what: "working", share });
    if (ask.kind === "encode") {
      const { channels, sampleRate, rate, vocab } = ask;
      tell({ kind: "encoded", id, tokens: await model.encode(channels, sampleRate, { rate, vocab, progress }) });
    } else {
      tell({ kind: "decoded", id, channels: await model.decode(ask.tokens, { progress }) });
    }
  } catch (error) {
    codec = undefined; // what could not be loaded is tried again
    tell({ kind: "failed", id, reason: error instanceof Error ? error.message : String(error) });
  }
});
