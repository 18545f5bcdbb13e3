/** Brings a model's files from wherever a page lies. */

import { Codec } from "./codec.js";
import type { EngineOptions, ModelFiles, Settings } from "./engine.js";
import { CodecError } from "./errors.js";

/** As graphs call it. */
const WEIGHTS = "weights.bin";

/**
 * Loads a folder that `codec export --onnx FOLDER --int8` made.
 *
 * @param folder its address, with or without a slash at its end.
 * @throws CodecError a file is not there, or is no model's.
 */
export async function load(
  folder: string,
  options: EngineOptions & { progress?: (share: number) => void } = {},
): Promise<Codec> {
  return new Codec(await fetchModel(folder, options.progress), options);
}

/** The files alone, for who makes several codecs of them; as `load`. */
export async function fetchModel(folder: string, progress?: (share: number) => void): Promise<ModelFiles> {
  const at = folder.replace(/\/$/, "");
  const settings = JSON.parse(new TextDecoder().decode(await fetched(`${at}/onnx.json`))) as Settings;
  const [encoder, decoder] = await Promise.all(["encoder", "decoder"].map((half) => fetched(`${at}/${half}.onnx`)));
  const weights = await unpacked(await fetched(`${at}/${WEIGHTS}.gz`, progress));
  return { settings, encoder, decoder, weights, weightsName: WEIGHTS };
}

/** What gzip packed, unless a host that names it as an encoding made the browser unpack it already. */
async function unpacked(data: Uint8Array): Promise<Uint8Array> {
  if (data[0] !== 0x1f || data[1] !== 0x8b || data[2] !== 8) return data;
  const plain = new Blob([data as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  try {
    return new Uint8Array(await new Response(plain).arrayBuffer());
  } catch {
    throw new CodecError("the model did not arrive whole; reload the page");
  }
}

async function fetched(address: string, progress?: (share: number) => void): Promise<Uint8Array> {
  const response = await fetch(address).catch(() => undefined);
  if (!response?.ok || !response.body) throw new CodecError(`${address} cannot be loaded; check the connection and try again`);
  const total = Number(response.headers.get("content-length"));
  const parts: Uint8Array[] = [];
  let count = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    count += part.value.length;
    if (total) progress?.(Math.min(1, count / total));
  }
  const whole = new Uint8Array(count);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
