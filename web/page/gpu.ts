/** The model on a GPU, if that gives what WASM gives; built with onnxruntime's file for WebGPU, which no other worker fetches. */

import { env } from "onnxruntime-web";

import { Codec, fetchModel, isFit } from "../src/index.js";
import { serve, UnfitError } from "./serving.js";

env.wasm.wasmPaths = new URL("ort/", self.location.href).href;
env.wasm.numThreads = 1;
serve(async (progress) => {
  const files = await fetchModel("model", progress).catch(() => undefined);
  const codec = files && new Codec(files, { executionProviders: ["webgpu"] });
  if (!codec || !(await isFit(codec, new Codec(files, { executionProviders: ["wasm"] })))) throw new UnfitError();
  return codec;
}, true);
