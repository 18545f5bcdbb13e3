/** Brings a model's files from wherever a page lies. */

import { Codec } from "./codec.js";
import type { EngineOptions, Settings } from "./engine.js";
import { CodecError } from "./errors.js";

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
  const at = folder.replace(/\/$/, "");
  const settings = JSON.parse(new TextDecoder().decode(await fetched(`${at}/onnx.json`))) as Settings;
  const [encoder, decoder] = await Promise.all(["encoder", "decoder"].map((half) => fetched(`${at}/${half}.onnx`)));
  const weights = await fetched(`${at}/${WEIGHTS}`, options.progress);
  return new Codec({ settings, encoder, decoder, weights, weightsName: WEIGHTS }, options);
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
