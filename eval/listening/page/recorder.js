// A microphone: how loud it is and how long it has been recorded are seen while it is.

import { audioContext } from "./player.js";

const LONGEST = 60; // s
const FLOOR = -60; // dB, left end of the meter

/** Records until `stop()`; `paint(level 0…1, seconds)` is called while it does, `done(samples, rate)` at its end. */
export async function startRecording(paint, done) {
  const wanted = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
  const context = audioContext();
  await context.resume();
  const source = context.createMediaStreamSource(stream);
  const analyser = context.createAnalyser();
  source.connect(analyser);
  const recorder = new MediaRecorder(stream);
  const parts = [];
  const began = performance.now();
  const samples = new Float32Array(analyser.fftSize);
  let frame = 0;

  function meter() {
    analyser.getFloatTimeDomainData(samples);
    const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const seconds = (performance.now() - began) / 1000;
    paint(Math.max(0, 1 - (20 * Math.log10(peak + 1e-6)) / FLOOR), seconds);
    if (seconds >= LONGEST) recorder.stop();
    else frame = requestAnimationFrame(meter);
  }
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.onstop = async () => {
    cancelAnimationFrame(frame);
    source.disconnect();
    stream.getTracks().forEach((track) => track.stop());
    // Browsers record in formats that not every machine can read; samples can be read everywhere.
    const blob = new Blob(parts, { type: recorder.mimeType });
    const buffer = await context.decodeAudioData(await blob.arrayBuffer());
    done(buffer.getChannelData(0), buffer.sampleRate);
  };
  recorder.start();
  frame = requestAnimationFrame(meter);
  return { stop: () => recorder.state === "recording" && recorder.stop() };
}
