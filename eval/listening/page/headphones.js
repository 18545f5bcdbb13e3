// Are those headphones? Woods et al. 2017: of three low tones one is softer and one has its two channels in opposite
// phase. Over loudspeakers that one cancels in the air and seems the softest; over headphones it does not.

import { el } from "./dom.js";
import { audioContext } from "./player.js";

const ROUNDS = 6;
const TONE = 1.0, PAUSE = 0.35, PITCH = 200, LEVEL = 0.25;

/** The check as an element; calls `done({right, of})` at its end. */
export function headphoneCheck(done) {
  const context = audioContext();
  const status = el("p", { class: "muted", role: "status" });
  const play = el("button", { type: "button", class: "primary", onclick: listen });
  const answers = [1, 2, 3].map((n) => el("button", { type: "button", text: `Tone ${n}`, disabled: true, onclick: () => answer(n - 1) }));
  let round = 0, right = 0, softer = 0, source = null;
  next();

  function next() {
    play.textContent = `Play round ${round + 1} of ${ROUNDS}`;
    status.textContent = "";
    answers.forEach((button) => (button.disabled = true));
    softer = Math.floor(Math.random() * 3);
  }

  async function listen() {
    const opposite = (softer + 1 + Math.floor(Math.random() * 2)) % 3;
    await context.resume();
    source?.stop();
    source = context.createBufferSource();
    source.buffer = tones(context, softer, opposite);
    source.connect(context.destination);
    source.start();
    status.textContent = "Which tone is the softest?";
    answers.forEach((button) => (button.disabled = false));
  }

  function answer(choice) {
    source?.stop();
    right += choice === softer ? 1 : 0;
    round += 1;
    if (round < ROUNDS) return next();
    status.textContent = right >= ROUNDS - 1 ? `${right} of ${ROUNDS} right: these are headphones.` : `${right} of ${ROUNDS} right. If you can, change to headphones that sit close, and reload the page.`;
    [play, ...answers].forEach((button) => (button.disabled = true));
    done({ right, of: ROUNDS });
  }

  return el("div", { class: "check" }, el("div", { class: "row" }, play, ...answers), status);
}

function tones(context, softer, opposite) {
  const rate = context.sampleRate;
  const buffer = context.createBuffer(2, Math.ceil((3 * TONE + 2 * PAUSE) * rate), rate);
  for (let n = 0; n < 3; n += 1) {
    const level = n === softer ? LEVEL / 2 : LEVEL;
    const start = Math.round(n * (TONE + PAUSE) * rate);
    for (let i = 0; i < TONE * rate; i += 1) {
      const envelope = Math.min(1, (i / rate) * 10, (TONE - i / rate) * 10);
      const value = level * envelope * Math.sin((2 * Math.PI * PITCH * i) / rate);
      buffer.getChannelData(0)[start + i] = value;
      buffer.getChannelData(1)[start + i] = n === opposite ? -value : value;
    }
  }
  return buffer;
}
