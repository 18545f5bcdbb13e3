/** The page as a folder that any static host serves: `node build.mjs MODEL [TARGET]`, where codec export --onnx MODEL --int8 made MODEL. */

import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

const [model, target = "dist"] = process.argv.slice(2);
const runtime = "node_modules/onnxruntime-web/dist";
const options = (engine) => ({
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  outdir: target,
  alias: { "onnxruntime-web": `onnxruntime-web/${engine}` },
  logLevel: "warning",
});
/** Twice as large as all the rest, and fetched only where there is a GPU. */
const runtimes = { wasm: "ort-wasm-simd-threaded", webgpu: "ort-wasm-simd-threaded.asyncify" };
const isLater = (name) => name === "gpu.js" || name.startsWith(`ort/${runtimes.webgpu}.`);

if (!model) throw new Error("name the folder that codec export --onnx FOLDER --int8 made");
rmSync(target, { recursive: true, force: true });
for (const folder of ["", "ort", "model", "examples"]) mkdirSync(join(target, folder), { recursive: true });
for (const name of ["index.html", "style.css"]) cpSync(join("page", name), join(target, name));
for (const name of Object.values(runtimes)) {
  for (const kind of ["mjs", "wasm"]) cpSync(join(runtime, `${name}.${kind}`), join(target, "ort", `${name}.${kind}`));
}
for (const name of ["onnx.json", "encoder.onnx", "decoder.onnx", "weights.bin.gz"]) cpSync(join(model, name), join(target, "model", name));
for (const name of ["speech.flac", "music.flac"]) cpSync(join("../tests/data", name), join(target, "examples", name));
await build({ ...options("wasm"), entryPoints: ["page/main.ts", "page/worker.ts"] });
await build({ ...options("webgpu"), entryPoints: ["page/gpu.ts"] });
const files = readdirSync(target, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(target.length + 1))
  .sort();
const digest = createHash("sha256");
for (const name of files) digest.update(name).update(readFileSync(join(target, name)));
await build({
  ...options("wasm"),
  entryPoints: ["page/service.ts"],
  define: {
    FILES: JSON.stringify(["./", ...files.filter((name) => !isLater(name))]),
    LATER: JSON.stringify(files.filter(isLater)),
    VERSION: JSON.stringify(digest.digest("hex").slice(0, 16)),
  },
});
