/** Sounds in, files out. */

/** The browser decodes and resamples to this. */
export const SAMPLE_RATE = 16_000;
const LONGEST_SECONDS = 600;
const TOO_LONG = "That is longer than ten minutes, which a tab has no memory for; use codec encode.";

/**
 * Channels of any format that the browser reads, at `SAMPLE_RATE`.
 *
 * @throws Error a sentence that says what to do.
 */
export async function decoded(file: Blob): Promise<Float32Array[]> {
  if ((await duration(file)) > LONGEST_SECONDS) throw new Error(TOO_LONG); // before all of it is unpacked
  let buffer: AudioBuffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error("This browser cannot read that file; try wav, mp3, flac or ogg.");
  }
  if (buffer.duration > LONGEST_SECONDS) throw new Error(TOO_LONG);
  return Array.from({ length: Math.min(2, buffer.numberOfChannels) }, (_, index) => buffer.getChannelData(index).slice());
}

/** Seconds that a file says it lasts; 0 where it does not say, as recordings of a browser. */
function duration(file: Blob): Promise<number> {
  const address = URL.createObjectURL(file);
  const audio = new Audio();
  audio.preload = "metadata";
  return new Promise<number>((resolve) => {
    audio.onloadedmetadata = () => resolve(Number.isFinite(audio.duration) ? audio.duration : 0);
    audio.onerror = () => resolve(0);
    audio.src = address;
  }).finally(() => URL.revokeObjectURL(address));
}

/** 16-bit PCM. */
export function wav(channels: Float32Array[], sampleRate: number): Blob {
  const bytes = 2 * channels.length * channels[0].length;
  const view = new DataView(new ArrayBuffer(44 + bytes));
  const text = (at: number, letters: string): void => [...letters].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels.length, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * channels.length * sampleRate, true);
  view.setUint16(32, 2 * channels.length, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  channels[0].forEach((_, at) =>
    channels.forEach((channel, index) => view.setInt16(44 + 2 * (at * channels.length + index), Math.round(channel[at] * 32767), true)),
  );
  return new Blob([view], { type: "audio/wav" });
}

/** A `.sct` file as the part of an address behind `#`. */
export function toFragment(bytes: Uint8Array): string {
  const letters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * What `toFragment` made.
 *
 * @throws Error it was not made so, or not all of it was copied.
 */
export function fromFragment(fragment: string): Uint8Array {
  try {
    return Uint8Array.from(atob(fragment.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  } catch {
    throw new Error("This link is not whole; copy all of it.");
  }
}
