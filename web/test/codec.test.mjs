/**
 * The model by onnxruntime-web beside the same files by onnxruntime, whose tokens and sound lie in a folder.
 *
 * tests/integration/test_web.py makes the folder and names it in SEMCODEC_EXPECTED.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Codec, CodecError, read, write } from "../lib/index.js";
import { resample } from "../lib/resample.js";

const folder = process.env.SEMCODEC_EXPECTED;
const file = (name) => new Uint8Array(readFileSync(`${folder}/${name}`));
const floats = (name) => {
  const bytes = file(name);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
};
const model = folder
  ? new Codec({
      settings: JSON.parse(readFileSync(`${folder}/onnx.json`, "utf8")),
      encoder: file("encoder.onnx"),
      decoder: file("decoder.onnx"),
      weights: file("weights.bin"),
      weightsName: "weights.bin",
    })
  : undefined;
const modelTest = (name, run) => test(name, { skip: folder ? false : "SEMCODEC_EXPECTED names no folder" }, run);

function flips(one, other) {
  return one.codes.flat().reduce((sum, codes, index) => sum + codes.filter((code, at) => code !== other.codes.flat()[index][at]).length, 0);
}

function difference(one, other) {
  assert.equal(one.length, other.length);
  const energy = other.reduce((sum, sample) => sum + sample ** 2, 0);
  return Math.sqrt(other.reduce((sum, sample, at) => sum + (sample - one[at]) ** 2, 0) / energy);
}

modelTest("tokens and sound are those of Python, at every rate", async () => {
  const speech = floats("speech.f32");
  for (const rate of model.rates) {
    const expected = read(file(`speech_${rate}.sct`));
    const tokens = await model.encode([speech], 16_000, { rate });
    assert.ok(flips(tokens, expected) <= 1, `${flips(tokens, expected)} flips at ${rate}`);
    tokens.codes = expected.codes;
    assert.deepEqual(write(tokens), file(`speech_${rate}.sct`));
    const [wave] = await model.decode(expected);
    assert.ok(difference(wave, floats(`speech_${rate}.f32`)) < 1e-2);
  }
});

modelTest("streams give what whole files give, across windows", async () => {
  const speech = floats("speech.f32");
  const long = new Float32Array(16_000 * 23).map((_, at) => speech[at % speech.length]);
  const whole = await model.encode([long], 16_000, { rate: 25 });
  const encoder = model.streamEncoder(25);
  const parts = [];
  for (let at = 0; at < long.length; at += 99_999) parts.push(await encoder.push(long.subarray(at, at + 99_999)));
  parts.push(await encoder.flush());
  const codes = [0, 1].map((stream) => Int32Array.from(parts.flatMap((part) => [...part[stream]])));
  assert.deepEqual(codes, whole.codes[0]);
  const [once] = await model.decode(whole);
  const decoder = model.streamDecoder(whole);
  const pieces = [await decoder.push(codes.map((stream) => stream.slice(0, 100))), await decoder.push(codes.map((stream) => stream.slice(100)))];
  const rest = await decoder.flush();
  const streamed = Float32Array.from([...pieces.flatMap((piece) => [...piece]), ...rest]);
  assert.deepEqual(streamed.subarray(0, once.length), once);
  await assert.rejects(() => decoder.flush(), /start another one/);
});

modelTest("work tells how far it is, and can be ended", async () => {
  const shares = [];
  const wave = new Float32Array(16_000 * 6);
  await model.encode([wave], 16_000, { progress: (share) => shares.push(share) });
  assert.equal(shares.at(-1), 1);
  assert.ok(shares.every((share, at) => !at || share >= shares[at - 1]));
  const ending = new AbortController();
  await assert.rejects(
    () => model.encode([wave], 16_000, { signal: ending.signal, progress: () => ending.abort(new Error("enough")) }),
    /enough/,
  );
});

modelTest("what cannot be done is one sentence", async () => {
  const wave = new Float32Array(16_000);
  await assert.rejects(() => model.encode([wave], 16_000, { rate: 33 }), /rate 33 is not one of 25, 50, 100/);
  await assert.rejects(() => model.encode([wave], 16_000, { vocab: 5 }), /vocabulary 5/);
  await assert.rejects(() => model.encode([], 16_000), /no sound/);
  await assert.rejects(() => model.encode([wave], 12), /sample rate 12/);
  const tokens = await model.encode([wave], 44_100, { rate: 25 });
  assert.equal((await model.decode(tokens))[0].length, 16_000);
  await assert.rejects(() => model.decode({ ...tokens, model: "f".repeat(16) }), CodecError);
  await assert.rejects(() => model.decode({ ...tokens, codebookSizes: [7, 8192] }), CodecError);
  const fine = await model.encode([wave], 44_100, { rate: 100 });
  await assert.rejects(() => model.decode({ ...fine, frameRate: tokens.frameRate }), /8192, 8192, 8192, 8192 are not this model's/);
});

test("resampling keeps tones and their level, and lets nothing else in", () => {
  const sine = (count, frequency, rate) => Float32Array.from({ length: count }, (_, at) => Math.sin((2 * Math.PI * frequency * at) / rate));
  for (const [from, to] of [[44_100, 16_000], [48_000, 16_000], [16_000, 48_000], [8_000, 16_000]]) {
    const low = Math.min(from, to);
    const kept = resample(sine(from, 0.4 * low, from), from, to);
    assert.equal(kept.length, to);
    const middle = [Math.round(to * 0.3), Math.round(to * 0.7)];
    assert.ok(difference(kept.subarray(...middle), sine(to, 0.4 * low, to).subarray(...middle)) < 1e-3, `${from} → ${to}`);
    if (from > to) {
      const lost = resample(sine(from, 0.55 * low, from), from, to).subarray(...middle);
      assert.ok(Math.max(...lost.map(Math.abs)) < 1e-4);
    }
  }
});
