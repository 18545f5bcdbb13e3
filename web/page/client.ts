/** Asks a worker, and can give it up. */

import type { Tokens } from "../src/index.js";
import type { Ask, Told } from "./messages.js";

/** Work that was given up. */
export class CancelledError extends Error {
  constructor() {
    super("cancelled");
  }
}

type Body<A> = A extends { id: number } ? Omit<A, "id"> : never;

/** As far as it is used; TypeScript does not know it yet. */
interface Gpu {
  requestAdapter(): Promise<{ isFallbackAdapter?: boolean; info?: { isFallbackAdapter?: boolean } } | null>;
}

const GPU = "gpu.js";
const WASM = "worker.js";

export class Client {
  private worker?: Worker;
  private script?: Promise<string>;
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
    this.end();
    this.count++;
    this.giveUp?.();
  }

  /** A GPU's worker is asked first where there is one. If it is not fit, WASM's answers this question and all after it. */
  private async ask(body: Body<Ask>): Promise<Told> {
    if (typeof WebAssembly === "undefined") {
      throw new Error("This browser has no WebAssembly, or it is switched off; use another browser, or codec encode.");
    }
    const id = ++this.count;
    this.script ??= hasGpu().then((there) => (there ? GPU : WASM));
    const told = await this.answer(await this.script, { ...body, id });
    if (told.kind !== "unfit") return told;
    this.end();
    this.script = Promise.resolve(WASM);
    return this.answer(WASM, { ...body, id });
  }

  private answer(script: string, ask: Ask): Promise<Told> {
    if (ask.id !== this.count) throw new CancelledError();
    this.worker ??= new Worker(script, { type: "module" });
    const worker = this.worker;
    return new Promise((resolve, reject) => {
      this.giveUp = () => reject(new CancelledError());
      worker.onerror = () => {
        if (script === GPU) resolve({ kind: "unfit", id: ask.id });
        else reject(new Error("this browser cannot run the model: it has no WebAssembly modules in workers"));
      };
      worker.onmessage = ({ data }: MessageEvent<Told>) => {
        if (data.id !== ask.id) return;
        if (data.kind === "share") this.shown(data.what, data.share);
        else if (data.kind === "failed") reject(new Error(data.reason));
        else resolve(data);
      };
      worker.postMessage(ask);
    });
  }

  private end(): void {
    this.worker?.terminate();
    this.worker = undefined;
  }
}

/** Whether the browser offers a GPU, not a program in place of one, which would be slower than WASM. */
async function hasGpu(): Promise<boolean> {
  try {
    const adapter = await (navigator as Navigator & { gpu?: Gpu }).gpu?.requestAdapter();
    return Boolean(adapter) && !(adapter?.isFallbackAdapter ?? adapter?.info?.isFallbackAdapter);
  } catch {
    return false;
  }
}
