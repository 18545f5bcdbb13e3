/**
 * Discrete audio.
 *
 * `codes[channel][stream][frame]`: stream 0 is semantic, the others acoustic, most important first.
 */
export interface Tokens {
  codes: Int32Array[][];
  /** Samples of every channel, at `sampleRate`. */
  samples: number;
  /** Of the audio that was encoded, in Hz. */
  sampleRate: number;
  /** Frames per second. */
  frameRate: number;
  /** Of every stream. */
  codebookSizes: number[];
  /** Fingerprint of the model that made them, 16 hexadecimal digits. */
  model: string;
  /** Sample rate that this model works at, in Hz. */
  modelRate: number;
}

/** Bits that a code needs. */
export function bitsFor(codebookSize: number): number {
  return 32 - Math.clz32(codebookSize - 1);
}

/** Bits of one frame of one channel. */
export function frameBits(codebookSizes: readonly number[]): number {
  return codebookSizes.reduce((sum, size) => sum + bitsFor(size), 0);
}

/** Bits per second of one channel, before the container's overhead. */
export function bitrate(tokens: Tokens): number {
  return tokens.frameRate * frameBits(tokens.codebookSizes);
}

/** Samples at another rate that so many become, rounded up. */
export function samplesAt(samples: number, fromRate: number, toRate: number): number {
  return Math.ceil((samples * toRate) / fromRate);
}

/** Frames that cover so many samples: the audio is resampled, then filled up to a whole frame. */
export function countFrames(samples: number, sampleRate: number, frameRate: number, modelRate: number): number {
  const frameLength = Math.round(modelRate / frameRate);
  return Math.ceil((samples * modelRate) / (sampleRate * frameLength));
}

/** The same audio without its acoustic streams: the words, in nobody's voice. */
export function semanticOnly(tokens: Tokens): Tokens {
  return { ...tokens, codes: tokens.codes.map((streams) => streams.slice(0, 1)), codebookSizes: tokens.codebookSizes.slice(0, 1) };
}

/** Parts `[stream][frame]`, one behind the other. */
export function joinedCodes(parts: Int32Array[][], streams: number): Int32Array[] {
  return Array.from({ length: streams }, (_, stream) => {
    const whole = new Int32Array(parts.reduce((sum, part) => sum + part[stream].length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part[stream], at);
      at += part[stream].length;
    }
    return whole;
  });
}

/** Samples, one part behind the other. */
export function joinedSamples(parts: Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
