/** The `.sct` container, as docs/container.md writes it down: `read` and `write`, both of whole files. */

import { ContainerError } from "./errors.js";
import { bitsFor, countFrames, frameBits, joinedCodes, type Tokens } from "./tokens.js";

const MAGIC = [0x8b, 0x53, 0x43, 0x54];
const VERSION = 1;
const ENTROPY_CODED = 1;
const OTHER_RATE = 2;
const USUAL_RATE = 16_000;
const FIXED_BYTES = 26;
const CHUNK_BYTES = 6;
const TRAILER_BYTES = 14;
const CHUNK_SECONDS = 10.24;
const MAX_STREAMS = 6;
const MAX_CHANNELS = 64;
const MAX_CODEBOOK = 1 << 24;
const MAX_CHUNK_BYTES = 1 << 20;
/** A model may fill up its last block of several frames. */
const MAX_EXTRA_FRAMES = 9;
const MIN_SAMPLE_RATE = 1_000;
const MAX_SAMPLE_RATE = 768_000;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 of several pieces, one after the other. */
export function crc32(...pieces: Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const piece of pieces) for (const byte of piece) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * Writes tokens as a `.sct` file.
 *
 * @throws ContainerError they do not fit into one, or codes lie outside their codebooks.
 */
export function write(tokens: Tokens): Uint8Array {
  const frames = tokens.codes[0]?.[0]?.length ?? 0;
  const chunkFrames = chunkLength(tokens);
  const parts = [header(tokens, chunkFrames)];
  for (let start = 0; start < frames; start += chunkFrames) {
    const count = Math.min(chunkFrames, frames - start);
    const payload = packFrames(tokens, start, count);
    const head = new Uint8Array(CHUNK_BYTES);
    const view = new DataView(head.buffer);
    view.setUint16(0, count, true);
    view.setUint32(2, crc32(head.subarray(0, 2), payload), true);
    parts.push(head, payload);
  }
  const trailer = new Uint8Array(TRAILER_BYTES);
  const view = new DataView(trailer.buffer);
  view.setBigUint64(6, BigInt(tokens.samples), true);
  view.setUint32(2, crc32(trailer.subarray(6)), true);
  parts.push(trailer);
  return joined(parts);
}

/**
 * Reads the tokens of a `.sct` file; nothing that it declares is trusted for memory.
 *
 * @throws ContainerError it is none, is damaged, breaks off, or is entropy-coded.
 */
