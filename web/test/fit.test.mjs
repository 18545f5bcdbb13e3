/** What may take WASM's place: made-up coders, one of which is slow, wrong, or breaks. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { isFit } from "../lib/index.js";

let clock = 0;
mock.method(performance, "now", () => clock);

function coder({ slow = 0, code = 7, sample = 0.5, first = 0, length = 3 } = {}) {
  let calls = 0;
  return {
    async encode([wave], sampleRate) {
      assert.equal(wave.length, sampleRate);
      assert.ok(wave.every((each) => Math.abs(each) < 1));
      clock += calls++ ? slow : slow + first;
      return { codes: [[Int32Array.of(1, 2), Int32Array.of(3, code)]] };
    },
    async decode() {
      return [new Float32Array(length).fill(sample)];
    },
  };
}

const known = () => coder({ slow: 60 });

test("one that gives the same, and sooner, is fit; its first time does not count", async () => {
  assert.equal(await isFit(coder({ first: 120 }), known()), true);
  assert.equal(await isFit(coder({ sample: 0.5 + 1e-5 }), known()), true, "but for rounding");
});

test("one that is slower, or gives other tokens, another sound or less of it, is not", async () => {
  for (const wrong of [{ slow: 120 }, { code: 8 }, { sample: 0.51 }, { length: 2 }, { sample: NaN }]) {
    assert.equal(await isFit(coder(wrong), known()), false, JSON.stringify(wrong));
  }
});

test("one that breaks is not, and nobody hears of it", async () => {
  const broken = { encode: () => Promise.reject(new Error("device lost")), decode: known().decode };
  assert.equal(await isFit(broken, known()), false);
});
