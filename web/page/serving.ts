/** A worker's answers, whatever it computes with. */

import { CodecError, type Codec } from "../src/index.js";
import type { Ask, Told } from "./messages.js";

/** What was opened cannot be used here; another worker can do the same. */
export class UnfitError extends Error {}

/**
 * Answers what the page asks.
 *
 * @param open makes the codec, when it is first needed.
 * @param fallible whether failures that are not the page's are this worker's own, so that another is to be asked.
 */
export function serve(open: (progress: (share: number) => void) => Promise<Codec>, fallible: boolean): void {
  let codec: Promise<Codec> | undefined;
  self.addEventListener("message", async ({ data: ask }: MessageEvent<Ask>) => {
    const tell = (told: Told): void => self.postMessage(told);
    const { id } = ask;
    try {
      codec ??= open((share) => tell({ kind: "share", id, what: "loading", share }));
      const model = await codec;
      const progress = (share: number): void => tell({ kind: "share", id, what: "working", share });
      if (ask.kind === "encode") {
        const { channels, sampleRate, rate, vocab } = ask;
        tell({ kind: "encoded", id, tokens: await model.encode(channels, sampleRate, { rate, vocab, progress }) });
      } else {
        tell({ kind: "decoded", id, channels: await model.decode(ask.tokens, { progress }) });
      }
    } catch (error) {
      codec = undefined; // what could not be loaded is tried again
      if (fallible && !(error instanceof CodecError)) tell({ kind: "unfit", id });
      else tell({ kind: "failed", id, reason: error instanceof Error ? error.message : String(error) });
    }
  });
}
