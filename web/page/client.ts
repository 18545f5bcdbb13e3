/** Asks the worker, and can give it up. */

import type { Tokens } from "../src/index.js";
import type { Ask, Told } from "./messages.js";

/** Work that was given up. */
export class CancelledError extends Error {}

type Body<A> = A extends { id: number } ? Omit<A, "id"> : never;

export class Client {
  private worker?: Worker;
  private count = 0;
  private giveUp?: () => void;

  constructor(private readonly shown: (what: "loading" | "working", share: number) => void) {}

  async encode(channels: Float32Array[], sampleRate: number, rate: number, vocab: number): Promise<Tokens> {
    const told = await this.ask({ kind: "encode", channels, sampleRate, rate, vocab });
    return (told as Extract<Told, { kind: "encoded" }>).tokens;
  }

  async decode(tokens: Tokens): Promise<Float32Array[]> {
    const told = await this.ask({ kind: "decode", tokens });
    return (told as Extract<Told, { kind: "decoded" }>).channels;
  }

  /** Ends what runs; the next question starts anew. */
  cancel(): void {
    this.worker?.terminate();
    this.worker = undefined;
    this.giveUp?.();
  }

  private async ask(body: Body<Ask>): Promise<Told> {
    if (typeof WebAssembly === "undefined") {
      throw new Error("This browser has no WebAssembly, or it is switched off; use another browser, or codec encode.");
    }
    this.worker ??= new Worker("worker.js", { type: "module" });
    const worker = this.worker;
    const id = this.count++;
    return new Promise((resolve, reject) => {
      this.giveUp = () => reject(new CancelledError("cancelled"));
      worker.onerror = () => reject(new Error("this browser cannot run the model: it has no WebAssembly modules in workers"));
      worker.onmessage = ({ data }: MessageEvent<Told>) => {
        if (data.id !== id) return;
        if (data.kind === "share") this.shown(data.what, data.share);
        else if (data.kind === "failed") reject(new Error(data.reason));
        else resolve(data);
      };
      worker.postMessage({ ...body, id });
    });
  }
}
