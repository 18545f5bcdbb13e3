/** What the page and its worker tell each other. */

import type { Tokens } from "../src/index.js";

export type Ask =
  | { kind: "encode"; id: number; channels: Float32Array[]; sampleRate: number; rate: number; vocab: number }
  | { kind: "decode"; id: number; tokens: Tokens };

export type Told =
  | { kind: "share"; id: number; what: "loading" | "working"; share: number }
  | { kind: "encoded"; id: number; tokens: Tokens }
  | { kind: "decoded"; id: number; channels: Float32Array[] }
  | { kind: "failed"; id: number; reason: string }
  /** What a GPU was asked is to be asked again without it. */
  | { kind: "unfit"; id: number };
