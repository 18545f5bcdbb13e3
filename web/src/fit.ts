/** Whether other arithmetic than WASM's may take its place. */

import type { Codec } from "./codec.js";

/** What is asked of either. */
export type Coder = Pick<Codec, "encode" | "decode">;

const SAMPLE_RATE = 16_000;
const RATE = 50;
/** Of samples: far below what is heard, far above what rounding does. */
const LOUDEST_DIFFERENCE = 1e-3;

/**
 * Whether a coder, say on a GPU, gives the tokens and the sound of another, and sooner: on a second of sound, after a first
 * time in which programs for the GPU are made. What fails is not fit.
 */
export async function isFit(coder: Coder, known: Coder): Promise<boolean> {
  try {
    await coded(coder); // first, since what breaks breaks here
    const wanted = await coded(known);
    const found = await coded(coder);
    return (
      found.milliseconds < wanted.milliseconds &&
      found.codes.length === wanted.codes.length &&
      found.codes.every((stream, index) => stream.every((code, at) => code === wanted.codes[index][at])) &&
      found.wave.length === wanted.wave.length &&
      found.wave.every((sample, at) => Math.abs(sample - wanted.wave[at]) < LOUDEST_DIFFERENCE)
    );
  } catch {
    return false;
  }
}

async function coded(coder: Coder): Promise<{ codes: Int32Array[]; wave: Float32Array; milliseconds: number }> {
  const started = performance.now();
  const tokens = await coder.encode([probe()], SAMPLE_RATE, { rate: RATE });
  const [wave] = await coder.decode(tokens);
  return { codes: tokens.codes[0], wave, milliseconds: performance.now() - started };
}

/** A second in which a note with overtones rises over an octave, getting louder. */
function probe(): Float32Array {
  return Float32Array.from({ length: SAMPLE_RATE }, (_, index) => {
    const time = index / SAMPLE_RATE;
    const phase = 2 * Math.PI * 110 * (time + time ** 2 / 2);
    return 0.3 * (0.2 + time) * (Math.sin(phase) + Math.sin(2 * phase) / 2 + Math.sin(3 * phase) / 3);
  });
}
