// The waveform: shows where the sound is, jumps where it is clicked, and takes a loop by dragging over it.

import { el } from "./dom.js";

const HEIGHT = 96;

/** A waveform bound to a player; `dispose` stops its drawing. */
export function waveform(player, buffer) {
  const canvas = el("canvas", { class: "wave", height: HEIGHT, role: "img", "aria-label": "Waveform. Drag over a part to repeat it, click to jump." });
  const ends = ["start", "end"].map((name, i) =>
    el("input", {
      type: "range", min: 0, max: player.duration, step: 0.1, value: i ? player.duration : 0, class: "loop-end",
      "aria-label": `Loop ${name} in seconds`,
      oninput: () => player.setLoop(Number(ends[0].value), Number(ends[1].value)),
    }),
  );
  const clock = el("output", { class: "clock", "aria-label": "Position" });
  const whole = el("button", { type: "button", class: "quiet", text: "Whole sound", onclick: () => player.setLoop(0, player.duration) });
  const peaks = measure(buffer.getChannelData(0), 600);
  const colours = getComputedStyle(document.documentElement);
  let dragged = null;
  let frame = 0;

  const seconds = (event) => {
    const box = canvas.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * player.duration;
  };
  canvas.addEventListener("pointerdown", (event) => {
    dragged = { from: seconds(event), x: event.clientX };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!dragged || Math.abs(event.clientX - dragged.x) < 6) return;
    const [from, to] = [dragged.from, seconds(event)].sort((a, b) => a - b);
    player.setLoop(from, to);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (dragged && Math.abs(event.clientX - dragged.x) < 6) player.seek(dragged.from);
    dragged = null;
  });

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    if (canvas.width !== Math.round(width * ratio)) [canvas.width, canvas.height] = [Math.round(width * ratio), HEIGHT * ratio];
    const brush = canvas.getContext("2d");
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, width, HEIGHT);
    const [from, to] = player.loop.map((t) => (t / player.duration) * width);
    const at = (player.position / player.duration) * width;
    brush.fillStyle = colours.getPropertyValue("--band");
    brush.fillRect(from, 0, to - from, HEIGHT);
    const step = width / peaks.length;
    peaks.forEach((peak, i) => {
      const x = i * step;
      const inside = x >= from && x <= to;
      brush.fillStyle = colours.getPropertyValue(!inside ? "--line" : x < at ? "--accent" : "--wave");
      brush.fillRect(x, HEIGHT / 2 - peak * (HEIGHT / 2 - 6), Math.max(step - 0.6, 0.6), Math.max(peak * (HEIGHT - 12), 1.5));
    });
    brush.fillStyle = colours.getPropertyValue("--ink");
    brush.fillRect(at - 1, 0, 2, HEIGHT);
    if (player.loops) for (const x of [from, to - 3]) brush.fillRect(x, 0, 3, HEIGHT);
    clock.textContent = `${player.position.toFixed(1)} / ${player.duration.toFixed(1)} s`;
    whole.disabled = !player.loops;
    ends.forEach((end, i) => (end.value = player.loop[i]));
    frame = requestAnimationFrame(draw);
  }
  frame = requestAnimationFrame(draw);
  return { node: el("div", { class: "wave-box" }, canvas, el("div", { class: "wave-foot" }, clock, ...ends, whole)), dispose: () => cancelAnimationFrame(frame) };
}

/** Peaks of equal stretches, the largest 1. */
function measure(samples, count) {
  const size = Math.max(1, Math.floor(samples.length / count));
  const peaks = Array.from({ length: count }, (_, i) => {
    let peak = 0;
    for (let j = i * size; j < Math.min((i + 1) * size, samples.length); j += 1) peak = Math.max(peak, Math.abs(samples[j]));
    return peak;
  });
  const top = Math.max(...peaks) || 1;
  return peaks.map((peak) => peak / top);
}
