/** A model's two graphs on onnxruntime: windows of sound ↔ windows of codes. */

import * as ort from "onnxruntime-web";

import { CodecError } from "./errors.js";

/** What `codec export --onnx` wrote beside its graphs, as `onnx.json`. */
export interface Settings {
  fingerprint: string;
  sample_rate: number;
  /** By tokens per second: frames of 20 ms that a token covers, and streams. */
  points: Record<string, [number, number]>;
  vocabs: number[];
  acoustic_sizes: number[];
  frame_length: number;
  edge: number;
  encoder_context: number;
  decoder_context: number;
  decoder_step: number;
}

/** A model's files; `weights` has the name that the graphs refer to. */
export interface ModelFiles {
  settings: Settings;
  encoder: Uint8Array;
  decoder: Uint8Array;
  weights: Uint8Array;
  weightsName: string;
}

/** Phases of oscillators where the next window begins. */
export interface State {
  pitch: bigint;
  tones: BigInt64Array;
}

export const START: State = { pitch: 0n, tones: new BigInt64Array(2) };

/** Frames of 10 ms in one of 20 ms. */
const PER_FRAME = 2;

export interface EngineOptions {
  /** Where to compute, most wanted first; default: `["wasm"]`. */
  executionProviders?: string[];
}

export class Engine {
  private encoder?: Promise<ort.InferenceSession>;
  private decoder?: Promise<ort.InferenceSession>;

  constructor(
    private readonly files: ModelFiles,
    private readonly options: EngineOptions = {},
  ) {
    if (!/^[0-9a-f]{16}$/.test(files.settings?.fingerprint ?? "")) throw new CodecError("this is no model of codec export --onnx");
  }

  get settings(): Settings {
    return this.files.settings;
  }

  /** Samples with their context → codes `[stream][frame]` of all streams. */
  async encode(wave: Float32Array, framesPerToken: number, vocab: number): Promise<Int32Array[]> {
    this.encoder ??= this.session(this.files.encoder);
    const outputs = await (await this.encoder).run({
      wave: new ort.Tensor("float32", wave, [wave.length]),
      frames_per_token: number(framesPerToken),
      vocab: number(vocab),
    });
    const [streams, frames] = outputs.codes.dims;
    const codes = Int32Array.from(outputs.codes.data as BigInt64Array, Number);
    return Array.from({ length: streams }, (_, stream) => codes.slice(stream * frames, (stream + 1) * frames));
  }

  /**
   * A window of codes → its samples within ±1, and the state at frame `stop`.
   *
   * @param state at frame `start`.
   * @param left frame of 20 ms where the window begins in the stream.
   */
  async decode(
    codes: Int32Array[],
    framesPerToken: number,
    vocab: number,
    state: State,
    left: number,
    start: number,
    stop: number,
  ): Promise<[Float32Array, State]> {
    this.decoder ??= this.session(this.files.decoder);
    const frames = codes[0].length;
    const streams = 1 + this.settings.acoustic_sizes.length;
    const all = new BigInt64Array(streams * frames);
    codes.forEach((stream, index) => stream.forEach((code, frame) => (all[index * frames + frame] = BigInt(code))));
    const outputs = await (await this.decoder).run({
      codes: new ort.Tensor("int64", all, [streams, frames]),
      n_acoustic: number(codes.length - 1),
      frames_per_token: number(framesPerToken),
      vocab: number(vocab),
      position: number(PER_FRAME * left),
      anchor: number(PER_FRAME * (start - left)),
      pitch_phase: new ort.Tensor("int64", BigInt64Array.of(state.pitch), []),
      tone_phases: new ort.Tensor("int64", state.tones, [state.tones.length]),
    });
    const there = PER_FRAME * (stop - left);
    const width = state.tones.length;
    const tones = (outputs.tone_phases_after.data as BigInt64Array).slice(there * width, (there + 1) * width);
    const pitch = (outputs.pitch_phases.data as BigInt64Array)[there];
    const wave = (outputs.wave.data as Float32Array).map((sample) => Math.min(1, Math.max(-1, sample)));
    return [wave, { pitch, tones }];
  }

  private async session(graph: Uint8Array): Promise<ort.InferenceSession> {
    try {
      return await ort.InferenceSession.create(graph, {
        executionProviders: this.options.executionProviders ?? ["wasm"],
        externalData: [{ path: this.files.weightsName, data: this.files.weights }],
        logSeverityLevel: 3,
      });
    } catch (error) {
      throw new CodecError(`the model cannot be run here (${error instanceof Error ? error.message : String(error)})`);
    }
  }
}

function number(value: number): ort.Tensor {
  return new ort.Tensor("int64", BigInt64Array.of(BigInt(value)), []);
}
