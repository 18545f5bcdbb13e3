/** The codec as its users see it: audio → tokens → audio. */

import { Engine, type EngineOptions, type ModelFiles, type Settings } from "./engine.js";
import { CodecError } from "./errors.js";
import { resample } from "./resample.js";
import { StreamDecoder, StreamEncoder } from "./streaming.js";
import { joinedCodes, joinedSamples, samplesAt, type Tokens } from "./tokens.js";

export interface WorkOptions {
  /** Told the share that is done, 0 … 1. */
  progress?: (share: number) => void;
  /** Ends the work between two windows, with the signal's reason. */
  signal?: AbortSignal;
}

export interface EncodeOptions extends WorkOptions {
  /** Tokens per second; default: 50. */
  rate?: number;
  /** Semantic vocabulary; default: 8192. */
  vocab?: number;
}

export interface DecodeOptions extends WorkOptions {
  /** Of the output in Hz; default: that of the original. */
  sampleRate?: number;
}

/** Seconds of audio that go in at once, so that work can be told of and ended. */
const PIECE_SECONDS = 5;
const MIN_SAMPLE_RATE = 1_000;
const MAX_SAMPLE_RATE = 768_000;

export class Codec {
  private readonly engine: Engine;

  constructor(files: ModelFiles, options: EngineOptions = {}) {
    this.engine = new Engine(files, options);
  }

  /** Of the model: tokens carry it, and only the same model decodes them. */
  get fingerprint(): string {
    return this.settings.fingerprint;
  }

  /** At which the model works, in Hz. */
  get sampleRate(): number {
    return this.settings.sample_rate;
  }

