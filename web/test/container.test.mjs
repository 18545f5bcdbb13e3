/** The container, byte for byte as in docs/container.md and as the Python package writes it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ContainerError, bitrate, countFrames, read, semanticOnly, write } from "../lib/index.js";

const random = (seed) => () => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;

function tokens(frames, { channels = 1, sizes = [8192, 8192], frameRate = 25, modelRate = 16_000, seed = 1 } = {}) {
  const next = random(seed);
  const codes = Array.from({ length: channels }, () =>
    sizes.map((size) => Int32Array.from({ length: frames }, () => Math.floor(next() * size))),
  );
  const samples = Math.round((frames * 16_000) / frameRate);
  return { codes, samples, sampleRate: 16_000, frameRate, codebookSizes: sizes, model: "0123456789abcdef", modelRate };
}

/** What the Python package writes for the tokens of the first test. */
const GOLDEN =
  "8b53435401000123456789abcdef803e0000010250c3000000021000000004000000ee529b73030005608a69064fc00000d44ebb838403000000000000";

test("bytes are those of the Python package", () => {
  const codes = [[Int32Array.of(0, 9, 15), Int32Array.of(1, 0, 3)]];
  const made = { ...tokens(0, { sizes: [16, 4], frameRate: 50 }), codes, samples: 900 };
  assert.equal(Buffer.from(write(made)).toString("hex"), GOLDEN);
});

test("what is written is read", () => {
  for (const options of [{}, { channels: 3, sizes: [4096, 8192, 8192, 8192] }, { sizes: [2, 1 << 24], frameRate: 12.5 }, { modelRate: 24_000 }]) {
    for (const frames of [0, 1, 255, 256, 700]) {
      const made = tokens(frames, options);
      made.samples = Math.floor(made.samples);
      assert.deepEqual(read(write(made)), made);
    }
  }
});

test("damage is refused, wherever it is", () => {
  const bytes = write(tokens(300));
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at] ^= 1 << (at % 8);
    assert.throws(() => read(damaged), ContainerError, `byte ${at}`);
  }
  for (let length = 0; length < bytes.length; length += 7) assert.throws(() => read(bytes.subarray(0, length)), ContainerError);
  assert.throws(() => read(new Uint8Array([...bytes, 0])), /behind the end/);
  assert.throws(() => read(new TextEncoder().encode("RIFF....WAVEfmt ")), /not a .sct file/);
});

test("a file lies anywhere in a buffer", () => {
  const bytes = write(tokens(10));
  const around = new Uint8Array(bytes.length + 9);
  around.set(bytes, 5);
  assert.deepEqual(read(around.subarray(5, 5 + bytes.length)), tokens(10));
});

test("codes that no codebook has are not written", () => {
  const made = tokens(4);
  made.codes[0][1][2] = 8192;
  assert.throws(() => write(made), /stream 1 holds codes outside/);
});

test("numbers of tokens", () => {
  const made = tokens(10);
  assert.equal(bitrate(made), 650);
  assert.equal(semanticOnly(made).codes[0].length, 1);
  assert.equal(bitrate(semanticOnly(made)), 325);
  assert.equal(countFrames(44_100, 44_100, 25, 16_000), 25);
  assert.equal(countFrames(44_101, 44_100, 25, 16_000), 26);
});
