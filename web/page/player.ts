/** Plays versions of one sound, and goes from one to the other in place. */

import { SAMPLE_RATE } from "./files.js";

export class Player {
  private context?: AudioContext;
  private readonly gains = new Map<string, GainNode>();
  private sources: AudioBufferSourceNode[] = [];

  constructor(private readonly ended: () => void) {}

  get isPlaying(): boolean {
    return this.sources.length > 0;
  }

  start(versions: Map<string, Float32Array[]>, heard: string): void {
    this.stop();
    this.context ??= new AudioContext();
    void this.context.resume();
    const at = this.context.currentTime + 0.05;
    for (const [name, channels] of versions) {
      const buffer = this.context.createBuffer(channels.length, channels[0].length, SAMPLE_RATE);
      channels.forEach((channel, index) => buffer.copyToChannel(channel as Float32Array<ArrayBuffer>, index));
      const source = new AudioBufferSourceNode(this.context, { buffer });
      const gain = new GainNode(this.context, { gain: name === heard ? 1 : 0 });
      source.connect(gain).connect(this.context.destination);
      source.start(at);
      this.gains.set(name, gain);
      this.sources.push(source);
    }
    this.sources[0].onended = () => this.stop();
  }

  hear(heard: string): void {
    for (const [name, gain] of this.gains) gain.gain.setTargetAtTime(name === heard ? 1 : 0, gain.context.currentTime, 0.01);
  }

  stop(): void {
    for (const source of this.sources) {
      source.onended = null;
      source.stop();
    }
    this.sources = [];
    this.gains.clear();
    this.ended();
  }
}
