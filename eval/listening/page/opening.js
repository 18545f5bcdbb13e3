// From a file, whatever its size, to a sound that the server knows: the first minute is used, so no more than that is sent.

import { audioContext } from "./player.js";
import { Refused, send } from "./request.js";

const MOST = 48 * 2 ** 20; // bytes that are sent; the server takes 64 MiB
const SECONDS = 60;
const DECODED_HERE = 2 ** 30; // bytes of a file that a browser can be expected to decode

/** Opens a file: its beginning as it is, or, where that is not enough, what this browser decodes of it. */
export async function openFile(file, progress) {
  const part = file.size > MOST ? file.slice(0, MOST) : file;
  let refused = null;
  try {
    const sound = await post(part, file.name, progress);
    if (part === file || sound.seconds > SECONDS - 0.1 || file.size > DECODED_HERE) return sound;
  } catch (error) {
    if (!(error instanceof Refused) || file.size > DECODED_HERE) throw error;
    refused = error;
  }
  return post(await decodedHere(file, refused), file.name, progress);
}

/** Opens a sound that is in memory. */
export function openSamples(samples, rate, name, progress) {
  return post(wav([samples], rate), name, progress);
}

const post = (blob, name, progress) => send(`api/sounds?name=${encodeURIComponent(name.slice(-200))}`, blob, progress);

async function decodedHere(file, refused) {
  try {
    const buffer = await audioContext().decodeAudioData(await file.arrayBuffer());
    const length = Math.min(buffer.length, SECONDS * buffer.sampleRate);
    const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i).subarray(0, length));
    return wav(channels, buffer.sampleRate);
  } catch {
    throw refused ?? new Refused(`${file.name}: cannot be read here; give a part of under ${MOST >> 20} MB`);
  }
}

/** A wav file of 16-bit samples, channels mixed to one. */
function wav(channels, rate) {
  const count = channels[0].length;
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  const head = [[4, 36 + 2 * count], [16, 16], [24, rate], [28, 2 * rate], [40, 2 * count]];
  for (const [at, value] of head) view.setUint32(at, value, true);
  for (const [at, value] of [[20, 1], [22, 1], [32, 2], [34, 16]]) view.setUint16(at, value, true);
  for (const [at, word] of [[0, "RIFF"], [8, "WAVEfmt "], [36, "data"]]) text(at, word);
  for (let i = 0; i < count; i += 1) {
    let sum = 0;
    for (const samples of channels) sum += samples[i];
    view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, sum / channels.length)) * 32767, true);
  }
  return new Blob([view.buffer]);
}
