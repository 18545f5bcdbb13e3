/** The model by WASM, in a thread of its own, so that the page stays awake. */

import { env } from "onnxruntime-web";

import { load } from "../src/index.js";
import { serve } from "./serving.js";

env.wasm.wasmPaths = new URL("ort/", self.location.href).href;
env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
serve((progress) => load("model", { progress }), false);