  /** Tokens per second that can be chosen, ascending. */
  get rates(): number[] {
    return Object.keys(this.settings.points)
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** Semantic vocabularies that can be chosen. */
  get vocabs(): number[] {
    return this.settings.vocabs;
  }

  /**
   * Encodes channels, each on its own.
   *
   * @param channels samples with full scale ±1, all equally many; what is no number counts as silence.
   * @throws CodecError unknown rate or vocabulary, no samples, or an impossible sample rate.
   */
  async encode(channels: Float32Array[], sampleRate: number, options: EncodeOptions = {}): Promise<Tokens> {
    const { rate = 50, vocab = 8192 } = options;
    const samples = channels[0]?.length ?? 0;
    if (!samples || channels.some((channel) => channel.length !== samples)) {
      throw new CodecError("there is no sound in it, or its channels differ in length");
    }
    checkRate(sampleRate);
    const [framesPerToken, streams] = this.point(rate);
    const codes: Int32Array[][] = [];
    for (const [index, channel] of channels.entries()) {
      const wave = resample(finite(channel), sampleRate, this.sampleRate);
      const stream = this.streamEncoder(rate, vocab);
      const piece = PIECE_SECONDS * this.sampleRate;
      const parts: Int32Array[][] = [];
      for (let start = 0; start < wave.length; start += piece) {
        parts.push(await stream.push(wave.subarray(start, start + piece)));
        await tell(options, (index + start / wave.length) / channels.length);
      }
      parts.push(await stream.flush());
      codes.push(joinedCodes(parts, streams));
    }
    await tell(options, 1);
    return {
      codes,
      samples,
      sampleRate,
      frameRate: this.frameRate(framesPerToken),
      codebookSizes: [vocab, ...this.settings.acoustic_sizes].slice(0, streams),
      model: this.fingerprint,
      modelRate: this.sampleRate,
    };
  }

  /**
   * Decodes to as many samples as the original had, within ±1.
   *
   * @throws CodecError another model made the tokens, or codes lie outside their codebooks.
   */
  async decode(tokens: Tokens, options: DecodeOptions = {}): Promise<Float32Array[]> {
    const outRate = options.sampleRate ?? tokens.sampleRate;
    checkRate(outRate);
    this.check(tokens);
    const [count, total] = [this.sampleRate, outRate].map((rate) => samplesAt(tokens.samples, tokens.sampleRate, rate));
    const output: Float32Array[] = [];
    for (const [index, streams] of tokens.codes.entries()) {
      const stream = this.streamDecoder(tokens);
      const piece = Math.ceil(PIECE_SECONDS * tokens.frameRate);
      const parts: Float32Array[] = [];
      for (let start = 0; start < streams[0].length; start += piece) {
        parts.push(await stream.push(streams.map((codes) => codes.slice(start, start + piece))));
        await tell(options, (index + start / streams[0].length) / tokens.codes.length);
      }
      parts.push(await stream.flush());
      const wave = resample(joinedSamples(parts).subarray(0, count), this.sampleRate, outRate);
      const sound = new Float32Array(total);
      sound.set(wave.subarray(0, total).map((sample) => Math.min(1, Math.max(-1, sample))));
      output.push(sound);
    }
    await tell(options, 1);
    return output;
  }

  /** An encoder to push samples of one channel into, at the model's rate. */
  streamEncoder(rate = 50, vocab = 8192): StreamEncoder {
    const [framesPerToken, streams] = this.point(rate);
    if (!this.vocabs.includes(vocab)) throw new CodecError(`vocabulary ${vocab} is not one of ${this.vocabs.join(", ")}`);
    return new StreamEncoder(this.engine, framesPerToken, streams, vocab);
  }

  /** A decoder to push codes of one channel into, of the rate and vocabulary of some tokens. */
  streamDecoder(tokens: Tokens): StreamDecoder {
    return new StreamDecoder(this.engine, this.check(tokens), tokens.codebookSizes[0]);
  }

  private get settings(): Settings {
    return this.engine.settings;
  }

  private frameRate(framesPerToken: number): number {
    return this.sampleRate / this.settings.frame_length / framesPerToken;
  }

  private point(rate: number): [number, number] {
    const found = this.settings.points[String(rate)];
    if (!found) throw new CodecError(`rate ${rate} is not one of ${this.rates.join(", ")} tokens/s`);
    return found;
  }

  /** Frames of 20 ms per token, of tokens that this model can decode. */
  private check(tokens: Tokens): number {
    if (tokens.model !== this.fingerprint) {
      throw new CodecError(`these tokens were made by model ${tokens.model}, not by ${this.fingerprint}; open them with that model`);
    }
    const points = Object.values(this.settings.points).filter(([frames]) => this.frameRate(frames) === tokens.frameRate);
    if (!points.length) throw new CodecError(`frame rate ${tokens.frameRate} Hz is none of this model's`);
    const most = Math.max(...points.map(([, streams]) => streams));
    const [vocab, ...acoustic] = tokens.codebookSizes;
    const isOther = (size: number, index: number): boolean => size !== this.settings.acoustic_sizes[index];
    if (!this.vocabs.includes(vocab) || tokens.codebookSizes.length > most || acoustic.some(isOther)) {
      throw new CodecError(`codebooks ${tokens.codebookSizes.join(", ")} are not this model's`);
    }
    const isOutside = (codes: Int32Array, stream: number): boolean =>
      codes.some((code) => code < 0 || code >= tokens.codebookSizes[stream]);
    if (tokens.codes.some((streams) => streams.some(isOutside))) throw new CodecError("codes lie outside their codebooks");
    return points[0][0];
  }
}

function checkRate(sampleRate: number): void {
  if (!Number.isInteger(sampleRate) || sampleRate < MIN_SAMPLE_RATE || sampleRate > MAX_SAMPLE_RATE) {
    throw new CodecError(`sample rate ${sampleRate} Hz is outside 1 kHz … 768 kHz`);
  }
}

function finite(channel: Float32Array): Float32Array {
  return channel.every(Number.isFinite) ? channel : channel.map((sample) => (Number.isFinite(sample) ? sample : 0));
}

async function tell(options: WorkOptions, share: number): Promise<void> {
  options.progress?.(share);
  if (options.signal) await new Promise((resolve) => setTimeout(resolve)); // lets the wish to stop come in
  options.signal?.throwIfAborted();
}