export function read(bytes: Uint8Array): Tokens {
  const { tokens, chunkFrames, size } = readHeader(bytes);
  const channels = tokens.codes.length;
  const bits = channels * frameBits(tokens.codebookSizes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Int32Array[][][] = [];
  let at = size;
  let frames = 0;
  for (let number = 0; ; number++) {
    if (at + CHUNK_BYTES > bytes.length) throw new ContainerError(`truncated inside chunk ${number}`);
    const count = view.getUint16(at, true);
    const checksum = view.getUint32(at + 2, true);
    if (!count) break;
    const length = Math.ceil((count * bits) / 8);
    if (count > chunkFrames) throw new ContainerError(`chunk ${number} is damaged (more frames than the header allows)`);
    if (at + CHUNK_BYTES + length > bytes.length) throw new ContainerError(`truncated inside chunk ${number}`);
    const payload = bytes.subarray(at + CHUNK_BYTES, at + CHUNK_BYTES + length);
    if (crc32(bytes.subarray(at, at + 2), payload) !== checksum) {
      throw new ContainerError(`chunk ${number} is damaged (checksum does not match)`);
    }
    chunks.push(unpackFrames(payload, count, channels, tokens.codebookSizes));
    frames += count;
    at += CHUNK_BYTES + length;
  }
  if (at + TRAILER_BYTES > bytes.length) throw new ContainerError("truncated inside the end");
  const length = bytes.subarray(at + CHUNK_BYTES, at + TRAILER_BYTES);
  if (crc32(length) !== view.getUint32(at + 2, true)) throw new ContainerError("damaged end (checksum does not match)");
  if (at + TRAILER_BYTES !== bytes.length) throw new ContainerError("there is data behind the end");
  const samples = Number(view.getBigUint64(at + CHUNK_BYTES, true));
  const needed = countFrames(samples, tokens.sampleRate, tokens.frameRate, tokens.modelRate);
  if (frames < needed || frames > needed + MAX_EXTRA_FRAMES) {
    throw new ContainerError(`${frames} frames do not make ${samples} samples`);
  }
  const streams = tokens.codebookSizes.length;
  const codes = tokens.codes.map((_, channel) => joinedCodes(chunks.map((chunk) => chunk[channel]), streams));
  return { ...tokens, samples, codes };
}

function chunkLength(tokens: Tokens): number {
  const channels = tokens.codes.length;
  const streams = tokens.codebookSizes.length;
  if (channels < 1 || channels > MAX_CHANNELS) throw new ContainerError(`${channels} channels do not fit into .sct`);
  if (streams < 1 || streams > MAX_STREAMS || !Number.isInteger(tokens.frameRate * 1000)) {
    throw new ContainerError(`${streams} streams of ${tokens.frameRate} frames/s do not fit into .sct`);
  }
  const fitting = Math.floor((8 * MAX_CHUNK_BYTES) / (channels * frameBits(tokens.codebookSizes)));
  return Math.max(1, Math.min(Math.round(CHUNK_SECONDS * tokens.frameRate), fitting));
}

function header(tokens: Tokens, chunkFrames: number): Uint8Array {
  if (!/^[0-9a-f]{16}$/.test(tokens.model)) throw new ContainerError(`cannot write tokens of model ${tokens.model}`);
  const other = tokens.modelRate !== USUAL_RATE;
  const streams = tokens.codebookSizes.length;
  const bytes = new Uint8Array(FIXED_BYTES + 4 * streams + (other ? 4 : 0) + 4);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  bytes[4] = VERSION;
  bytes[5] = other ? OTHER_RATE : 0;
  for (let index = 0; index < 8; index++) bytes[6 + index] = parseInt(tokens.model.slice(2 * index, 2 * index + 2), 16);
  view.setUint32(14, tokens.sampleRate, true);
  bytes[18] = tokens.codes.length;
  bytes[19] = streams;
  view.setUint32(20, Math.round(tokens.frameRate * 1000), true);
  view.setUint16(24, chunkFrames, true);
  tokens.codebookSizes.forEach((size, index) => view.setUint32(FIXED_BYTES + 4 * index, size, true));
  if (other) view.setUint32(FIXED_BYTES + 4 * streams, tokens.modelRate, true);
  view.setUint32(bytes.length - 4, crc32(bytes.subarray(0, -4)), true);
  return bytes;
}

function readHeader(bytes: Uint8Array): { tokens: Tokens; chunkFrames: number; size: number } {
  if (MAGIC.some((byte, index) => bytes[index] !== byte)) throw new ContainerError("not a .sct file");
  if (bytes.length < FIXED_BYTES) throw new ContainerError("truncated inside the header");
  const flags = bytes[5];
  if (bytes[4] !== VERSION || flags & ~(ENTROPY_CODED | OTHER_RATE)) {
    throw new ContainerError("its format is newer than this program reads; update it");
  }
  if (flags & ENTROPY_CODED) throw new ContainerError("it is entropy-coded; codec cut makes a plain file of it");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const streams = bytes[19];
  if (streams < 1 || streams > MAX_STREAMS) throw new ContainerError(`damaged header: ${streams} streams`);
  const size = FIXED_BYTES + 4 * (streams + (flags & OTHER_RATE ? 1 : 0)) + 4;
  if (bytes.length < size) throw new ContainerError("truncated inside the header");
  if (crc32(bytes.subarray(0, size - 4)) !== view.getUint32(size - 4, true)) {
    throw new ContainerError("damaged header: checksum does not match");
  }
  const channels = bytes[18];
  const tokens: Tokens = {
    codes: Array.from({ length: channels }, () => []),
    samples: 0,
    sampleRate: view.getUint32(14, true),
    frameRate: view.getUint32(20, true) / 1000,
    codebookSizes: Array.from({ length: streams }, (_, index) => view.getUint32(FIXED_BYTES + 4 * index, true)),
    model: Array.from(bytes.subarray(6, 14), (byte) => byte.toString(16).padStart(2, "0")).join(""),
    modelRate: flags & OTHER_RATE ? view.getUint32(FIXED_BYTES + 4 * streams, true) : USUAL_RATE,
  };
  const chunkFrames = view.getUint16(24, true);
  const sane =
    channels >= 1 && channels <= MAX_CHANNELS && chunkFrames > 0 && tokens.frameRate >= 1 && tokens.frameRate <= 1000 &&
    [tokens.sampleRate, tokens.modelRate].every((rate) => rate >= MIN_SAMPLE_RATE && rate <= MAX_SAMPLE_RATE) &&
    tokens.codebookSizes.every((each) => each >= 2 && each <= MAX_CODEBOOK);
  if (!sane) throw new ContainerError("damaged header: impossible values");
  if ((chunkFrames * channels * frameBits(tokens.codebookSizes)) / 8 > MAX_CHUNK_BYTES) {
    throw new ContainerError("damaged header: chunks larger than the format allows");
  }
  return { tokens, chunkFrames, size };
}

/** Frame by frame, channel by channel, stream by stream, most significant bit first. */
function packFrames(tokens: Tokens, start: number, count: number): Uint8Array {
  const { codes, codebookSizes } = tokens;
  const widths = codebookSizes.map(bitsFor);
  const bytes = new Uint8Array(Math.ceil((count * codes.length * frameBits(codebookSizes)) / 8));
  let at = 0;
  for (let frame = start; frame < start + count; frame++) {
    for (const streams of codes) {
      for (const [index, size] of codebookSizes.entries()) {
        const code = streams[index][frame];
        if (!(code >= 0 && code < size)) throw new ContainerError(`stream ${index} holds codes outside 0 … ${size - 1}`);
        for (let bit = widths[index] - 1; bit >= 0; bit--, at++) bytes[at >> 3] |= ((code >> bit) & 1) << (7 - (at & 7));
      }
    }
  }
  return bytes;
}

function unpackFrames(payload: Uint8Array, count: number, channels: number, codebookSizes: number[]): Int32Array[][] {
  const widths = codebookSizes.map(bitsFor);
  const codes = Array.from({ length: channels }, () => codebookSizes.map(() => new Int32Array(count)));
  let at = 0;
  const bit = (): number => {
    const value = (payload[at >> 3] >> (7 - (at & 7))) & 1;
    at++;
    return value;
  };
  for (let frame = 0; frame < count; frame++) {
    for (const streams of codes) {
      for (const [index, size] of codebookSizes.entries()) {
        let code = 0;
        for (let left = widths[index]; left > 0; left--) code = (code << 1) | bit();
        if (code >= size) throw new ContainerError(`codes outside 0 … ${size - 1}`);
        streams[index][frame] = code;
      }
    }
  }
  while (at < 8 * payload.length) if (bit()) throw new ContainerError("unused bits are not zero");
  return codes;
}

function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
