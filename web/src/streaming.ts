/** Encoding and decoding piece by piece, in the windows of the Python package: a stream gives what a whole file gives. */

import { START, type Engine, type State } from "./engine.js";
import { CodecError } from "./errors.js";
import { joinedCodes, joinedSamples } from "./tokens.js";

/** Frames of 20 ms that a window adds. */
const CORE = 1024;

interface Span {
  left: number;
  start: number;
  stop: number;
  right: number;
}

/** Turns pushed samples of one channel, at the model's rate, into codes. */
export class StreamEncoder {
  private wave: Float32Array = new Float32Array(0);
  private begin = 0;
  private next = 0;
  private ended = false;

  constructor(
    private readonly engine: Engine,
    private readonly framesPerToken: number,
    private readonly streams: number,
    private readonly vocab: number,
  ) {}

  /** Samples → codes `[stream][frame]` that are known by now. */
  async push(samples: Float32Array): Promise<Int32Array[]> {
    requireOpen(this.ended);
    this.wave = joinedSamples([this.wave, samples]);
    return this.windows(false);
  }

  /** The codes of everything that was pushed and still waits; the stream ends with it. */
  async flush(): Promise<Int32Array[]> {
    requireOpen(this.ended);
    this.ended = true;
    return this.windows(true);
  }

  private async windows(final: boolean): Promise<Int32Array[]> {
    const { frame_length: hop, edge, encoder_context: context } = this.engine.settings;
    const parts: Int32Array[][] = [];
    for (let span = this.span(final); span; span = this.span(final)) {
      const { left, start, stop, right } = span;
      const wave = this.slice(left * hop - edge, right * hop + edge);
      const codes = await this.engine.encode(wave, this.framesPerToken, this.vocab);
      const [from, to] = [start - left, stop - left].map((frames) => frames / this.framesPerToken);
      parts.push(codes.slice(0, this.streams).map((stream) => stream.slice(from, to)));
      this.next = stop;
      this.drop((stop - context) * hop - edge);
    }
    return joinedCodes(parts, this.streams);
  }

  private span(final: boolean): Span | undefined {
    const { frame_length: hop, edge, encoder_context: context } = this.engine.settings;
    const ahead = upTo(context, this.framesPerToken);
    const received = this.begin + this.wave.length;
    const total = Math.ceil(received / (hop * this.framesPerToken)) * this.framesPerToken;
    const start = this.next;
    const stop = start + upTo(CORE, this.framesPerToken);
    if (final ? start >= total : (stop + ahead) * hop + edge > received) return undefined;
    const limit = final ? total : stop + ahead;
    return { left: Math.max(0, start - context), start, stop: Math.min(stop, limit), right: Math.min(stop + ahead, limit) };
  }

  /** Samples of the stream; zeros before its beginning and after its end. */
  private slice(start: number, stop: number): Float32Array {
    const window = new Float32Array(stop - start);
    window.set(this.wave.subarray(Math.max(0, start - this.begin), Math.max(0, stop - this.begin)), Math.max(0, -start));
    return window;
  }

  private drop(start: number): void {
    if (start <= this.begin) return;
    this.wave = this.wave.slice(start - this.begin);
    this.begin = start;
  }
}

/** Turns pushed codes of one channel into samples at the model's rate, within ±1. */
export class StreamDecoder {
  private codes: Int32Array[] = [];
  private begin = 0;
  private next = 0;
  private state: State = START;
  private ended = false;

  constructor(
    private readonly engine: Engine,
    private readonly framesPerToken: number,
    private readonly vocab: number,
  ) {}

  /** Codes `[stream][frame]` → samples that are known by now. */
  async push(codes: Int32Array[]): Promise<Float32Array> {
    requireOpen(this.ended);
    this.codes = this.codes.length ? joinedCodes([this.codes, codes], codes.length) : codes;
    return this.windows(false);
  }

  /** The sound of everything that was pushed and still waits; the stream ends with it. */
  async flush(): Promise<Float32Array> {
    requireOpen(this.ended);
    this.ended = true;
    return this.windows(true);
  }

  private async windows(final: boolean): Promise<Float32Array> {
    const hop = this.engine.settings.frame_length;
    const parts: Float32Array[] = [];
    for (let span = this.span(final); span; span = this.span(final)) {
      const { left, start, stop, right } = span;
      const codes = this.slice(left, right);
      const [wave, state] = await this.engine.decode(codes, this.framesPerToken, this.vocab, this.state, left, start, stop);
      parts.push(wave.subarray((start - left) * hop, (stop - left) * hop));
      this.state = state;
      this.next = stop;
      const keep = Math.max(this.begin, this.leftOf(stop));
      this.codes = this.slice(keep);
      this.begin = keep;
    }
    return joinedSamples(parts);
  }

  private span(final: boolean): Span | undefined {
    const ahead = upTo(this.engine.settings.decoder_context, this.framesPerToken);
    const core = upTo(CORE, this.framesPerToken);
    const total = this.begin + (this.codes[0]?.length ?? 0) * this.framesPerToken;
    const start = this.next;
    if (final ? start >= total : start + core + ahead > total) return undefined;
    const stop = Math.min(start + core, total);
    return { left: this.leftOf(start), start, stop, right: Math.min(stop + ahead, total) };
  }

  private slice(start: number, stop?: number): Int32Array[] {
    const [from, to] = [start, stop].map((frame) => (frame === undefined ? frame : (frame - this.begin) / this.framesPerToken));
    return this.codes.map((stream) => stream.slice(from, to));
  }

  private leftOf(start: number): number {
    const { decoder_context: context, decoder_step: step } = this.engine.settings;
    return Math.floor(Math.max(0, start - context) / step) * step;
  }
}

function upTo(frames: number, framesPerToken: number): number {
  return Math.ceil(frames / framesPerToken) * framesPerToken;
}

function requireOpen(ended: boolean): void {
  if (ended) throw new CodecError("this stream was flushed, which ends it; start another one for more");
}
